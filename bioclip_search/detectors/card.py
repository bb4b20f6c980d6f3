"""What a detector folder says of itself in `detector.json`, and how its pictures are to be looked at.

Knows no network: the small kind is built by `organism`, the kind that ultralytics runs by `folder`. Finding the best settings is left
to the package `train`, which writes them with `change_inference`.

    format     "bioclip-search detector 1" for the small kind, "bioclip-search detector 2" for what ultralytics runs
    inference  confidence, iou, image_px, augment; a folder without it is looked at in the usual way
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from bioclip_search.detectors.boxes import NMS_MAX_IOU
from bioclip_search.errors import ModelError
from bioclip_search.swapping import whole_file

CARD_FILE = "detector.json"
SMALL_FORMAT, FORMAT = "bioclip-search detector 1", "bioclip-search detector 2"
KIND = "ultralytics"

MAX_CARD_BYTES = 1 << 20
"""A larger `detector.json` (1 MiB) is not one of ours and is not read."""

MAX_CATEGORIES = 1000
"""More categories than any detector folder may have: each costs weights, and a long list would only cost memory."""

PX_RANGE = (32, 2048)
"""Sides in pixels that pictures may be scaled to; both are multiples of 32, the largest stride of the networks."""

USUAL_CONFIDENCE = 0.2
"""The confidence that boxes need unless a folder says otherwise; that of `crops.DETECTOR_CONFIDENCE`."""


@dataclass(frozen=True)
class Inference:
    """How a detector looks at pictures.

    Attributes:
        confidence: The least confidence of a box where the caller asks for no other.
        iou: Overlap above which the weaker of two boxes of a category is dropped.
        image_px: The longer side that pictures are scaled to, None for that of the training.
        augment: Whether each picture is looked at mirrored and at other sizes as well (test-time augmentation).
    """

    confidence: float = USUAL_CONFIDENCE
    iou: float = NMS_MAX_IOU
    image_px: int | None = None
    augment: bool = False

    def __post_init__(self) -> None:
        for name in ("confidence", "iou"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
                raise ValueError(f"expected {name} between 0 and 1, got {value!r}")
        if self.image_px is not None:
            check_px(self.image_px)
        if not isinstance(self.augment, bool):
            raise ValueError(f"expected augment to be true or false, got {self.augment!r}")


AS_TRAINED = Inference()
"""The usual way to look at pictures, where a card tells no other."""


@dataclass(frozen=True)
class DetectorCard:
    """The card of a detector that ultralytics runs, without the hash of its weights.

    Attributes:
        architecture: A name of `architectures.ARCHITECTURES`, never a description of layers.
        image_px: The side of the pictures that it was trained on.
        data: How many pictures and boxes taught it and measured it.
        recipe: The settings of the training.
        metrics: Figures of `evaluation.detection` on the pictures kept back.
    """

    name: str
    architecture: str
    categories: tuple[str, ...]
    image_px: int
    inference: Inference = AS_TRAINED
    training: str = ""
    licences: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_px(self.image_px)
        check_categories(self.categories)
        if not all(isinstance(text, str) for text in (self.name, self.architecture, self.training, self.licences)):
            raise ValueError("name, architecture, training and licences should be text")
        if not all(isinstance(told, Mapping) for told in (self.data, self.recipe, self.metrics)):
            raise ValueError("data, recipe and metrics should be objects")


def check_px(px: Any) -> None:
    """Returns for a side that pictures can be scaled to.

    Raises:
        ValueError: It is not a multiple of 32 in `PX_RANGE`.
    """
    if type(px) is not int or px % 32 or not PX_RANGE[0] <= px <= PX_RANGE[1]:
        raise ValueError(f"expected image_px to be a multiple of 32 between {PX_RANGE[0]} and {PX_RANGE[1]}, got {px!r}")


def check_categories(categories: Sequence[Any]) -> None:
    """Returns for names that a detector can answer with.

    Raises:
        ValueError: There is none, there are too many, one is no text or empty, or two are equal.
    """
    if not 1 <= len(categories) <= MAX_CATEGORIES or not all(isinstance(one, str) and one.strip() for one in categories):
        raise ValueError(f"expected 1 to {MAX_CATEGORIES:,} categories, each a name, got {len(categories):,}")
    if len(set(categories)) != len(categories):
        raise ValueError("expected each category once, but one stands there twice")


def is_small(folder: Path) -> bool:
    """Whether the folder holds a detector of the small kind, which needs no ultralytics.

    Raises:
        ModelError: Its card cannot be read, or is of neither format.
    """
    return read_content(folder)["format"] == SMALL_FORMAT


def read_card(folder: Path) -> tuple[DetectorCard, str]:
    """The card of a detector that ultralytics runs, and the SHA-256 that its weights must have.

    Raises:
        ModelError: It is missing, too large, no JSON, of another format, or a value is not what it should be.
    """
    content = read_content(folder)
    try:
        if content["format"] != FORMAT or content.get("kind") != KIND:
            raise ValueError(f"its format is not {FORMAT!r} of the kind {KIND!r}")
        known = {entry.name for entry in fields(DetectorCard)}
        told = {key: value for key, value in content.items() if key in known}
        told |= {"categories": tuple(content["categories"]), "inference": Inference(**content.get("inference", {}))}
        return DetectorCard(**told), str(content["weights_sha256"])
    except KeyError as error:
        raise ModelError(f"Expected the description of a detector in {folder / CARD_FILE}: it lacks {error}.") from error
    except (ValueError, TypeError) as error:
        raise ModelError(f"Expected the description of a detector in {folder / CARD_FILE}: {error}.") from error


def write_card(folder: Path, card: DetectorCard, weights_sha256: str) -> None:
    """Writes the card in one move; the folder must be there."""
    _write(folder, {"format": FORMAT, "kind": KIND} | asdict(card) | {"weights_sha256": weights_sha256})


def read_inference(folder: Path) -> Inference:
    """How the detector in the folder looks at pictures, of either kind.

    Raises:
        ModelError: Its card cannot be read, or tells of settings that there are not.
    """
    try:
        return Inference(**read_content(folder).get("inference", {}))
    except (ValueError, TypeError) as error:
        raise ModelError(f"Expected how to look at pictures in {folder / CARD_FILE}: {error}.") from error


def change_inference(folder: Path, **changes: Any) -> Inference:
    """Writes other settings into the card of the folder, of either kind, and returns them all; the weights stay as they are.

    >>> change_inference(Path("my-detector"), confidence=0.35, image_px=960)  # doctest: +SKIP
    Inference(confidence=0.35, iou=0.45, image_px=960, augment=False)

    Raises:
        ModelError: The card cannot be read or written.
        ValueError: A value is not what it should be.
    """
    inference = replace(read_inference(folder), **changes)
    _write(folder, read_content(folder) | {"inference": asdict(inference)})
    return inference


def read_content(folder: Path) -> dict[str, Any]:
    """The object in `detector.json`, of which only the format is looked at.

    Raises:
        ModelError: It is missing, too large, no JSON object, or of a format that is not known.
    """
    path = folder / CARD_FILE
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise ModelError(f"Expected a detector folder with {CARD_FILE}; cannot read {path}: {error.strerror or error}.") from error
    if len(data) > MAX_CARD_BYTES:
        raise ModelError(f"{path} is larger than {MAX_CARD_BYTES:,} bytes, which no detector folder holds.")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"Expected the description of a detector in {path}: {error}") from error
    if not isinstance(content, dict) or content.get("format") not in (SMALL_FORMAT, FORMAT):
        raise ModelError(f"Expected the description of a detector in {path}: its format is neither {SMALL_FORMAT!r} nor {FORMAT!r}.")
    return content


def _write(folder: Path, content: Mapping[str, Any]) -> None:
    try:
        with whole_file(folder / CARD_FILE) as part:
            part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelError(f"Cannot write {folder / CARD_FILE}: {error.strerror or error}.") from error
