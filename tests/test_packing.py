from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime

import pytest

from bioclip_search import packing
from bioclip_search.errors import ExportError
from bioclip_search.packing import SHAPES, pack, place_told, placed
from bioclip_search.standards import FORMATS
from tests.standards.photos import photo
from tests.standards.runs import crop, small_run

PROJECT = {
    "id": "7",
    "title": "Cats",
    "samplingDesign": "opportunistic",
    "captureMethod": ["activityDetection"],
    "contributors": [{"title": "Ann", "role": "contact"}],
}
OPTIONS = {"project": PROJECT, "timezone": UTC, "level": "media"}


@pytest.fixture
def run(tmp_path):
    facts = {"timestamp": datetime(2024, 5, 1), "deployment": "north", "latitude": 1.0, "longitude": 2.0}
    return small_run(tmp_path / "run", [photo(tmp_path / "photos", "north/1.jpg", crop(), **facts)], root=tmp_path / "photos")


def test_every_format_has_a_shape():
    assert set(SHAPES) == set(FORMATS)


@pytest.mark.parametrize("to", SHAPES)
def test_every_format_is_one_file(run, tmp_path, to):
    if to == "xlsx":
        pytest.importorskip("openpyxl", reason="openpyxl is not installed (extra `xlsx`)")
    packed = pack(run, to, name="cats", allowed=tmp_path, **OPTIONS)
    assert packed.name == f"cats{SHAPES[to].ending}"
    assert packed.lines[0].startswith("1 picture")
    if packed.mime == packing.ZIP:
        names = zipfile.ZipFile(io.BytesIO(packed.content)).namelist()
        assert names
        assert not SHAPES[to].is_folder or all(name.startswith("cats/") for name in names)
    if packed.mime == packing.JSON:
        assert json.loads(packed.content)


def test_what_the_format_wants_to_know_is_told(run, tmp_path):
    with pytest.raises(ExportError, match="Camtrap DP requires of the project: title"):
        pack(run, "camtrap-dp", name="cats", allowed=tmp_path, level="media")


def test_pictures_that_lie_elsewhere_are_not_handed_out(run, tmp_path):
    for to in ("species-folders", "annotated"):
        with pytest.raises(ExportError, match="lies outside of"):
            pack(run, to, name="cats", allowed=tmp_path / "run")


def test_more_pictures_than_a_browser_can_hold_are_refused(run, tmp_path, monkeypatch):
    run.note["counts"]["pictures"] = packing.MOST_PICTURES + 1
    with pytest.raises(ExportError, match="too much for a browser.*bioclip-search export"):
        pack(run, "annotated", name="cats", allowed=tmp_path)


@pytest.mark.parametrize("text", ["", "here", "1", "1 2 3", "91, 0", "0, 181", "nan, 1"])
def test_what_is_no_place_is_told(text):
    with pytest.raises(ExportError, match="is no place"):
        place_told(text)


def test_deployments_are_placed_where_something_was_typed():
    (one,) = placed({"north": "1, 2", "south": " "})
    assert (one.name, one.latitude, one.longitude) == ("north", 1.0, 2.0)
