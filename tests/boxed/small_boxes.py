"""Small sets of boxes for tests: pictures of one colour each, as bytes or files, with the boxes that a test names."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image

from bioclip_search.boxed.boxed_set import BoxedSet, TrueBox, pictures_at


def picture_bytes(number: int, size_wh: tuple[int, int] = (40, 30), kind: str = "png") -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", size_wh, (number % 256, number // 256, 90)).save(buffer, kind)
    return buffer.getvalue()


def boxes(*told: Sequence[float], category: str = "Puma concolor") -> tuple[TrueBox, ...]:
    return tuple(TrueBox(tuple(map(float, one)), category) for one in told)


def small_set(folder: Path, several: Sequence[tuple[TrueBox, ...]], name: str = "small", **changes) -> BoxedSet:
    """A set of as many pictures of 40 x 30 px, which lie in the folder as 0.png, 1.png …, all of them in the part train."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number}.png" for number in range(len(several))]
    for number, file in enumerate(files):
        if not file.exists():
            file.write_bytes(picture_bytes(number))
    told = {
        "name": name,
        "boxes": tuple(map(tuple, several)),
        "parts": np.array(["train"] * len(several), object),
        "names": tuple(f"{name}/{file.name}" for file in files),
        "pictures": partial(pictures_at, files),
    }
    return BoxedSet(**told | changes)
