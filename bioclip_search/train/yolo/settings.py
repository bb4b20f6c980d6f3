"""The settings of one training of a detector by ultralytics, checked before any picture is opened.

What they do is left to `learner`; which pictures there are, to `pictures`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal

from bioclip_search.detectors.card import check_px
from bioclip_search.errors import TableError

LEARNED = ("lr0", "lrf", "momentum", "weight_decay", "warmup_epochs", "warmup_momentum", "box", "cls", "cls_pw", "dfl")
CHANGED = (
    *("hsv_h", "hsv_s", "hsv_v", "degrees", "translate", "scale", "shear", "perspective", "flipud", "fliplr", "bgr", "mosaic", "mixup", "cutmix"),
    *("copy_paste", "close_mosaic"),
)
RECIPE = (*LEARNED, *CHANGED)
"""Settings of ultralytics that a recipe may hold: how it learns, and how pictures are changed. Their meaning and defaults:
https://docs.ultralytics.com/modes/train. They are those that its tuner evolves (ultralytics/engine/tuner.py, `Tuner.space`)."""

MAX_EPOCHS = 10_000


@dataclass(frozen=True)
class YoloSettings:
    """Everything besides the pictures that decides what a trained detector will be.

    Attributes:
        start: An architecture by name, a .pt file or the folder of a detector; see `start`.
        categories: "own" keeps those of the boxes, "one" calls each an organism.
        epochs: Passes over all pictures that are learned from.
        image_px: The longer side that pictures are scaled to, a multiple of 32.
        batch: Pictures a step.
        patience: Epochs without a better figure on the pictures kept back, after which the training ends.
        max_mb: The most that the stored weights may take, in millions of bytes; None for any.
        min_speed: The least pictures a second on this machine at the end; None for any.
        recipe: Other values for settings of `RECIPE`.
    """

    start: str
    categories: Literal["own", "one"] = "own"
    epochs: int = 100
    image_px: int = 640
    batch: int = 16
    seed: int = 0
    device: str = "auto"
    patience: int = 50
    max_mb: float | None = None
    min_speed: float | None = None
    recipe: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_whole(self.epochs, "epochs", 1, MAX_EPOCHS)
        _check_whole(self.batch, "batch", 1, 4096)
        _check_whole(self.patience, "patience", 1, MAX_EPOCHS)
        try:
            check_px(self.image_px)
        except ValueError as error:
            raise TableError(f"The side of the pictures: {error}.") from error
        if self.categories not in ("own", "one"):
            raise TableError(f"Expected categories to be own or one, got {self.categories!r}.")
        for name in ("max_mb", "min_speed"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise TableError(f"Expected {name} above 0, got {getattr(self, name)}.")
        if unknown := sorted(set(self.recipe) - set(RECIPE)):
            raise TableError(f"Unknown settings {', '.join(unknown)} in the recipe. Known are: {', '.join(RECIPE)}.")

    def fingerprint(self, pictures: str) -> str:
        """A hash over all that decides how the training goes on; of the pictures, the hash that `pictures` gives."""
        deciding: dict[str, Any] = {name: value for name, value in asdict(self).items() if name not in ("device", "max_mb", "min_speed", "recipe")}
        return sha256(json.dumps([deciding, sorted(self.recipe.items()), pictures]).encode()).hexdigest()


def _check_whole(value: Any, name: str, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise TableError(f"Expected {name} to be a whole number from {least} to {most:,}, got {value!r}.")
