"""A collection that needs no models: the red of a picture says which taxon, the green how many animals, the blue how many people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import pytest

from bioclip_search.detect import Detection
from bioclip_search.index import Index
from bioclip_search.runs.deciding import Deciding
from bioclip_search.runs.tagging import Equipment
from bioclip_search.searcher import Searcher
from tests.conftest import ColourEncoder

SIDE_PX = 32


class CountingEncoder(ColourEncoder):
    """Keeps count of the crops that it encoded."""

    def __init__(self, texts: Sequence[str]):
        super().__init__(texts)
        self.encoded: list[int] = []

    def encode_prepared(self, prepared):
        self.encoded += prepared
        return super().encode_prepared(prepared)


class ColourDetector:
    """As many boxes as the green channel says, one below the other, and as many people as the blue one says."""

    name, fingerprint, categories = "colours", "d", ("animal", "person")

    def __init__(self):
        self.searched = 0

    def detect(self, pictures, min_confidence):
        self.searched += len(pictures)
        return [self._boxes(*picture.getpixel((0, 0))) for picture in pictures]

    def _boxes(self, _red: int, green: int, blue: int) -> list[Detection]:
        kinds = ["animal"] * green + ["person"] * blue
        return [Detection((0.0, 4.0 * number, 8.0, 4.0 * number + 4), 0.9 - number / 10, kind) for number, kind in enumerate(kinds)]


def write_picture(path: Path, leaf: int, animals: int = 1, people: int = 0, shade: int = 0) -> Path:
    """A PNG; `shade` changes its bytes and nothing that is seen in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = PIL.Image.new("RGB", (SIDE_PX, SIDE_PX), (leaf, animals, people))
    picture.putpixel((SIDE_PX - 1, SIDE_PX - 1), (0, 0, shade))
    picture.save(path)
    return path


@pytest.fixture
def counting(encoder) -> CountingEncoder:
    return CountingEncoder(encoder.texts)


@pytest.fixture
def searcher(small_index, counting) -> Searcher:
    return Searcher(Index(small_index), counting)


@pytest.fixture
def equipment(searcher) -> Equipment:
    return Equipment(Deciding(searcher, {}), ColourDetector(), workers=2)


@pytest.fixture
def photos(tmp_path) -> Path:
    """A hundred pictures, all different, of nine taxa; every tenth is blank, every seventh shows a person, too."""
    folder = tmp_path / "photos"
    for number in range(100):
        write_picture(folder / f"{number:03}.png", number % 9, int(number % 10 > 0), int(number % 7 == 0), shade=number)
    return folder
