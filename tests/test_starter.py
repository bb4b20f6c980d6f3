"""The starter index that is shipped: small, sound, honest, and there in an installed wheel too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import PIL.Image
import pytest

from bioclip_search.check import FAULT, check_index
from bioclip_search.demo import demo_photographs, run_demo
from bioclip_search.errors import MissingExtraError
from bioclip_search.index import Index, find_index
from bioclip_search.searcher import Searcher

MOST_MB = 60
REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def searcher():
    return Searcher.open("starter", device="cpu")


@pytest.fixture(scope="module")
def photographs():
    try:
        return demo_photographs()
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_it_is_sound_and_small():
    folder = find_index("starter")
    assert not [str(finding) for finding in check_index(folder) if finding.severity == FAULT]
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= MOST_MB * 1e6


def test_its_card_says_what_it_is_how_good_and_for_what(searcher):
    about = searcher.index.card.about
    assert {"description", "intended_use", "limits", "licence", "taxa", "metrics_of_kept_back_pictures"} <= set(about)
    assert searcher.index.card.vectors.count >= 25_000


def test_a_higher_promise_needs_more_caution_and_tells_less(searcher):
    settings = [searcher.calibration.evidence.setting(target) for target in (0.8, 0.9, 0.95)]
    assert [one.caution for one in settings] == sorted(one.caution for one in settings)
    assert [one.information for one in settings] == sorted((one.information for one in settings), reverse=True)
    assert all(one.right / one.answers >= one.target for one in settings)


def test_the_cat_is_surely_an_animal_and_no_species_is_claimed(searcher, photographs):
    (cat,) = searcher.identify(photographs[0])
    assert cat.ladder[0].taxon == "Animalia"
    assert cat.ladder[0].probability > 0.65
    assert cat.rank != "species"


def test_the_demo_writes_one_picture_a_photograph(tmp_path, photographs):
    for answer, path in run_demo(tmp_path):
        assert answer.ladder
        with PIL.Image.open(path) as drawn:
            assert drawn.width > 600


def test_a_missing_demo_package_is_told_with_the_line_that_brings_it(monkeypatch):
    import bioclip_search.demo as demo

    monkeypatch.setitem(demo.PHOTOGRAPHS, "chelsea", ("no_such_package", "x.png"))
    with pytest.raises(MissingExtraError, match=r"pip install 'bioclip-search\[demo\]'"):
        demo_photographs()


def test_butterflies_never_seen_are_known_as_lepidoptera(searcher, shared):
    from pyarrow import parquet

    (path,) = (shared / "butterflies").glob("*-val-*.parquet")
    rows = parquet.read_table(path, columns=["image"]).slice(0, 100).to_pylist()
    answers = searcher.identify([row["image"]["bytes"] for row in rows], rank="order")
    assert sum(answer.taxon == "Lepidoptera" for answer in answers) >= 80


@pytest.mark.slow
def test_an_installed_wheel_works_outside_the_repository(tmp_path, photographs):
    builder = pytest.importorskip("hatchling.builders.wheel")
    (wheel,) = builder.WheelBuilder(str(REPOSITORY)).build(directory=str(tmp_path / "dist"), versions=["standard"])
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "bioclip_search", "identify", str(photographs[0]), "--format", "jsonl"]
    told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout)["index"] == "starter"
    where = subprocess.run(
        [sys.executable, "-c", "import bioclip_search; print(bioclip_search.__file__)"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert where.stdout.startswith(str(tmp_path / "site"))
    assert (tmp_path / "site" / "bioclip_search" / "_shipped" / "app" / "main.py").is_file()


def test_the_index_opens_without_its_encoder():
    index = Index(find_index("starter"))
    assert len(index.vectors) == index.card.taxonomy.leaves


def test_an_index_built_with_the_starters_encoder_has_the_texts_it_was_taught(encoder):
    from bioclip_search.build import usual_recipe
    from bioclip_search.encoder.opening import open_encoder
    from bioclip_search.index import Index, find_index
    from bioclip_search.prompts import TextRecipe

    assert usual_recipe(open_encoder("starter", device="cpu")) == TextRecipe.from_card(Index(find_index("starter")).card.recipe) != TextRecipe()
    assert usual_recipe(encoder) == TextRecipe()
