from __future__ import annotations

import csv
import io
import json

import pytest

from bioclip_search.errors import TableError
from bioclip_search.evaluation.answers import are_answers, one_per_picture, read_answers
from bioclip_search.exports import write_records
from bioclip_search.results import Answer, Failure, Rung

LION = Answer(
    image="cam1/lion.jpg",
    box_xyxy=(1.0, 2.0, 30.0, 40.5),
    detector_confidence=0.9,
    taxon="Panthera",
    rank="genus",
    common_name="Big cats",
    probability=0.81,
    chance=0.95,
    rule="rule 2: genus, as tested",
    lineage={"kingdom": "Animalia", "family": "Felidae", "genus": "Panthera"},
    ladder=(Rung("family", "Felidae", 0.9), Rung("genus", "Panthera", 0.81), Rung("species", "Panthera leo", 0.5)),
    index="small",
    encoder="c0104e",
)
BLANK = Answer(image="empty.jpg", probability=None, rule="rule 0: no organism", index="small", encoder="c0104e")
BROKEN = Failure("broken.jpg", "truncated")


def written(path, format, records=(LION, BLANK, BROKEN)):
    out = io.StringIO()
    list(write_records(records, format, out))
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def test_what_identify_writes_as_json_lines_is_read_back_as_it_was(tmp_path):
    path = written(tmp_path / "a.jsonl", "jsonl")
    assert are_answers(path)
    assert list(read_answers(path)) == [LION, BLANK, BROKEN]


def test_a_table_of_answers_is_read_back_with_the_answer_itself_as_its_ladder(tmp_path):
    path = written(tmp_path / "a.csv", "csv")
    assert are_answers(path)
    lion, blank, broken = read_answers(path)
    assert (lion.taxon, lion.rank, lion.probability, lion.chance, lion.lineage) == ("Panthera", "genus", 0.81, 0.95, LION.lineage)
    assert lion.box_xyxy == LION.box_xyxy
    assert lion.ladder == (Rung("genus", "Panthera", 0.81),)
    assert (blank.taxon, blank.probability, blank.ladder) == (None, None, ())
    assert broken == BROKEN


def test_tables_of_labels_pictures_and_folders_are_no_answers(tmp_path):
    (tmp_path / "labels.csv").write_text("path,species\na.jpg,Panthera leo\n")
    (tmp_path / "labels.jsonl").write_text('{"image": "a.jpg", "species": "Panthera leo"}\n')
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert not any(are_answers(tmp_path / name) for name in ("labels.csv", "labels.jsonl", "a.jpg", "", "missing.jsonl"))
    with pytest.raises(TableError, match="no file of answers"):
        list(read_answers(tmp_path / "a.jpg"))
    with pytest.raises(TableError, match="holds no answers"):
        list(read_answers(tmp_path / "labels.csv"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability": float("nan")}, "line 1: is no answer of `identify` .probability is nan, not a number from 0 to 1"),
        ({"probability": 1.5}, "probability is 1.5"),
        ({"probability": "high"}, "could not convert"),
        ({"probability": None}, "belong together"),
        ({"rank": None}, "belong together"),
        ({"ladder": [{"rank": "genus", "taxon": "Panthera"}]}, "probability is missing"),
        ({"ladder": [{"rank": "genus", "taxon": "Panthera", "probability": float("nan")}]}, "probability of a rung is nan"),
        ({"image": ""}, "it has no image"),
        ({"image": "a\ud800.jpg"}, "line 1: is no JSON .*surrogates not allowed"),
        ({"ladder": [{"rank": "genus", "taxon": "\udc00", "probability": 1}]}, "line 1: is no JSON .*surrogates not allowed"),
        ({"box_xyxy": [1, 2, 3]}, "not four numbers"),
        ({"lineage": 7}, "is no answer"),
    ],
)
def test_a_record_that_is_no_answer_stops_with_its_line_and_the_reason(tmp_path, change, message):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(LION.to_dict() | change) + "\n", encoding="utf-8")
    with pytest.raises(TableError, match=message):
        list(read_answers(path))


def test_lines_that_are_no_json_objects_stop_with_their_number(tmp_path):
    path = written(tmp_path / "a.jsonl", "jsonl")
    for broken in ("{", "[1]", "[" * 100_000):
        (tmp_path / "b.jsonl").write_text(path.read_text() + "\n" + broken + "\n")
        with pytest.raises(TableError, match="line 5"):
            list(read_answers(tmp_path / "b.jsonl"))
    with pytest.raises(TableError, match="no such file"):
        list(read_answers(tmp_path / "nowhere.jsonl"))


def test_a_table_with_a_broken_number_stops_with_its_line(tmp_path):
    path = written(tmp_path / "a.csv", "csv")
    rows = list(csv.reader(path.read_text().splitlines()))
    rows[1][rows[0].index("probability")] = "nan"
    with path.open("w", newline="") as out:
        csv.writer(out).writerows(rows)
    with pytest.raises(TableError, match="line 2: is no answer of `identify` .probability is nan"):
        list(read_answers(path))


def crop(image, taxon, confidence, probability):
    rank = "species" if taxon else None
    return Answer(image=image, detector_confidence=confidence, taxon=taxon, rank=rank, probability=probability, rule="a test", index="small", encoder="c")


def test_of_several_crops_the_surest_one_with_an_answer_stands_for_the_picture():
    """Rule 1: the lynx, though the detector was surer of the crop without an answer. Rule 2: surer than the fox. Rule 3: the likelier owl."""
    crops = [crop("a", None, 0.9, 1.0), crop("a", "Vulpes vulpes", 0.5, 0.9), crop("b", None, 0.4, 1.0), crop("a", "Lynx lynx", 0.7, 0.6)]
    owls = [crop("c", "Bubo bubo", 0.5, 0.6), crop("c", "Strix aluco", 0.5, 0.7), crop("c", "Tyto alba", 0.5, 0.7)]
    assert [answer.taxon for answer in one_per_picture([*crops, *owls])] == ["Lynx lynx", None, "Strix aluco"]
