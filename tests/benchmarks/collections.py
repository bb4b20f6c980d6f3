"""Collections of any size, made from the real photographs of the shared data by crops, mirrors and changes of light."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageOps
import pyarrow.parquet as pq

from tests.benchmarks.photographs import SHARED

QUALITY = 88
PER_FOLDER = 500
"""Pictures of one folder, which counts as a deployment."""


def write_collection(folder: Path, count: int) -> Path:
    """A folder with `count` different JPEGs of up to 800 px in sub-folders; those that are there already are kept."""
    sources = list(originals())
    for number in range(count):
        path = folder / f"camera{number // PER_FOLDER:03d}" / f"IMG_{number:06d}.JPG"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            _variation(sources[number % len(sources)], np.random.default_rng(number)).save(path, quality=QUALITY)
    return folder


def originals() -> Iterator[PIL.Image.Image]:
    """Raccoons, kangaroos and what stood before camera traps in Peru: 346 pictures of 300 to 800 px."""
    for file in sorted((SHARED / "boxes").glob("*.parquet")):
        for image in pq.read_table(file, columns=["image"]).column("image").to_pylist():
            yield PIL.Image.open(io.BytesIO(image["bytes"])).convert("RGB")
    for path in sorted((SHARED / "bursts" / "animl-peru-SDZG_1").glob("*.JPG")):
        yield PIL.Image.open(path).convert("RGB")


def _variation(picture: PIL.Image.Image, random: np.random.Generator) -> PIL.Image.Image:
    share = random.uniform(0.7, 1)
    width, height = (max(1, int(side * share)) for side in picture.size)
    left, top = (int(random.integers(0, side - part + 1)) for side, part in zip(picture.size, (width, height), strict=True))
    picture = picture.crop((left, top, left + width, top + height))
    if random.random() < 0.5:
        picture = PIL.ImageOps.mirror(picture)
    for enhance in (PIL.ImageEnhance.Brightness, PIL.ImageEnhance.Contrast, PIL.ImageEnhance.Color):
        picture = enhance(picture).enhance(random.uniform(0.6, 1.4))
    return picture
