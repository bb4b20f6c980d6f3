"""An export as one file that a browser can save: a folder becomes a zip, and pictures are taken only from where they may be.

Writing the formats is left to `standards`; this is for those who have no folder of their own on this computer.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bioclip_search.errors import ExportError
from bioclip_search.media import Deployment
from bioclip_search.runs.folder import Run
from bioclip_search.standards import FORMATS, export

ZIP = "application/zip"
JSON = "application/json"


class Shape(NamedTuple):
    """What the file of a format is called, and its kind; `is_folder`: it is zipped, `with_pictures`: it holds pictures."""

    ending: str
    mime: str
    is_folder: bool = False
    with_pictures: bool = False


SHAPES = {
    "csv": Shape(".csv", "text/csv"),
    "xlsx": Shape(".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "megadetector": Shape(".json", JSON),
    "camtrap-dp": Shape(".zip", ZIP, is_folder=True),
    "darwin-core": Shape(".zip", ZIP),
    "timelapse": Shape(".csv", "text/csv"),
    "wildlife-insights": Shape(".csv", "text/csv"),
    "coco": Shape(".json", JSON),
    "geojson": Shape(".geojson", "application/geo+json"),
    "species-folders": Shape(".zip", ZIP, is_folder=True, with_pictures=True),
    "annotated": Shape(".zip", ZIP, is_folder=True, with_pictures=True),
}
"""All of `standards.FORMATS`."""

MOST_PICTURES = 2000
"""Pictures that are written for a browser: it holds the file in memory, 3 MB a picture."""

MOST_BYTES = 1 << 30
"""Largest file that is handed to a browser."""


@dataclass(frozen=True)
class Packed:
    """A file to be saved; `lines` tell what was written, what was left out, and what to know."""

    format: str
    name: str
    mime: str
    content: bytes
    lines: tuple[str, ...]


def pack(run: Run, to: str, *, name: str, allowed: Path, **options: Any) -> Packed:
    """The run in a format, as one file.

    Args:
        name: What the file is called, without its ending.
        allowed: The folder below which pictures may be taken, whatever the run says.
        options: Those of `standards.ExportOptions`.

    Raises:
        ExportError: As `standards.export`; or it is too large for a browser, or its pictures lie elsewhere.
    """
    if to not in SHAPES:
        raise ExportError(f"There is no format {to!r}. Expected one of: {', '.join(FORMATS)}.")
    shape = SHAPES[to]
    if shape.with_pictures:
        _stop_if_not_to_be_had(run, to, allowed)
    with tempfile.TemporaryDirectory(prefix="bioclip-search-") as folder:
        out = Path(folder) / (name if shape.is_folder else f"{name}{shape.ending}")
        report = export(run, to, out, **options)
        if shape.is_folder:
            out = Path(shutil.make_archive(str(Path(folder) / "packed"), "zip", folder, out.name))
        if out.stat().st_size > MOST_BYTES:
            raise ExportError(f"The file is larger than {MOST_BYTES >> 30} GiB, too much for a browser. {_by_hand(run, to)}")
        lines = report.lines()
        first = f"{report.pictures:,} pictures, {report.observations:,} observations"
        return Packed(to, f"{name}{shape.ending}", shape.mime, out.read_bytes(), (first, *lines[1:]))


def place_told(text: str) -> tuple[float, float]:
    """Latitude and longitude in degrees, as somebody types them.

    >>> place_told(" -1.95, 30.06 "), place_told("59.9 10.7")
    ((-1.95, 30.06), (59.9, 10.7))

    Raises:
        ExportError: It is no place.
    """
    try:
        latitude, longitude = (float(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise ExportError(f"{text!r} is no place. Expected latitude and longitude in degrees, such as -1.95, 30.06.") from error
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ExportError(f"{text!r} is no place: the latitude is from -90 to 90, the longitude from -180 to 180.")
    return latitude, longitude


def placed(told: dict[str, str]) -> tuple[Deployment, ...]:
    """Deployments by what somebody typed for their places; those for which nothing was typed are left out.

    Raises:
        ExportError: One is no place.
    """
    return tuple(Deployment(name, *place_told(text)) for name, text in told.items() if text.strip())


def _stop_if_not_to_be_had(run: Run, to: str, allowed: Path) -> None:
    if (run.note["counts"].get("pictures") or 0) > MOST_PICTURES:
        raise ExportError(f"Pictures of more than {MOST_PICTURES:,} are too much for a browser. {_by_hand(run, to)}")
    for image in _images(run):
        path = run.find(image)
        if path is not None and not path.resolve().is_relative_to(allowed.resolve()):
            raise ExportError(f"{image}: lies outside of {allowed}, from where pictures may be taken. {_by_hand(run, to)}")


def _images(run: Run) -> Iterator[str]:
    for batch in run.batches(["image"]):
        yield from batch.column("image").unique().to_pylist()


def _by_hand(run: Run, to: str) -> str:
    return f"On the computer itself: bioclip-search export {run.folder} --to {to} --out NAME."
