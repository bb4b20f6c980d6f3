"""Proposes a box for pictures that have none, with a YOLOX model trained on COCO: the silver set of a detector.

Filtering is strict, as one wrong box teaches more harm than one missing picture. Reading the pictures is left to
`detector_data`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bioclip_search.detectors.boxes import Box, box_iou
from bioclip_search.errors import ModelError
from bioclip_search.onnx_sessions import open_onnx

ORGANISMS = (14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
"""Numbers of bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe among COCO's eighty classes."""

STRIDES = (8, 16, 32)
PAD_GREY = 114
"""What YOLOX was trained to see around a picture that is not square (yolox/data/data_augment.py, `preproc`)."""

RIVAL_SHARE = 0.5
"""A second box apart from the best with more than this part of its confidence: the picture has no dominant box."""

AREA_RANGE = (0.02, 0.98)
"""Plausible share of the picture for the only organism of a portrait."""

MAX_CENTRE_SHIFT = 0.3
"""How far the middle of the box may lie from the picture's, as a fraction of its sides: portraits are centred."""


class YoloxTeacher:
    """A YOLOX detector in an ONNX file, as exported by its own tools: one output (1, cells, 85), not yet decoded.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelError: The file is missing or no such model.
    """

    def __init__(self, path: Path, threads: int = 1):
        self.session = open_onnx(path, "Proposing boxes", "a YOLOX model", threads)
        (entry,) = self.session.get_inputs()
        self.input_name, self.px = entry.name, int(entry.shape[-1])
        self.centres, self.cell_px = _grid(self.px)
        if (shape := self.session.get_outputs()[0].shape) != [1, len(self.centres), 85]:
            raise ModelError(f"Expected a YOLOX model of 80 classes in {path}, whose output is {(1, len(self.centres), 85)}; it is {shape}.")

    def propose(self, picture: Image.Image, min_confidence: float) -> list[tuple[float, Box]]:
        """Organisms' boxes in pixels of the picture, most confident first; overlapping ones are not yet merged."""
        scale = self.px / max(picture.size)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        canvas = np.full((self.px, self.px, 3), PAD_GREY, np.float32)
        canvas[: size[1], : size[0]] = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BILINEAR))[..., ::-1]  # BGR
        (output,) = self.session.run(None, {self.input_name: canvas.transpose(2, 0, 1)[None]})
        scores = output[0, :, 4] * output[0, :, 5:][:, ORGANISMS].max(axis=1)  # (cells,)
        kept = np.flatnonzero(scores >= min_confidence)
        kept = kept[np.argsort(-scores[kept], kind="stable")]
        centre = output[0, kept, :2] * self.cell_px[kept] + self.centres[kept]  # (k, 2)
        half = np.exp(output[0, kept, 2:4]) * self.cell_px[kept] / 2  # (k, 2)
        limits = np.array(picture.size * 2, np.float32)
        boxes = np.clip(np.hstack([centre - half, centre + half]) / scale, 0, limits)  # (k, 4)
        return [(float(scores[i]), tuple(map(float, box))) for i, box in zip(kept, boxes, strict=True)]


def dominant_box(proposals: Sequence[tuple[float, Box]], size_wh: tuple[int, int], min_confidence: float) -> Box | None:
    """The one box that the picture is surely about, or None.

    1. The best proposal must reach `min_confidence`.
    2. No proposal apart from it (overlap below a half) may have more than `RIVAL_SHARE` of its confidence.
    3. Its area must lie in `AREA_RANGE`, its middle near the picture's, and it must be 8 px or more each way.
    """
    if not proposals or proposals[0][0] < min_confidence:  # rule 1
        return None
    best, box = proposals[0]
    if any(box_iou(box, other) < 0.5 and confidence > RIVAL_SHARE * best for confidence, other in proposals[1:]):  # rule 2
        return None
    (width, height), (w, h) = size_wh, (box[2] - box[0], box[3] - box[1])
    shift = max(abs((box[0] + box[2]) / 2 / width - 0.5), abs((box[1] + box[3]) / 2 / height - 0.5))
    plausible = AREA_RANGE[0] <= w * h / (width * height) <= AREA_RANGE[1] and shift <= MAX_CENTRE_SHIFT and min(w, h) >= 8
    return box if plausible else None  # rule 3


def propose_boxes(
    teacher: YoloxTeacher, pictures: Sequence[bytes], min_confidence: float, progress: Callable[[int, int], None] | None = None
) -> list[Box | None]:
    """The dominant box of each picture; None where there is none or the bytes are no picture."""
    found: list[Box | None] = []
    for number, data in enumerate(pictures):
        try:
            with Image.open(io.BytesIO(data)) as picture:
                proposals = teacher.propose(picture, min_confidence * RIVAL_SHARE)
                found.append(dominant_box(proposals, picture.size, min_confidence))
        except OSError:
            found.append(None)
        if progress and number % 200 == 0:
            progress(number, len(pictures))
    return found


def _grid(px: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each cell of the three levels starts, in pixels of the input, and its side: (cells, 2) and (cells, 1)."""
    starts, sides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[: px // stride, : px // stride] * stride
        starts.append(np.stack([x.ravel(), y.ravel()], axis=1))
        sides.append(np.full((x.size, 1), stride))
    return np.concatenate(starts).astype(np.float32), np.concatenate(sides).astype(np.float32)
