"""The small kind of detector from an ONNX file: the network's raw answers, made into boxes here by numpy. Needs onnxruntime only.

Writing the file is left to `exporting`; the rules are those of torchvision's FCOS (models/detection/fcos.py, `postprocess_detections`),
with which the tests compare:

1. The score of a place is the root of class probability times centredness; of each level the best 1,000 above the threshold stay.
2. A box reaches left, up, right and down from its place by the answer times the stride, and is cut off at the edge of the picture.
3. Of two boxes of a category that overlap by more than `NMS_MAX_IOU` the weaker goes; the best 100 stay.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bioclip_search.detectors.boxes import Detection, category_names, drop_duplicates
from bioclip_search.detectors.card import AS_TRAINED, Inference
from bioclip_search.detectors.exported import ExportNote
from bioclip_search.detectors.organism import fit_picture
from bioclip_search.errors import ModelError
from bioclip_search.onnx_sessions import open_onnx

STRIDES = (8, 16, 32)
NMS_MAX_IOU = 0.6
PER_LEVEL, PER_PICTURE = 1000, 100


@dataclass(frozen=True, eq=False)
class SmallOnnxDetector:
    """A small detector from an export; may be shared between threads, which then take turns."""

    name: str
    fingerprint: str
    px: int
    categories: tuple[str, ...]
    session: Any = field(repr=False)
    inference: Inference = AS_TRAINED
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def confidence(self) -> float:
        """The least confidence that its note asks for where the caller asks for no other."""
        return self.inference.confidence

    def detect(self, pictures: Sequence[Image.Image], min_confidence: float) -> list[list[Detection]]:
        """As `Detector.detect`; pictures are looked at one by one.

        Raises:
            ModelError: The network fails while it runs.
            ValueError: `min_confidence` is not in [0, 1].
        """
        if not 0.0 <= min_confidence <= 1.0:
            raise ValueError(f"Expected a confidence between 0 and 1, got {min_confidence}.")
        return [drop_duplicates(self._detections(picture, min_confidence), self.inference.iou) for picture in pictures]

    def _detections(self, picture: Image.Image, min_confidence: float) -> Iterator[Detection]:
        pixels, scale_wh = fit_picture(picture, self.px)
        height, width = pixels.shape[:2]
        padded = np.zeros((-(-height // STRIDES[-1]) * STRIDES[-1], -(-width // STRIDES[-1]) * STRIDES[-1], 3), np.uint8)
        padded[:height, :width] = pixels
        try:
            with self.lock:
                answers = self.session.run(None, {"pixels": padded, "size": np.array([height, width], np.int64)})
        except Exception as error:  # onnxruntime fails with its own types
            raise ModelError(f"The detector {self.name} failed: {error}") from error
        boxes, scores, labels = decode(*answers, padded.shape[:2], (width, height), math.sqrt(min_confidence))
        limits = picture.size * 2
        for box, score, label in zip(boxes / np.array(scale_wh * 2), scores.tolist(), labels.tolist(), strict=True):
            left, top, right, bottom = (min(max(edge, 0.0), float(limit)) for edge, limit in zip(box.tolist(), limits, strict=True))
            if score * score > min_confidence and left < right and top < bottom:
                yield Detection((left, top, right, bottom), score * score, self.categories[label])


def load_small_onnx(path: Path, note: ExportNote, threads: int = 0) -> SmallOnnxDetector:
    """The detector in this file.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelError: The file is damaged, or no export of ours.
    """
    session = open_onnx(path, "Looking with an ONNX file", "an exported detector", threads)
    told = [entry.name for entry in session.get_inputs()]
    if told != ["pixels", "size"]:
        raise ModelError(
            f"Expected an export of the small kind in {path}, which takes pixels and size; this takes {', '.join(told)}. Export the detector again."
        )
    categories = tuple(category_names(dict(enumerate(note.categories))).values())
    return SmallOnnxDetector(note.name, f"{note.sha256}+{note.inference.iou}", note.image_px, categories, session, note.inference)


def decode(
    logits: np.ndarray, reach: np.ndarray, centredness: np.ndarray, padded_hw: tuple[int, int], size_wh: tuple[int, int], min_score: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (n, 4) in pixels of the padded picture, scores (n,) and category numbers (n,), the best first, by the rules above.

    Args:
        logits: (1, a, c) float32; `reach` (1, a, 4) and `centredness` (1, a, 1) for the same a places.
        size_wh: The part of the padded picture that is filled.
    """
    probability, centred = _sigmoid(logits[0]), _sigmoid(centredness[0])  # (a, c), (a, 1)
    scores = np.sqrt(probability * centred)
    found, start = [], 0
    for stride in STRIDES:
        places = _places(padded_hw, stride)  # (l, 2)
        stop = start + len(places)
        rows, labels = np.nonzero(scores[start:stop] > min_score)
        best = np.argsort(-scores[start:stop][rows, labels], kind="stable")[:PER_LEVEL]
        rows, labels = rows[best], labels[best]
        away = reach[0, start:stop][rows] * stride  # (k, 4)
        boxes = np.concatenate([places[rows] - away[:, :2], places[rows] + away[:, 2:]], axis=1)
        boxes = np.clip(boxes, 0, np.array(size_wh * 2, np.float32))
        found.append((boxes, scores[start:stop][rows, labels], labels))
        start = stop
    boxes, values, labels = (np.concatenate(part) for part in zip(*found, strict=True))
    kept = _suppressed(boxes, values, labels)[:PER_PICTURE]
    return boxes[kept], values[kept], labels[kept]


def _places(padded_hw: tuple[int, int], stride: int) -> np.ndarray:
    """(l, 2) the corner of every cell, where torchvision puts the middle of its anchors."""
    y, x = np.mgrid[: padded_hw[0] // stride, : padded_hw[1] // stride] * stride
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def _suppressed(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The places of the boxes that rule 3 leaves, the best first."""
    order = np.argsort(-scores, kind="stable")
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    kept: list[int] = []
    while len(order) and len(kept) < PER_PICTURE:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        sides = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        whole = area[best] + area[rest] - shared
        overlap = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
        order = rest[(overlap <= NMS_MAX_IOU) | (labels[rest] != labels[best])]
    return np.array(kept, np.int64)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values.astype(np.float64)))
