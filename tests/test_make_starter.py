"""The script that makes the starter: which taxa it takes, and that no picture is both fitted on and reported on."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.prompts import RANKS
from tests.conftest import small_table

SCRIPT = Path(__file__).parents[1] / "data_manifest" / "make_starter.py"


@pytest.fixture(scope="module")
def script():
    if not SCRIPT.is_file():
        pytest.skip("the script is not part of an installed package")
    spec = importlib.util.spec_from_file_location("make_starter", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def labelled(taxa: pa.Table, parts: list[str]) -> LabelledSet:
    return LabelledSet("cats", taxa.select([*RANKS, "common_name"]), np.array(parts, object), tuple(f"cats/{row}.jpg" for row in range(len(parts))), iter)


def taxa(*rows: dict[str, str]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), pa.schema([(name, pa.string()) for name in (*RANKS, "common_name")]))


def test_species_of_the_checklists_and_of_the_pictures_are_taken(script, tmp_path):
    sources = [["uksi"], ["inat2021"], ["speciesnet"], ["uksi"], ["speciesnet"], ["birds_opennature"], ["uksi"], ["uksi"], ["uksi"]]
    (tmp_path / "taxonomy").mkdir()
    parquet.write_table(small_table().append_column("sources", pa.array(sources)), tmp_path / "taxonomy/all_species.parquet")
    fox = small_table().slice(3, 1)
    taken = script.starter_checklist(tmp_path, [labelled(fox, ["train"])])
    # the snow leopard by a list, the cat as a mammal of speciesnet (the wheatear is none), the blackbird by a list, the fox by its picture
    assert taken["species"].to_pylist() == ["Panthera uncia", "Felis catus", "Vulpes vulpes", "Turdus merula"]


def test_labels_that_the_merged_table_lacks_find_their_place_and_higher_ones_lose_their_vernacular_names(script):
    lion = small_table().slice(0, 1).to_pylist()[0]
    onca = {"kingdom": "Animalia", "family": "Panthers", "genus": "Panthera", "species": "Panthera onca", "common_name": "Jaguar"}
    cats = {"kingdom": "Animalia", "family": "Felidae", "common_name": "Big cats"}
    yeti = {"kingdom": "Animalia", "genus": "Yeti", "species": "Yeti nivalis"}
    found = script.other_labels(small_table(), taxa(lion, onca, onca, cats, yeti)).to_pylist()
    assert [(row["species"], row["common_name"]) for row in found] == [("Panthera onca", "Jaguar"), (None, None), ("Yeti nivalis", None)]
    assert [row["order"] for row in found] == ["Carnivora", "Carnivora", None]
    assert found[0]["family"] == "Felidae"


def test_no_picture_is_in_both_halves_and_none_that_was_trained_on(script):
    parts = ["train"] * 300 + ["seen"] * 1500 + ["unseen"] * 100
    lions = small_table().take(pa.array([0] * len(parts)))
    first, second = ([half.parts != "train" for half in halves] for halves in script.in_halves([labelled(lions, parts)]))
    assert not (first[0] & second[0]).any()
    assert not (first[0] | second[0])[:300].any()
    assert (first[0] | second[0])[1800:].all()
    assert first[0][300:1800].sum() == script.MOST_OF_A_PART
    assert 600 < second[0][300:1800].sum() < 900
    again = [half.parts != "train" for halves in script.in_halves([labelled(lions, parts)]) for half in halves]
    assert (again[0] == first[0]).all()
