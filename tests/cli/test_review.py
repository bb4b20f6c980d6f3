"""`review` as a user types it, and what `evaluate` and `calibrate` make of a reviewed run."""

from __future__ import annotations

import csv
import json
from io import StringIO

import click
import pytest

from bioclip_search.errors import RunError
from bioclip_search.review import standing_decisions
from tests.cli.test_cli import folder, run  # noqa: F401  the index over the nine leaves
from tests.standards.runs import crop, picture, small_run


@pytest.fixture
def tagged(tmp_path):
    pictures = [
        picture("a/lion.jpg", crop(0, species="Panthera leo", probability=0.99)),
        picture("a/fox.jpg", crop(0, species="Vulpes vulpes", probability=0.5)),
        picture("a/cat.jpg", crop(0, species="Felis catus", probability=0.7)),
    ]
    return small_run(tmp_path / "run", pictures).folder


def test_the_list_is_a_table_csv_or_json_lines(tagged):
    told = run("review", tagged)
    lines = told.stdout.splitlines()
    assert lines[0].split() == ["PICTURE", "ANSWER", "DOUBT", "WHY"]
    assert " ".join(lines[1].split()) == "a/fox.jpg #0 Red fox (Vulpes vulpes) 0.50 the probability, 50 %, is below 90 %"
    assert told.stderr == "2 crops.\n"
    assert [row["image"] for row in csv.DictReader(StringIO(run("review", tagged, "--format", "csv").stdout))] == ["a/fox.jpg", "a/cat.jpg"]
    (only,) = run("review", tagged, "--format", "jsonl", "--limit", 1).stdout.splitlines()
    assert (json.loads(only)["image"], json.loads(only)["doubt"]) == ("a/fox.jpg", 0.5)
    assert len(run("review", tagged, "--sample", 3, "--format", "jsonl").stdout.splitlines()) == 3


def test_nothing_in_doubt_is_said(tagged):
    assert run("review", tagged, "--target", "0.1").stderr == "No crop needs a person.\n"


def test_a_review_from_the_list_to_the_labels(tagged, folder, tmp_path):  # noqa: F811
    table = tmp_path / "decisions.csv"
    assert "2 crops to decide" in run("review", tagged, "--template", table).stderr
    rows = list(csv.DictReader(StringIO(table.read_text(encoding="utf-8-sig"))))
    rows[0]["verdict"], rows[1]["taxon"] = "accepted", "Panthera leoo"
    rows.append(rows[1] | {"taxon": "lion"})
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    told = run("review", tagged, "--decide", table, "--who", "Ana", "--index", folder)
    assert told.return_value == 1
    assert told.stderr == "row 2 (a/cat.jpg): Panthera leoo: is no name of the index; did you mean Panthera leo?\n"
    assert told.stdout == "Taken: 2. Not understood: 1. Left open: 0.\n"
    assert run("review", tagged, "--labels", tmp_path / "labels.csv").stdout.startswith("2 labels in ")
    assert run("review", tagged).stderr == "No crop needs a person.\n"
    measured = run("evaluate", tagged, "--index", folder, "--format", "jsonl")
    assert "2 crops that people decided about; as a rule those are the doubtful ones" in measured.stderr
    by_truth = run("evaluate", tagged, "--truth", tmp_path / "labels.csv", "--index", folder, "--format", "jsonl")
    for one in (measured, by_truth):
        assert '"answer_accuracy": 0.5' in one.stdout
    assert "Undone: 2 of Ana" in run("review", tagged, "--undo", "--who", "Ben").stdout
    assert standing_decisions(tagged) == {}
    assert run("review", tagged, "--undo", "--who", "Ben").return_value == 1


def test_bursts_are_listed_and_decided_as_one(tmp_path):
    from datetime import datetime

    from bioclip_search.bursts.folder import frame_of, write_sequences
    from bioclip_search.bursts.sequences import find_sequences

    tagged = small_run(tmp_path / "run", [picture(f"{number}.jpg", crop(0, probability=0.5), timestamp=datetime(2024, 5, 1)) for number in range(3)])
    grouping = find_sequences(tagged)
    write_sequences(tagged.folder, grouping, [frame_of(grouping, 0)])
    table = tmp_path / "decisions.csv"
    assert "--who NAME --bursts" in run("review", tagged.folder, "--bursts", "--template", table).stderr
    table.write_text(table.read_text(encoding="utf-8-sig").rstrip()[:-2] + "blank,,\n", encoding="utf-8")
    told = run("review", tagged.folder, "--decide", table, "--who", "Ana", "--bursts")
    assert told.stdout == "Taken: 3. Not understood: 0. Left open: 0.\n"


def test_how_much_is_spared_is_told_with_what_is_missing(tagged):
    told = run("review", tagged, "--spared", "0.95").stdout
    assert "The 0 crops drawn and decided do not show that 0.95 of any names are right" in told
    assert "If every chance were what it says" in told


def test_what_cannot_be_done_at_once_or_by_nobody_stops(tagged, tmp_path):
    with pytest.raises(click.UsageError, match="--undo and --spared are things to do one after the other"):
        run("review", tagged, "--undo", "--spared", "0.9")
    with pytest.raises(click.UsageError, match="--undo needs --who NAME"):
        run("review", tagged, "--undo")
    with pytest.raises(RunError, match="is no folder of a run"):
        run("review", tmp_path)


def test_a_run_that_nobody_reviewed_teaches_nothing(tagged, folder):  # noqa: F811
    for command in ("calibrate", "evaluate"):
        with pytest.raises(RunError, match="nobody decided on a taxon yet"):
            run(command, tagged, "--index", folder)
