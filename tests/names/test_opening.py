from __future__ import annotations

import shutil

import pytest

from bioclip_search import places
from bioclip_search.checklists import read_checklist
from bioclip_search.errors import TableError
from bioclip_search.names.match import match_names
from bioclip_search.names.opening import names_of_checklist

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


def test_a_spoiled_file_in_the_cache_is_written_again(folder):
    names_of_checklist(folder)
    for path in (places.user_cache() / "names").glob("*.sqlite"):
        path.write_bytes(b"spoiled" * 1000)
    assert names_of_checklist(folder).the_one("Lion").name == "Panthera leo"


def test_names_are_read_where_nothing_can_be_kept(folder, tmp_path, monkeypatch):
    (tmp_path / "no-folder").write_text("a file stands where the cache should be")
    monkeypatch.setenv("BIOCLIP_SEARCH_HOME", str(tmp_path / "no-folder"))
    assert names_of_checklist(folder).the_one("Lion").name == "Panthera leo"


def test_a_folder_without_a_checklist_is_refused(folder, tmp_path):
    shutil.rmtree(folder)
    with pytest.raises(TableError, match="holds no checklist"):
        names_of_checklist(folder)
