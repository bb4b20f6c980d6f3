"""Box models of the YOLO and RT-DETR families, run by ultralytics: offline, silent, the same boxes in any batch.

Which file is loaded is left to `known`, what its boxes mean to `boxes`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from bioclip_search import places
from bioclip_search.detectors.boxes import NMS_MAX_IOU, Detection, category_names, drop_duplicates
from bioclip_search.detectors.card import Inference
from bioclip_search.detectors.exported import hash_of
from bioclip_search.errors import MissingExtraError, ModelError

MAX_DETECTIONS = 300
"""Boxes kept per picture, the most confident; the default of ultralytics, written out so that it cannot drift."""

ACCELERATOR_BATCH = 8
"""Pictures per forward pass on a GPU. On a CPU it is one: a batch gains nothing there and costs memory."""

TRIAL_CONFIDENCE = 0.5
"""Least confidence in the trial run when a model is loaded; its boxes are thrown away."""


@dataclass(frozen=True)
class YoloDetector:
    """Any box model that ultralytics can run; may be shared between threads, which then take turns.

    Attributes:
        confidence: The least confidence that its card asks for where the caller asks for no other; None: it has no card.
    """

    name: str
    fingerprint: str
    categories: dict[int, str | None] = field(repr=False)
    model: Any = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    batch_size: int = 1
    confidence: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def detect(self, pictures: Sequence[Image.Image], min_confidence: float) -> list[list[Detection]]:
        """As `Detector.detect`; a picture's boxes do not depend on the pictures beside it.

        Raises:
            ModelError: The model fails while it runs.
            ValueError: `min_confidence` is not in [0, 1].
        """
        if not 0.0 <= min_confidence <= 1.0:
            raise ValueError(f"Expected a confidence between 0 and 1, got {min_confidence}.")
        found: list[list[Detection]] = [[] for _ in pictures]
        for batch in _batches_of_one_size(pictures, self.batch_size):
            for number, result in zip(batch, self._predict([pictures[i] for i in batch], min_confidence), strict=True):
                found[number] = drop_duplicates(self._detections(result, pictures[number].size), self.settings["iou"])
        return found

    def _predict(self, pictures: list[Image.Image], min_confidence: float) -> list[Any]:
        import cv2

        # Arrays, not pictures: ultralytics turns a PIL picture by its EXIF tag once more. It wants BGR.
        arrays = [cv2.cvtColor(np.asarray(picture.convert("RGB")), cv2.COLOR_RGB2BGR) for picture in pictures]
        try:
            with self.lock:
                return self.model.predict(arrays, conf=min_confidence, **self.settings)
        except Exception as error:  # onnxruntime and torch fail with their own types
            raise ModelError(f"The detector {self.name} failed: {error}") from error

    def _detections(self, result: Any, size_wh: tuple[int, int]) -> Iterator[Detection]:
        width, height = size_wh
        boxes = result.boxes
        rows = zip(boxes.xyxy.tolist(), boxes.conf.tolist(), boxes.cls.int().tolist(), strict=True)
        for (left, top, right, bottom), confidence, number in rows:
            if number not in self.categories:
                raise ModelError(f"The detector {self.name} answered with class {number}, which it has no name for.")
            category = self.categories[number]
            box = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
            if category is not None and box[0] < box[2] and box[1] < box[3]:
                yield Detection(box, confidence, category)


def _batches_of_one_size(pictures: Sequence[Image.Image], batch_size: int) -> Iterator[list[int]]:
    """Positions of pictures to run together: of equal size only, since padding depends on the sizes in a batch."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for number, picture in enumerate(pictures):
        by_size.setdefault(picture.size, []).append(number)
    for numbers in by_size.values():
        for start in range(0, len(numbers), batch_size):
            yield numbers[start : start + batch_size]


def load_yolo(path: Path, name: str, device: str, image_size_px: int | None = None, inference: Inference | None = None) -> YoloDetector:
    """The detector in this .onnx or .pt file, or in another export of ultralytics; None for the size means the one that the file itself states.

    Args:
        inference: How pictures are looked at, as far as an export can be told.

    Raises:
        ModelError: The file is damaged or no box model of ultralytics, or the device is not there.
        MissingExtraError: ultralytics or onnxruntime is not installed.
    """
    ultralytics = import_ultralytics()
    if path.suffix.lower() == ".onnx" and importlib.util.find_spec("onnxruntime") is None:
        raise MissingExtraError("Detection", "detect")
    device = _choose_device(path) if device == "auto" else device
    settings = {"device": device, "iou": inference.iou if inference else NMS_MAX_IOU, "max_det": MAX_DETECTIONS, "verbose": False, "save": False}
    if image_size_px:
        settings["imgsz"] = image_size_px
    try:
        with threads_kept():
            model = ultralytics.YOLO(str(path), task=None if path.suffix.lower() == ".pt" else "detect")
            classes = _trial_run(model, path, settings)
    except Exception as error:  # pickles, protobufs and devices fail with a dozen foreign types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].removeprefix("ERROR ❌️ ")
        raise ModelError(f"Expected a box model of ultralytics in {path}; loading it on {device!r} gave: {reason}") from error
    return YoloDetector(
        name, _fingerprint(path, settings), category_names(classes), model, settings, batch_size_of(device), inference.confidence if inference else None
    )


def batch_size_of(device: str) -> int:
    """Pictures per forward pass on this device."""
    return 1 if device == "cpu" else ACCELERATOR_BATCH


def _choose_device(path: Path) -> str:
    import torch

    if path.suffix.lower() == ".onnx":
        import onnxruntime

        cuda = torch.cuda.is_available() and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        return "cuda:0" if cuda else "cpu"
    if path.suffix.lower() != ".pt":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda:0"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _trial_run(model: Any, path: Path, settings: dict[str, Any]) -> dict[int, str]:
    """As `run_once`, for a file; of an export the class names must stand in its metadata."""
    classes = run_once(model, settings)
    if path.suffix.lower() == ".onnx" and "names" not in model.predictor.model.metadata:
        raise ValueError("a model without class names, so not exported by ultralytics")
    return classes


def run_once(model: Any, settings: dict[str, Any]) -> dict[int, str]:
    """The class names, after one run on a black strip, which shows a damaged file now and not in mid-run.

    A strip, because models of free input size pad it to 32 rows only.
    """
    strip = np.zeros((8, 640, 3), dtype=np.uint8)
    result = model.predict([strip], conf=TRIAL_CONFIDENCE, **settings)[0]
    if result.boxes is None:
        raise ValueError(f"a model for the task {model.task!r}, which gives no boxes")
    return dict(result.names)


def _fingerprint(path: Path, settings: dict[str, Any]) -> str:
    """SHA-256 over the file's bytes and the settings that shape its boxes (not the device)."""
    digest = hashlib.sha256(hash_of(path).encode()) if path.is_dir() else _digest_of(path)
    digest.update(repr([settings.get(key) for key in ("imgsz", "iou", "max_det")]).encode())
    return digest.hexdigest()


def _digest_of(path: Path) -> Any:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def import_ultralytics() -> ModuleType:
    """The ultralytics package, imported so that it and onnxruntime stay offline, install nothing and keep off stdout.

    Variables that the user has set win. If ultralytics was imported before by somebody else, it is left as it is.

    Raises:
        MissingExtraError: It is not installed.
        ModelError: It is installed but does not import.
    """
    first = sys.modules.get("ultralytics") is None
    try:
        with threads_kept(), _pillow_kept(), contextlib.redirect_stdout(sys.stderr):
            _set_variables()
            import ultralytics
            import ultralytics.utils.patches
    except ModuleNotFoundError as error:
        raise MissingExtraError("Detection", "detect") from error
    except Exception as error:  # a torch and torchvision that do not match, a missing libGL
        raise ModelError(f"ultralytics is installed but does not import: {error}. Run: bioclip-search doctor") from error
    if first:
        _hand_over_logging()
    return ultralytics


@contextlib.contextmanager
def _pillow_kept() -> Iterator[None]:
    """Leaves Pillow as it was.

    Subtle: ultralytics.utils.patches puts its own function in the place of `PIL.Image.open`, which answers a file
    that is no picture by installing a package; ours must keep its limits and its words.
    """
    pillow_open = Image.open
    try:
        yield
    finally:
        Image.open = pillow_open


@contextlib.contextmanager
def threads_kept() -> Iterator[None]:
    """Leaves this process and those it starts the threads they had; the encoder shares them.

    Subtle: ultralytics sets OMP_NUM_THREADS to 1 when it is imported, which holds for whatever is loaded after it,
    and torch's thread count to one less than the cores (at most 8) when it sets up a model for the CPU.
    """
    import torch

    threads, unset = torch.get_num_threads(), not os.environ.get("OMP_NUM_THREADS")
    if unset:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        yield
    finally:
        if unset:
            os.environ.pop("OMP_NUM_THREADS", None)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _set_variables() -> None:
    # onnxruntime >= 1.29 reports to Microsoft from Linux too; it reads this once, when it is first imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_VERBOSE", "false")
    os.environ.setdefault("YOLO_CONFIG_DIR", str(places.user_cache() / "ultralytics"))


def _hand_over_logging() -> None:
    """ultralytics logs to stdout, which carries results here; let its records go where the program's own go."""
    logger = logging.getLogger("ultralytics")
    logger.handlers.clear()
    logger.propagate = True
