"""Where the organisms are: boxes in pixels of the upright picture, and the crop that is cut out for each.

Decoding and turning upright is `images`; naming what stands in a crop is the encoder's and the index's work.
torch and ultralytics come in only behind `load_detector`, when there is a detector to load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from bioclip_search.detectors.boxes import (
    CROP_MARGIN,
    NOT_WILDLIFE,
    WILDLIFE,
    Detection,
    category_names,
    crop_box,
    is_wildlife,
)
from bioclip_search.detectors.exported import SMALL, is_export, read_note
from bioclip_search.detectors.known import KNOWN_DETECTORS, STARTER, find_detector_file, find_detector_folder, refuse_pickle

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "CROP_MARGIN",
    "KNOWN_DETECTORS",
    "NOT_WILDLIFE",
    "WILDLIFE",
    "Detection",
    "Detector",
    "categories_of",
    "category_names",
    "crop_box",
    "is_wildlife",
    "load_detector",
]


class Detector(Protocol):
    """Finds organisms, people and vehicles in upright pictures."""

    name: str
    fingerprint: str
    """Changes whenever the boxes could: with the weights, the input size or the suppression of overlaps."""

    def detect(self, pictures: Sequence[Image.Image], min_confidence: float) -> list[list[Detection]]:
        """One list per picture, most confident first, ties by box; an empty list where nothing was found."""
        ...


def categories_of(detector: Detector) -> tuple[str, ...] | None:
    """The categories that a detector can answer with, each once, in order; None where it does not tell them.

    Whoever is to blur people must know whether the detector would have seen any.
    """
    told = getattr(detector, "categories", None)
    if told is None:
        return None
    names = told.values() if isinstance(told, Mapping) else told
    return tuple(dict.fromkeys(name for name in names if name is not None))


def load_detector(name_or_path: str, *, device: str = "auto", trust_pickle: bool = False) -> Detector | None:
    """The detector of that name, file or folder; None for "none": then the whole picture is the crop.

    Args:
        name_or_path: "starter" for the small one that is shipped, a name of `KNOWN_DETECTORS`, whose file is looked
            for in `places.user_models()` and never downloaded, a folder written by `train detector`, or the path of
            an .onnx or .pt file, or an export for edge boards (see `detectors.exported`).
        device: auto, cpu, cuda, cuda:1, mps …
        trust_pickle: Whether a .pt file may be loaded: it is a pickle and can run any code.

    Raises:
        ModelError: The name is unknown, the file is missing, damaged, no box model or a pickle, or the device is
            not there.
        MissingExtraError: ultralytics or onnxruntime is not installed; folders of the small kind need neither.
    """
    if name_or_path.lower() == "none":
        return None
    if folder := find_detector_folder(name_or_path):
        from bioclip_search.detectors.card import is_small

        if not is_small(folder):
            from bioclip_search.detectors.folder import load_folder

            return load_folder(folder, device)
        from bioclip_search.detectors.organism import load_organism_detector

        return load_organism_detector(folder, STARTER if name_or_path.lower() == STARTER else None, device)
    known, path = find_detector_file(name_or_path)
    refuse_pickle(path, trust_pickle)
    note = read_note(path) if is_export(path) else None
    if note and note.kind == SMALL:
        from bioclip_search.detectors.small_onnx import load_small_onnx

        return load_small_onnx(path, note)
    from bioclip_search.detectors.yolo import load_yolo

    if note:
        return load_yolo(path, note.name, device, note.image_px, note.inference)
    return load_yolo(path, known.name if known else path.stem, device, known.image_size_px if known else None)
