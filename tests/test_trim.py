from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.build import build_index, seal
from bioclip_search.catalogue import Catalogue
from bioclip_search.check import FAULT, check_index
from bioclip_search.errors import IndexDamagedError, IndexFolderError, TableError, UnknownTaxonError
from bioclip_search.index import Index
from bioclip_search.index.card import Calibration, change_card
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.repair import repair_index
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.trim import trim_index
from tests.conftest import small_table

BARE = TextRecipe(templates=BARE_TEMPLATE)
COUNTRIES = [["KEN", "IND"], ["CHN"], ["NOR", "KEN"], ["NOR"], ["NOR"], None, ["CHN"], [], ["NOR"]]

FURTHER = pa.table(
    {
        "row": pa.array([0, 1, 2, 4]),
        "rank": ["species", "family", "species", "class"],
        "name": ["Felis leo", "Katzen", "Hauskatze", "Vögel"],
        "kind": ["synonym", "vernacular", "vernacular", "vernacular"],
        "language": [None, "de", "de", "de"],
        "authorship": ["Linnaeus, 1758", None, None, None],
        "taxon_key": ["s1", None, None, None],
    }
)
"""Names of rows of the small table: a synonym of the lion; German for cats (by way of the snow leopard), the cat and birds."""


@pytest.fixture(params=["flat", "fp16", "int8"])
def whole(request, tmp_path, encoder) -> Index:
    table = small_table().append_column("countries", pa.array(COUNTRIES, pa.list_(pa.string())))
    return build_index(tmp_path / "whole", Taxonomy.from_table(table), encoder, recipe=BARE, kind=request.param, further=FURTHER)


def species(index: Index, encoder) -> list[str]:
    return [name for name in Searcher(index, encoder).taxonomy.leaves["species"].to_pylist() if name]


@pytest.mark.parametrize(
    "filters",
    [{"within": "Felidae"}, {"within": ["Aves", "Plantae"]}, {"exclude": "Chordata"}, {"checklist": ["Felis catus", "Turdus", "Apiaceae"]}, {}],
    ids=str,
)
def test_answers_are_those_of_the_whole_index_under_the_same_filters(whole, tmp_path, encoder, filters):
    searcher, trimmed = Searcher(whole, encoder), Searcher(trim_index(whole, tmp_path / "part", **filters), encoder)
    kept = np.ones(9, bool)
    if "within" in filters:
        clades = [filters["within"]] if isinstance(filters["within"], str) else filters["within"]
        kept = np.any([searcher.restrict(within=clade).leaves.mask for clade in clades], axis=0)
    elif filters:
        kept = searcher.restrict(**filters).leaves.mask
    assert trimmed.taxonomy.leaves["species"].to_pylist() == searcher.taxonomy.leaves.filter(pa.array(kept))["species"].to_pylist()
    queries = encoder.encode_texts(["one picture", "another"])
    np.testing.assert_allclose(trimmed.index.vectors.scores(queries), searcher.index.vectors.scores(queries)[:, kept], atol=1e-6)
    assert not [finding for finding in check_index(trimmed.index.folder) if finding.severity == FAULT]


def test_vectors_are_kept_to_the_byte(whole, tmp_path, encoder):
    trimmed = trim_index(whole, tmp_path / "part", within="Felidae")
    rows = Searcher(whole, encoder).restrict(within="Felidae").leaves.mask
    np.testing.assert_array_equal(trimmed.vectors.rows(0, 3), whole.vectors.rows(0, 9)[rows])


def test_names_of_what_is_kept_and_of_the_taxa_above_it_come_along(whole, tmp_path, encoder):
    names = Searcher(trim_index(whole, tmp_path / "part", checklist=["Felis catus", "Panthera leo"]), encoder).names
    found = {
        name: [(taxon.name, taxon.start, taxon.stop) for taxon in names.find(name)] for name in ("Katzen", "Hauskatze", "Felis leo", "Lion", "Vögel", "Aves")
    }
    assert found == {
        "Katzen": [("Felidae", 0, 2)],  # the leaf that told of it was the snow leopard
        "Hauskatze": [("Felis catus", 0, 1)],
        "Felis leo": [("Panthera leo", 1, 2)],
        "Lion": [("Panthera leo", 1, 2)],
        "Vögel": [],
        "Aves": [],
    }


def test_a_country_keeps_the_taxa_told_for_it(whole, tmp_path, encoder):
    said = []
    trimmed = trim_index(whole, tmp_path / "part", country="nor", exclude="Plantae", say=said.append)
    assert species(trimmed, encoder) == ["Oenanthe oenanthe", "Vulpes vulpes", "Felis catus"]
    assert said == ["2 taxa without any country were left out", "3 of 9 taxa kept"]
    assert "told for NOR" in trimmed.card.about["trimmed"]
    with pytest.raises(TableError, match="No taxon of the index whole is told for SWE; it knows CHN, IND, KEN, NOR"):
        trim_index(whole, tmp_path / "none", country="SE")


def test_an_index_without_countries_says_what_to_give_instead(small_index, tmp_path):
    with pytest.raises(TableError, match="does not know where its taxa occur.*--checklist"):
        trim_index(Index(small_index), tmp_path / "part", country="NOR")


def test_a_calibration_stays_behind_and_that_is_said(whole, tmp_path):
    change_card(whole.folder, calibration=Calibration(1.5, "a test"))
    said = []
    trimmed = trim_index(Index(whole.folder), tmp_path / "part", within="Felidae", say=said.append)
    assert trimmed.card.calibration is None
    assert said[0].startswith("The calibration was left behind")


def test_the_encoder_inside_comes_along(tmp_path, taxonomy, encoder):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"all of them")
    whole = build_index(tmp_path / "whole", taxonomy, encoder, recipe=BARE, encoder_folder=tmp_path / "model")
    trimmed = trim_index(whole, tmp_path / "part", within="Felidae")
    assert (trimmed.folder / "encoder" / "weights").read_bytes() == b"all of them"
    assert trimmed.encoder_source == str(trimmed.folder / "encoder")


def test_filters_that_leave_nothing_and_names_that_are_unknown_leave_no_folder(small_index, tmp_path):
    index = Index(small_index)
    with pytest.raises(TableError, match="leave no taxon"):
        trim_index(index, tmp_path / "part", within="Felidae", exclude="Carnivora")
    with pytest.raises(UnknownTaxonError, match="Felidea"):
        trim_index(index, tmp_path / "part", within="Felidea")
    with pytest.raises(IndexFolderError, match="exists already"):
        trim_index(index, small_index)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["row = 99", "row = -1", "row = 1 << 62", "rank = 'class'"])
def test_names_that_point_outside_the_taxonomy_are_told_and_can_be_mended(tmp_path, encoder, where):
    """The carp has no class; a row without end must not be walked to."""
    index = build_index(tmp_path / "i", Taxonomy.from_table(small_table()), encoder, recipe=BARE)
    with closing(sqlite3.connect(index.names_path)) as store:
        store.execute(f"UPDATE name SET {where} WHERE name = 'Cyprinus carpio'")
        store.commit()
    seal(index.folder, index.card)
    with pytest.raises(IndexDamagedError, match=r"points outside the taxonomy.*--repair"):
        trim_index(Index(index.folder), tmp_path / "part")
    repair_index(index.folder, encoder=encoder)
    assert len(Catalogue(trim_index(Index(index.folder), tmp_path / "part")).taxonomy) == 9


def test_a_list_of_names_with_a_trigger_is_a_fault_that_can_be_mended(tmp_path, encoder):
    index = build_index(tmp_path / "i", Taxonomy.from_table(small_table()), encoder, recipe=BARE)
    with closing(sqlite3.connect(index.names_path)) as store:
        store.execute("CREATE TRIGGER t AFTER INSERT ON name BEGIN DELETE FROM name; END")
    seal(index.folder, index.card)
    assert [finding.kind for finding in check_index(index.folder) if finding.severity == FAULT] == ["names"]
    repair_index(index.folder, encoder=encoder)
    assert not [finding for finding in check_index(index.folder) if finding.severity == FAULT]
