"""Opens what a collection is tagged with: the index and what is asked of it, the detector, the choice of frames.

The same on one machine and on each worker of a cluster. What is done with it is `tagging`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bioclip_search.crops import confidence_of
from bioclip_search.decoding.videos import FrameChoice
from bioclip_search.errors import RunError, TableError
from bioclip_search.runs.deciding import Deciding
from bioclip_search.runs.tagging import Equipment

OF_DECIDING = ("index", "place_of_pictures", "calibration", "precision", "speed", "device")
OF_LOOKING = ("detector", "min_confidence", "tile_px", "every", "per_s", "workers", "timeout_s", "memory_mb", "trust_pickle", "device")
"""The options of `open_deciding` and `open_equipment`; every other is a filter or a rule."""


def open_deciding(
    index: str | Path = "starter",
    *,
    place_of_pictures: bool = False,
    calibration: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    speed: str = "auto",
    **asked: Any,
) -> Deciding:
    """The index, and what is asked of it; arguments as of `bs.tag`.

    Raises:
        TableError: A place is asked of each picture without records, or beside one for all.
        IndexFolderError, ModelError, NotCalibratedError: As `Searcher.open` and `Searcher.question`.
    """
    from bioclip_search.searcher import Searcher

    if place_of_pictures and not asked.get("occurrences"):
        raise TableError("The place of each picture (--place-of-pictures) is used with records of occurrences; give --occurrences.")
    if place_of_pictures and (asked.get("near") or asked.get("month")):
        raise TableError("Either each picture has its own place and month (--place-of-pictures) or all have one (--near, --month); give only one of the two.")
    searcher = Searcher.open(index, device=device, precision=precision, speed=speed, calibration=calibration)
    return Deciding(searcher, asked, is_local=place_of_pictures, calibration=calibration)


def open_equipment(
    deciding: Deciding,
    *,
    detector: str = "starter",
    min_confidence: float | None = None,
    tile_px: int | None = None,
    every: int | None = None,
    per_s: float | None = None,
    workers: int | None = None,
    timeout_s: float | None = None,
    memory_mb: int | None = None,
    device: str = "auto",
    trust_pickle: bool = False,
) -> Equipment:
    """All that a collection is tagged with; arguments as of `bs.tag`.

    Raises:
        RunError: No frame of a video is chosen.
        ModelError, MissingExtraError: As `load_detector`.
    """
    from bioclip_search.detect import load_detector

    choice = frame_choice(every, per_s)
    finder = load_detector(detector, device=device, trust_pickle=trust_pickle)
    least = confidence_of(finder) if min_confidence is None else min_confidence
    if tile_px and finder is not None:
        from bioclip_search.detectors.tiles import TiledDetector

        finder = TiledDetector(finder, tile_px)
    limits = {name: value for name, value in (("timeout_s", timeout_s), ("memory_mb", memory_mb)) if value is not None}
    return Equipment(deciding, finder, least, choice, workers, limits)


def frame_choice(every: int | None, per_s: float | None) -> FrameChoice:
    """Raises: RunError: it chooses nothing, or both are given."""
    try:
        return FrameChoice(every, per_s)
    except ValueError as error:
        raise RunError(str(error)) from error
