from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from bioclip_search.exports import ANSWER_COLUMNS, write_records
from bioclip_search.results import Alternative, Answer, Failure, LabelAnswer, Rung, WithoutPlace, remarks

FOX = Answer(
    image="a, b.jpg",
    box_xyxy=(1, 2.5, 30, 40),
    detector_confidence=0.9,
    taxon="Vulpes vulpes",
    rank="species",
    common_name="Red fox",
    probability=0.876,
    rule="rule 2: species",
    lineage={"kingdom": "Animalia", "species": "Vulpes vulpes"},
    ladder=(Rung("kingdom", "Animalia", 0.999), Rung("species", "Vulpes vulpes", 0.876)),
    alternatives=(Alternative("Vulpes lagopus", "species", 0.05, "Arctic fox"),),
    index="starter",
    encoder="e+fp32",
)
UNSURE = Answer(image="c.jpg", probability=1.0, rule="rule 3: no answer", ladder=FOX.ladder, index="starter", encoder="e+fp32")
BLANK = Answer(image="e.jpg", probability=None, rule="rule 0: no organism", index="starter", encoder="e+fp32")
BROKEN = Failure("d.jpg", "the file is empty (0 bytes)")


def written(records, format, **options) -> str:
    out = io.StringIO()
    assert list(write_records(iter(records), format, out, **options)) == list(records)
    return out.getvalue()


def test_json_lines_hold_the_promised_fields():
    fox, broken = map(json.loads, written([FOX, BROKEN], "jsonl").splitlines())
    assert set(fox) == {"image", "box_xyxy", "detector_confidence", "taxon", "rank", "common_name", "probability", "chance", "rule", "lineage", "ladder", "alternatives", "beyond_calibration", "place", "out_of_range", "without_place", "removed", "index", "encoder"}  # fmt: skip
    assert fox["ladder"][1] == {"rank": "species", "taxon": "Vulpes vulpes", "probability": 0.876}
    assert fox["alternatives"] == [{"taxon": "Vulpes lagopus", "rank": "species", "probability": 0.05, "common_name": "Arctic fox"}]
    assert broken == {"image": "d.jpg", "error": "the file is empty (0 bytes)"}


def test_csv_has_one_row_a_crop_and_an_error_column():
    fox, broken = csv.DictReader(io.StringIO(written([FOX, BROKEN], "csv")))
    assert tuple(fox) == ANSWER_COLUMNS
    assert (fox["image"], fox["box_xyxy"], fox["species"], fox["genus"], fox["error"]) == ("a, b.jpg", "1 2.5 30 40", "Vulpes vulpes", "", "")
    assert (broken["taxon"], broken["error"]) == ("", "the file is empty (0 bytes)")


def test_the_table_names_the_answer_marks_its_rung_and_tells_failures():
    told = written([FOX, UNSURE, BLANK, BROKEN], "table").replace("\N{NO-BREAK SPACE}", " ")
    assert "Red fox (Vulpes vulpes)" in told
    assert "Animalia >99 % › [Vulpes vulpes 88 %]" in told
    assert "not sure enough to name" in told
    assert "blank" in told
    assert "cannot be answered: the file is empty" in told


def test_labels_are_rows_of_their_own():
    record = LabelAnswer("a.jpg", (("fox", 0.75), ("owl", 0.25)))
    rows = list(csv.DictReader(io.StringIO(written([BROKEN, record], "csv", of_labels=True))))
    assert [(row["image"], row["label"], row["probability"]) for row in rows] == [("d.jpg", "", ""), ("a.jpg", "fox", "0.75"), ("a.jpg", "owl", "0.25")]
    assert "fox" in written([record], "table", of_labels=True)


@pytest.mark.parametrize(("format", "expected"), [("jsonl", ""), ("csv", ",".join(ANSWER_COLUMNS) + "\n")])
def test_no_record_gives_an_empty_but_valid_file(format, expected):
    assert written([], format) == expected


def test_what_the_place_changed_stands_in_every_format():
    stray = replace(
        FOX,
        chance=0.9,
        place="NOR in May",
        out_of_range=True,
        without_place=WithoutPlace("Panthera leo", "species", 0.82),
        removed=Alternative("Lynx lynx", "species", 0.1),
        beyond_calibration=("fitted without a place",),
    )
    (row,) = csv.DictReader(io.StringIO(written([stray], "csv")))
    told = ("place", "out_of_range", "without_place", "removed", "beyond_calibration", "chance")
    assert [row[column] for column in told] == ["NOR in May", "True", "Panthera leo 0.8200", "Lynx lynx 0.1000", "fitted without a place", "0.9"]
    assert json.loads(written([stray], "jsonl"))["without_place"] == {"taxon": "Panthera leo", "rank": "species", "probability": 0.82, "chance": None}
    lines = [line.strip() for line in written([stray], "table").replace("\N{NO-BREAK SPACE}", " ").splitlines()]
    assert lines[-4:] == [
        "Out of range: Panthera leo is not recorded there (NOR in May)",
        "Without the place: Panthera leo, species, 82 %",
        "Shut out there: Lynx lynx, 10 % without the place (NOR in May)",
        "Beyond the calibration: fitted without a place",
    ]
    assert " 90 %  rule 2" in lines[1]  # the chance of being right, where it was learned, and not the probability


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        pytest.param({"out_of_range": False, "without_place": WithoutPlace("Vulpes vulpes", "species", 0.7)}, [], id="as without the place"),
        pytest.param(
            {"out_of_range": True, "without_place": WithoutPlace("Vulpes vulpes", "species", 0.7)},
            ["Out of range: Vulpes vulpes is not recorded there (NOR)"],
            id="the same stray",
        ),
        pytest.param({"without_place": WithoutPlace(None, None, 1.0)}, ["Without the place: no answer"], id="only the place makes it sure"),
    ],
)
def test_remarks_say_only_what_differs(changes, lines):
    assert remarks(replace(FOX, place="NOR", **changes)) == lines
