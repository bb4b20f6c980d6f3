"""Exports that somebody broke, by accident or on purpose: each is read, or refused with a reason; nothing else happens."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioclip_search.errors import SourceError
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.standards import export
from bioclip_search.standards.megadetector_rules import faults
from bioclip_search.standards.reading import read_export
from tests.standards.runs import crop, picture, small_run
from tests.standards.test_camtrap_dp import FACTS, NORTH, seen

ODD = st.sampled_from([None, True, -1, 0, 1e400, "", "x", "../../etc/passwd", [], [None], {}, {"a": 1}, "9" * 400, 10**400])
PICTURES = [
    seen("1.jpg", crop(), crop(1, category="person")),
    seen("2.jpg"),
    seen("v.mp4", crop(), frame_number=3, frame_rate=25.0),
    picture("4.jpg", error="cut"),
]


@pytest.fixture(scope="module")
def exports(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    run = small_run(folder / "run", PICTURES, deployments=[NORTH])
    for to, name in (("megadetector", "md.json"), ("coco", "coco.json"), ("csv", "rows.csv"), ("camtrap-dp", "package")):
        export(run, to, folder / name, project=FACTS)
    return folder


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, one in inner for place in places(one, (*way, key)))][way == () :]


def read_or_refused(path: Path) -> None:
    with contextlib.suppress(SourceError):
        told = read_export(path)
        assert all(isinstance(one, TaggedPicture) for one in told.pictures())
        assert all(len(one) == 3 for one in told.decided())


@pytest.mark.parametrize("name", ["md.json", "coco.json"])
@settings(max_examples=150)
@given(data=st.data())
def test_json_with_something_odd_in_it_is_read_or_refused(exports, name, data):
    told = json.loads((exports / name).read_text())
    *way, last = data.draw(st.sampled_from(places(told)))
    place = told
    for key in way:
        place = place[key]
    place[last] = data.draw(ODD)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.json")
        path.write_text(json.dumps(told))
        read_or_refused(path)
        assert all(isinstance(fault, str) for fault in faults(path))


@pytest.mark.parametrize("name", ["rows.csv", "package/media.csv", "package/observations.csv", "package/deployments.csv", "package/datapackage.json"])
@settings(max_examples=60)
@given(at=st.floats(0, 1), junk=st.sampled_from([b'"', b",", b"\n", b"\xff", b"\x00", b"{", b"999999999999999999999", b"nan", b"-"]), cut=st.integers(0, 30))
def test_tables_with_a_hole_and_junk_in_it_are_read_or_refused(exports, name, at, junk, cut):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(exports, folder, dirs_exist_ok=True)
        path = Path(folder, name)
        text = path.read_bytes()
        place = round(at * len(text))
        path.write_bytes(text[:place] + junk + text[place + cut :])
        read_or_refused(path.parent if path.parent.name == "package" else path)


def test_what_is_not_there_or_of_no_known_kind_is_told(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    for path in (tmp_path / "none", tmp_path / "a.txt", tmp_path):
        with pytest.raises(SourceError):
            read_export(path)
