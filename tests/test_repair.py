from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.addition import add_taxa
from bioclip_search.build import build_from_vectors, build_index, seal
from bioclip_search.catalogue import Catalogue
from bioclip_search.check import FAULT, check_index
from bioclip_search.errors import IndexDamagedError
from bioclip_search.index import Card, Index, sketching, write_vectors
from bioclip_search.index.card import FileNote
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.repair import repair_index
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxonomy
from tests.conftest import ColourEncoder
from tests.test_trim import FURTHER, small_table

BARE = TextRecipe(templates=BARE_TEMPLATE)


@pytest.fixture
def copy(small_index, tmp_path):
    return shutil.copytree(small_index, tmp_path / "copy")


def faults(folder):
    return [str(finding) for finding in check_index(folder) if finding.severity == FAULT]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def grown(copy, encoder):
    add_taxa(Index(copy), pa.table({"species": ["Panthera onca", "Felis lybica"], "common_name": ["Jaguar", None]}), encoder)
    return copy


def spoil(path):
    path.write_bytes(path.read_bytes()[:-4] + b"\1\2\3\4")


@pytest.mark.parametrize("harm", [Path.unlink, spoil])
@pytest.mark.parametrize("name", ["taxa.parquet", "vectors.faiss"])
def test_an_addition_that_is_lost_is_left_out_and_the_rest_is_whole(grown, small_index, encoder, name, harm):
    harm(grown / "added-1" / name)
    (told,) = repair_index(grown, encoder=encoder)
    assert told.startswith("added-1: is damaged, so the 2 taxa that were added are left out. Add them again")
    assert faults(grown) == []
    assert Index(grown).card == Card.read(small_index)
    assert not list(grown.glob("added-*"))


def test_an_addition_whose_folder_is_gone_is_left_out(grown, encoder):
    shutil.rmtree(grown / "added-1")
    assert faults(grown)
    repair_index(grown, encoder=encoder)
    assert faults(grown) == []


@pytest.mark.parametrize("harm", [Path.unlink, spoil])
def test_the_names_of_what_was_added_are_made_again(grown, encoder, harm):
    vectors = Index(grown).added.vectors.rows(0, 2).copy()
    harm(grown / "added-1" / "names.sqlite")
    assert repair_index(grown, encoder=encoder) == ["added-1/names.sqlite: was made again from the taxa"]
    assert faults(grown) == []
    catalogue = Catalogue(Index(grown))
    assert (catalogue.names.the_one("jaguar").name, catalogue.names.the_one("Felis lybica").rank) == ("Panthera onca", "species")
    np.testing.assert_array_equal(catalogue.index.added.vectors.rows(0, 2), vectors)


def test_what_was_added_stays_when_the_base_is_mended(grown, encoder):
    (grown / "names.sqlite").unlink()
    (grown / "vectors.faiss").write_bytes(b"")
    repair_index(grown, encoder=encoder)
    assert faults(grown) == []
    assert Catalogue(Index(grown)).names.the_one("jaguar").name == "Panthera onca"


def test_a_sound_index_is_left_alone(copy, encoder):
    before = copy.stat().st_ino
    assert repair_index(copy, encoder=encoder) == ["nothing was mended"]
    assert copy.stat().st_ino == before


@pytest.mark.parametrize("harm", ["half", "missing", "wrong rows"])
def test_the_list_of_names_is_made_again_with_its_further_names_where_they_can_be_read(tmp_path, encoder, harm):
    index = build_index(tmp_path / "i", Taxonomy.from_table(small_table()), encoder, recipe=BARE, further=FURTHER)
    path, whole = index.names_path, contents(index.folder)
    if harm == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif harm == "missing":
        path.unlink()
    else:
        with sqlite3.connect(path) as store:
            store.execute("UPDATE name SET row = 99 WHERE name = 'Aves'")
        store.close()
    assert faults(index.folder)
    (told,) = repair_index(index.folder, encoder=encoder)
    assert faults(index.folder) == []
    names = Searcher(Index(index.folder), encoder).names
    assert [taxon.name for taxon in names.find("Aves")] == ["Aves"]
    if harm == "wrong rows":
        assert "what could be read of the old one" in told
        assert [taxon.name for taxon in names.find("Felis leo")] == ["Panthera leo"]
        assert contents(index.folder)["names.sqlite"] == whole["names.sqlite"]
    else:
        assert "are lost" in told


@pytest.mark.parametrize("kind", ["flat", "fp16", "int8"])
def test_zero_vectors_are_encoded_and_the_others_stay(tmp_path, taxonomy, encoder, kind):
    vectors = encoder.encode_texts(encoder.texts)
    vectors[2] = 0
    index = build_from_vectors(tmp_path / "i", Taxonomy.from_table(taxonomy.leaves), vectors, encoder, recipe=BARE, kind=kind)
    before = index.vectors.rows(0, 9).copy()
    assert repair_index(index.folder, encoder=encoder) == ["vectors.faiss: 1 vectors were made again from their texts"]
    mended = Index(index.folder)
    after = mended.vectors.rows(0, 9)
    rounding = 0.02 if kind == "int8" else 0  # the new vector lies outside the range of the others, so that is found anew
    np.testing.assert_allclose(np.delete(after, 2, axis=0), np.delete(before, 2, axis=0), atol=rounding, rtol=0)
    np.testing.assert_allclose(after[2], encoder.encode_texts(encoder.texts)[2], atol=0.02)
    assert not Searcher(mended, encoder).taxonomy.leaves["zero_vector"].to_pylist()[2]
    assert faults(index.folder) == []


def test_vectors_whose_bytes_were_changed_are_all_made_again(copy, encoder):
    content = bytearray((copy / "vectors.faiss").read_bytes())
    content[-3] ^= 0xFF
    (copy / "vectors.faiss").write_bytes(content)
    assert repair_index(copy, encoder=encoder) == ["vectors.faiss: 9 vectors were made again from their texts"]
    assert faults(copy) == []
    np.testing.assert_allclose(Index(copy).vectors.rows(0, 9), encoder.encode_texts(encoder.texts), atol=1e-6)


def test_flags_that_do_not_fit_are_mended(copy, encoder):
    taxa = parquet.read_table(copy / "taxa.parquet")
    parquet.write_table(taxa.set_column(taxa.column_names.index("zero_vector"), "zero_vector", pa.array([True] + [False] * 8)), copy / "taxa.parquet")
    seal(copy, Card.read(copy))
    assert len(faults(copy)) == 1
    repair_index(copy, encoder=encoder)
    assert faults(copy) == []


def test_without_the_right_encoder_broken_vectors_stay_and_the_rest_is_mended(copy, encoder):
    vectors = encoder.encode_texts(encoder.texts)
    vectors[5] *= 3
    write_vectors(copy / "vectors.faiss", [vectors], 32)
    seal(copy, Card.read(copy))
    (copy / "names.sqlite").unlink()
    other = ColourEncoder()
    other.fingerprint = "0ther+fp32"
    first, second = repair_index(copy, encoder=other)
    assert first.startswith("vectors.faiss: 1 vectors were not mended, for that needs the encoder. The index was made with the encoder c0104e+fp32")
    assert second.startswith("names.sqlite: was made again")
    assert [fault.split(" (")[0] for fault in faults(copy)] == ["fault: 1 vectors are not of length one"]


def test_an_encoder_that_cannot_be_loaded_and_vectors_that_are_lost_cannot_be_mended(copy):
    (copy / "vectors.faiss").unlink()
    before = contents(copy)
    with pytest.raises(IndexDamagedError, match="is lost, and cannot be made again without the encoder"):
        repair_index(copy)
    assert contents(copy) == before


def test_lineages_that_were_changed_cannot_be_mended(copy, encoder):
    taxa = parquet.read_table(copy / "taxa.parquet")
    parquet.write_table(taxa.set_column(taxa.column_names.index("genus"), "genus", pa.array(["Aus"] * 9)), copy / "taxa.parquet")
    with pytest.raises(IndexDamagedError, match="cannot be made again. Build the index again"):
        repair_index(copy, encoder=encoder)


def test_a_changed_file_of_the_encoder_is_still_a_fault_after_the_repair(tmp_path, taxonomy, encoder):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"all of them")
    folder = build_index(tmp_path / "i", taxonomy, encoder, recipe=BARE, encoder_folder=tmp_path / "model").folder
    (folder / "encoder" / "weights").write_bytes(b"some of them")
    (folder / "names.sqlite").unlink()
    told = repair_index(folder, encoder=encoder)
    assert "encoder/weights: was changed and cannot be made again; copy it from where it came" in told
    assert [fault.split(".")[0] for fault in faults(folder)] == ["fault: encoder/weights was changed after the index was made"]


def test_a_sketch_that_is_damaged_is_a_fault_and_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sketching, "FROM_NUMBERS", 1)
    monkeypatch.setattr(sketching, "DIRECTIONS", (4, 8))
    random = np.random.default_rng(0)
    vectors = random.standard_normal((600, 3)) @ random.standard_normal((3, 32))  # near few directions, as a sketch likes it
    taxa = pa.table({"genus": ["Apis"] * 600, "species": [f"Apis number{number:03d}" for number in range(600)]})
    index = build_from_vectors(tmp_path / "i", Taxonomy.from_table(taxa), vectors, ColourEncoder(), recipe=BARE)
    (part,) = {note.sketch for note in index.card.speeds.values()}
    whole = contents(index.folder / part)
    (index.folder / part / "means.npy").write_bytes(b"no means")
    of_file, of_sketch = faults(index.folder)
    assert of_file.startswith(f"fault: {part}/means.npy was changed")
    assert "is no sketch of vectors" in of_sketch
    repair_index(index.folder)  # needs no encoder
    assert faults(index.folder) == []
    assert contents(index.folder / part) == whole


def test_a_card_that_leads_out_of_its_folder_is_not_followed(copy, tmp_path):
    (tmp_path / "precious").write_text("keep me")
    card = Card.read(copy)
    replace(card, files={**card.files, "../precious": FileNote(7, "0")}).write(copy)
    with pytest.raises(IndexDamagedError, match="outside the folder"):
        repair_index(copy)
    (finding,) = check_index(copy)
    assert "outside the folder" in finding.what
    assert (tmp_path / "precious").read_text() == "keep me"
