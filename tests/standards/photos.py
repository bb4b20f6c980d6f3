"""Real files for small runs: pictures of noise, which is as rough wherever nothing was blurred."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import PIL.Image

from tests.standards.runs import SIZE_WH, picture


def photo(root: Path, image: str, *crops, seed: int = 0, **told):
    """Writes a noisy picture below the root; gives back what a run tells of it."""
    path = root / image
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 2, (*SIZE_WH[::-1], 1), np.uint8) * 200
    PIL.Image.fromarray(np.repeat(noise, 3, axis=2)).save(path)
    return picture(image, *crops, **{"content_hash": sha256(path.read_bytes()).hexdigest()} | told)


def look(path: Path) -> PIL.Image.Image:
    """The picture in a file, which is closed again."""
    with PIL.Image.open(path) as picture:
        picture.load()
        return picture


def roughness(picture: PIL.Image.Image, box) -> float:
    """How much neighbouring pixels differ: some 100 in our noise, next to nothing where it was blurred."""
    pixels = np.asarray(picture.convert("L").crop(tuple(map(int, box)))).astype(int)
    return float(np.abs(np.diff(pixels, axis=1)).mean())
