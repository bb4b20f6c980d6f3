from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from bioclip_search.build import build_from_vectors, build_index, read_taxa
from bioclip_search.check import FAULT, check_index
from bioclip_search.errors import IndexFolderError
from bioclip_search.index import Index
from bioclip_search.index.card import Calibration, change_card
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.trim import trim_index
from tests.checklists.making import backbone_files, write_zip
from tests.conftest import ColourEncoder, small_table

BARE = TextRecipe(templates=BARE_TEMPLATE)


def test_built_twice_gives_the_same_bytes(small_index, tmp_path, taxonomy, encoder):
    again = build_index(tmp_path / "small", taxonomy, encoder, recipe=BARE).folder
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {path.name: path.read_bytes() for path in small_index.iterdir()}


def test_the_vectors_are_those_of_the_texts_in_leaf_order(small_index, taxonomy, encoder):
    vectors = Index(small_index).vectors.rows(0, len(taxonomy))
    assert np.allclose(vectors, encoder.encode_texts(encoder.texts), atol=1e-6)


def test_several_templates_are_averaged_into_a_unit_row(tmp_path, taxonomy, encoder):
    index = build_index(tmp_path / "two", taxonomy, encoder, recipe=TextRecipe("sci", ("a {}", "the {}")))
    mean = encoder.encode_texts(["a Felis catus", "the Felis catus"]).mean(axis=0)
    leaf = taxonomy.leaves["species"].to_pylist().index("Felis catus")
    assert np.allclose(index.vectors.rows(leaf, leaf + 1)[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_given_vectors_go_with_the_rows_of_the_table(tmp_path):
    table = small_table()
    taxonomy = Taxonomy.from_table(pa.concat_tables([table, table.slice(0, 1)]))  # the last row repeats the first
    vectors = np.eye(10, 16, dtype=np.float32)
    np.save(tmp_path / "v.npy", vectors)
    encoder = ColourEncoder()
    encoder.dim = 16
    index = build_from_vectors(tmp_path / "given", taxonomy, tmp_path / "v.npy", encoder, recipe=BARE)
    assert np.array_equal(index.vectors.rows(0, 9), vectors[taxonomy.row_of_leaf])
    assert taxonomy.leaves["species"][int(np.flatnonzero(taxonomy.row_of_leaf == 0)[0])].as_py() == "Panthera leo"


def test_vectors_that_do_not_fit_are_refused(tmp_path, taxonomy):
    with pytest.raises(IndexFolderError, match=r"Expected 9 vectors of 32 numbers.*\(8, 32\)"):
        build_from_vectors(tmp_path / "x", taxonomy, np.zeros((8, 32)), ColourEncoder())
    (tmp_path / "v.npy").write_bytes(b"no numbers")
    with pytest.raises(IndexFolderError, match="is no .npy file"):
        build_from_vectors(tmp_path / "x", taxonomy, tmp_path / "v.npy", ColourEncoder())
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(IndexFolderError, match="is no .npy file"):
        build_from_vectors(tmp_path / "x", taxonomy, tmp_path / "pickled.npy", ColourEncoder())


@pytest.mark.parametrize("numbers", [np.full((9, 32), "a"), np.ones((9, 32), complex), np.ones((9, 32), bool), np.zeros(9, [("a", "f4")])])
def test_what_are_no_plain_numbers_are_no_vectors(tmp_path, taxonomy, encoder, numbers):
    np.save(tmp_path / "v.npy", numbers)
    with pytest.raises(IndexFolderError, match=r"no plain numbers.*numpy\.save"):
        build_from_vectors(tmp_path / "x", taxonomy, tmp_path / "v.npy", encoder)


def test_an_empty_file_and_an_archive_are_no_vectors(tmp_path, taxonomy, encoder):
    (tmp_path / "v.npy").write_bytes(b"")
    with pytest.raises(IndexFolderError, match="is no .npy file"):
        build_from_vectors(tmp_path / "x", taxonomy, tmp_path / "v.npy", encoder)
    with (tmp_path / "v.npy").open("wb") as file:
        np.savez(file, v=np.zeros((9, 32)))
    with pytest.raises(IndexFolderError, match="no plain numbers"):
        build_from_vectors(tmp_path / "x", taxonomy, tmp_path / "v.npy", encoder)


def test_a_failed_build_leaves_nothing_behind(tmp_path, taxonomy, encoder):
    with pytest.raises(IndexFolderError, match="NaN"):
        build_from_vectors(tmp_path / "x", taxonomy, np.full((9, 32), np.nan), encoder)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_overwritten(small_index, taxonomy, encoder):
    with pytest.raises(IndexFolderError, match="exists already"):
        build_index(small_index, taxonomy, encoder)


def test_a_card_can_be_given_a_calibration(tmp_path, taxonomy, encoder):
    index = build_index(tmp_path / "i", taxonomy, encoder, recipe=BARE)
    change_card(index.folder, calibration=Calibration(1.5, "a test"))
    assert Index(index.folder).card.calibration.temperature == 1.5
    assert not [finding for finding in check_index(index.folder) if finding.severity == FAULT]


def test_a_table_with_our_columns_is_taken_row_for_row(tmp_path):
    csv.write_csv(small_table(), tmp_path / "taxa.csv")
    read = read_taxa(tmp_path / "taxa.csv")
    assert (len(read.taxonomy), read.further) == (9, None)  # the family of carrots is a label of its own
    assert read.report == ("9 rows read, 9 taxa kept",)


def test_a_table_that_tells_of_synonyms_languages_or_countries_is_a_checklist(tmp_path):
    rows = "species,status,synonym_of,language,common_name,countryCode\nFelis catus,accepted,,de,Katze,DE\nFelis domesticus,synonym,Felis catus,,,\n"
    (tmp_path / "taxa.csv").write_text(rows, encoding="utf-8")
    read = read_taxa(tmp_path / "taxa.csv")
    assert read.taxonomy.leaves["species"].to_pylist() == ["Felis catus"]
    assert read.taxonomy.leaves["countries"].to_pylist() == [["DEU"]]
    assert [(row["kind"], row["name"], row["language"]) for row in read.further.to_pylist()] == [
        ("synonym", "Felis domesticus", None),
        ("vernacular", "Katze", "de"),
    ]


@pytest.mark.parametrize("column", ["status", "language", "country", "synonym_of"])
def test_one_such_column_is_enough(tmp_path, column):
    (tmp_path / "taxa.csv").write_text(f"species,{column}\nFelis catus,\n", encoding="utf-8")
    assert read_taxa(tmp_path / "taxa.csv").further is not None


def test_columns_of_other_names_are_told_and_go_with_vectors(tmp_path):
    table = small_table().rename_columns([f"my {name}" for name in small_table().column_names])
    columns = {name: f"My {name}" for name in small_table().column_names}
    assert len(read_taxa(table, columns, as_it_stands=True).taxonomy) == 9
    csv.write_csv(table, tmp_path / "taxa.csv")
    taxonomy = read_taxa(tmp_path / "taxa.csv", {"species": "my species", "genus": "my genus", "common_name": "my common_name"}).taxonomy
    assert "Panthera uncia" in taxonomy.leaves["species"].to_pylist()


def test_a_checklist_brings_its_keys_countries_and_further_names_into_the_index(tmp_path, encoder):
    read = read_taxa(write_zip(tmp_path / "backbone.zip", backbone_files()))
    index = build_index(tmp_path / "i", read.taxonomy, encoder, recipe=BARE, further=read.further)
    searcher = Searcher(index, encoder)
    assert {"taxon_key", "authorship", "countries"} <= set(searcher.taxonomy.leaves.column_names)
    found = {name: [taxon.name for taxon in searcher.names.find(name)] for name in ("Felis leo", "Löwe", "Cats", "Panthera leo persica")}
    assert found == {"Felis leo": ["Panthera leo"], "Löwe": ["Panthera leo"], "Cats": ["Felidae"], "Panthera leo persica": ["Panthera leo"]}
    assert "13 rows read" in read.report[0]
    assert not [str(finding) for finding in check_index(index.folder) if finding.severity == FAULT]
    trimmed = Searcher(trim_index(index, tmp_path / "kenya", country="KEN"), encoder)
    assert trimmed.taxonomy.leaves["species"].to_pylist() == ["Panthera leo"]
    assert [taxon.name for taxon in trimmed.names.find("Leo africanus")] == ["Panthera leo"]
    assert trimmed.names.find("Irbis") == []


def test_a_table_that_points_at_its_parents_is_read_as_a_checklist(tmp_path):
    rows = [("1", "", "Pica", "genus", "Pica"), ("2", "1", "Pica pica (Linnaeus, 1758)", "species", "Pica")]
    table = pa.table(dict(zip(["taxonID", "parentNameUsageID", "scientificName", "taxonRank", "genus"], map(list, zip(*rows, strict=True)), strict=True)))
    csv.write_csv(table, tmp_path / "taxa.csv")
    assert read_taxa(tmp_path / "taxa.csv").taxonomy.leaves["species"].to_pylist() == ["Pica pica"]
