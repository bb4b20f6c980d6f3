"""Where a data set that was pulled is found by its name: its pictures, its labels, its boxes.

Fetching it is left to `pull`, reading it to those who ask: `evaluation.labelled`, `boxed`, `sources`.
"""

from __future__ import annotations

from pathlib import Path

from bioclip_search import places
from bioclip_search.data.manifest import CAMERA_TRAPS, HUB, Manifest, find_manifest
from bioclip_search.errors import TableError


def labels_of(manifest: Manifest) -> Path | None:
    """The table or folder that says what is shown in the pictures that were pulled; None for a set that streams from the hub.

    Raises:
        TableError: It was not pulled; tells how to.
    """
    if manifest.kind == HUB:
        return None
    folder = _folder(manifest)
    return _file(folder / f"{manifest.name}.csv", manifest) if manifest.kind == CAMERA_TRAPS else folder


def pictures_of(manifest: Manifest) -> Path | None:
    """The folder of the pictures, or the file that tells of them with their times and places; None for a set that streams from the hub.

    Raises:
        TableError: It was not pulled; tells how to.
    """
    if manifest.kind == HUB:
        return None
    folder = _folder(manifest)
    return _file(folder / f"{manifest.name}.json", manifest) if manifest.kind == CAMERA_TRAPS else folder


def boxes_of_set(name: str | Path) -> Path | None:
    """The file or folder of the pictures with boxes of a data set that was pulled; None where this is no name of a data set.

    Raises:
        TableError: It was not pulled; tells how to. Or it streams from the hub, and has no boxes.
    """
    manifest = find_manifest(name)
    if manifest is None:
        return None
    if manifest.kind == HUB:
        raise TableError(f"{manifest.name}: is a data set of pictures with labels, and has no boxes.")
    return pictures_of(manifest)


def is_here(manifest: Manifest) -> bool:
    """Whether any of the data set lies where it is found by its name."""
    return (places.user_models() if manifest.is_model else places.user_datasets()).joinpath(manifest.name).is_dir()


def _folder(manifest: Manifest) -> Path:
    if not is_here(manifest):
        consent = " --accept-licence" if manifest.consent and manifest.kind != "manual" else ""
        how = manifest.steps() if manifest.kind == "manual" else f"Fetch it, or a part of it, with: bioclip-search data pull {manifest.name}{consent}"
        raise TableError(f"The data set {manifest.name} is not here. {how}")
    return places.user_datasets() / manifest.name


def _file(path: Path, manifest: Manifest) -> Path:
    if not path.is_file():
        raise TableError(
            f"The data set {manifest.name} is not whole: {path} is missing. Run bioclip-search data pull {manifest.name} again; it goes on where it stopped."
        )
    return path
