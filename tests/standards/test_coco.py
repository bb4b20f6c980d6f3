from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from bioclip_search.errors import ExportError, SourceError
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.standards import coco, export
from bioclip_search.standards.reading import read_export
from tests.standards.random_runs import runs
from tests.standards.runs import crop, picture, small_run


def carried(one: TaggedPicture) -> tuple[Any, ...]:
    about = (one.media_id, one.image, one.size_wh, one.facts, one.frame_number, one.frame_rate)
    if one.error is not None:
        return *about, one.error
    found = []
    for each in one.crops:
        told = each.answer
        named = told and told.taxon and (told.taxon, told.rank, told.common_name, dict(told.lineage), told.probability)
        found.append((each.number, each.status, each.category, each.confidence, each.box_xyxy, named or None))
    return *about, one.status, found


@settings(max_examples=40)
@given(runs())
def test_what_the_format_carries_comes_back(pictures):
    with tempfile.TemporaryDirectory() as name:
        export(small_run(Path(name, "run"), pictures), "coco", Path(name, "out.json"))
        back = read_export(Path(name, "out.json"))
        assert back.kind == "coco"
        assert [carried(one) for one in back.pictures()] == [carried(one) for one in pictures]


def test_pycocotools_reads_it(tmp_path):
    tools = pytest.importorskip("pycocotools.coco")
    export(small_run(tmp_path / "run", [picture("1.jpg", crop()), picture("2.jpg"), picture("3.jpg", error="cut")]), "coco", tmp_path / "out.json")
    with contextlib.redirect_stdout(io.StringIO()):
        told = tools.COCO(str(tmp_path / "out.json"))
    lion, empty = told.loadAnns(told.getAnnIds())
    assert (lion["bbox"], told.cats[lion["category_id"]]["name"]) == ([80.0, 60.0, 320.0, 240.0], "Lion")
    assert (empty["category_id"], "bbox" in empty) == (0, False)
    assert [image.get("corrupt") for image in told.imgs.values()] == [None, None, True]


def test_annotations_in_another_order_find_their_images(tmp_path):
    told = {
        "info": {"version": "1", "description": ""},
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 50, "location": 7}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": [
            {"id": "x", "image_id": 2, "category_id": 5},
            {"id": "y", "image_id": 1, "category_id": 5, "bbox_relative": [0.1, 0.2, 0.5, 0.4]},
        ],
        "categories": [{"id": 0, "name": "empty"}, {"id": 5, "name": "gray_wolf"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(told))
    first, second = read_export(tmp_path / "a.json").pictures()
    assert first.crops[0].box_xyxy == pytest.approx((10, 10, 60, 30))
    assert (first.facts.deployment, first.crops[0].answer.taxon, second.crops[0].answer.rank) == ("7", "gray_wolf", "unranked")


def test_an_annotation_of_no_image_is_told(tmp_path):
    bad = {"images": [], "annotations": [{"id": "1", "image_id": "x", "category_id": 0}], "categories": [{"id": 0, "name": "empty"}]}
    (tmp_path / "a.json").write_text(json.dumps(bad))
    with pytest.raises(ExportError, match="not told of"):
        coco._check(tmp_path / "a.json")


def test_json_of_neither_kind_is_told(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    with pytest.raises(SourceError, match="neither"):
        read_export(tmp_path / "a.json")
