from __future__ import annotations

import pytest

from bioclip_search.errors import TableError
from bioclip_search.prompts import MATRIX_TEXT_TYPE, OPENAI_80_TEMPLATES, TextRecipe, describe, templates_named

MAGPIE = {"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "order": "Passeriformes", "family": "Corvidae", "genus": "Pica", "species": "Pica hudsonia", "common_name": "Black-billed magpie"}  # fmt: skip
NAMELESS = {**MAGPIE, "common_name": None}
FAMILY = {"kingdom": "Animalia", "class": None, "family": "Corvidae", "genus": None, "species": None, "common_name": "crows"}


@pytest.mark.parametrize(
    ("taxon", "text_type", "words"),
    [
        (MAGPIE, "com", "Black-billed magpie"),
        (MAGPIE, "sci", "Pica hudsonia"),
        (MAGPIE, "taxon", "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia"),
        (MAGPIE, "sci_com", "Pica hudsonia with common name Black-billed magpie"),
        (MAGPIE, "taxon_com", "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia with common name Black-billed magpie"),
        (NAMELESS, "com", "Pica hudsonia"),
        (NAMELESS, "sci_com", "Pica hudsonia"),
        (NAMELESS, "taxon_com", "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia"),
        (FAMILY, "sci", "Corvidae"),
        (FAMILY, "taxon_com", "Animalia Corvidae with common name crows"),
    ],
)
def test_the_five_text_types_read_as_bioclip_was_trained(taxon, text_type, words):
    assert describe(taxon, text_type) == words


def test_the_published_matrices_have_lineage_and_vernacular_name_side_by_side():
    assert describe(MAGPIE, MATRIX_TEXT_TYPE) == "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia Black-billed magpie"
    assert describe(NAMELESS, MATRIX_TEXT_TYPE) == describe(NAMELESS, "taxon")
    assert TextRecipe(MATRIX_TEXT_TYPE).text_type == MATRIX_TEXT_TYPE


def test_an_unknown_text_type_or_template_is_an_error():
    with pytest.raises(TableError, match="Unknown text type 'latin'"):
        describe(MAGPIE, "latin")
    with pytest.raises(TableError, match="Unknown text type 'latin'"):
        TextRecipe("latin")
    with pytest.raises(TableError, match="one {} for the name"):
        TextRecipe(templates=("a photo",))
    with pytest.raises(TableError, match="Unknown template set 'forty'"):
        templates_named("forty")


def test_a_recipe_sets_the_words_into_every_template():
    assert TextRecipe("com", ("a {}", "the {}")).sentences("fox {}") == ["a fox {}", "the fox {}"]
    assert len(set(OPENAI_80_TEMPLATES)) == 80
    assert templates_named("my {} drawing") == ("my {} drawing",)


def test_recipes_that_give_other_sentences_have_other_fingerprints():
    assert TextRecipe().fingerprint == TextRecipe().fingerprint
    assert len({TextRecipe().fingerprint, TextRecipe("sci").fingerprint, TextRecipe(templates=("{}",)).fingerprint}) == 3
