"""Large JPEGs as cameras write them, made from a few real photographs by crops, mirrors and changes of light."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageOps

SHARED = Path(os.environ.get("BIOCLIP_SEARCH_SHARED") or Path(__file__).resolve().parents[3] / "shared" / "data")
ELEPHANTS = SHARED / "hostile" / "african_elephants.jpg"

SIZE_WH = (2048, 1536)
REFERENCE_WH = (512, 384)
QUALITY = 90
GRAIN = 6.0
"""Standard deviation of the sensor noise, of 255, that enlarged pictures lack; it makes files as large as a camera's."""


def originals() -> list[PIL.Image.Image]:
    """Photographs that scikit-image and scikit-learn ship, and one of the shared data where that is at hand."""
    from skimage.data import chelsea, coffee
    from sklearn.datasets import load_sample_images

    pictures = [PIL.Image.fromarray(array) for array in (chelsea(), coffee(), *load_sample_images().images)]
    return pictures + ([PIL.Image.open(ELEPHANTS).convert("RGB")] if ELEPHANTS.is_file() else [])


def write_photographs(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """`count` different JPEGs of 2048 × 1536 pixels; those that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04d}.jpg" for number in range(count)]
    sources = originals()
    for number, path in enumerate(paths):
        if not path.is_file():
            _variation(sources[number % len(sources)], np.random.default_rng((seed, number)), SIZE_WH).save(path, quality=QUALITY)
    return paths


def reference_pictures(count: int, seed: int = 1) -> list[PIL.Image.Image]:
    """Other variations of the same photographs, smaller: what a species may look like."""
    sources = originals()
    return [_variation(sources[number % len(sources)], np.random.default_rng((seed, number)), REFERENCE_WH) for number in range(count)]


def _variation(picture: PIL.Image.Image, random: np.random.Generator, size_wh: tuple[int, int]) -> PIL.Image.Image:
    share = random.uniform(0.35, 1)
    width, height = (max(1, int(side * share)) for side in picture.size)
    left, top = (int(random.integers(0, side - part + 1)) for side, part in zip(picture.size, (width, height), strict=True))
    picture = picture.crop((left, top, left + width, top + height)).resize(size_wh, PIL.Image.Resampling.BICUBIC)
    if random.random() < 0.5:
        picture = PIL.ImageOps.mirror(picture)
    for enhance in (PIL.ImageEnhance.Brightness, PIL.ImageEnhance.Contrast, PIL.ImageEnhance.Color):
        picture = enhance(picture).enhance(random.uniform(0.6, 1.4))
    grain = random.standard_normal((size_wh[1], size_wh[0], 1), np.float32) * GRAIN
    return PIL.Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))
