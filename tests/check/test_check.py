from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.build import build_from_vectors, build_index, seal
from bioclip_search.check import FAULT, NOTE, check_index
from bioclip_search.check import vectors as vectors_module
from bioclip_search.index import Card, write_vectors
from bioclip_search.prompts import BARE_TEMPLATE, RANKS, TextRecipe
from bioclip_search.taxonomy import Taxonomy
from tests.conftest import ColourEncoder

BARE = TextRecipe(templates=BARE_TEMPLATE)
CARP = ("empty rank", NOTE, 1)
"""The one thing odd about the small index: a carp without a class beside birds and mammals that have one."""


def found(folder):
    return [(finding.kind, finding.severity, finding.count) for finding in check_index(folder)]


def table_of(*lines: str) -> pa.Table:
    rows = [[None if word == "-" else word.replace("_", " ") for word in line.split()] for line in lines]
    return pa.table([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], names=[*RANKS, "common_name"])


def built(folder, table, encoder=None, recipe=BARE, **options):
    return build_index(folder, Taxonomy.from_table(table), encoder or ColourEncoder(), recipe=recipe, **options).folder


@pytest.fixture
def copy(small_index, tmp_path):
    """A copy of the small index that may be harmed."""
    return shutil.copytree(small_index, tmp_path / "copy")


def reseal(folder):
    """Makes the card vouch for what the files are now, so that what is in them is looked at."""
    seal(folder, Card.read(folder))


def test_a_sound_index_has_no_fault(small_index):
    assert found(small_index) == [CARP]
    (finding,) = check_index(small_index)
    assert (
        str(finding)
        == "note: 1 taxa have no class, though others beside them have (Cyprinus carpio, row 1). Mend it in the checklist if you can, and build the index again."
    )


@pytest.mark.parametrize("kind", ["flat", "fp16", "int8"])
def test_a_zero_vector_is_a_note_however_vectors_are_kept(tmp_path, taxonomy, encoder, kind):
    vectors = encoder.encode_texts(encoder.texts)
    vectors[2] = 0
    index = build_from_vectors(tmp_path / "zero", Taxonomy.from_table(taxonomy.leaves), vectors, encoder, recipe=BARE, kind=kind)
    assert found(index.folder) == [CARP, ("zero vector", NOTE, 1)]


@pytest.mark.parametrize("name", ["names.sqlite", "vectors.faiss", "taxa.parquet"])
def test_a_file_that_was_changed_or_is_missing_is_a_fault(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    assert ("file", FAULT, 1) in found(copy)
    (copy / name).unlink()
    assert f"{name} is missing" in [finding.what for finding in check_index(copy)]


def test_a_broken_card_is_a_fault_and_nothing_else_is_looked_at(copy):
    (copy / "card.json").write_text("{}")
    assert found(copy) == [("card", FAULT, 1)]


def test_vectors_that_are_broken_or_of_another_length_are_faults(copy, encoder):
    vectors = encoder.encode_texts(encoder.texts)
    vectors[0] *= 2
    vectors[1] = 0  # without the flag
    write_vectors(copy / "vectors.faiss", [vectors], 32)
    reseal(copy)
    assert found(copy) == [CARP, ("length", FAULT, 1), ("flag", FAULT, 1)]


def test_a_vector_that_holds_nan_is_a_fault(copy, encoder):
    import faiss

    index = faiss.IndexFlatIP(32)
    vectors = encoder.encode_texts(encoder.texts)
    vectors[4, 7] = np.nan
    index.add(vectors)
    faiss.write_index(index, str(copy / "vectors.faiss"))
    reseal(copy)
    assert found(copy) == [CARP, ("broken vector", FAULT, 1)]


def test_lineages_other_than_those_of_the_card_and_taxa_out_of_order_are_faults(copy):
    taxa = parquet.read_table(copy / "taxa.parquet")
    parquet.write_table(taxa.take(pa.array([8, *range(8)])), copy / "taxa.parquet")
    reseal(copy)
    kinds = [kind for kind, severity, _ in found(copy) if severity == FAULT]
    assert {"taxonomy", "order"} <= set(kinds)


def test_a_wrong_count_on_the_card_is_a_fault(copy):
    card = Card.read(copy)
    seal(copy, replace(card, taxonomy=replace(card.taxonomy, leaves=8)))
    assert ("counts", FAULT, 1) in found(copy)


def test_names_of_no_taxon_and_taxa_without_a_name_are_faults(copy):
    with sqlite3.connect(copy / "names.sqlite") as store:
        store.execute("UPDATE name SET row = 99 WHERE name = 'Lion'")  # beyond the end
        store.execute("UPDATE name SET rank = 'tribe' WHERE name = 'Blackbird'")  # no such rank
        store.execute("UPDATE name SET row = 0 WHERE name = 'Aves'")  # the carp has no class
    store.close()
    reseal(copy)
    assert found(copy) == [CARP, ("taxon without a name", FAULT, 1), ("orphan name", FAULT, 3)]
    assert check_index(copy)[1].examples == ("Aves",)


def test_a_list_of_names_that_is_none_is_a_fault_and_an_old_one_a_note(copy):
    (copy / "names.sqlite").write_bytes(b"no database, but long enough to be looked at as one" * 40)
    reseal(copy)
    assert found(copy) == [CARP, ("names", FAULT, 1)]
    (copy / "names.sqlite").unlink()
    with sqlite3.connect(copy / "names.sqlite") as store:
        store.execute("CREATE TABLE name (name, kind, rank, start, stop)")
    store.close()
    reseal(copy)
    assert found(copy) == [CARP, ("names", NOTE, 1)]


def test_taxa_with_one_text_are_told_with_their_pairs(tmp_path):
    table = table_of("Animalia - - - Felidae Felis Felis_catus Cat", "Animalia - - - Felidae Felis Felis_silvestris Cat", "Animalia - - - Canidae - - Dog")
    folder = built(tmp_path / "i", table, recipe=TextRecipe("com", BARE_TEMPLATE))
    (finding,) = check_index(folder)
    assert (finding.kind, finding.count, finding.examples) == ("equal texts", 1, ("Felis silvestris, row 3 and Felis catus, row 2",))


class NearEncoder(ColourEncoder):
    """Hears no difference between u and v: words that differ in these alone have nearly the same vector."""

    fingerprint = "4ea4+fp32"

    def encode_texts(self, texts):
        vectors = super().encode_texts([text.replace("v", "u") for text in texts])
        vectors[:, 0] += [1e-4 * text.count("v") for text in texts]
        return vectors


def test_near_taxa_of_one_genus_are_told_and_those_of_two_are_not_compared(tmp_path):
    table = table_of(
        "Animalia - - - Apidae Apis Apis_flaua -",
        "Animalia - - - Apidae Apis Apis_flava -",
        "Animalia - - - Apidae Apis Apis_mellifera -",
        "Animalia - - - Apidae Bombus Bombus_uagus -",
    )
    folder = built(tmp_path / "i", table, NearEncoder())
    (finding,) = check_index(folder)
    assert (finding.kind, finding.count, finding.examples) == ("alike", 1, ("Apis flaua, row 1 and Apis flava, row 2",))


def test_blocks_part_no_genus(tmp_path, monkeypatch):
    monkeypatch.setattr(vectors_module, "BLOCK_TAXA", 3)
    ends = np.array([2, 5, 9, 10])
    assert list(vectors_module._blocks(12, ends)) == [(0, 2), (2, 5), (5, 9), (9, 12)]
    assert list(vectors_module._blocks(4, ends[:0])) == [(0, 3), (3, 4)]
    species = [f"Apis {kind}{number}" for number in range(3) for kind in ("flau", "flav")]
    table = pa.table({"family": ["Apidae"] * 6, "genus": ["Apis"] * 6, "species": species})
    folder = built(tmp_path / "i", table, NearEncoder())
    (finding,) = [finding for finding in check_index(folder) if finding.kind == "alike"]
    assert finding.count == 3


def test_odd_epithets_and_denied_genera_are_notes(tmp_path):
    table = table_of(
        "Animalia - - - Corvidae Pica Pica_pica_(Linnaeus,_1758) -",
        "Animalia - - - Corvidae Pica Corvus_corax -",
        "Animalia - - - Corvidae Pica Pica_sp._1 -",
        "Animalia - - - Corvidae Pica Pica_hudsonia -",
    )
    folder = built(tmp_path / "i", table)
    told = {(finding.kind, finding.what): finding.examples for finding in check_index(folder)}
    assert told == {
        ("genus", "1 species stand in a genus that is not their first word"): ("Corvus corax, row 1 in Pica",),
        ("epithet", "1 epithets are odd: one holds an author or a year"): ("Pica pica (Linnaeus, 1758), row 3",),
        ("epithet", "1 epithets are odd: one is an open name"): ("Pica sp. 1, row 4",),
    }


def test_an_empty_rank_counts_only_beside_siblings_that_have_it(tmp_path):
    table = table_of(
        "Animalia Chordata - Cypriniformes Cyprinidae Cyprinus Cyprinus_carpio -",  # its sibling has a class
        "Animalia Chordata Aves Passeriformes Corvidae Pica Pica_pica -",
        "Plantae Tracheophyta - Apiales Apiaceae - - Carrots",  # nobody beside it has one
        "Plantae Tracheophyta - Fabales Fabaceae - - Beans",
        "Plantae Tracheophyta - - - - - Ferns",  # is no lower taxon
    )
    assert found(built(tmp_path / "i", table)) == [("empty rank", NOTE, 1)]


def test_keys_that_stand_twice_or_point_nowhere_are_notes(tmp_path):
    table = table_of(*(f"Animalia - - - Corvidae Pica Pica_{name} -" for name in ("pica", "hudsonia", "nuttalli")))
    table = table.append_column("taxon_key", pa.array(["7", "7", None])).append_column("parent_key", pa.array(["7", "9", None]))
    assert sorted(found(built(tmp_path / "i", table))) == [("key", NOTE, 1), ("orphan key", NOTE, 1)]
