"""Bursts as a camera trap would take them, made of labelled photographs that the starter was not taught with.

An animal stands before a blurred ground and moves from frame to frame, near or far, by day or by infrared light. Some frames are
bad: it has half left the picture, is blurred by its motion, or stands behind a leaf.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageFilter
import PIL.ImageOps

SCENE_WH = (640, 480)
FRAMES = (3, 5)
"""Frames of a burst, at least and at most."""

NIGHT = 0.4
"""Share of bursts by infrared light, which are grey and full of grain."""

BAD = 0.3
"""Share of frames that are bad."""

CONFIG = Path(__file__).parents[2] / "data_manifest" / "starter-encoder.toml"


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture and its label: {rank: taxon} as far as it goes."""

    name: str
    picture: PIL.Image.Image
    label: dict[str, str]


def photographs(most_of_a_set: int, seed: int) -> Iterator[Photograph]:
    """Some pictures of each set of the starter's training, of the parts that were kept apart from it."""
    from bioclip_search.evaluation.labelled import TRAIN, sets_of_training
    from bioclip_search.prompts import RANKS
    from bioclip_search.train.config import EncoderConfig

    random = np.random.default_rng(seed)
    for labelled in sets_of_training(EncoderConfig.from_toml(CONFIG)):
        kept = np.flatnonzero(labelled.parts != TRAIN)
        wanted = np.zeros(len(labelled), bool)
        wanted[random.permutation(kept)[:most_of_a_set]] = True
        rows = labelled.taxa.take(np.flatnonzero(wanted)).to_pylist()
        for number, data, row in zip(np.flatnonzero(wanted), labelled.pictures(wanted), rows, strict=True):
            label = {rank: row[rank] for rank in RANKS if row[rank]}
            if label:
                yield Photograph(labelled.names[number], _opened(data), label)


def burst(photograph: PIL.Image.Image, random: np.random.Generator, frames: int | None = None) -> list[PIL.Image.Image]:
    """The frames of one burst, three to five unless said otherwise."""
    frames = frames or int(random.integers(FRAMES[0], FRAMES[1] + 1))
    is_night, near = random.random() < NIGHT, random.uniform(0.2, 0.85)
    ground = photograph.resize((16, 12)).resize(SCENE_WH, PIL.Image.Resampling.BICUBIC).filter(PIL.ImageFilter.GaussianBlur(12))
    return [_frame(photograph, ground, near * random.uniform(0.8, 1.2), is_night, random) for _ in range(frames)]


def _frame(photograph: PIL.Image.Image, ground: PIL.Image.Image, near: float, is_night: bool, random: np.random.Generator) -> PIL.Image.Image:
    bad = random.choice(["gone", "motion", "leaf"]) if random.random() < BAD else None
    animal = PIL.ImageOps.mirror(photograph) if random.random() < 0.5 else photograph
    height = max(16, int(SCENE_WH[1] * min(near, 0.95)))
    animal = animal.resize((max(16, round(animal.width * height / animal.height)), height), PIL.Image.Resampling.BICUBIC)
    if bad == "motion":
        animal = animal.resize((max(4, animal.width // int(random.integers(6, 12))), max(4, animal.height // 3))).resize(
            animal.size, PIL.Image.Resampling.BILINEAR
        )
    scene = ground.copy()
    left, top = (int(random.uniform(0, max(1, side - part))) for side, part in zip(SCENE_WH, animal.size, strict=True))
    if bad == "gone":
        left = -int(animal.width * random.uniform(0.5, 0.8)) if random.random() < 0.5 else SCENE_WH[0] - int(animal.width * random.uniform(0.2, 0.5))
    scene.paste(animal, (left, top))
    if bad == "leaf":
        leaf = PIL.Image.new(
            "RGB", (max(1, int(animal.width * 0.6)), max(1, int(animal.height * 0.8))), tuple(int(value) for value in random.integers(20, 110, 3))
        )
        scene.paste(leaf, (left + int(animal.width * random.uniform(0, 0.4)), top + int(animal.height * 0.1)))
    return _light(scene, is_night, random)


def _light(scene: PIL.Image.Image, is_night: bool, random: np.random.Generator) -> PIL.Image.Image:
    scene = PIL.ImageEnhance.Brightness(scene).enhance(random.uniform(0.6, 1.3))
    if is_night:
        scene = PIL.ImageEnhance.Contrast(PIL.ImageOps.grayscale(scene).convert("RGB")).enhance(random.uniform(0.7, 1.1))
    scene = scene.filter(PIL.ImageFilter.GaussianBlur(float(random.uniform(0, 1.5))))
    grain = random.standard_normal((SCENE_WH[1], SCENE_WH[0], 1), np.float32) * (12 if is_night else 4)
    return PIL.Image.fromarray((np.asarray(scene) + grain).clip(0, 255).astype(np.uint8))


def _opened(picture: Any) -> PIL.Image.Image:
    from bioclip_search.images import open_picture

    if isinstance(picture, bytes):
        return PIL.Image.open(BytesIO(picture)).convert("RGB")
    return open_picture(picture)
