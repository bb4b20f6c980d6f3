"""Our own small detector and its folder: `detector.json` says what it is, `detector.safetensors` holds the weights.

Needs the core dependencies only. The network itself is `network`; `train detector` makes such folders.
"""

from __future__ import annotations

import copy
import json
import math
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bioclip_search.detectors.boxes import Detection, category_names, drop_duplicates
from bioclip_search.detectors.card import AS_TRAINED, SMALL_FORMAT, Inference
from bioclip_search.detectors.views import merged, mirrored
from bioclip_search.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torchvision.models.detection.fcos import FCOS

    from bioclip_search.detectors.network import Architecture

NOTE_FILE, WEIGHTS_FILE = "detector.json", "detector.safetensors"
FORMAT = SMALL_FORMAT

MAX_NOTE_BYTES = 1 << 16
MAX_WEIGHTS_BYTES = 1 << 26
"""A folder with larger files (64 KiB, 64 MiB) is not one of ours and is not read."""

PX_RANGE = (64, 1280)
"""Longer sides that pictures may be scaled to."""

AUGMENTED_LOOKS, NEARER = 3, 1.25
"""With `augment` a picture is looked at as it is, mirrored, and this much larger."""

MAX_CATEGORIES = 100


@dataclass(frozen=True)
class DetectorNote:
    """The content of `detector.json` without the hash of the weights: `px` is the longer side that pictures are scaled to."""

    name: str
    architecture: Architecture
    px: int
    categories: tuple[str, ...] = ("organism",)
    training: str = ""
    licences: str = ""
    inference: Inference = AS_TRAINED


@dataclass(frozen=True, eq=False)
class OrganismDetector:
    """A detector from a folder; may be shared between threads, which take turns on a card and look side by side on cores.

    Attributes:
        px: The longer side that pictures are scaled to, which the card's `inference` may have changed.
    """

    name: str
    fingerprint: str
    px: int
    categories: tuple[str, ...]
    network: FCOS = field(repr=False)
    device: torch.device = field(repr=False)
    inference: Inference = AS_TRAINED
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def detect(self, pictures: Sequence[Image.Image], min_confidence: float) -> list[list[Detection]]:
        """As `Detector.detect`; pictures are looked at one by one, so that a picture's boxes do not depend on others.

        Raises:
            ModelError: The network fails while it runs.
            ValueError: `min_confidence` is not in [0, 1].
        """
        if not 0.0 <= min_confidence <= 1.0:
            raise ValueError(f"Expected a confidence between 0 and 1, got {min_confidence}.")
        return [self._found(picture, min_confidence) for picture in pictures]

    @property
    def in_lanes(self) -> bool:
        """See `lanes.lanes_of`."""
        return self.device.type == "cpu"

    @property
    def confidence(self) -> float:
        """The least confidence that its card asks for where the caller asks for no other."""
        return self.inference.confidence

    def _found(self, picture: Image.Image, min_confidence: float) -> list[Detection]:
        """One look; with `augment` also one at the mirror image and a nearer one, and what the three come to."""
        iou = self.inference.iou
        if not self.inference.augment:
            return drop_duplicates(self._detections(picture, self.px, min_confidence), iou)
        least = min_confidence / AUGMENTED_LOOKS  # Subtle: the sum of three confidences may reach what none of them does
        turned = self._detections(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), self.px, least)
        looks = [
            drop_duplicates(self._detections(picture, self.px, least), iou),
            drop_duplicates((mirrored(one, picture.width) for one in turned), iou),
            drop_duplicates(self._detections(picture, min(round(NEARER * self.px), PX_RANGE[1]), least), iou),
        ]
        return [one for one in merged(looks, iou) if one.confidence > min_confidence]

    def _detections(self, picture: Image.Image, px: int, min_confidence: float) -> Iterator[Detection]:
        import torch

        pixels, scale_wh = fit_picture(picture, px)
        image = torch.from_numpy(pixels).to(self.device).permute(2, 0, 1).float() / 255  # (3, h, w)
        try:
            with nullcontext() if self.in_lanes else self.lock, torch.inference_mode():
                network = copy.copy(self.network)  # Subtle: the same weights; a threshold of its own, for another thread may ask for another
                network.score_thresh = math.sqrt(min_confidence)
                (found,) = network([image])
        except RuntimeError as error:
            raise ModelError(f"The detector {self.name} failed: {error}") from error
        boxes = found["boxes"].cpu().double() / torch.tensor(scale_wh * 2, dtype=torch.float64)  # (n, 4)
        limits = picture.size * 2
        for box, score, label in zip(boxes.tolist(), found["scores"].tolist(), found["labels"].tolist(), strict=True):
            # Subtle: torchvision's score is the root of class probability times centredness; the product is told,
            # whose scale is nearer to that of other detectors.
            left, top, right, bottom = (min(max(edge, 0.0), float(limit)) for edge, limit in zip(box, limits, strict=True))
            if score * score > min_confidence and left < right and top < bottom:
                yield Detection((left, top, right, bottom), score * score, self.categories[label])


def fit_picture(picture: Image.Image, px: int) -> tuple[np.ndarray, tuple[float, float]]:
    """The picture scaled so that its longer side is `px`, (h, w, 3) uint8, and how much either side was scaled."""
    scale = px / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    pixels = np.array(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC))  # (h, w, 3)
    return pixels, (size[0] / picture.width, size[1] / picture.height)


def write_detector(folder: Path, note: DetectorNote, weights: dict[str, torch.Tensor]) -> None:
    """Writes the folder; weights are kept as fp16."""
    import torch
    from safetensors.torch import save

    data = save({name: value.to(torch.float16).contiguous() for name, value in weights.items()})
    content = {"format": FORMAT} | asdict(note) | {"weights_sha256": sha256(data).hexdigest()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content_bytes in ((WEIGHTS_FILE, data), (NOTE_FILE, (json.dumps(content, indent=2) + "\n").encode())):
        part = folder / (name + ".part")
        part.write_bytes(content_bytes)
        os.replace(part, folder / name)


def load_organism_detector(folder: Path, name: str | None = None, device: str = "auto", inference: Inference | None = None) -> OrganismDetector:
    """The detector in this folder, which looks at pictures as its card says.

    Args:
        name: What answers call it; by default the name in the folder.
        inference: Another way to look at pictures, for a comparison; the card stays as it is.

    Raises:
        ModelError: A file is missing, damaged, too large, of another format or does not fit, or the device is not there.
    """
    from bioclip_search.detectors.network import build_network

    note, weights_hash = read_note(folder)
    data = _read(folder / WEIGHTS_FILE, MAX_WEIGHTS_BYTES)
    if sha256(data).hexdigest() != weights_hash:
        raise ModelError(f"{folder / WEIGHTS_FILE} is not the file that {NOTE_FILE} vouches for; copy the folder again.")
    network = build_network(note.architecture, len(note.categories)).eval()
    _load_weights(network, data, folder / WEIGHTS_FILE)
    target = _device(device)
    categories = tuple(category_names(dict(enumerate(note.categories))).values())
    inference = inference or note.inference
    px = inference.image_px or note.px
    shaping = [weights_hash, asdict(note.architecture), px, categories, inference.iou, *([True] if inference.augment else [])]
    fingerprint = sha256(json.dumps(shaping).encode()).hexdigest()
    return OrganismDetector(name or note.name, fingerprint, px, categories, network.to(target), target, inference)


def read_note(folder: Path) -> tuple[DetectorNote, str]:
    """What `detector.json` says, and the SHA-256 that the weights must have.

    Raises:
        ModelError: It is missing, too large, no JSON, of another format, or a value is not what it should be.
    """
    from bioclip_search.detectors.network import Architecture

    path = folder / NOTE_FILE
    try:
        content = json.loads(_read(path, MAX_NOTE_BYTES))
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        weights_hash = str(content.pop("weights_sha256"))
        architecture = Architecture(**content.pop("architecture"))
        inference = Inference(**content.pop("inference", {}))
        note = DetectorNote(**content | {"architecture": architecture, "categories": tuple(content["categories"]), "inference": inference})
        _check_note(note)
    except KeyError as error:
        raise ModelError(f"Expected the description of a detector in {path}: it lacks {error}.") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"Expected the description of a detector in {path}: {error}") from error
    return note, weights_hash


def _check_note(note: DetectorNote) -> None:
    if type(note.px) is not int or not PX_RANGE[0] <= note.px <= PX_RANGE[1]:
        raise ValueError(f"px should be between {PX_RANGE[0]} and {PX_RANGE[1]}, it is {note.px!r}")
    if not 1 <= len(note.categories) <= MAX_CATEGORIES:
        raise ValueError(f"expected 1 to {MAX_CATEGORIES} categories, got {len(note.categories)}")
    texts: tuple[Any, ...] = (note.name, note.training, note.licences, *note.categories)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("name, categories, training and licences should be text")


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise ModelError(f"Expected a detector folder with {NOTE_FILE} and {WEIGHTS_FILE}; cannot read {path}: {error.strerror or error}.") from error
    if len(data) > max_bytes:
        raise ModelError(f"{path} is larger than {max_bytes:,} bytes, which no detector folder of this format holds.")
    return data


def _load_weights(network: FCOS, data: bytes, path: Path) -> None:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        weights = {name: value.float() for name, value in load(data).items()}
        network.load_state_dict(weights)
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise ModelError(f"The weights in {path} do not fit the network that {NOTE_FILE} describes: {str(error).splitlines()[0]}") from error
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise ModelError(f"The weights in {path} hold numbers that are not finite; train the detector again.")


def _device(device: str) -> torch.device:
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        target = torch.device(device)
        torch.zeros(1, device=target)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"The device {device!r} is not there: {str(error).splitlines()[0]}") from error
    return target
