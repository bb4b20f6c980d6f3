from __future__ import annotations

import gc
import os
import shutil

import pytest

from bioclip_search import places
from bioclip_search.checklists import read_checklist
from bioclip_search.errors import TableError
from bioclip_search.names.match import match_names
from bioclip_search.names.opening import names_of_checklist
from bioclip_search.names.reading import cached_store

LIST = """taxon_key,kingdom,family,genus,species,common_name
1,Animalia,Felidae,Panthera,Panthera uncia,Snow leopard
2,Animalia,Felidae,Panthera,Panthera leo,Lion
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    return read_checklist(tmp_path / "list.csv").write(tmp_path / "checklist")


def test_the_names_of_a_checklist_lead_to_its_taxa_and_keys(folder):
    found = list(match_names(names_of_checklist(folder), ["Panthera leo", "Snow leopard", "Felidae"]))
    assert [(one.taxon, one.taxon_key) for one in found] == [("Panthera leo", "2"), ("Panthera uncia", "1"), ("Felidae", None)]


def test_they_are_put_in_order_once(folder):
    def kept():
        return {path: path.stat().st_mtime_ns for path in (places.user_cache() / "names").glob("*.sqlite")}

    names_of_checklist(folder)
    first = kept()
    names_of_checklist(folder)
    assert first
    assert kept() == first


def test_of_a_checklist_that_is_imported_again_only_the_last_state_is_kept(folder):
    def kept():
        return set((places.user_cache() / "names").iterdir())

    before = kept()
    names_of_checklist(folder)
    read_checklist(folder.parent / "list.csv").write(folder)
    (folder.parent / "list.csv").write_text(LIST + "3,Animalia,Felidae,Felis,Felis catus,Cat\n", encoding="utf-8")
    read_checklist(folder.parent / "list.csv").write(folder)
    assert names_of_checklist(folder).the_one("Cat").name == "Felis catus"
    assert len(kept() - before) == 1


def test_what_a_killed_program_left_in_the_cache_is_cleared_away_after_a_day(folder):
    old, fresh = (places.user_cache() / "names" / f"unfinished-{name}" for name in ("old", "fresh"))
    for left in (old, fresh):
        left.mkdir(parents=True)
        (left / "names.sqlite").write_text("half")
    os.utime(old, (0, 0))
    names_of_checklist(folder)
    assert [left.exists() for left in (old, fresh)] == [False, True]
    shutil.rmtree(fresh)


def test_a_spoiled_file_in_the_cache_is_written_again(folder):
    names_of_checklist(folder)
    for path in (places.user_cache() / "names").glob("*.sqlite"):
        path.write_bytes(b"spoiled" * 1000)
    assert names_of_checklist(folder).the_one("Lion").name == "Panthera leo"


def test_names_are_read_where_nothing_can_be_kept(folder, tmp_path, monkeypatch):
    (tmp_path / "no-folder").write_text("a file stands where the cache should be")
    monkeypatch.setenv("BIOCLIP_SEARCH_HOME", str(tmp_path / "no-folder"))
    assert names_of_checklist(folder).the_one("Lion").name == "Panthera leo"


def test_a_temporary_list_goes_with_its_last_user_and_with_an_error(folder, tmp_path, monkeypatch):
    (tmp_path / "no-folder").write_text("a file stands where the cache should be")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("BIOCLIP_SEARCH_HOME", str(tmp_path / "no-folder"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    names = names_of_checklist(folder)
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    del names
    gc.collect()
    assert list((tmp_path / "temporary").iterdir()) == []

    def half(path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_store(folder, "state", half)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_folder_without_a_checklist_is_refused(folder, tmp_path):
    shutil.rmtree(folder)
    with pytest.raises(TableError, match="holds no checklist"):
        names_of_checklist(folder)
