"""Pictures of the small index's leaves whose vectors are not quite those of their texts, and an encoder that sees them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image

from tests.conftest import ColourEncoder

SPECIES = ("Panthera leo", "Panthera uncia", "Felis catus", "Vulpes vulpes", "Oenanthe oenanthe", "Turdus merula", "Cyprinus carpio", "Oenanthe crocata")
"""Those of the small index."""

TOWARDS_TEXT = 0.25
"""How much of a picture's vector comes from its text; the rest is what its kind looks like, which no text tells, and noise."""


class SpeckledEncoder(ColourEncoder):
    """Red tells the leaf, green the picture of it: a vector of the text, of a look that all pictures of the leaf share, and of noise.

    `log` is a file to which every picture that is encoded is written, with a rest after each batch, for tests that count or kill.
    """

    def __init__(self, texts: Sequence[str], log: Path | None = None, rest_s: float = 0.0):
        super().__init__(texts)
        self.log, self.rest_s = log, rest_s

    def prepare(self, picture: PIL.Image.Image) -> tuple[int, int, int]:
        return picture.getpixel((0, 0))

    def encode_prepared(self, prepared: Sequence[tuple[int, int, int]]) -> np.ndarray:
        texts = self.encode_texts([self.texts[red] for red, _, _ in prepared])
        looks = np.array([np.random.default_rng((7, red)).standard_normal(self.dim) for red, _, _ in prepared]).reshape(len(prepared), self.dim)
        noise = np.array([np.random.default_rng(list(pixel)).standard_normal(self.dim) for pixel in prepared]).reshape(len(prepared), self.dim)
        rows = TOWARDS_TEXT * texts + (looks + 0.8 * noise) / self.dim**0.5
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as out:
                out.write("".join(f"{red} {green} {blue}\n" for red, green, blue in prepared))
            time.sleep(self.rest_s)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def leaf_numbers(taxonomy) -> dict[str, int]:
    """The leaf of each species in the small index."""
    species = taxonomy.leaves["species"].to_pylist()
    return {name: species.index(name) for name in SPECIES}


def write_pictures(root: Path, taxonomy, each: int, names: Sequence[str] = SPECIES) -> Path:
    """A folder of taxa; picture i of a taxon is green i % 256 and blue i // 256, so that all differ."""
    numbers = leaf_numbers(taxonomy)
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            PIL.Image.new("RGB", (4, 4), (numbers[name], number % 256, number // 256)).save(root / name / f"{number:04}.png")
    return root
