"""A region of three species in coloured squares, an index of their names, and an encoder of random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from bioclip_search.build import build_index
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.train.regional.settings import Wish
from tests.train.conftest import TAXA, jpeg


def write_pictures(folder: Path, each: int, taxa: Sequence[int] = (0, 1, 2), first: int = 0) -> Path:
    """A folder for each species with so many squares of its colour."""
    for number in taxa:
        taxon, colour = TAXA[number]
        home = folder / taxon["species"]
        home.mkdir(parents=True, exist_ok=True)
        for picture in range(first, first + each):
            (home / f"{picture:02}.jpg").write_bytes(jpeg(colour, number * 100 + picture))
    return folder


@pytest.fixture(scope="session")
def region_index(model_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("region") / "tiny-index"
    taxonomy = Taxonomy.from_table(pa.Table.from_pylist([taxon for taxon, _ in TAXA]))
    build_index(folder, taxonomy, open_encoder(model_folder, device="cpu", precision="fp32"), encoder_source=str(model_folder))
    return folder


@pytest.fixture
def wish(model_folder) -> Wish:
    """A few steps of LoRA on a processor."""
    return Wish(str(model_folder), epochs=4, batch_size=8, learning_rate=3e-3, keep_start=(0.0, 0.5), threads=1, device="cpu", precision="fp32")
