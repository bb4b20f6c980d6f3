"""A whole regional training on coloured squares: it learns, can be killed at any step, and leaves an index that fits."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from bioclip_search.errors import IndexFolderError, ModelError, RunError, TableError
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.index import Index
from bioclip_search.index.folder import TAXA_FILE
from bioclip_search.prompts import TextRecipe
from bioclip_search.searcher import Searcher
from bioclip_search.train.regional.training import Telling, train_regional
from tests.peers.random_models import write_model_folder
from tests.train.regional.conftest import write_pictures

WEIGHTS = "open_clip_model.safetensors"


class Killed(Exception):
    """Stands for a run that is ended from outside."""


@pytest.fixture
def region(tmp_path):
    return find_sets([write_pictures(tmp_path / "region", each=20)])


def test_an_encoder_learns_its_region_and_the_index_is_read_anew(wish, region, region_index, tmp_path):
    told = []
    report = train_regional(replace(wish, epochs=8), region, [], region_index, tmp_path / "mine", tmp_path / "mine-index", telling=Telling(told.append))
    species = next(gain.figures for gain in report.gains if (gain.among, gain.rank) == ("index", "species"))
    assert (species["n"], species["candidates"]) == (9, 3)
    assert species["after"] > species["before"]
    assert any("42 pictures are taught" in line for line in told)
    before, after = Index(region_index), Index(tmp_path / "mine-index")
    assert (after.folder / TAXA_FILE).read_bytes() == (before.folder / TAXA_FILE).read_bytes()
    assert not np.allclose(after.rows_at(np.arange(3)), before.rows_at(np.arange(3)), atol=1e-3)
    searcher = Searcher.open(tmp_path / "mine-index", device="cpu")  # with the encoder that lies in it
    assert searcher.names.find("Common Redstart")[0].name == "Phoenicurus phoenicurus"
    assert json.loads((tmp_path / "mine/regional.json").read_text())["kept_of_start"] in wish.keep_start


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one(wish, region, region_index, tmp_path):
    def train(name, **options):
        return train_regional(wish, region, [], region_index, tmp_path / name, tmp_path / f"{name}-index", **options)

    def kill(row):
        if row.get("step") == 13:
            raise Killed

    with pytest.raises(Killed):
        train("broken", telling=Telling(learning=kill))
    assert not (tmp_path / "broken").exists()
    told = []
    with pytest.raises(RunError, match="--resume goes on with it"):
        train("broken", telling=Telling(told.append))
    assert told == []  # before anything was read
    seen = []
    broken = train("broken", resume=True, telling=Telling(learning=lambda row: seen.append(row.get("step"))))
    assert 1 not in seen  # it did not begin anew
    whole = train("whole")
    assert broken.gains == whole.gains
    weights = [load_file(tmp_path / name / WEIGHTS) for name in ("broken", "whole")]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[1])
    assert train("broken", resume=True).gains == whole.gains  # all of it is there: nothing is taught again


def test_other_taxa_are_asked_and_choose_too(wish, region, region_index, tmp_path):
    others = find_sets([write_pictures(tmp_path / "others", each=6, taxa=(0, 2), first=40)])
    report = train_regional(replace(wish, epochs=1), region, others, region_index, tmp_path / "mine", tmp_path / "mine-index")
    assert {gain.pictures for gain in report.gains} == {"region", "others"}
    assert {"01-region/seen", "02-others/seen"} <= set(report.tried[0])


def test_an_index_of_another_encoder_gives_its_taxa_and_no_answers_to_compare_with(wish, region, region_index, tmp_path):
    """Its texts would have to be read by the start as well; the labels alone are asked for, and texts are made as is usual for such a model."""
    other = write_model_folder(tmp_path / "other", seed=3)
    report = train_regional(replace(wish, start=str(other), epochs=0.2), region, [], region_index, tmp_path / "mine", tmp_path / "mine-index")
    assert {gain.among for gain in report.gains} == {"own"}
    card = Index(tmp_path / "mine-index").card
    assert card.taxonomy == Index(region_index).card.taxonomy
    assert TextRecipe.from_card(card.recipe) == TextRecipe()


def test_an_index_that_is_there_stops_before_the_work(wish, region, region_index, tmp_path):
    with pytest.raises(IndexFolderError, match=r"is there already.*--out-index"):
        train_regional(wish, region, [], region_index, tmp_path / "mine", region_index)
    assert not (tmp_path / "mine.run").exists()


def test_going_on_with_other_settings_is_refused(wish, region, region_index, tmp_path):
    def kill(row):
        raise Killed

    with pytest.raises(Killed):
        train_regional(wish, region, [], region_index, tmp_path / "mine", tmp_path / "mine-index", telling=Telling(learning=kill))
    train_regional(replace(wish, epochs=1), region, [], region_index, tmp_path / "other", tmp_path / "other-index")
    with pytest.raises(ModelError, match="made with other settings"):
        train_regional(replace(wish, seed=1, epochs=1), region, [], region_index, tmp_path / "other", tmp_path / "second-index", resume=True)


def test_a_mode_that_does_not_exist_is_told(wish, region, region_index, tmp_path):
    with pytest.raises(TableError, match="'half' is none of full, locked, last-blocks, lora"):
        train_regional(replace(wish, mode="half"), region, [], region_index, tmp_path / "mine", tmp_path / "mine-index")
