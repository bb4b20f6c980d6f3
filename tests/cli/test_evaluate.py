from __future__ import annotations

import csv
import json

import click
import pytest

from bioclip_search.cli.evaluate import TASKS
from bioclip_search.errors import TableError
from tests.cli.test_cli import folder, run  # noqa: F401  the index over the nine leaves
from tests.conftest import small_table
from tests.evaluation.test_labelled import write_parquet


@pytest.fixture(scope="module")
def lions(tmp_path_factory):
    """Three pictures, the last of them trained on."""
    lion = {name: [small_table()[name][0].as_py()] * 3 for name in small_table().column_names}
    return write_parquet(tmp_path_factory.mktemp("data") / "lions/a.parquet", [0, 9, 200], **lion, split=["val", "val", "train"])


def test_every_format_tells_the_same_figures_and_the_file_holds_them_all(folder, lions, tmp_path):  # noqa: F811
    asked = ("evaluate", lions, "--index", folder, "--labels", "own", "--labels", "index")
    jsonl = run(*asked, "--format", "jsonl", "--out", tmp_path / "all.json")
    records = [json.loads(line) for line in jsonl.stdout.splitlines()]
    assert [(record["set"], record["part"], record["labels"], record["n"]) for record in records] == [("lions", "val", "own", 2), ("lions", "val", "index", 2)]
    rows = list(csv.DictReader(run(*asked, "--format", "csv", "--out", tmp_path / "all.csv").stdout.splitlines()))
    assert rows == list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    (top1,) = [row for row in rows if (row["labels"], row["metric"]) == ("index", "top1")]
    assert [float(top1[name]) for name in ("value", "low", "high")] == [records[1][name] for name in ("top1", "top1_low", "top1_high")]
    table = run(*asked).stdout
    assert "lions/val own" in table
    assert "1.000" in table  # one label can only be right
    written = json.loads((tmp_path / "all.json").read_text())
    assert written["metrics"]["lions/val/own/top1"] == 1
    assert written["skipped"] == {"train": 1}
    assert "Passed over: 1 pictures of part train." in jsonl.stderr
    assert "threshold 0.65 (the default" in jsonl.stderr


def test_a_broken_picture_is_told_and_gives_exit_status_1(folder, tmp_path):  # noqa: F811
    (tmp_path / "list.csv").write_text("path,species\nmissing.jpg,Panthera leo\n", encoding="utf-8")
    result = run("evaluate", tmp_path / "list.csv", "--index", folder)
    assert result.return_value == 1
    assert "list/missing.jpg: cannot be measured: no such file" in result.stderr


def test_what_cannot_be_asked_is_refused(folder, lions):  # noqa: F811
    with pytest.raises(click.UsageError, match="either FILES or --config"):
        run("evaluate", "--index", folder)
    with pytest.raises(TableError, match="neither Parquet nor CSV"):
        run("evaluate", "photo.jpg", "--index", folder)
    with pytest.raises(TableError, match="no such file"):
        run("evaluate", lions, "--index", folder, "--labels", "nowhere.csv")


def test_each_task_tells_what_it_takes_and_the_list_tells_them_all():
    told = run("evaluate", "--help").output
    for task in TASKS:
        assert f"\n  {task} " in told
        assert f"evaluate {task} " in run("evaluate", task, "--help").output
        assert "Example: bioclip-search evaluate" in run("evaluate", task, "--help").output


def test_a_line_that_names_no_task_is_one_of_zero_shot(folder, lions):  # noqa: F811
    asked = (lions, "--index", folder, "--format", "jsonl")
    figures = run("evaluate", "zero-shot", *asked).stdout
    assert json.loads(figures)["set"] == "lions"
    assert run("evaluate", *asked).stdout == run("evaluate", "--index", folder, "--format", "jsonl", lions).stdout == figures
