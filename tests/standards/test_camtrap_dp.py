from __future__ import annotations

import csv
import json
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings

from bioclip_search.errors import ExportError, SourceError
from bioclip_search.media import Deployment
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.standards import ExportOptions, camtrap_dp, export
from bioclip_search.standards.camtrap_project import read_project, require_facts
from bioclip_search.standards.camtrap_rules import package_faults
from bioclip_search.standards.collection import Collection
from bioclip_search.standards.reading import read_export
from tests.standards.random_runs import runs
from tests.standards.runs import answer, crop, picture, small_run

FACTS = {"title": "Lions", "samplingDesign": "opportunistic", "captureMethod": ["activityDetection"], "contributors": [{"title": "A. Ranger"}]}
STAMP = datetime(2024, 3, 1, 5, 30, tzinfo=timezone(timedelta(hours=2)))
NORTH = Deployment("north", -1.5, 35.25, datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC), "Waterhole")


def seen(image: str, *crops: Any, **told: Any) -> TaggedPicture:
    return picture(image, *crops, **{"timestamp": STAMP, "deployment": "north"} | told)


def written(tmp_path: Path, *pictures: TaggedPicture, deployments: Any = (NORTH,), **options: Any) -> dict[str, list[dict[str, str]]]:
    options = {"project": FACTS} | options
    export(small_run(tmp_path / "run", pictures, deployments=deployments), "camtrap-dp", tmp_path / "out", **options)
    return tables(tmp_path / "out")


def tables(folder: Path) -> dict[str, list[dict[str, str]]]:
    told = {}
    for name in ("deployments", "media", "observations"):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            told[name] = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    return told


def test_a_lion_stands_as_the_standard_wants_it(tmp_path):
    told = written(tmp_path, seen("a/1.jpg", crop(), crop(1, (0, 0, 800, 300), 0.4, category="person")), seen("a/2.jpg"))
    (stay,), (first, second), (lion, person, blank) = told["deployments"], told["media"], told["observations"]
    assert stay == {
        "deploymentID": "north",
        "locationName": "Waterhole",
        "latitude": "-1.5",
        "longitude": "35.25",
        "deploymentStart": "2024-02-01T00:00:00Z",
        "deploymentEnd": "2024-04-01T00:00:00Z",
    }
    assert (first["filePath"], first["fileMediatype"], first["timestamp"]) == ("a/1.jpg", "image/jpeg", "2024-03-01T05:30:00+02:00")
    assert lion | {"observationTags": "", "classifiedBy": ""} == {
        "observationID": f"{first['mediaID']}_1",
        "mediaID": first["mediaID"],
        "deploymentID": "north",
        "eventStart": "2024-03-01T05:30:00+02:00",
        "eventEnd": "2024-03-01T05:30:00+02:00",
        "observationLevel": "media",
        "observationType": "animal",
        "scientificName": "Panthera leo",
        "count": "1",
        "bboxX": "0.1",
        "bboxY": "0.1",
        "bboxWidth": "0.4",
        "bboxHeight": "0.4",
        "classificationMethod": "machine",
        "classifiedBy": "",
        "classificationTimestamp": "2026-06-01T12:00:00Z",
        "classificationProbability": "0.9",
        "observationTags": "",
    }
    assert (person["observationType"], "scientificName" in person) == ("human", False)
    assert (blank["observationType"], blank["mediaID"]) == ("blank", second["mediaID"])
    package = json.loads((tmp_path / "out" / "datapackage.json").read_text(encoding="utf-8"))
    assert package["taxonomic"][0]["vernacularNames"] == {"eng": "Lion"}
    assert (package["spatial"], package["temporal"]) == ({"type": "Point", "coordinates": [35.25, -1.5]}, {"start": "2024-02-01", "end": "2024-04-01"})


def validate(shared: Path, folder: Path) -> list[str]:
    """What frictionless finds wrong, with the standard's own schemas."""
    from frictionless import Package, Resource, Schema

    schemas = shared / "schemas" / "camtrap-dp-1.0.2"
    resources = []
    for name in ("deployments", "media", "observations"):
        schema = Schema.from_descriptor(json.loads((schemas / f"{name}-table-schema.json").read_text()))
        resources.append(Resource(name=name, path=f"{name}.csv", schema=schema))
    report = Package(resources=resources, basepath=str(folder)).validate()
    return [str(error) for task in report.tasks for error in task.errors] + [str(error) for error in report.errors]


def validate_profile(shared: Path, folder: Path) -> list[str]:
    """What the standard's profile finds wrong with `datapackage.json`; the parts that it takes from the network are left out."""
    from jsonschema import Draft4Validator

    profile = json.loads((shared / "schemas" / "camtrap-dp-1.0.2" / "camtrap-dp-profile.json").read_text())
    rules = profile["allOf"][1]
    del rules["properties"]["spatial"]["$ref"]
    rules["$defs"] = profile["$defs"]
    return [error.message for error in Draft4Validator(rules).iter_errors(json.loads((folder / "datapackage.json").read_text(encoding="utf-8")))]


@pytest.mark.filterwarnings("default")
def test_frictionless_finds_nothing_wrong(shared, tmp_path):
    film = [seen("v.mp4", crop(), frame_number=number, frame_rate=25.0) for number in (0, 25)]
    pictures = [
        seen("1.jpg", crop(), crop(1, rank="genus", box=(1, 1, 9, 9))),
        seen("2.jpg"),
        seen("3.jpg", error="cut off"),
        seen("ü.png", crop(0, None)),
        *film,
    ]
    written(tmp_path, *pictures)
    assert validate(shared, tmp_path / "out") == []
    assert validate_profile(shared, tmp_path / "out") == []


@pytest.mark.filterwarnings("default")
def test_the_standards_own_example_comes_back_whole_and_valid(shared, tmp_path):
    example = read_export(shared / "bursts" / "camtrap-dp-example")
    run = small_run(tmp_path / "run", example.pictures(), deployments=example.deployments, root=None)
    decisions = {(media, number): decision_of(stands) for media, number, stands in example.decided()}
    report = camtrap_dp.write(Collection(run, decisions), tmp_path / "out", ExportOptions(project=example.project))
    assert (report.pictures, report.observations, report.left_out) == (423, 513, {})
    assert validate(shared, tmp_path / "out") == []
    assert validate_profile(shared, tmp_path / "out") == []

    def told(folder: Path) -> list[Any]:
        files = {row["mediaID"]: row["filePath"] for row in tables(folder)["media"]}
        names = ("deploymentID", "observationType", "classificationMethod", "classifiedBy", "classificationProbability")
        rows = [row for row in tables(folder)["observations"] if row["observationLevel"] == "media"]
        shown = [(files[row["mediaID"]], *(row.get(name) for name in names), row["observationType"] == "animal" and row.get("scientificName")) for row in rows]
        return sorted(map(repr, shown))

    assert told(tmp_path / "out") == told(shared / "bursts" / "camtrap-dp-example")


def decision_of(stands: Any) -> Any:
    return SimpleNamespace(**{name: getattr(stands, name) for name in ("verdict", "taxon", "rank", "lineage", "who", "when", "note")})


def carried(one: TaggedPicture) -> tuple[Any, ...]:
    facts = one.facts
    stamp = facts.timestamp and (facts.timestamp if facts.timestamp.tzinfo else facts.timestamp.replace(tzinfo=UTC)).replace(microsecond=0)
    if one.error is not None:
        return one.media_id, stamp, one.error
    found = []
    for each in one.crops:
        told = each.answer
        named = told and told.taxon and (told.taxon, told.rank, dict(told.lineage), told.probability)
        box = each.box_xyxy and tuple(round(side, 2) for side in each.box_xyxy)
        found.append((each.number, each.status, each.category, each.confidence and round(each.confidence, 6), box, named or None))
    return one.media_id, one.status, one.size_wh, stamp, facts.deployment, one.frame_number, one.frame_rate, found


@settings(max_examples=25)
@given(runs())
def test_what_the_standard_carries_comes_back(pictures):
    told = [one for one in pictures if one.facts.timestamp and ".." not in one.image]
    held = [one for one in told if one.facts.deployment]
    with tempfile.TemporaryDirectory() as name:
        run = small_run(Path(name, "run"), pictures, deployments=[NORTH, Deployment("south", 1.0, 2.0)])
        if not told:
            return
        stays = (Deployment("unnamed", 0.0, 0.0),)
        report = export(run, "camtrap-dp", Path(name, "out"), project=FACTS, timezone=UTC, deployments=stays)
        back = [one for one in read_export(Path(name, "out")).pictures() if one.facts.deployment != "unnamed"]
        assert report.pictures == len(told)
        assert [carried(one) for one in back] == [carried(one) for one in held]


def test_what_a_person_decided_stands_with_who_and_when(tmp_path):
    run = small_run(tmp_path / "run", [seen("1.jpg", crop()), seen("2.jpg", crop())], deployments=[NORTH])
    first, second = (one.media_id for one in run.pictures())
    by = {"who": "A. Ranger", "when": datetime(2026, 7, 1, tzinfo=UTC), "note": None}
    fox = SimpleNamespace(verdict="corrected", taxon="Vulpes vulpes", rank="species", lineage={"kingdom": "Animalia", "species": "Vulpes vulpes"}, **by)
    blank = SimpleNamespace(verdict="blank", taxon=None, rank=None, lineage={}, **by)
    camtrap_dp.write(Collection(run, {(first, 0): fox, (second, -1): blank}), tmp_path / "out", ExportOptions(project=FACTS))
    one, two = tables(tmp_path / "out")["observations"]
    assert (one["scientificName"], one["classificationMethod"], one["classifiedBy"]) == ("Vulpes vulpes", "human", "A. Ranger")
    assert (one["classificationTimestamp"], "classificationProbability" in one) == ("2026-07-01T00:00:00Z", False)
    assert (two["observationType"], two["classificationMethod"], "bboxX" in two) == ("blank", "human", False)


class Bursts:
    """Sequences as `bursts` gives them, of two pictures each."""

    def __init__(self, answers: dict[str, Any], of: dict[str, str]):
        self.answers, self.of = answers, of.get


def test_a_burst_has_an_observation_of_its_own(tmp_path):
    run = small_run(tmp_path / "run", [seen("1.jpg", crop()), seen("2.jpg")], deployments=[NORTH])
    names = [one.media_id for one in run.pictures()]
    burst = SimpleNamespace(sequence_id="s1", deployment="north", start=STAMP, end=STAMP + timedelta(seconds=2), answer=answer(rank="genus", probability=0.7))
    sequences = Bursts({"s1": burst}, dict.fromkeys(names, "s1"))
    report = camtrap_dp.write(Collection(run, sequences=sequences), tmp_path / "out", ExportOptions(project=FACTS))  # type: ignore[arg-type]
    event = tables(tmp_path / "out")["observations"][-1]
    assert report.observations == 3
    assert (event["observationLevel"], event["eventID"], event["scientificName"], "mediaID" in event) == ("event", "s1", "Panthera", False)
    assert (event["eventStart"], event["eventEnd"]) == ("2024-03-01T05:30:00+02:00", "2024-03-01T05:30:02+02:00")
    package = json.loads((tmp_path / "out" / "datapackage.json").read_text(encoding="utf-8"))
    assert package["project"]["observationLevel"] == ["media", "event"]


@pytest.mark.parametrize(
    ("told", "options", "words"),
    [
        pytest.param({}, {"project": {}}, "--project", id="nothing of the project"),
        pytest.param({"deployment": "south"}, {}, "--deployments", id="no place"),
        pytest.param({"timestamp": datetime(2024, 1, 1)}, {}, "--timezone", id="no zone"),
        pytest.param({"timestamp": None}, {}, "needs a time", id="no time at all"),
        pytest.param({}, {"level": "event"}, "no bursts", id="no bursts"),
        pytest.param({}, {"project": FACTS | {"samplingDesign": "somehow"}}, "samplingDesign", id="a design that the standard does not know"),
        pytest.param({}, {"language": "x1"}, "three letters", id="a language that is none"),
    ],
)
def test_what_the_standard_requires_is_asked_for_and_nothing_written(tmp_path, told, options, words):
    with pytest.raises(ExportError, match=words):
        written(tmp_path, seen("1.jpg", crop(), **told), deployments=[NORTH] if told.get("deployment") != "south" else [], **options)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_picture_outside_of_the_folder_is_left_out_and_told(tmp_path):
    run = small_run(tmp_path / "run", [seen("/home/me/1.jpg", crop()), seen("2.jpg")], deployments=[NORTH], root=None)
    report = export(run, "camtrap-dp", tmp_path / "out", project=FACTS)
    assert report.pictures == 1
    assert sum(report.left_out.values()) == 1


def test_a_folder_that_is_no_package_is_never_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(ExportError, match="something other"):
        written(tmp_path, seen("1.jpg"), overwrite=True)
    assert (tmp_path / "out" / "mine.txt").exists()


def test_an_earlier_package_is_replaced_if_asked(tmp_path):
    written(tmp_path, seen("1.jpg"))
    export(small_run(tmp_path / "other", [seen("2.jpg")], deployments=[NORTH]), "camtrap-dp", tmp_path / "out", project=FACTS, overwrite=True)
    assert [row["filePath"] for row in tables(tmp_path / "out")["media"]] == ["2.jpg"]


@pytest.mark.parametrize(
    ("table", "old", "new", "words"),
    [
        ("deployments", "-1.5", "-91", "latitude"),
        ("deployments", "2024-02-01T00:00:00Z", "2024-02-01T00:00:00", "deploymentStart"),
        ("media", "a/1.jpg", "../1.jpg", "filePath"),
        ("media", "image/jpeg", "jpeg", "fileMediatype"),
        ("media", "north", "south", "which deployments.csv lacks"),
        ("observations", "animal", "beast", "observationType"),
        ("observations", ",0.4,", ",1.4,", "bbox"),
        ("observations", "machine", "robot", "classificationMethod"),
        ("observations", "eventID", "event", "columns"),
    ],
)
def test_a_package_that_breaks_a_rule_is_told_which(tmp_path, table, old, new, words):
    written(tmp_path, seen("a/1.jpg", crop()))
    path = tmp_path / "out" / f"{table}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert any(words in fault for fault in package_faults(tmp_path / "out"))


def test_facts_of_a_project_are_read_from_toml_and_json_and_slips_are_told(tmp_path):
    (tmp_path / "a.toml").write_text('title = "Lions"\n[[contributors]]\ntitle = "A. Ranger"\n')
    assert read_project(tmp_path / "a.toml")["contributors"] == [{"title": "A. Ranger"}]
    (tmp_path / "a.json").write_text(json.dumps({"titel": "Lions"}))
    with pytest.raises(ExportError, match="titel"):
        read_project(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"contributors": "me"}, "contributors is no list"),
        ({"licenses": ["CC0"]}, "licenses is no list"),
        ({"captureMethod": "timeLapse"}, "captureMethod is no list"),
        ({"captureMethod": [["timeLapse"]]}, "captureMethod is no list"),
        ({"project": 3}, "project is no group"),
        ({"taxonomic": [{"scientificName": "Felis", "vernacularNames": "cat"}]}, "vernacularNames of Felis"),
    ],
)
def test_facts_of_another_kind_are_told_before_anything_is_written(tmp_path, told, words):
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(FACTS | told), encoding="utf-8")
    with pytest.raises(ExportError, match=words):
        read_project(path)
    with pytest.raises(ExportError, match=words):
        require_facts(FACTS | told)


def test_a_table_outside_of_the_package_is_not_read(tmp_path):
    written(tmp_path, seen("1.jpg"))
    path = tmp_path / "out" / "datapackage.json"
    path.write_text(path.read_text().replace('"media.csv"', '"../media.csv"'))
    with pytest.raises(SourceError, match="within the folder"):
        read_export(tmp_path / "out")


def test_an_id_that_stands_twice_is_told(tmp_path):
    written(tmp_path, seen("1.jpg", crop()))
    for table, key in (("media", "mediaID"), ("observations", "observationID")):
        path = tmp_path / "out" / f"{table}.csv"
        text = path.read_text(encoding="utf-8")
        path.write_text(text + text.splitlines()[-1] + "\n", encoding="utf-8")
        assert any(key in fault and "earlier row" in fault for fault in package_faults(tmp_path / "out"))


def test_a_folder_that_is_neither_a_run_nor_a_package_is_told_as_such(tmp_path):
    with pytest.raises(SourceError, match="neither the folder of a run"):
        read_export(tmp_path)
