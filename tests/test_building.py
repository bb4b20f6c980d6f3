from __future__ import annotations

import json
import time

import pytest

from bioclip_search import building, places
from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import IndexFolderError
from bioclip_search.progress_file import DONE, FAILED, STOPPED

CHECKLIST = b"species,family,order,class,phylum,kingdom,common_name\n" + b"\n".join(
    b"%s,Felidae,Carnivora,Mammalia,Chordata,Animalia,%s" % pair for pair in ((b"Puma concolor", b"puma"), (b"Panthera leo", b"lion"))
)

PATIENCE_S = 120


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))
    return tmp_path


def ended(name):
    deadline = time.monotonic() + PATIENCE_S
    while (told := building.building(name)).is_running and time.monotonic() < deadline:
        time.sleep(0.1)
    return told


def left_behind(home, name, **told):
    """What a process of that name left."""
    folder = home / "cache" / "building" / name
    folder.mkdir(parents=True)
    (folder / "source.csv").write_bytes(CHECKLIST)
    (folder / "output.log").write_text("2 rows read\n", encoding="utf-8")
    if told:
        told = {"state": "tagging", "done": 1, "total": 2, "rate_per_s": None, "message": "", "pid": 1} | told
        (folder / "progress.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


def test_a_checklist_that_was_sent_becomes_an_index_of_that_name(home, model_folder):
    assert building.start("my-cats", ("cats.csv", CHECKLIST), str(model_folder)).is_running
    told = ended("my-cats")
    assert told.state == DONE, told
    assert (told.done, told.total) == (2, 2)
    assert "2 rows read, 2 taxa kept" in told.said
    catalogue = Catalogue.open("my-cats")
    assert catalogue.names.the_one("lion").name == "Panthera leo"
    assert (catalogue.index.folder / "encoder").is_dir()
    assert not list((home / "cache" / "building" / "my-cats").glob("source.*"))
    assert [one.name for one in building.under_way()] == ["my-cats"]
    building.put_away("my-cats")
    assert building.under_way() == []
    assert Catalogue.open("my-cats")


def test_a_checklist_that_is_none_fails_in_words_without_our_paths(home, model_folder):
    building.start("wrong", ("../../notes.exe", b"\x00\x01"), str(model_folder))
    told = ended("wrong")
    assert told.state == FAILED
    assert told.said
    assert not (places.user_indexes() / "wrong").exists()


def test_a_name_that_leads_elsewhere_or_is_taken_is_refused(home, model_folder):
    for name in ("../x", "a/b", "", "Birds", "-x", "x" * 61, "con.", "a b"):
        with pytest.raises(IndexFolderError, match="cannot be the name"):
            building.start(name, ("cats.csv", CHECKLIST), str(model_folder))
    (places.user_indexes() / "taken").mkdir(parents=True)
    for name in ("taken", "starter"):
        with pytest.raises(IndexFolderError, match="There is an index"):
            building.start(name, ("cats.csv", CHECKLIST), str(model_folder))
    assert building.building("../x") is None
    assert building.building("never-begun") is None


def test_one_that_died_is_told_as_stopped(home):
    left_behind(home, "dead", state="tagging")
    told = building.building("dead")
    assert (told.state, told.done, told.share, told.said) == (STOPPED, 1, 0.5, ("2 rows read",))


def test_one_that_ended_at_once_is_told_with_its_last_words(home, monkeypatch):
    left_behind(home, "gone")
    assert building.building("gone").is_running
    monkeypatch.setattr(building, "STARTS_WITHIN_S", 0.0)
    assert (building.building("gone").state, building.building("gone").said) == (FAILED, ("2 rows read",))


def test_one_that_says_done_without_an_index_failed(home):
    left_behind(home, "empty", state="done")
    assert building.building("empty").state == FAILED
