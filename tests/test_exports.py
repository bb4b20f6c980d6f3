from __future__ import annotations

import csv
import io
import json

import pytest

from bioclip_search.exports import ANSWER_COLUMNS, write_records
from bioclip_search.results import Alternative, Answer, Failure, LabelAnswer, Rung

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
