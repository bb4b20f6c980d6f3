from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from bioclip_search.evaluation.labelled import LabelledSet, find_sets
from bioclip_search.prompts import RANKS
from tests.conftest import ColourEncoder, small_table
from tests.evaluation.test_labelled import write_parquet

SPECKLE = 0.02


class SpeckledEncoder(ColourEncoder):
    """A colour encoder whose pictures of one leaf differ a little, as their green channels do."""

    def prepare(self, picture: PIL.Image.Image) -> tuple[int, int]:
        return picture.getpixel((0, 0))[:2]

    def encode_prepared(self, prepared: Sequence[tuple[int, int]]) -> np.ndarray:
        speckles = np.stack([np.random.default_rng(green).standard_normal(self.dim) for _, green in prepared])
        vectors = super().encode_prepared([red for red, _ in prepared]) + SPECKLE * speckles
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def own_index(small_index, tmp_path) -> Path:
    """A copy of the small index that a test may change."""
    return Path(shutil.copytree(small_index, tmp_path / "own"))


@pytest.fixture(scope="session")
def encoder(encoder) -> SpeckledEncoder:
    return SpeckledEncoder(encoder.texts)


def speckled(leaf: int, number: int) -> dict[str, bytes | None]:
    """A picture of a leaf, as a cell of Parquet."""
    file = io.BytesIO()
    PIL.Image.new("RGB", (16, 12), (leaf, number, 0)).save(file, "png")
    return {"bytes": file.getvalue(), "path": None}


@pytest.fixture
def labelled(taxonomy, tmp_path) -> list[LabelledSet]:
    """Eighty pictures of the nine leaves, each labelled with what it shows, and the first of them once more."""
    rows = {row["common_name"]: row for row in small_table().to_pylist()}
    shown = [*(number % 9 for number in range(80)), 0]
    labels = [rows[taxonomy.leaves["common_name"][leaf].as_py()] for leaf in shown]
    images = [speckled(leaf, number % 80) for number, leaf in enumerate(shown)]
    columns = {rank: [label[rank] for label in labels] for rank in RANKS}
    write_parquet(tmp_path / "set/a.parquet", shown, **columns, image=images, split=["val"] * 81)
    return find_sets([tmp_path / "set"])
