"""What is written, what is read back, and what of a foreign file is refused."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search import places
from bioclip_search.errors import IndexDamagedError
from bioclip_search.names import Names, entries, write_names, write_store
from bioclip_search.names.search import search_names
from bioclip_search.taxonomy import Taxonomy
from tests.names.conftest import further_names


@pytest.fixture
def own_store(store, tmp_path) -> Path:
    """A copy to be spoiled."""
    return Path(shutil.copy(store, tmp_path / "names.sqlite"))


@pytest.mark.parametrize(
    ("asked", "taxon"),
    [
        pytest.param("Felis leo", "Panthera leo", id="a synonym"),
        pytest.param("Panthera leo persica", "Panthera leo", id="a name below species"),
        pytest.param("lowe", "Panthera leo", id="a vernacular name without its accent"),
        pytest.param("katzen", "Felidae", id="a vernacular name above species"),
    ],
)
def test_further_names_lead_to_the_taxon_they_name(store, taxonomy, asked, taxon):
    assert Names(store, taxonomy).the_one(asked).name == taxon


def test_an_accepted_name_takes_key_and_authorship_from_the_checklist(store, taxonomy):
    names = Names(store, taxonomy)
    lion, cats = (names.accepted(names.the_one(name)) for name in ("Panthera leo", "Felidae"))
    assert (lion.authorship, lion.taxon_key) == ("(Linnaeus, 1758)", "key-leo")
    assert (cats.authorship, cats.taxon_key) == ("Fischer von Waldheim, 1817", "key-felidae")


def test_a_name_for_a_rank_that_the_lineage_lacks_is_left_out(store, taxonomy):
    assert Names(store, taxonomy).find("Fish that have no class") == []


def test_a_vernacular_name_is_told_once_with_its_language(taxonomy):
    found = [row for row in entries(taxonomy, further_names()).to_pylist() if row["name"] == "Lion"]
    assert [(row["kind"], row["language"]) for row in found] == [("vernacular", "en")]


def test_names_of_rows_that_became_no_leaf_are_left_out():
    taxonomy = Taxonomy.from_table(pa.table({"species": ["Panthera leo", None, "Panthera leo"]}))
    rows = [(row, "species", name, "synonym", None, None, None) for row, name in enumerate(["Felis leo", "Nobody", "Leo leo"])]
    scientific = [row["name"] for row in entries(taxonomy, further_names(rows)).to_pylist()]
    assert sorted(scientific) == ["Felis leo", "Leo leo", "Panthera", "Panthera leo"]


def test_the_same_names_give_the_same_bytes(tmp_path, taxonomy):
    for name in ("first", "second"):
        write_names(tmp_path / name, taxonomy, further_names())
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_two_stores_answer_as_one(tmp_path, taxonomy):
    """The base holds the first eight rows; the ninth was added and kept as row 8, though it is another leaf."""
    rows = np.array([8, *range(8)])  # leaf 0 was added last
    leaf_of_row = np.argsort(rows)
    whole = entries(taxonomy, further_names(), rows=rows)
    is_added = np.asarray(whole["row"].combine_chunks()) >= 8
    for part, name in ((whole.filter(pa.array(~is_added)), "base"), (whole.filter(pa.array(is_added)), "added")):
        write_store(tmp_path / name, part)
    write_names(tmp_path / "one", taxonomy, further_names())
    two, one = Names([tmp_path / "base", tmp_path / "added"], taxonomy, leaf_of_row), Names(tmp_path / "one", taxonomy)
    for name in ("Felidae", "Panthera leo", "Carrot family", "Oenanthe", "Plantae", "Löwe", "Yeti"):
        assert two.find(name) == one.find(name)
    taxa = [taxon for name in ("Panthera leo", "Felidae", "Plantae") for taxon in one.find(name)]
    assert two.vernacular(taxa, "de") == one.vernacular(taxa, "de") == ["Löwe", "Katzen", None]


@pytest.mark.parametrize(
    ("code", "lion"),
    [
        pytest.param("de", "Löwe", id="two letters"),
        pytest.param("deu", "Löwe", id="three letters"),
        pytest.param("de-AT", "Löwe", id="with a country"),
        pytest.param("fr", None, id="a language without names"),
    ],
)
def test_a_vernacular_name_is_given_in_a_language(store, taxonomy, code, lion):
    names = Names(store, taxonomy)
    assert names.vernacular([names.the_one("Panthera leo"), names.the_one("Felis catus")], code) == [lion, None]
    assert names.languages == ("de", "en", "ja")


def write_old(path: Path, version: int = 0) -> None:
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE name (name TEXT, kind TEXT, rank TEXT, start INTEGER, stop INTEGER)")
        old.execute("INSERT INTO name VALUES ('Panthera leo', 'sci', 'species', 0, 1)")
        old.execute(f"PRAGMA user_version = {version}")
    old.close()


def test_an_older_format_is_written_anew_once_into_the_users_cache(tmp_path, taxonomy):
    write_old(tmp_path / "names.sqlite")
    before = (tmp_path / "names.sqlite").read_bytes()
    assert Names(tmp_path / "names.sqlite", taxonomy).the_one("Snow leopard").name == "Panthera uncia"
    (kept,) = [path for path in (places.user_cache() / "names").iterdir() if path.stat().st_mtime >= (tmp_path / "names.sqlite").stat().st_mtime]
    written = kept.stat().st_mtime_ns
    assert Names(tmp_path / "names.sqlite", taxonomy).the_one("Felidae").rank == "family"
    assert kept.stat().st_mtime_ns == written
    assert (tmp_path / "names.sqlite").read_bytes() == before


def test_an_older_format_is_read_where_nothing_can_be_kept(tmp_path, taxonomy, monkeypatch):
    (tmp_path / "no-folder").write_text("a file stands where the cache should be")
    monkeypatch.setenv("BIOCLIP_SEARCH_HOME", str(tmp_path / "no-folder"))
    write_old(tmp_path / "names.sqlite")
    assert Names(tmp_path / "names.sqlite", taxonomy).the_one("Snow leopard").name == "Panthera uncia"


def test_a_newer_format_is_refused(tmp_path, taxonomy):
    write_old(tmp_path / "names.sqlite", version=3)
    with pytest.raises(IndexDamagedError, match="is of format 3, this program reads up to 2"):
        Names(tmp_path / "names.sqlite", taxonomy)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param("CREATE TRIGGER bite AFTER INSERT ON name BEGIN DELETE FROM name; END", id="a trigger"),
        pytest.param("CREATE VIEW other AS SELECT 1", id="a view"),
        pytest.param("DROP TABLE forwards", id="a table that is missing"),
        pytest.param("ALTER TABLE name ADD COLUMN more TEXT", id="a table built otherwise"),
    ],
)
def test_a_store_that_is_not_built_as_ours_is_refused(own_store, taxonomy, spoil):
    with sqlite3.connect(own_store) as open_store:
        open_store.execute(spoil)
    open_store.close()
    with pytest.raises(IndexDamagedError, match="is not a list of names"):
        Names(own_store, taxonomy)


@pytest.mark.parametrize("change", ["row = 99", "row = -1", "rank = 'class'", "rank = 'nonsense'"])
def test_a_name_that_points_outside_the_taxonomy_is_told(own_store, taxonomy, change):
    with sqlite3.connect(own_store) as open_store:
        open_store.execute(f"UPDATE name SET {change} WHERE name = 'Cyprinus carpio'")
    open_store.close()
    with pytest.raises(IndexDamagedError, match="points outside the taxonomy .Cyprinus carpio"):
        Names(own_store, taxonomy).find("Cyprinus carpio")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("UPDATE name SET row = x'00' WHERE kind = 'vernacular'", id="bytes for a row"),
        pytest.param("UPDATE name SET name = x'ff'", id="bytes for a name"),
        pytest.param("UPDATE name SET name = CAST(x'ff' AS TEXT)", id="no text in UTF-8"),
        pytest.param("UPDATE name SET rank = 7.5", id="a number for a rank"),
        pytest.param("UPDATE section SET stop = 'many'", id="a word for a number"),
    ],
)
def test_a_value_of_another_type_is_told(own_store, taxonomy, change):
    with sqlite3.connect(own_store) as open_store:
        open_store.execute(change)
    open_store.close()
    with pytest.raises(IndexDamagedError, match="is not a list of names|points outside"):
        Names(own_store, taxonomy).find("Panthera leo")
    with pytest.raises(IndexDamagedError, match="is not a list of names|points outside"):
        search_names(Names(own_store, taxonomy), "l")


def test_a_file_whose_very_description_is_garbled_is_told(own_store, taxonomy):
    own_store.write_bytes(own_store.read_bytes().replace(b"CREATE TABLE forwards", b"CREATE TABLE forw\xffrds"))
    with pytest.raises(IndexDamagedError, match="is not a list of names"):
        Names(own_store, taxonomy)


def test_a_file_whose_middle_was_overwritten_is_told_and_never_crashes(own_store, taxonomy):
    raw = bytearray(own_store.read_bytes())
    for page in range(2, len(raw) // 8192):
        raw[page * 8192 : page * 8192 + 300] = b"\xff" * 300
    own_store.write_bytes(raw)
    with pytest.raises(IndexDamagedError):
        Names(own_store, taxonomy).find("Panthera leo")
