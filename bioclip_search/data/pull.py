"""Fetches a named data set, or the part of it that is asked for, into the folder where it is found by name.

What is known of it is left to `manifest`; single files to `bioclip_search.pulling`, the hub to `repository` and `streamed`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from bioclip_search import places
from bioclip_search.data.camera_traps import PICTURES, Chosen, choose
from bioclip_search.data.categories import read_taxa
from bioclip_search.data.crowd import AT_ONCE, Wanted, fetch_all
from bioclip_search.data.manifest import CAMERA_TRAPS, FILES, HUB, MANUAL, REPOSITORY, Manifest, RemoteFile
from bioclip_search.data.space import refuse_full
from bioclip_search.data.subset import write_subset
from bioclip_search.data.unpacking import unpack_tar, unpacked_json
from bioclip_search.data.wish import BEGUN, WHOLE, PulledSet, Wish, mark
from bioclip_search.errors import FetchError, TableError
from bioclip_search.pulling import FIRST_WAIT_S, OFFLINE_VARIABLE, is_offline, pull

SOURCE = "source"
"""The folder of a data set that keeps its labels as they came."""

MAX_SET_BYTES = 1 << 42
"""A single file of a data set is smaller than this (4 TiB)."""

MISSING = "missing.csv"
"""Lists the pictures that could not be had, with the reason."""

Progress = Callable[[str, int, int], None]
"""Called with what is counted (a file's name for its bytes, else "pictures" or "files"), how much is done, and how much there is, 0 if that is not known."""


def pull_set(
    manifest: Manifest,
    wish: Wish | None = None,
    out: Path | None = None,
    *,
    accepts_licence: bool = False,
    progress: Progress | None = None,
    at_once: int = AT_ONCE,
    first_wait_s: float = FIRST_WAIT_S,
) -> PulledSet:
    """The data set, or the part of it that is asked for; what is here already is not fetched again.

    Args:
        out: The folder, by default the one where it is found by its name.
        accepts_licence: Whether what `manifest.consent` asks for is agreed to.
        at_once: How many pictures are fetched at one time.

    Raises:
        FetchError: It cannot be fetched, only by hand, or only after consent; tells what to do.
        TableError: It cannot be parted so, or has nothing of what is asked for.
        MissingExtraError: It is on the hub, and the library for it is not installed.
    """
    wish = wish or Wish()
    folder = out or (places.user_models() if manifest.is_model else places.user_datasets()) / manifest.name
    if manifest.kind == MANUAL:
        raise FetchError(f"{manifest.name} cannot be fetched by a program: {manifest.licence}. {manifest.steps()}")
    if manifest.consent and not accepts_licence:
        raise FetchError(
            f"{manifest.name} is given only to those who agree to this: {manifest.consent} If you do, run the command again with --accept-licence."
        )
    try:
        if manifest.kind == CAMERA_TRAPS:
            return _pull_camera_traps(manifest, wish, folder, progress, at_once, first_wait_s)
        if manifest.kind == FILES:
            return _pull_files(manifest, wish, folder, progress, first_wait_s)
        return _pull_from_hub(manifest, wish, folder, progress)
    except OSError as error:
        raise FetchError(
            f"{manifest.name}: {folder} cannot be written to ({error.strerror or error}). Free some space, mend its rights, or give another folder with --out."
        ) from error


def _pull_from_hub(manifest: Manifest, wish: Wish, folder: Path, progress: Progress | None) -> PulledSet:
    from bioclip_search.data.repository import pull_repository
    from bioclip_search.data.streamed import pull_rows

    is_parted = bool(wish.species or wish.limit or wish.split)
    if manifest.kind == HUB and is_parted:
        wish.refuse_all_but(manifest.name, manifest.kind, "species", "limit", "split")
        return pull_rows(manifest, wish, folder, progress)
    if manifest.kind not in (HUB, REPOSITORY):
        raise TableError(
            f"{manifest.name} is no data set but {manifest.what.partition(':')[0]}. See `bioclip-search data info {manifest.name}` for how to fetch it."
        )
    wish.refuse_all_but(manifest.name, manifest.kind, *(("only", "species", "limit", "split") if manifest.kind == HUB else ("only",)))
    return pull_repository(manifest, wish, folder, progress)


# Plain files


def _pull_files(manifest: Manifest, wish: Wish, folder: Path, progress: Progress | None, first_wait_s: float) -> PulledSet:
    wish.refuse_all_but(manifest.name, manifest.kind, "split", "only")
    files = [file for file in manifest.files if wish.split in (None, file.split) and (not wish.only or file.name in wish.only)]
    if not files:
        splits = ", ".join(sorted({file.split for file in manifest.files if file.split})) or "none"
        raise TableError(f"{manifest.name} has no such part. Its splits are: {splits}; its files: {', '.join(file.name for file in manifest.files)}.")
    folder.mkdir(parents=True, exist_ok=True)
    refuse_full(folder, sum(file.size_bytes or 0 for file in files if not (folder / file.name).is_file()))
    mark(folder, wish, BEGUN)
    fetched = sum(_pull_file(file, folder, progress, first_wait_s) for file in files)
    mark(folder, wish, WHOLE)
    return PulledSet(manifest.name, folder, len(files), fetched, unit="files")


def _pull_file(file: RemoteFile, folder: Path, progress: Progress | None, first_wait_s: float) -> bool:
    """Whether it had to be fetched. Of an archive that is unpacked an empty file with the ending .unpacked stays."""
    path, done = folder / file.name, folder / f"{file.name}.unpacked"
    if file.is_unpacked and done.is_file():
        return False
    pulled = pull(
        file.url, path, md5=file.md5, sha256=file.sha256, most_bytes=MAX_SET_BYTES, progress=_bytes_of(file.name, progress), first_wait_s=first_wait_s
    )
    if file.is_unpacked:
        unpack_tar(path, folder, (lambda n: progress(f"{file.name}, unpacked", n, 0)) if progress else None)
        done.write_text(f"{pulled.sha256}  {file.name}\n", encoding="utf-8")
        path.unlink()
        path.with_name(f"{path.name}.sha256").unlink(missing_ok=True)
    return not pulled.was_here


def _bytes_of(name: str, progress: Progress | None) -> Callable[[int, int], None] | None:
    return (lambda done, total: progress(name, done, total)) if progress else None


# Camera traps


def _pull_camera_traps(manifest: Manifest, wish: Wish, folder: Path, progress: Progress | None, at_once: int, first_wait_s: float) -> PulledSet:
    wish.refuse_all_but(manifest.name, manifest.kind, "species", "locations", "split", "limit", "boxes")
    source = folder / SOURCE
    source.mkdir(parents=True, exist_ok=True)
    labels = _labels(manifest, wish, source, progress, first_wait_s)
    taxa, notes = _taxa(manifest, source, first_wait_s)
    chosen = choose(labels, wish, taxa, folder)
    if not chosen.count:
        raise TableError(f"{manifest.name} has no picture of what is asked for. Ask for less at once, or look at its categories in {labels}.")
    if manifest.size_bytes and manifest.n_pictures:
        refuse_full(folder, int(_lacking(chosen, folder) * manifest.size_bytes / manifest.n_pictures))
    mark(folder, wish, BEGUN, count=chosen.count)
    here, fetched, missing = _fetch_pictures(manifest, chosen, folder, progress, at_once, first_wait_s)
    if not here:
        raise FetchError(f"None of the {chosen.count:,} pictures of {manifest.name} could be had; {folder / MISSING} tells why. {manifest.steps()}")
    _, _, untold = write_subset(chosen, folder, manifest.name)
    mark(folder, wish, WHOLE, count=here, missing=missing)
    notes += [f"{n:,} pictures {reason}." for reason, n in (chosen.left_out + untold).most_common()]
    if missing:
        notes.append(f"{missing:,} pictures could not be had; {folder / MISSING} lists them. Run the command again to try these once more.")
    return PulledSet(manifest.name, folder, here, fetched, missing, notes=tuple(notes))


def _labels(manifest: Manifest, wish: Wish, source: Path, progress: Progress | None, first_wait_s: float) -> Path:
    if wish.boxes and not manifest.boxes:
        raise TableError(f"{manifest.name} has no labels with boxes beside its others; leave --boxes out. What boxes it has are in its labels.")
    address = manifest.boxes if wish.boxes else manifest.labels
    path = source / _last_part(address)
    pull(address, path, most_bytes=MAX_SET_BYTES, progress=_bytes_of(path.name, progress), first_wait_s=first_wait_s)
    return unpacked_json(path)


def _last_part(address: str) -> str:
    return Path(unquote(urlsplit(address).path).replace("\\", "/")).name or "labels.json"


def _taxa(manifest: Manifest, source: Path, first_wait_s: float) -> tuple[dict[str, dict[str, str]], list[str]]:
    """What the table of taxa tells of the set's categories; it is a help, so that the pull goes on where it cannot be had."""
    if not manifest.taxonomy:
        return {}, []
    path = source / _last_part(manifest.taxonomy)
    try:
        pull(manifest.taxonomy, path, first_wait_s=first_wait_s)
    except FetchError as error:
        return {}, [f"The table of taxa cannot be had, so categories are called as the set calls them, and --species knows no higher taxa: {error}"]
    taxa = read_taxa(path, manifest.name_in_taxonomy)
    return taxa, [] if taxa else [f"The table of taxa {path} tells nothing of {manifest.name_in_taxonomy!r}, so categories are called as the set calls them."]


def _lacking(chosen: Chosen, folder: Path) -> int:
    return sum(not (folder / PICTURES / row["image"]["file_name"]).is_file() for row in chosen.rows())


def _fetch_pictures(manifest: Manifest, chosen: Chosen, folder: Path, progress: Progress | None, at_once: int, first_wait_s: float) -> tuple[int, int, int]:
    """How many pictures are here, came just now, and could not be had; the last are listed in a file."""
    here = fetched = missing = 0
    numbers = count(1)
    with (folder / MISSING).open("w", encoding="utf-8", errors="replace", newline="") as lost:
        writer = csv.writer(lost, lineterminator="\n")
        writer.writerow(("address", "reason"))
        for got in fetch_all(_wanted(manifest, chosen, folder), at_once, first_wait_s):
            here += not got.error
            fetched += not got.error and not got.was_here
            if got.error:
                missing += 1
                writer.writerow((got.wanted.address, got.error.partition(" To fetch it by hand")[0]))
            if progress:
                progress(PICTURES, next(numbers), chosen.count)
    if not missing:
        (folder / MISSING).unlink()
    return here, fetched, missing


def _wanted(manifest: Manifest, chosen: Chosen, folder: Path) -> Iterator[Wanted]:
    if is_offline() and _lacking(chosen, folder):
        raise FetchError(f"{manifest.name}: nothing is fetched, for {OFFLINE_VARIABLE} is set. {manifest.steps()}")
    base = manifest.pictures.rstrip("/") + "/"
    for row in chosen.rows():
        name = row["image"]["file_name"]
        yield Wanted(base + quote(name), folder / PICTURES / name)
