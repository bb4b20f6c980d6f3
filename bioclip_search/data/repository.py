"""Fetches the files of a repository of the Hugging Face hub as they are, and holds the checksums that the hub tells against them.

Rows of a data set are left to `streamed`; the cache, tokens and HF_HOME to the library huggingface_hub.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from bioclip_search.data.manifest import Manifest
from bioclip_search.data.space import refuse_full
from bioclip_search.data.wish import BEGUN, WHOLE, PulledSet, Wish, mark
from bioclip_search.errors import FetchError, TableError
from bioclip_search.pulling import OFFLINE_VARIABLE, hash_of, is_offline
from bioclip_search.sources.paths import locate_inside
from bioclip_search.swapping import whole_file

AT_ONCE = 4
"""Files fetched at one time; large ones fill the line by themselves."""

CHECKSUMS = "checksums.sha256"
"""What `sha256sum --check` reads: the files that are here, as they were when they came."""


LINE_LIBRARIES = frozenset({"httpx", "httpcore", "requests", "urllib"})

STREAM = "stream.json"
"""By this file a folder is known to hold rows that `streamed` kept."""


@dataclass(frozen=True)
class HubFile:
    """A file of a repository; `sha256` is what the hub tells of it, which is nothing of small ones."""

    path: str
    size_bytes: int
    sha256: str | None = None


def pull_repository(manifest: Manifest, wish: Wish, folder: Path, progress: Callable[[str, int, int], None] | None = None) -> PulledSet:
    """The files of the repository, all of them or those that fit the patterns asked for.

    Raises:
        FetchError: It cannot be reached, is not there, wants a login, or sends another file than it tells of.
        TableError: No file fits.
    """
    local = _local(manifest)
    listed = list(_files_of_folder(local)) if local else _files_of_hub(manifest)
    files = [file for file in listed if not wish.only or any(fnmatch(file.path, pattern) for pattern in wish.only)]
    if not files:
        raise TableError(
            f"{manifest.name} has no file like {', '.join(wish.only) or 'any'}. It has: {', '.join(file.path for file in listed[:20])}{' …' * (len(listed) > 20)}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / STREAM).is_file():
        raise TableError(f"{folder} holds a part of {manifest.name} already. Delete it, or give another folder with --out.")
    kept = _checksums(folder)
    lacking = [file for file in files if file.path not in kept or not _is_here(file, folder)]
    refuse_full(folder, sum(file.size_bytes for file in lacking))
    mark(folder, wish, BEGUN)
    fetch = (lambda file: _copy(local, file, folder)) if local else (lambda file: _download(manifest, file, folder))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for number, (file, sha256) in enumerate(zip(lacking, pool.map(fetch, lacking), strict=True), start=1):
                kept[file.path] = sha256
                _keep(kept, folder)
                if progress:
                    progress("files", number, len(lacking))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    mark(folder, wish, WHOLE)
    return PulledSet(manifest.name, folder, len(files), len(lacking), unit="files")


def _local(manifest: Manifest) -> Path | None:
    """The folder that stands for the repository; None where it is on the hub."""
    return next((place for place in (manifest.home / manifest.hub, Path(manifest.hub)) if place.is_dir()), None)


def _files_of_folder(root: Path) -> Iterator[HubFile]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and (not path.is_symlink() or _is_of_cache(path, root)):
            yield HubFile(path.relative_to(root).as_posix(), path.stat().st_size)


def _is_of_cache(link: Path, root: Path) -> bool:
    """Whether a link leads to the blobs of the same repository, as in the cache of huggingface_hub (snapshots/REVISION/… to blobs/…).

    Subtle: any other link is passed over, for it could lead to what the user never meant to copy.
    """
    home = root.resolve()
    return home.parent.name == "snapshots" and link.resolve().parent == home.parent.parent / "blobs"


def _files_of_hub(manifest: Manifest) -> list[HubFile]:
    if is_offline():
        raise FetchError(f"{manifest.name}: nothing is fetched, for {OFFLINE_VARIABLE} is set. {manifest.steps()}")
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    kind = "model" if manifest.is_model else "dataset"
    tree = _guarded(manifest, lambda: list(HfApi().list_repo_tree(manifest.hub, recursive=True, repo_type=kind, revision=manifest.revision)))
    return [HubFile(one.path, one.size, one.lfs.sha256 if one.lfs else None) for one in tree if isinstance(one, RepoFile)]


def _is_here(file: HubFile, folder: Path) -> bool:
    path = _place(file, folder)
    return path.is_file() and path.stat().st_size == file.size_bytes


def _place(file: HubFile, folder: Path) -> Path:
    try:
        return locate_inside(file.path, folder)[1]
    except ValueError as error:
        raise FetchError(f"The repository tells of a file {file.path!r}, which {error}. Nothing of it is fetched.") from error


def _copy(root: Path, file: HubFile, folder: Path) -> str:
    target = _place(file, folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as part:
        shutil.copyfile(root / file.path, part)
    return hash_of(target)


def _download(manifest: Manifest, file: HubFile, folder: Path) -> str:
    from huggingface_hub import hf_hub_download

    target = _place(file, folder)
    kind = "model" if manifest.is_model else "dataset"
    _guarded(manifest, lambda: hf_hub_download(manifest.hub, file.path, repo_type=kind, revision=manifest.revision, local_dir=folder))
    sha256 = hash_of(target)
    if file.sha256 and sha256 != file.sha256:
        target.unlink()
        raise FetchError(
            f"{file.path} of {manifest.hub}: is not what the hub tells of it (SHA-256 {sha256}, told was {file.sha256}), so it was deleted. Pull again."
        )
    return sha256


def _checksums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {path: sha256 for sha256, _, path in (line.partition("  ") for line in lines) if len(sha256) == hashlib.sha256().digest_size * 2}


def _keep(checksums: dict[str, str], folder: Path) -> None:
    with whole_file(folder / CHECKSUMS) as part:
        part.write_text("".join(f"{sha256}  {path}\n" for path, sha256 in sorted(checksums.items())), encoding="utf-8")


def _guarded(manifest: Manifest, ask: Callable[[], Any]) -> Any:
    """The answer; what the library, the hub and the network raise becomes one error that says what to do."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return ask()
    except GatedRepoError as error:
        raise FetchError(
            f"{manifest.hub} wants a login and your consent: open https://huggingface.co/{'' if manifest.is_model else 'datasets/'}{manifest.hub}, accept its terms, "
            "run `hf auth login`, and pull again."
        ) from error
    except RepositoryNotFoundError as error:
        raise FetchError(f"{manifest.hub} is not on the hub, or only for those who log in (`hf auth login`). {manifest.steps()}") from error
    except Exception as error:
        if not (isinstance(error, (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError, RuntimeError)) or _is_of_the_line(error)):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FetchError(f"{manifest.hub} cannot be had from the hub ({reason}). Pull again later; it goes on where it stopped. {manifest.steps()}") from error


def _is_of_the_line(error: Exception) -> bool:
    """Whether it comes from the library by which huggingface_hub speaks to the network, which has been another in each of its versions."""
    return any(kind.__module__.partition(".")[0].rstrip("0123456789") in LINE_LIBRARIES for kind in type(error).__mro__)
