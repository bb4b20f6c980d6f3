from __future__ import annotations

from bioclip_search.names.display import common_names, display_names


def taxa_of(names, *asked):
    return [taxon for name in asked for taxon in names.find(name)]


def test_taxa_are_shown_by_their_vernacular_names(names):
    assert display_names(names, taxa_of(names, "Panthera uncia", "Felidae")) == ["Snow leopard", "Felidae"]


def test_the_language_comes_first_then_the_name_of_the_index(names):
    taxa = taxa_of(names, "Panthera leo", "Panthera uncia", "Felidae", "Panthera")
    assert common_names(names, taxa, "de") == ["Löwe", "Snow leopard", "Katzen", None]
    assert common_names(names, taxa) == ["Lion", "Snow leopard", None, None]


def test_a_vernacular_name_of_two_taxa_gets_the_scientific_one_behind_it(names):
    """Robin is the wheatear and the blackbird in English; shown alone, it would be taken for either."""
    assert display_names(names, taxa_of(names, "Turdus merula", "Panthera leo"), "en") == ["Robin (Turdus merula)", "Lion"]
    both = display_names(names, taxa_of(names, "Turdus merula", "Oenanthe oenanthe"), "en")
    assert both == ["Robin (Turdus merula)", "Robin (Oenanthe oenanthe)"]


def test_a_scientific_name_of_two_taxa_gets_its_lineage(names):
    shown = display_names(names, taxa_of(names, "Oenanthe"))
    assert shown[0] == "Oenanthe (Animalia > Chordata > Aves > Passeriformes > Muscicapidae > Oenanthe)"
    assert len(set(shown)) == 2


def test_one_taxon_twice_has_one_name(names):
    assert display_names(names, taxa_of(names, "Panthera leo", "Panthera leo")) == ["Lion", "Lion"]


def test_no_taxa_have_no_names(names):
    assert display_names(names, []) == []
