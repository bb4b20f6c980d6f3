from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from bioclip_search.runs.record import TaggedPicture
from bioclip_search.standards import export
from bioclip_search.standards.megadetector_rules import faults
from bioclip_search.standards.reading import read_export
from tests.standards.random_runs import runs
from tests.standards.runs import answer, crop, picture, small_run


def written(tmp_path: Path, *pictures: TaggedPicture, **options: Any) -> dict[str, Any]:
    export(small_run(tmp_path / "run", pictures), "megadetector", tmp_path / "out.json", **options)
    return json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))


def carried(one: TaggedPicture) -> tuple[Any, ...]:
    """What the format carries of a picture; the time of a video that of its first frame."""
    if one.error is not None:
        return one.media_id, one.error
    stamp = one.facts.timestamp if not one.frame_number else None
    found = []
    for each in one.crops:
        told = each.answer
        named = told and told.taxon and (told.taxon, told.rank, told.common_name, dict(told.lineage), round(told.probability, 6))
        others = told and told.taxon and [(other.taxon, other.rank, other.common_name, round(other.probability, 6)) for other in told.alternatives]
        box = each.box_xyxy and tuple(round(side, 2) for side in each.box_xyxy)
        kept = others and [other for other in others if other[3] <= named[4] and other[0] != told.taxon]
        found.append((each.number, each.status, each.category, each.confidence and round(each.confidence, 6), box, named or None, kept or None))
    return one.media_id, one.status, one.size_wh, stamp, one.frame_number, one.frame_rate, found


@settings(max_examples=60)
@given(runs())
def test_what_the_format_carries_comes_back(pictures):
    with tempfile.TemporaryDirectory() as name:
        run = small_run(Path(name, "run"), pictures)
        export(run, "megadetector", Path(name, "out.json"))
        back = list(read_export(Path(name, "out.json")).pictures())
        for one, other in zip(pictures, back, strict=True):
            if one.frame_number is None:
                assert carried(other) == carried(one)
            else:
                assert carried(other)[4:] == carried(one)[4:]


def test_a_lion_stands_as_the_format_wants_it(tmp_path):
    told = written(tmp_path, picture("a/1.jpg", crop(), crop(1, (0, 0, 800, 300), 0.4, category="person")))
    assert told["info"]["format_version"] == "1.6"
    assert told["detection_categories"] == {"1": "animal", "2": "person", "3": "vehicle"}
    (image,) = told["images"]
    lion, person = image["detections"]
    assert lion == {"category": "1", "conf": 0.8, "bbox": [0.1, 0.1, 0.4, 0.4], "classifications": lion["classifications"]}
    assert person == {"category": "2", "conf": 0.4, "bbox": [0.0, 0.0, 1.0, 0.5]}
    (first, probability), *others = lion["classifications"]
    assert (told["classification_categories"][first], probability) == ("Lion", 0.9)
    assert [probability for _, probability in others] == [0.05, 0.05]
    assert told["classification_category_descriptions"][first] == "panthera leo;mammalia;carnivora;felidae;panthera;leo;lion"


def test_two_taxa_that_share_a_common_name_are_told_apart(tmp_path):
    two = [crop(0, answer=answer(species)) for species in ("Erithacus rubecula", "Turdus migratorius")]
    told = written(tmp_path, *(picture(f"{number}.jpg", one) for number, one in enumerate(two)))
    names = set(told["classification_categories"].values())
    assert {"Robin (Erithacus rubecula)", "Robin (Turdus migratorius)"} <= names


def test_a_taxon_is_one_class_however_little_of_its_lineage_was_told(tmp_path):
    lineages = [{"kingdom": "Animalia", "species": "Felis catus"}, {}, None]
    cats = [answer("Felis catus", alternatives=(), **({} if one is None else {"lineage": one, "common_name": None, "ladder": ()})) for one in lineages]
    run = small_run(tmp_path / "run", [picture(f"{place}.jpg", crop(0, answer=one)) for place, one in enumerate(cats)])
    export(run, "megadetector", tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["classification_categories"] == {"1": "Domestic cat"}


def test_a_plant_and_a_bird_of_one_name_stay_two_classes(tmp_path):
    two = [answer("Felis catus", alternatives=(), ladder=(), lineage={"kingdom": kingdom, "species": "Felis catus"}) for kingdom in ("Animalia", "Plantae")]
    run = small_run(tmp_path / "run", [picture(f"{place}.jpg", crop(0, answer=one)) for place, one in enumerate(two)])
    export(run, "megadetector", tmp_path / "out.json")
    assert len(set(json.loads((tmp_path / "out.json").read_text())["classification_categories"].values())) == 2


def test_no_class_is_called_as_a_detection_is(tmp_path):
    told = written(tmp_path, picture("1.jpg", crop(common_name="Person")))
    assert "Person (Panthera leo)" in told["classification_categories"].values()


def test_a_failed_picture_has_null_detections_and_a_blank_one_none(tmp_path):
    failed, blank = written(tmp_path, picture("1.jpg", error="truncated"), picture("2.jpg"))["images"]
    assert (failed["failure"], failed["detections"]) == ("truncated", None)
    assert blank["detections"] == []
    assert "failure" not in blank


def test_the_frames_of_a_video_are_one_entry(tmp_path):
    frames = [picture("v.mp4", *([crop()] if number else []), frame_number=number, frame_rate=12.5) for number in (0, 25, 50)]
    (video,) = written(tmp_path, *frames)["images"]
    assert (video["frame_rate"], video["frames_processed"]) == (12.5, [0, 25, 50])
    assert [one["frame_number"] for one in video["detections"]] == [25, 50]


def test_a_video_that_failed_keeps_the_rules(tmp_path):
    (video,) = written(tmp_path, picture("v.mp4", error="no stream"))["images"]
    assert (video["failure"], video["frames_processed"]) == ("no stream", [])


def test_an_answer_without_a_name_has_no_class(tmp_path):
    (image,) = written(tmp_path, picture("1.jpg", crop(rank=None)))["images"]
    assert "classifications" not in image["detections"][0]


def test_an_empty_run_is_an_empty_list(tmp_path):
    assert written(tmp_path)["images"] == []
    assert list(read_export(tmp_path / "out.json").pictures()) == []


GOOD = {
    "info": {"format_version": "1.6"},
    "detection_categories": {"1": "animal"},
    "classification_categories": {"1": "lion", "2": "fox"},
    "images": [{"file": "1.jpg", "detections": [{"category": "1", "conf": 0.5, "bbox": [0, 0, 1, 1], "classifications": [["1", 0.6], ["2", 0.4]]}]}],
}


def broken(path: str, value: Any) -> dict[str, Any]:
    """The good file with one value changed, or taken away where the value is ..."""
    told = json.loads(json.dumps(GOOD))
    *way, last = [int(step) if step.isdigit() and step != "0x" else step for step in path.split(".")]
    place = told
    for step in way:
        place = place[step] if isinstance(place, list) else place[str(step)]
    last = last if isinstance(place, list) else str(last)
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return told


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("images", ..., 1),
        ("info", ..., 1),
        ("detection_categories", [], 1),
        ("info.format_version", 1.6, 2),
        ("detection_categories.0", "empty", 3),
        ("detection_categories.-1", "animal", 3),
        ("classification_categories.1", " ", 3),
        ("classification_category_descriptions", {"1": "x"}, 4),
        ("classification_categories.2", "Lion", 5),
        ("classification_categories.2", "Animal", 5),
        ("images.0.file", 3, 6),
        ("images.0.failure", "no", 7),
        ("images.0.detections", None, 7),
        ("images.0.detections", ..., 7),
        ("images.0.detections.0.category", "9", 8),
        ("images.0.detections.0.conf", 1, 8),
        ("images.0.detections.0.bbox", [0.5, 0, 0.6, 1], 8),
        ("images.0.detections.0.bbox", [0, 0, 1], 8),
        ("images.0.detections.0.classifications", [["1", 0.4], ["2", 0.6]], 9),
        ("images.0.detections.0.classifications", [["3", 0.4]], 9),
        ("images.0.file", "1.mp4", 10),
    ],
)
def test_a_file_that_breaks_a_rule_is_told_which(tmp_path, path, value, rule):
    (tmp_path / "out.json").write_text(json.dumps(broken(path, value)))
    assert f"rule {rule}:" in next(faults(tmp_path / "out.json"))


def test_a_file_that_keeps_the_rules_has_no_faults(tmp_path):
    (tmp_path / "out.json").write_text(json.dumps(GOOD))
    assert list(faults(tmp_path / "out.json")) == []
    (tmp_path / "out.json").write_text(json.dumps(broken("images", [])))
    assert list(faults(tmp_path / "out.json")) == []
