"""`data split` and `data survey`, as a user types them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.sets import find_boxed_sets
from bioclip_search.boxed.writing import write_sets
from bioclip_search.errors import ExportError, TableError
from tests.boxed.small_boxes import boxes, small_set
from tests.cli.test_cli import run
from tests.train.boxed_files import write_squares


def test_split_writes_every_format_and_tells_how_even_it_came(tmp_path):
    write_squares(tmp_path, 16, 4)
    for kind in ("coco", "yolo", "parquet"):
        told = run(
            "data", "split", tmp_path / "squares-train.parquet", tmp_path / "squares-val.parquet", "--out", tmp_path / kind, "--to", kind, "--format", "jsonl"
        )
        rows = [json.loads(line) for line in told.stdout.splitlines()]
        assert rows[0] == {
            "kind": "pictures",
            "in_all": 20,
            "train_wanted": 0.8,
            "train_got": 0.8,
            "val_wanted": 0.1,
            "val_got": 0.1,
            "test_wanted": 0.1,
            "test_got": 0.1,
        }
        assert "20 pictures with 20 boxes of 2 categories" in told.stderr
        assert f"{kind}" in told.stderr.splitlines()[-1]
        parts = sorted(part for one in find_boxed_sets([tmp_path / kind]) for part in one.parts)
        assert parts == ["test"] * 2 + ["train"] * 16 + ["val"] * 2
    table = run("data", "split", tmp_path / "squares-train.parquet", "--out", tmp_path / "x").stdout.splitlines()
    assert table[0].split()[:3] == ["KIND", "in", "all"]
    cells = list(csv.DictReader(run("data", "split", tmp_path / "squares-val.parquet", "--out", tmp_path / "y", "--format", "csv").stdout.splitlines()))
    assert cells[0]["in_all"] == "4"


def test_split_keeps_given_parts_only_if_they_part_no_burst(tmp_path):
    parts = np.array(["train", "val"], object)
    sets, _ = examine([small_set(tmp_path / "a", [boxes((0, 0, 8, 8))] * 2, parts=parts, bursts=np.array(["dawn", "dawn"], object))])
    write_sets(sets, tmp_path / "given", "parquet")
    asked = ("data", "split", tmp_path / "given", "--keep-parts", "--out", tmp_path / "out")
    with pytest.raises(TableError, match="--mend-split"):
        run(*asked)
    assert not (tmp_path / "out").exists()
    told = run(*asked, "--mend-split")
    assert "Mended: each goes whole to the part that has most of it; 1 picture moved." in told.stderr
    assert [one.parts.tolist() for one in find_boxed_sets([tmp_path / "out"])] == [["train", "train"]]


def test_a_detector_is_measured_alike_on_all_formats(tmp_path, shared):
    records = []
    for kind in ("coco", "yolo", "parquet"):
        run("data", "split", shared / "boxes/raccoon-val.parquet", "--shares", 0, 0.8, 0.2, "--out", tmp_path / kind, "--to", kind)
        told = run("evaluate", "detector", tmp_path / kind, "--part", "test", "--format", "jsonl")
        records.append({name: value for name, value in json.loads(told.stdout).items() if name != "set"})
    assert records[0] == records[1] == records[2]
    assert records[0]["pictures"] == 6


def test_survey_tells_figures_and_writes_a_folder(tmp_path):
    pytest.importorskip("matplotlib")
    write_squares(tmp_path, 4, 2)
    told = run("data", "survey", tmp_path / "squares-*.parquet", "--out", tmp_path / "out", "--format", "jsonl")
    assert json.loads(told.stdout)["boxes"] == 6
    assert "6 pictures with 6 boxes of 2 categories" in told.stderr
    assert (tmp_path / "out/report.md").is_file()
    with pytest.raises(ExportError, match="is there already"):
        run("data", "survey", tmp_path / "squares-*.parquet", "--out", tmp_path / "out")
    table = run("data", "survey", tmp_path / "squares-*.parquet", "--out", tmp_path / "out", "--overwrite", "--detector", "starter").stdout
    assert table.splitlines()[1].split() == ["pictures", "6"]
