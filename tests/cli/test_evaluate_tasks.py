"""The tasks of `evaluate` on vectors and pictures, as a user types them."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.errors import MissingExtraError, ModelError, TableError
from tests.cli.test_cli import folder, run  # noqa: F401  the index over the nine leaves
from tests.evaluation.test_few_shot import clouds
from tests.evaluation.test_labelled import write_tree
from tests.train.boxed_files import write_squares


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Vectors of four species of two genera, ten each."""
    found = clouds(4, 10, spread=0.2)
    path = tmp_path_factory.mktemp("vectors") / "clouds.parquet"
    parquet.write_table(found.taxa.append_column("emb", pa.array(list(found.vectors), pa.list_(pa.float32()))), path)
    return path


def test_few_shot_on_vectors_needs_no_index_and_every_format_tells_the_same(vectors, tmp_path):
    (record,) = [json.loads(line) for line in run("evaluate", "few-shot", vectors, "--format", "jsonl", "--out", tmp_path / "all.json").stdout.splitlines()]
    assert (record["set"], record["pictures"], record["simpleshot_5"], record["probe"]) == ("clouds", 40, 1.0, 1.0)
    assert json.loads((tmp_path / "all.json").read_text()) == [record]
    rows = {row["metric"]: row for row in csv.DictReader(run("evaluate", "few-shot", vectors, "--format", "csv").stdout.splitlines())}
    assert float(rows["simpleshot_1"]["low"]) == record["simpleshot_1_low"]
    assert float(rows["simpleshot_1_draws_low"]["value"]) == record["simpleshot_1_draws_low"]  # the end of no interval of its own
    assert "simpleshot_1_low" not in rows
    table = run("evaluate", "few-shot", vectors).stdout.splitlines()
    assert table[0].split()[:3] == ["SET", "simpleshot_1", "right"]
    assert table[1].startswith("clouds")


@pytest.mark.parametrize("task", ["few-shot", "prototypes"])
def test_what_is_learned_from_is_never_asked_again_by_a_copy(vectors, tmp_path, task):
    table = parquet.read_table(vectors)
    parquet.write_table(pa.concat_tables([table, table]), tmp_path / "clouds.parquet")
    once, twice = (run("evaluate", task, file, "--format", "jsonl") for file in (vectors, tmp_path / "clouds.parquet"))
    assert once.stdout == twice.stdout
    assert "40 rows show pictures again that have the same label" in twice.stderr


def test_few_shot_on_a_folder_of_taxa_looks_its_names_up(folder, tmp_path):  # noqa: F811
    write_tree(tmp_path / "cats", *(f"{name}/{number}.png" for name in ("Panthera leo", "Domestic cat", "Quux") for number in range(3)))
    (tmp_path / "cats/Panthera leo/9.png").write_bytes(b"broken")
    asked = ("evaluate", "few-shot", tmp_path / "cats", "--index", folder, "--shots", 1, "--format", "jsonl")
    result = run(*asked)
    record = json.loads(result.stdout)
    assert (record["simpleshot_1_classes"], record["simpleshot_1_asked"]) == (2, 4)
    assert {"zero_shot_1", "blend_1", "blend_1_gain"} <= set(record)  # pictures are asked by the names of the index as well
    assert "3 pictures (1 label) of no taxon that could be found: not measured:" in result.stderr
    assert "cats/Panthera leo/9.png: cannot be measured" in result.stderr
    assert "No probe: cats: 0 of 2 classes have 5 pictures to teach" in result.stderr
    assert result.return_value == 1


def test_few_shot_on_vectors_of_another_encoder_says_whose_index_is_needed(vectors, folder):  # noqa: F811
    assert "zero_shot_1" not in json.loads(run("evaluate", "few-shot", vectors, "--format", "jsonl").stdout)
    with pytest.raises(TableError, match="has vectors of 16 numbers, the encoder of .* makes .* Name the index of their encoder with --index"):
        run("evaluate", "few-shot", vectors, "--names", "--index", folder)


def test_without_scikit_learn_there_is_no_probe_unless_it_is_asked_for(vectors, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    result = run("evaluate", "few-shot", vectors)
    assert "No probe: The linear probe needs an optional part" in result.stderr
    assert "simpleshot_1 right" in result.stdout
    with pytest.raises(MissingExtraError):
        run("evaluate", "few-shot", vectors, "--probe")


def test_few_shot_without_enough_pictures_says_so(tmp_path):
    parquet.write_table(pa.table({"emb": [[1.0, 0.0]], "species": ["Felis catus"]}), tmp_path / "one.parquet")
    with pytest.raises(TableError, match="Few-shot needs at least two classes"):
        run("evaluate", "few-shot", tmp_path / "one.parquet")


def test_prototypes_tells_what_can_be_answered_at_each_rank(vectors, tmp_path):
    result = run("evaluate", "prototypes", vectors, "--out", tmp_path / "all.json")
    assert "clouds: 40 pictures of 4 taxa" in result.stdout
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert "1.000 (1.000–1.000)" in lines["species"]
    assert "not promised" in lines["95%"]  # forty right answers do not promise that
    (content,) = json.loads((tmp_path / "all.json").read_text())
    assert content["curves"]["species"][-1]["answered"] == 1.0
    assert len(content["fits"]) == 2
    assert json.loads(run("evaluate", "prototypes", vectors, "--leaves-only", "--format", "jsonl").stdout)["species_right"] == 1.0


def test_the_curves_of_prototypes_are_drawn(vectors, tmp_path):
    run("evaluate", "prototypes", vectors, "--plot", tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_text()
    assert drawn.lstrip().startswith("<?xml")
    assert all(f'id="{rank}"' in drawn and f"<!-- {rank} -->" in drawn for rank in ("species", "genus", "kingdom"))
    assert 'id="family"' not in drawn  # no label names one
    with pytest.raises(TableError, match="a drawing is .svg, .png or .pdf"):
        run("evaluate", "prototypes", vectors, "--plot", tmp_path / "curves.txt")


def test_parts_may_be_chosen_and_those_trained_on_are_passed_over(vectors, tmp_path):
    table = parquet.read_table(vectors)
    parts = np.where(np.arange(40) % 2 == 0, "train", "val")
    parquet.write_table(table.append_column("split", pa.array(parts)), tmp_path / "parts.parquet")
    asked = ("evaluate", "few-shot", tmp_path / "parts.parquet", "--no-probe", "--shots", 1, "--format", "jsonl")
    assert json.loads(run(*asked).stdout)["pictures"] == 20
    assert json.loads(run(*asked, "--part", "all").stdout)["pictures"] == 40
    with pytest.raises(TableError, match=r"no labelled picture is left to measure \(it has 20 in part train, 20 in part val\)"):
        run(*asked, "--part", "test")
    taught = run("evaluate", "few-shot", tmp_path / "parts.parquet", "--teach", "train", "--format", "jsonl")
    assert json.loads(taught.stdout)["probe_asked"] == 20


def test_text_types_compares_every_type_with_that_of_the_index(folder, tmp_path):  # noqa: F811
    write_tree(tmp_path / "cats", *(f"{name}/{number}.png" for name in ("Panthera leo", "Felis catus") for number in range(4)))
    asked = ("evaluate", "text-types", tmp_path / "cats", "--index", folder)
    record = json.loads(run(*asked, "--format", "jsonl", "--out", tmp_path / "all.json").stdout)
    assert (record["n"], record["candidates"], record["own_type"], record["taxon_com_gain"]) == (8, 2, "taxon_com", 0)
    assert json.loads((tmp_path / "all.json").read_text()) == [record]
    table = run(*asked, "--type", "com", "--type", "sci").stdout
    assert table.split("\n")[0].split() == ["SET", "index", "pictures", "names", "com", "sci"]
    assert "GAIN over taxon_com" in table


def test_detector_tells_how_many_boxes_are_found(tmp_path):
    write_squares(tmp_path)
    asked = ("evaluate", "detector", tmp_path / "squares-val.parquet", "--part", "val")
    record = json.loads(run(*asked, "--format", "jsonl", "--out", tmp_path / "all.json").stdout)
    assert (record["set"], record["detector"], record["pictures"], record["boxes"]) == ("squares-val", "starter", 4, 4)
    assert 0 <= record["map"] <= record["map50"] <= 1
    assert json.loads((tmp_path / "all.json").read_text()) == [record]
    assert run(*asked).stdout.splitlines()[1].split()[:3] == ["squares-val", "4", "4"]
    with pytest.raises(TableError, match="no picture is left to measure. Its parts are val"):
        run("evaluate", "detector", tmp_path / "squares-val.parquet", "--part", "test")
    with pytest.raises(ModelError, match="finds nothing that could be measured"):
        run(*asked, "--detector", "none")
