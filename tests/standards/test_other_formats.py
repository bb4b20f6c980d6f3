"""Darwin Core, Wildlife Insights, Timelapse, GeoJSON and workbooks: what stands in them, and what is left out and told."""

from __future__ import annotations

import csv
import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bioclip_search.errors import ExportError
from bioclip_search.media import Deployment
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.standards import ExportReport, export, spreadsheet
from bioclip_search.standards.collection import Collection
from bioclip_search.standards.options import ExportOptions
from tests.standards.runs import answer, crop, picture, small_run

STAMP = datetime(2024, 3, 1, 5, 30)
NORTH = Deployment("north", -1.5, 35.25, place="Waterhole")


def seen(image: str, *crops: Any, **told: Any) -> TaggedPicture:
    return picture(image, *crops, **{"timestamp": STAMP, "deployment": "north"} | told)


def written(tmp_path: Path, to: str, out: str, *pictures: TaggedPicture, **options: Any) -> tuple[ExportReport, Path]:
    run = small_run(tmp_path / "run", pictures, deployments=[NORTH])
    return export(run, to, tmp_path / out, **options), tmp_path / out


def rows_of(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_an_occurrence_has_its_lineage_place_and_who_named_it(tmp_path):
    report, path = written(tmp_path, "darwin-core", "out.csv", seen("a/1.jpg", crop(), crop(1, category="person")), seen("2.jpg"), media_base="https://x.org/p")
    (lion,) = rows_of(path)
    assert (lion["basisOfRecord"], lion["scientificName"], lion["taxonRank"], lion["specificEpithet"]) == (
        "MachineObservation",
        "Panthera leo",
        "species",
        "leo",
    )
    assert (lion["kingdom"], lion["genus"], lion["vernacularName"]) == ("Animalia", "Panthera", "Lion")
    assert (lion["decimalLatitude"], lion["decimalLongitude"], lion["locality"]) == ("-1.5", "35.25", "Waterhole")
    assert (lion["eventDate"], lion["associatedMedia"]) == ("2024-03-01T05:30:00", "https://x.org/p/a/1.jpg")
    assert lion["identifiedBy"].startswith("bioclip-search")
    assert (lion["identificationVerificationStatus"], "probability 0.9000" in lion["identificationRemarks"]) == ("unverified", True)
    assert report.left_out == {"observations that are no organism (person)": 1, "observations that are no organism (blank)": 1}


def test_an_archive_describes_the_columns_it_holds(tmp_path):
    _, path = written(tmp_path, "darwin-core", "out.zip", seen("1.jpg", crop()))
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["meta.xml", "occurrence.txt"]
        header, lion = (line.split("\t") for line in archive.read("occurrence.txt").decode().splitlines())
        root = ElementTree.fromstring(archive.read("meta.xml"))
    fields = root.findall(".//{http://rs.tdwg.org/dwc/text/}field")
    assert [one.attrib["term"].rpartition("/")[2] for one in fields] == header
    assert dict(zip(header, lion, strict=True))["scientificName"] == "Panthera leo"


def test_a_deployment_that_is_nowhere_is_an_error(tmp_path):
    run = small_run(tmp_path / "run", [seen("1.jpg", crop())], deployments=[Deployment("north", 91.0, 0.0)])
    for to in ("darwin-core", "geojson"):
        with pytest.raises(ExportError, match="no place"):
            export(run, to, tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_wildlife_insights_has_a_row_for_each_taxon_with_its_number(tmp_path):
    cats = [crop(number, answer=answer("Felis catus")) for number in (0, 1)]
    report, path = written(tmp_path, "wildlife-insights", "images.csv", seen("1.jpg", *cats, crop(2, category="person")), seen("2.jpg"), project={"id": 12})
    two_cats, human, blank = rows_of(path)
    assert (two_cats["species"], two_cats["genus"], two_cats["number_of_objects"], two_cats["common_name"]) == ("catus", "Felis", "2", "Domestic cat")
    assert (two_cats["project_id"], two_cats["deployment_id"], two_cats["timestamp"]) == ("12", "north", "2024-03-01 05:30:00")
    assert (human["species"], blank["common_name"], blank["number_of_objects"]) == ("sapiens", "Blank", "0")
    assert (report.pictures, report.observations) == (2, 3)


def test_wildlife_insights_wants_a_project_and_tells_what_it_cannot_take(tmp_path):
    pictures = [seen("0.jpg", crop()), seen("1.jpg", error="cut"), seen("2.jpg", timestamp=None), seen("v.mp4", frame_number=0, frame_rate=25.0)]
    report, path = written(tmp_path, "wildlife-insights", "images.csv", *pictures, project={"id": "a"})
    assert (report.pictures, sum(report.left_out.values()), [row["location"] for row in rows_of(path)]) == (1, 3, ["0.jpg"])
    with pytest.raises(ExportError, match="--project"):
        written(tmp_path / "other", "wildlife-insights", "images.csv", *pictures)


def test_timelapse_finds_each_file_by_its_folder_and_name(tmp_path):
    two = [crop(0), crop(1, answer=answer("Felis catus", probability=0.95))]
    film = [seen("v.mp4", *[crop(0)] * number, frame_number=number, frame_rate=5.0) for number in (0, 1, 2)]
    report, path = written(tmp_path, "timelapse", "out.csv", seen("a/b/1.jpg", *two), seen("2.jpg"), *film, seen("3.jpg", error="cut"))
    first, blank, video, failed = rows_of(path)
    assert (first["RelativePath"], first["File"], first["DateTime"]) == ("a\\b", "1.jpg", "2024-03-01 05:30:00")
    assert (first["Species"], first["CommonName"], first["Probability"], first["AlsoSeen"]) == ("Felis catus", "Domestic cat", "0.95", "1 Panthera leo")
    assert (blank["RelativePath"], blank["Seen"], blank["Count"]) == ("", "blank", "0")
    assert (video["Species"], video["Count"], video["AlsoSeen"]) == ("Panthera leo", "2", "")
    assert (failed["Problem"], failed["Seen"]) == ("cut", "")
    assert (report.pictures, report.observations) == (6, 4)
    assert "DeleteFlag" not in first  # it is the user's


def test_no_cell_of_time_is_ever_empty_for_timelapse_would_refuse_the_whole_file(tmp_path):
    report, path = written(tmp_path, "timelapse", "out.csv", seen("1.jpg", crop()), seen("2.jpg", error="cut", timestamp=None))
    known, lost = rows_of(path)
    assert (known["Species"], lost["Problem"]) == ("Panthera leo", "cut")
    assert "DateTime" not in known
    assert any("Times are left to Timelapse" in words for words in report.notes)


def test_timelapse_finds_a_file_that_is_named_like_a_formula(tmp_path):
    _, path = written(tmp_path, "timelapse", "out.csv", seen("-a/=1.jpg", error="=2"))
    (row,) = rows_of(path)
    assert (row["RelativePath"], row["File"], row["Problem"]) == ("-a", "=1.jpg", "'=2")


def test_a_point_for_each_deployment_tells_what_was_seen_there(tmp_path):
    report, path = written(tmp_path, "geojson", "out.geojson", seen("1.jpg", crop()), seen("2.jpg", crop(category="person")), seen("3.jpg", deployment=None))
    (north,) = json.loads(path.read_text())["features"]
    assert north["geometry"] == {"type": "Point", "coordinates": [35.25, -1.5]}
    assert north["properties"]["seen"] == {"Panthera leo": 1, "person": 1}
    assert (report.pictures, report.left_out) == (2, {"pictures of deployments without a place": 1})


def test_a_point_for_each_observation_lies_where_the_picture_was_taken(tmp_path):
    _, path = written(tmp_path, "geojson", "out.geojson", seen("1.jpg", crop(), latitude=2.0, longitude=3.0), seen("2.jpg"), level="media")
    lion, blank = json.loads(path.read_text())["features"]
    assert (lion["geometry"]["coordinates"], lion["properties"]["taxon"]) == ([3.0, 2.0], "Panthera leo")
    assert (blank["geometry"]["coordinates"], blank["properties"]["status"]) == ([35.25, -1.5], "blank")


@pytest.mark.parametrize(("to", "words"), [("wildlife-insights", "without a time and a deployment"), ("geojson", "--deployments FILE.csv")])
def test_where_nothing_can_be_told_the_error_says_what_is_lacking_and_nothing_is_written(tmp_path, to, words):
    with pytest.raises(ExportError, match=words):
        written(tmp_path, to, "out", picture("1.jpg", crop()), project={"id": "1"})
    assert not (tmp_path / "out").exists()


def test_a_workbook_holds_texts_as_texts_and_goes_on_on_another_sheet(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    run = small_run(tmp_path / "run", [seen("=1+1.jpg", crop(), crop(1)), seen("2\x07.jpg"), seen("3.jpg", crop())])
    report = spreadsheet.write(Collection(run), tmp_path / "out.xlsx", ExportOptions(), sheet_rows=3)
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert [sheet.max_row for sheet in book.worksheets] == [3, 3]
    header, first, _ = book.worksheets[0].iter_rows(values_only=True)
    told = dict(zip(header, first, strict=True))
    assert (told["image"], told["stands_taxon"], told["left"], told["probability"]) == ("=1+1.jpg", "Panthera leo", 80, 0.9)
    assert book.worksheets[0]["B2"].data_type == "s"
    assert book.worksheets[1]["B2"].value == "2\N{REPLACEMENT CHARACTER}.jpg"
    assert (report.pictures, len(report.notes)) == (3, 2)


@pytest.mark.parametrize("to", ["csv", "megadetector", "coco", "timelapse", "geojson", "darwin-core"])
def test_pictures_with_people_and_boxes_that_never_move_can_be_left_out(tmp_path, to):
    pictures = [seen("1.jpg", crop(), crop(1, category="person")), seen("2.jpg", crop(), crop(1)), seen("3.jpg", crop())]
    run = small_run(tmp_path / "run", pictures, deployments=[NORTH])
    collection = Collection(run, repeats=frozenset([(pictures[1].media_id, 0), (pictures[2].media_id, 0)]))
    options = ExportOptions(without_people=True, without_repeats=True, level="media")
    module = __import__("bioclip_search.standards", fromlist=["FORMATS"]).FORMATS[to].module
    report = __import__(f"bioclip_search.standards.{module}", fromlist=["write"]).write(collection, tmp_path / "out", options)
    assert report.pictures == 2
    assert report.left_out["pictures with people"] == 1
    assert report.left_out["boxes where nothing moves"] == 2


@pytest.mark.parametrize("option", [{"level": "burst"}, {"layout": "nested"}, {"how": "link"}])
def test_an_option_of_another_word_is_refused(option):
    with pytest.raises(ExportError, match="Expected one of"):
        ExportOptions(**option)
