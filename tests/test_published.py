from __future__ import annotations

import json

import numpy as np
import pytest

from bioclip_search.build import build_published
from bioclip_search.check import FAULT, check_index
from bioclip_search.encoder import encode_recipe
from bioclip_search.errors import IndexFolderError, IndexMismatchError, TableError
from bioclip_search.prompts import ONE_TEMPLATE, OPENAI_80_TEMPLATES, TextRecipe
from bioclip_search.published import is_published, read_published
from bioclip_search.searcher import Searcher
from tests.conftest import ColourEncoder

ENTRIES = [
    [["Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Pica", "pica"], "Eurasian magpie"],
    [["Animalia", "Chordata", "", "Cypriniformes", "Cyprinidae", "Cyprinus", "carpio"], ""],
    [["Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Pica", "Pica hudsonia"], ""],
    [["Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Corvus", "<i>corax</i> "], "raven"],
    [["Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Corvus", "corone Linnaeus, 1758"], ""],
    [["Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Corvus", ""], ""],
    [["Plantae", "", "", "", "", "", "lonely"], ""],
    [["Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Pica", "nuttalli"], "yellow-billed magpie"],
]
ZERO = 7
"""The column that was never computed, as in the last batch of BioCLIP 2's matrix."""


def columns_of(entries, encoder, templates=ONE_TEMPLATE) -> np.ndarray:
    """(dim, n), made as the published script makes them: the seven names and the vernacular one, joined by spaces."""
    words = [" ".join(" ".join([*names, common]).split()) for names, common in entries]
    vectors = encode_recipe(encoder, [[template.replace("{}", word) for template in templates] for word in words])
    vectors[ZERO:] = 0
    return np.ascontiguousarray(vectors.T)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "matrix [2] *"  # DuckDB must not read this as a pattern
    place.mkdir()
    (place / "txt_emb_species.json").write_text(json.dumps(ENTRIES), encoding="utf-8")
    np.save(place / "txt_emb_species.npy", columns_of(ENTRIES, ColourEncoder()))
    return place


def test_each_taxon_has_the_vector_of_its_column(folder, tmp_path):
    encoder, published = ColourEncoder(), read_published(folder)
    index = build_published(tmp_path / "i", published, encoder)
    taxonomy = Searcher(index, encoder).taxonomy
    columns = columns_of(ENTRIES, encoder)
    found = dict(zip(taxonomy.leaves["species"].to_pylist(), index.vectors.rows(0, 8), strict=True))
    for number, species in enumerate(
        ["Pica pica", "Cyprinus carpio", "Pica hudsonia", "Corvus corax", "Corvus corone Linnaeus, 1758", None, "lonely", "Pica nuttalli"]
    ):
        np.testing.assert_allclose(found[species], columns[:, number], atol=1e-6)
    assert taxonomy.leaves["common_name"].to_pylist().count("raven") == 1
    assert index.card.recipe["text_type"] == "taxon_and_com"


def test_missing_ranks_are_passed_over_and_a_zero_column_is_flagged(folder, tmp_path):
    index = build_published(tmp_path / "i", read_published(folder), ColourEncoder())
    searcher = Searcher(index, ColourEncoder())
    assert len(searcher.taxonomy.level("class")) == 1
    assert searcher.taxonomy.taxon("class", 0).name == "Aves"
    flagged = searcher.taxonomy.leaves.filter(searcher.taxonomy.leaves["zero_vector"])["species"].to_pylist()
    assert flagged == ["Pica nuttalli"]
    assert not [finding for finding in check_index(index.folder) if finding.severity == FAULT]


def test_the_report_tells_what_was_mended_kept_and_passed_over(folder):
    assert list(read_published(folder).report) == [
        "2 epithets were mended (markup, white space or a repeated genus taken out) (first: entry 3, Corvidae Pica Pica hudsonia)",
        "1 epithets are missing: the taxon stands at its genus or higher (first: entry 6, Corvidae Corvus)",
        "1 epithets stand without a genus and were kept as the species' whole name (first: entry 7, lonely)",
        "1 epithets are odd and were kept: holds an author or a year (first: entry 5, Corvidae Corvus corone Linnaeus, 1758)",
        "1 taxa have no phylum: it is passed over (first: entry 7, lonely)",
        "2 taxa have no class: it is passed over (first: entry 2, Cyprinidae Cyprinus carpio)",
        "1 taxa have no order: it is passed over (first: entry 7, lonely)",
        "1 taxa have no family: it is passed over (first: entry 7, lonely)",
        "1 taxa have no genus: it is passed over (first: entry 7, lonely)",
    ]


def test_of_two_taxa_with_one_lineage_the_first_is_kept_and_that_is_told(folder, tmp_path):
    entries = [*ENTRIES, [["Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Pica", "<i>pica</i>"], "another magpie"]]
    (folder / "txt_emb_species.json").write_text(json.dumps(entries), encoding="utf-8")
    np.save(folder / "txt_emb_species.npy", columns_of(entries, ColourEncoder()))
    said = []
    index = build_published(tmp_path / "i", read_published(folder), ColourEncoder(), say=said.append)
    assert said == ["9 rows read, 8 taxa kept", "1 rows repeat a lineage and were left out (first: row 9)"]
    assert "another magpie" not in Searcher(index, ColourEncoder()).taxonomy.leaves["common_name"].to_pylist()


def test_a_folder_a_json_file_and_a_matrix_elsewhere_are_the_same(folder, tmp_path):
    elsewhere = (folder / "txt_emb_species.npy").rename(tmp_path / "moved.npy")
    assert not is_published(folder)
    assert is_published(folder / "txt_emb_species.json")
    found = read_published(folder / "txt_emb_species.json", elsewhere)
    assert (found.vectors.shape, found.taxa.num_rows) == ((8, 32), 8)
    with pytest.raises(IndexFolderError, match="is no .npy file of numbers"):
        read_published(folder / "txt_emb_species.json")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("type_", [np.float16, np.float32, np.float64])
def test_any_float_type_and_layout_is_read(folder, tmp_path, order, type_):
    np.save(folder / "txt_emb_species.npy", np.asarray(columns_of(ENTRIES, ColourEncoder()), type_, order=order))
    index = build_published(tmp_path / "i", read_published(folder), ColourEncoder())
    assert index.card.vectors.count == 8


def test_another_encoder_or_recipe_is_refused(folder, tmp_path):
    class Deaf(ColourEncoder):
        def encode_texts(self, texts):
            return super().encode_texts([text[::-1] for text in texts])

    published = read_published(folder)
    with pytest.raises(IndexMismatchError, match=r"not those that colours makes of these names \(cosine -?0\.\d\d, expected 0.98 or more\)"):
        build_published(tmp_path / "i", published, Deaf())
    wide = ColourEncoder()
    wide.dim = 48
    with pytest.raises(IndexMismatchError, match="vectors of 32 numbers, the encoder colours makes 48"):
        build_published(tmp_path / "i", published, wide)
    with pytest.raises(IndexMismatchError, match="give the --text-type and --templates"):
        build_published(tmp_path / "i", published, ColourEncoder(), recipe=TextRecipe("com"))
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("templates", [ONE_TEMPLATE, ("{}",), OPENAI_80_TEMPLATES, ("told by the {} user",)])
def test_the_recipe_is_found_out_or_told(folder, tmp_path, templates):
    np.save(folder / "txt_emb_species.npy", columns_of(ENTRIES, ColourEncoder(), templates))
    told = TextRecipe("taxon_and_com", templates) if templates == ("told by the {} user",) else None
    index = build_published(tmp_path / "i", read_published(folder), ColourEncoder(), recipe=told)
    assert (index.card.recipe["text_type"], tuple(index.card.recipe["templates"])) == ("taxon_and_com", templates)


def test_nan_and_a_wrong_number_of_columns_are_told_with_their_place(folder, tmp_path):
    columns = columns_of(ENTRIES, ColourEncoder())
    columns[3, 4] = np.nan
    np.save(folder / "txt_emb_species.npy", columns)
    with pytest.raises(IndexFolderError, match="column 5 holds NaN or infinity"):
        build_published(tmp_path / "i", read_published(folder), ColourEncoder())
    np.save(folder / "txt_emb_species.npy", columns[:, :7])
    with pytest.raises(IndexFolderError, match=r"holds 7 columns of 32 numbers, and txt_emb_species.json names 8 taxa"):
        read_published(folder)
    np.save(folder / "txt_emb_species.npy", np.arange(8))
    with pytest.raises(IndexFolderError, match="is no matrix of text vectors"):
        read_published(folder)
    np.save(folder / "txt_emb_species.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(IndexFolderError, match="is no .npy file of numbers"):
        read_published(folder)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[1, 2]", '[[["Animalia"], "six are missing"]]', '{"a": [1]}', "[[" + "[" * 3000, '[[["a","b","c","d","e","f"],"x"]]', "\xff\xfe"],
)
def test_a_json_of_another_layout_is_refused(folder, content):
    (folder / "txt_emb_species.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(TableError, match="txt_emb_species.json"):
        read_published(folder)


def test_a_place_without_names_is_told(tmp_path):
    with pytest.raises(TableError, match="holds no names of a published matrix"):
        read_published(tmp_path)
    with pytest.raises(TableError, match="holds no names of a published matrix"):
        read_published(tmp_path / "none.json")
