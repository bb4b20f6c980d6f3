"""What a run was made with, in a form that is kept and compared: a run is gone on with by the same settings or not at all.

Two halves: how pictures were looked at, which decides what a second index can make of them, and what was asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bioclip_search import __version__
from bioclip_search.detect import Detector, categories_of
from bioclip_search.errors import RunError
from bioclip_search.searcher import Searcher

FILES = ("checklist", "geofence", "occurrences", "calibration")
"""What may be asked by a file; its bytes count, not its name."""

ARCHIVE, DATA_SET = "archive", "data set"
"""Kinds of sources that have no root; see `Source.kind`."""

LIBRARIES = ("torch", "open_clip_torch", "faiss-cpu", "pillow", "pyarrow", "ultralytics", "onnxruntime", "av")


def settings_of(searcher: Searcher, detector: Detector | None, asked: Mapping[str, Any], **looking: Any) -> dict[str, Any]:
    """All that decides what the rows say, as JSON can hold it.

    Args:
        asked: Filters and rules, by the names of `identify`.
        looking: What else decides what is seen: the least confidence of boxes, which frames of videos.
    """
    card, encoder = searcher.index.card, searcher.encoder
    return {
        "encoder": {"name": encoder.name, "fingerprint": encoder.fingerprint, "dim": encoder.dim},
        "detector": _detector(detector),
        "looking": looking,
        "index": {"name": card.name, "taxonomy": card.taxonomy.content_hash, "files": settings_hash({name: file.sha256 for name, file in card.files.items()})}
        | ({"head": card.head.mark} if card.head else {}),
        "question": {name: _told(name, value) for name, value in sorted(asked.items()) if value not in (None, (), [])},
    }


def versions() -> dict[str, str]:
    """Of this program, Python and the libraries that could change a result."""
    told = {"bioclip-search": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            told[name] = version(name)
        except PackageNotFoundError:
            continue
    return told


def settings_hash(settings: Mapping[str, Any]) -> str:
    """The same for the same settings: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def stop_if_other(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Makes sure that a run is gone on with as it was begun.

    Raises:
        RunError: Some settings differ; the message names them.
    """
    differing = list(_differences(before, now))
    if differing:
        raise RunError(
            f"{folder}: was made with other settings: {'; '.join(differing[:5])}. Give the same ones to go on with it, or another folder; "
            f"to decide anew without looking at the pictures again: bioclip-search tag --from {folder} --out ANOTHER."
        )


def stop_if_elsewhere(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Makes sure that a run is gone on with over the collection it was begun with: pictures are known by their names below its root.

    A folder that was moved has the same names; one that is still where it was, beside the one that is given now, does not.

    Raises:
        RunError: It is another collection.
    """
    (sort, old), (new_sort, new) = _whereabouts(before), _whereabouts(now)
    if sort == new_sort and (old == new or (sort != DATA_SET and _may_be(old, new))):
        return
    if sort == new_sort == ARCHIVE and Path(old).name != Path(new).name:  # pictures in archives bear their archive's name
        return
    raise RunError(
        f"{folder}: is a run over {old}, where {new} is given now. Pictures of one name would be taken for the same; "
        "tag this collection into a folder of its own, or both in one run by the folder that holds them."
    )


def _whereabouts(source: Mapping[str, Any]) -> tuple[str, str]:
    """What sort of place a collection is at, and where: its root, the run it was decided from, else what the user called it."""
    for sort in ("from", "root"):
        if source.get(sort):
            return sort, source[sort]
    return source["kind"], source["place"] if source["kind"] == DATA_SET else os.path.abspath(source["place"])


def _may_be(old: str, new: str) -> bool:
    """Whether one place is the other by another name, or was moved there."""
    try:
        return os.path.samefile(old, new)
    except OSError:
        return not os.path.exists(old)


def _detector(detector: Detector | None) -> dict[str, Any]:
    if detector is None:
        return {"name": "none", "fingerprint": None, "categories": None}
    categories = categories_of(detector)
    return {"name": detector.name, "fingerprint": detector.fingerprint, "categories": categories and list(categories)}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from (f"{name} {words}" for words in _differences(old, new))
        elif json.dumps(old) != json.dumps(new):
            yield f"{name} was {old}, now {new}"


def _told(name: str, value: Any) -> Any:
    if name in FILES and isinstance(value, str | Path) and Path(value).is_file():
        with Path(value).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if isinstance(value, list | tuple):
        return [_told(name, one) for one in value]
    return value if isinstance(value, str | int | float | bool) else str(value)
