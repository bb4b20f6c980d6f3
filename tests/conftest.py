"""What many tests need: a small tree with named taxa, an encoder that reads colours, and small real models."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings

from bioclip_search.build import build_index
from bioclip_search.prompts import BARE_TEMPLATE, RANKS, TextRecipe
from bioclip_search.taxonomy import Taxonomy
from tests.chromium import CHROMIUM_VARIABLE, QUIET, find_chromium

# A machine that is busy with something else is no fault of ours.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SHARED = Path(os.environ.get("BIOCLIP_SEARCH_SHARED", Path(__file__).parents[2] / "shared"))

LINEAGES = """
Animalia Chordata Mammalia Carnivora Felidae Panthera Panthera_leo Lion
Animalia Chordata Mammalia Carnivora Felidae Panthera Panthera_uncia Snow_leopard
Animalia Chordata Mammalia Carnivora Felidae Felis Felis_catus Domestic_cat
Animalia Chordata Mammalia Carnivora Canidae Vulpes Vulpes_vulpes Red_fox
Animalia Chordata Aves Passeriformes Muscicapidae Oenanthe Oenanthe_oenanthe Northern_wheatear
Animalia Chordata Aves Passeriformes Turdidae Turdus Turdus_merula Blackbird
Animalia Chordata - Cypriniformes Cyprinidae Cyprinus Cyprinus_carpio Carp
Plantae Tracheophyta Magnoliopsida Apiales Apiaceae Oenanthe Oenanthe_crocata Hemlock_water-dropwort
Plantae Tracheophyta Magnoliopsida Apiales Apiaceae - - Carrot_family
"""
"""Nine leaves: a class that is missing, a genus that is a bird and a plant, a leaf that is a family."""


def small_table() -> pa.Table:
    rows = [[None if word == "-" else word.replace("_", " ") for word in line.split()] for line in LINEAGES.split("\n") if line]
    return pa.table(dict(zip((*RANKS, "common_name"), map(list, zip(*rows, strict=True)), strict=True)))


class ColourEncoder:
    """A picture's vector is that of the text whose number its red channel gives; a text's is drawn from its hash."""

    name, fingerprint, dim, logit_scale, input_px = "colours", "c0104e+fp32", 32, 20.0, 8

    def __init__(self, texts: Sequence[str] = ()):
        self.texts = list(texts)

    def prepare(self, picture: PIL.Image.Image) -> int:
        return picture.getpixel((0, 0))[0]

    def encode_prepared(self, prepared: Sequence[int]) -> np.ndarray:
        return self.encode_texts([self.texts[number] for number in prepared])

    def encode_images(self, pictures: Sequence[PIL.Image.Image]) -> np.ndarray:
        return self.encode_prepared([self.prepare(picture) for picture in pictures])

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        rows = [np.random.default_rng(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)).standard_normal(self.dim) for text in texts]
        vectors = np.asarray(rows, np.float32).reshape(len(texts), self.dim)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def picture_of(leaf: int) -> PIL.Image.Image:
    """A picture that the colour encoder of the small index sees as this leaf."""
    return PIL.Image.new("RGB", (16, 12), (leaf, 0, 0))


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return Taxonomy.from_table(small_table())


@pytest.fixture(scope="session")
def encoder(taxonomy: Taxonomy) -> ColourEncoder:
    recipe = TextRecipe(templates=BARE_TEMPLATE)
    return ColourEncoder([sentence for (sentence,) in recipe.texts(taxonomy.leaves.to_pylist())])


@pytest.fixture(scope="session")
def small_index(tmp_path_factory: pytest.TempPathFactory, taxonomy: Taxonomy, encoder: ColourEncoder) -> Path:
    """An index folder over the nine leaves; do not change it, copy it."""
    folder = tmp_path_factory.mktemp("index") / "small"
    build_index(folder, taxonomy, encoder, recipe=TextRecipe(templates=BARE_TEMPLATE))
    return folder


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the tests away from the user's own indexes and caches."""
    monkeypatch.setenv("BIOCLIP_SEARCH_HOME", str(tmp_path_factory.getbasetemp() / "home"))


@pytest.fixture(scope="session", autouse=True)
def ultralytics_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """ultralytics writes its settings once per process, where the first to load it says; not into the user's folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("ultralytics")))
        yield


@pytest.fixture
def own_threads() -> Iterator[None]:
    """Training sets the number of threads of the process; the other tests keep theirs."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights in the hub's own layout."""
    from tests.peers.random_models import write_model_folder

    return write_model_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def shared() -> Path:
    """The folder of real test data; tests that need it are skipped where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"no test data at {SHARED}")
    return SHARED / "data"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, without a window; one for all tests, for two cannot be driven side by side."""
    playing = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra `dev`)")
    chromium = find_chromium()
    if chromium is None:
        pytest.skip(f"no Chromium: install it (Debian: apt-get install chromium), or say where it is by {CHROMIUM_VARIABLE}")
    with playing.sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield started
        started.close()
