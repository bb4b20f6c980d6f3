"""`calibrate`, `evaluate fallback` and `evaluate unseen` as a user types them; the index's encoder has random weights, so nothing can be promised there."""

from __future__ import annotations

import json
import shutil

import click
import pytest

from bioclip_search.calibration.record import CalibrationRecord
from bioclip_search.errors import IndexFolderError, NotCalibratedError, TableError
from bioclip_search.index import Card
from tests.cli.test_cli import folder, run  # noqa: F401  the index over the nine leaves
from tests.conftest import small_table
from tests.evaluation.test_labelled import write_parquet
from tests.peers.random_models import synthetic_picture


@pytest.fixture(scope="module")
def cats(tmp_path_factory):
    """Forty pictures, each labelled with one of the nine rows in turn."""
    table = small_table()
    labels = {name: [table[name][number % 9].as_py() for number in range(40)] for name in table.column_names}
    return write_parquet(tmp_path_factory.mktemp("data") / "cats/a.parquet", [number * 6 for number in range(40)], **labels, split=["val"] * 40)


def test_a_calibration_is_kept_in_the_index_or_in_a_file(folder, cats, tmp_path):  # noqa: F811
    own = shutil.copytree(folder, tmp_path / "own")
    told = run("calibrate", cats, "--index", own, "--target-accuracy", "0.9")
    assert "Kept in the index" in told.stderr
    assert "cannot be promised" in told.stdout
    assert "labelled pictures that did not teach do not show that 0.9 of the names would be right" in told.stderr
    assert Card.read(own).calibration.evidence == "calibration-1.parquet"
    assert "--target-accuracy 0.9: cannot be promised" in run("index", "info", own).stdout.splitlines()
    file = tmp_path / "cats.calibration"
    assert f"--calibration {file}" in run("calibrate", cats, "--index", folder, "--out", file).stderr
    assert CalibrationRecord.read(file).origin.fitted_on.startswith("40 pictures of cats; on 16 of them the temperature")
    assert Card.read(folder).calibration is None
    with pytest.raises(NotCalibratedError, match="24 labelled pictures that did not teach do not show"):
        run("identify", cats.parent / "no.jpg", "--index", folder, "--calibration", file, "--target-accuracy", "0.9")


def test_a_shipped_index_is_left_as_it_is(cats):
    with pytest.raises(IndexFolderError, match="starter is shipped with the program.*--out my.calibration"):
        run("calibrate", cats)


def test_what_was_asked_for_must_be_there(folder, cats):  # noqa: F811
    with pytest.raises(click.UsageError, match="either FILES or --config"):
        run("calibrate", "--index", folder, "--out", "x")
    with pytest.raises(TableError, match="There is no set dogs; there are cats"):
        run("calibrate", cats, "--set", "dogs", "--index", folder, "--out", "x")
    with pytest.raises(TableError, match="10 are the least"):
        run("calibrate", cats, "--part", "train", "--index", folder, "--out", "x")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        pytest.param(("calibrate", "--out", "missing/c"), "there is no folder .*missing. Make it first", id="a calibration into no folder"),
        pytest.param(("evaluate", "fallback", "--out", "missing/all.json"), "there is no folder", id="figures into no folder"),
        pytest.param(("calibrate", "--target-accuracy", "1"), "not in the range 0<x<1", id="all of the names right"),
        pytest.param(("identify", "--target-accuracy", "0"), "not in the range 0<x<1", id="none of the names right"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(asked, words, cats, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.UsageError, match=words):
        run(*asked, cats)


def test_the_rules_are_compared_in_a_table_and_in_lines_of_json(folder, cats, tmp_path):  # noqa: F811
    asked = ("evaluate", "fallback", cats, "--index", folder, "--splits", "2", "--target-accuracy", "0.5")
    table = run(*asked, "--out", tmp_path / "all.json").stdout
    assert "40 pictures, 9 taxa, 2 random halves" in table
    assert "At least 0.5 right" in table
    assert "SpeciesNet's as it is" in table
    rows = [json.loads(line) for line in run(*asked, "--format", "jsonl").stdout.splitlines()]
    assert rows == json.loads((tmp_path / "all.json").read_text())["fared"]


def test_too_few_species_to_take_any_out_are_told(folder, cats):  # noqa: F811
    with pytest.raises(TableError, match="too few to take"):
        run("evaluate", "unseen", cats, "--index", folder, "--taken-out", "0.01")


def test_answers_beside_their_truth_calibrate_as_well(folder, tmp_path):  # noqa: F811
    species = [name for name in small_table()["species"].to_pylist() if name][:4]
    for number in range(12):
        synthetic_picture(number).save(tmp_path / f"{number}.jpg")
    answers = run("identify", tmp_path, "--index", folder, "--format", "jsonl").stdout
    (tmp_path / "answers.jsonl").write_text(answers, encoding="utf-8")
    (tmp_path / "truth.csv").write_text("image,species\n" + "".join(f"{number}.jpg,{species[number % 4]}\n" for number in range(12)), encoding="utf-8")
    told = run("calibrate", tmp_path / "answers.jsonl", "--truth", tmp_path / "truth.csv", "--index", folder, "--out", tmp_path / "c")
    assert "Fitted on 12 pictures" in told.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("calibrate", "--out", "mended.calibration"),
        ("evaluate", "few-shot", "--shots", "1"),
        ("evaluate", "prototypes"),
        ("evaluate", "fallback", "--splits", "2"),
    ],
    ids=["calibrate", "few-shot", "prototypes", "fallback"],
)
def test_a_split_that_parts_a_burst_is_refused_and_mended_where_asked(command, folder, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    write_parted(tmp_path)
    asked = (*command, "cats/a.parquet", "--index", folder)
    with pytest.raises(TableError, match=r"parts one burst .*row 39 is in val, and cats/row 40 of the same burst in train.*--mend-split"):
        run(*asked)
    assert "Mended: each goes whole to the part that has most of it; 1 picture moved" in run(*asked, "--mend-split").stderr


@pytest.mark.parametrize("command", [("evaluate",), ("evaluate", "text-types", "--type", "sci")], ids=["zero-shot", "text-types"])
def test_where_nothing_is_taught_a_split_that_parts_a_burst_is_told_and_no_picture_moves(command, folder, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    write_parted(tmp_path)
    told = run(*command, "cats/a.parquet", "--index", folder, "--format", "jsonl")
    assert "row 39 is in val, and cats/row 40 of the same burst in train. Nothing is taught here" in told.stderr
    assert json.loads(told.stdout.splitlines()[0])["n"] == 39  # the one in train is passed over, as ever
    assert "1 picture moved" in run(*command, "cats/a.parquet", "--index", folder, "--mend-split").stderr


def write_parted(home) -> None:
    """Forty pictures in twenty bursts of two; the last burst has one picture in train."""
    table = small_table()
    labels = {name: [table[name][number % 9].as_py() for number in range(40)] for name in table.column_names}
    burst = [f"b{number // 2}" for number in range(40)]
    write_parquet(home / "cats/a.parquet", [number * 6 for number in range(40)], **labels, seq_id=burst, split=["val"] * 39 + ["train"])


def test_of_a_burst_one_picture_of_a_taxon_counts(folder, tmp_path):  # noqa: F811
    """Forty pictures of nine taxa in turn, all of one burst of each taxon: nine are left, too few to learn from."""
    table = small_table()
    labels = {name: [table[name][number % 9].as_py() for number in range(40)] for name in table.column_names}
    write_parquet(
        tmp_path / "cats/a.parquet", [number * 6 for number in range(40)], **labels, seq_id=[f"b{number % 9}" for number in range(40)], split=["val"] * 40
    )
    with pytest.raises(TableError, match="There are 9 labelled pictures to learn from: .* 31 repeat another or its burst"):
        run("calibrate", tmp_path / "cats", "--index", folder, "--out", tmp_path / "c")
