from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.names import Names, write_names
from bioclip_search.names.authors import same_authorship
from bioclip_search.names.lists import read_list
from bioclip_search.names.match import AUTHORSHIP_DISAGREES, CONTEXT_DISAGREES, MATCH_TYPES, Query, match_names
from bioclip_search.taxonomy import Taxonomy


def match(names, name, **row):
    (found,) = match_names(names, [Query(name, row.pop("authorship", None), row.pop("context", {}))], **row)
    return found


CASES = [
    ("rule 1: an empty cell", "", "NONE", None),
    ("rule 1: no cell", None, "NONE", None),
    ("rule 1: no letter", "—", "NONE", None),
    ("rule 1: a page of text", "Panthera leo " * 100, "NONE", None),
    ("rule 2: sp.", "Panthera sp.", "HIGHERRANK", "Panthera"),
    ("rule 2: spp. with a number", "Panthera spp. 3", "HIGHERRANK", "Panthera"),
    ("rule 2: cf.", "Panthera cf. leo", "HIGHERRANK", "Panthera"),
    ("rule 2: a hybrid's formula", "Panthera leo × Panthera uncia", "HIGHERRANK", "Panthera"),
    ("rule 2: a hybrid of two genera", "Panthera leo × Felis catus", "NONE", None),
    ("rule 2: two species", "Panthera leo/uncia", "HIGHERRANK", "Panthera"),
    ("rule 2: a homonymous genus", "Oenanthe sp.", "HOMONYM", None),
    ("rule 2: sp. behind a vernacular name of one species", "Blackbird sp.", "NONE", None),
    ("rule 2: cf. before the genus", "cf. Panthera leo", "HIGHERRANK", "Panthera"),
    ("rule 2: a question mark that touches", "Panthera ?leo", "HIGHERRANK", "Panthera"),
    ("rule 3: a homonym", "Oenanthe", "HOMONYM", None),
    ("rule 3: a vernacular name of two", "Robin", "HOMONYM", None),
    ("rule 3: behind an ancestor", "Plantae > Oenanthe", "EXACT", "Oenanthe"),
    ("rule 4: an accepted name", "Panthera leo", "EXACT", "Panthera leo"),
    ("rule 4: with its author", "Panthera leo (Linnaeus, 1758)", "EXACT", "Panthera leo"),
    ("rule 4: in capitals", "PANTHERA_LEO", "EXACT", "Panthera leo"),
    ("rule 4: a hybrid's sign", "Panthera × leo", "EXACT", "Panthera leo"),
    ("rule 4: in a wide sense", "Panthera leo s.l.", "EXACT", "Panthera leo"),
    ("rule 4: a subgenus", "Panthera (Leo) leo", "EXACT", "Panthera leo"),
    ("rule 4: a vernacular name", "snow leopard", "EXACT", "Panthera uncia"),
    ("rule 4: a vernacular name above species", "carrot family", "EXACT", "Apiaceae"),
    ("rule 4: another script", "ユキヒョウ", "EXACT", "Panthera uncia"),
    ("rule 5: a synonym", "Felis leo", "SYNONYM", "Panthera leo"),
    ("rule 6: a name below species", "Panthera leo persica", "HIGHERRANK", "Panthera leo"),
    ("rule 6: with its rank", "Panthera leo subsp. persica", "HIGHERRANK", "Panthera leo"),
    ("rule 7: a letter too few", "Panthera unca", "FUZZY", "Panthera uncia"),
    ("rule 7: a letter too many", "Turdus merulla", "FUZZY", "Turdus merula"),
    ("rule 7: a wrong letter", "Tyrdus merula", "FUZZY", "Turdus merula"),
    ("rule 7: letters swapped in the middle", "Turdsu merula", "FUZZY", "Turdus merula"),
    ("rule 7: misspelt, with an author", "Turdus merulla Linnaeus, 1758", "FUZZY", "Turdus merula"),
    ("rule 7: another ending", "Felis cata", "FUZZY", "Felis catus"),
    ("rule 7: another sound of two letters", "Cyprynus carpyo", "FUZZY", "Cyprinus carpio"),
    ("rule 7: a shortened genus", "P. leo", "FUZZY", "Panthera leo"),
    ("rule 7: a shortened genus that touches", "P.leo", "FUZZY", "Panthera leo"),
    ("rule 9: a shortened genus of several", "O. gigantea", "NONE", None),
    ("rule 7: a vernacular name", "Nothern wheatear", "FUZZY", "Oenanthe oenanthe"),
    ("rule 7: a misspelt synonym", "Felis leoo", "FUZZY", "Panthera leo"),
    ("rule 8: an unknown species", "Panthera imaginaria", "HIGHERRANK", "Panthera"),
    ("rule 8: a species too far off", "Panthera lxxxo", "HIGHERRANK", "Panthera"),
    ("rule 8: what is no name behind a genus", "Panthera 3rd-year", "HIGHERRANK", "Panthera"),
    ("rule 8: an unknown subspecies", "Turdus merula imaginarius", "HIGHERRANK", "Turdus merula"),
    ("rule 8: an unknown species of a homonymous genus", "Oenanthe imaginaria", "HOMONYM", None),
    ("rule 9: an animal called after another", "Amsel Grackle", "NONE", None),
    ("rule 9: the same, misspelt", "Amzel Grackle", "NONE", None),
    ("rule 9: nothing like it", "Yeti himalayensis", "NONE", None),
]


@pytest.mark.parametrize(("name", "match_type", "taxon"), [pytest.param(*case, id=what) for what, *case in CASES])
def test_a_name_is_matched_by_the_first_rule_that_holds(names, name, match_type, taxon):
    found = match(names, name)
    assert (found.match_type, found.taxon) == (match_type, taxon)
    assert found.name == name
    assert 0 <= found.confidence <= 100
    assert found.confidence == 0 or match_type != "NONE"


def test_a_homonym_holds_all_its_taxa(names):
    found = match(names, "Oenanthe")
    assert [(other.taxon, other.lineage["kingdom"]) for other in found.alternatives] == [("Oenanthe", "Animalia"), ("Oenanthe", "Plantae")]
    assert "names 2 taxa" in found.note


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"context": {"kingdom": "Plantae"}}, id="its kingdom"),
        pytest.param({"context": {"family": "apiaceae"}}, id="its family"),
        pytest.param({"authorship": "Smith 1900"}, id="its author"),
    ],
)
def test_the_row_decides_between_homonyms(names, row):
    name = "Oenanthe gigantea" if "authorship" in row else "Oenanthe"
    found = match(names, name, **row)
    assert found.match_type == ("SYNONYM" if "authorship" in row else "EXACT")
    assert found.lineage["kingdom"] == "Plantae"


def test_an_author_that_neither_homonym_has_decides_nothing(names):
    assert match(names, "Oenanthe gigantea Miller").match_type == "HOMONYM"


def test_a_synonym_tells_its_accepted_name(names):
    found = match(names, "Felis leo L.")
    assert (found.taxon, found.matched_name, found.authorship, found.taxon_key, found.kind) == (
        "Panthera leo",
        "Felis leo",
        "Linnaeus, 1758",
        "key-leo",
        "synonym",
    )
    assert found.note == "a synonym of Panthera leo"
    assert found.lineage["family"] == "Felidae"


def test_an_author_that_disagrees_lowers_the_confidence_and_is_told(names):
    right, wrong = match(names, "Felis leo Linnaeus, 1758"), match(names, "Felis leo Smith, 1900")
    assert right.confidence - wrong.confidence == AUTHORSHIP_DISAGREES
    assert "its author here is Linnaeus, 1758, not Smith, 1900" in wrong.note


def test_a_kingdom_that_disagrees_lowers_the_confidence_and_is_told(names):
    found = match(names, "Panthera leo", context={"kingdom": "Plantae"})
    assert (found.taxon, found.confidence) == ("Panthera leo", 100 - CONTEXT_DISAGREES)
    assert "lies in Animalia, not in Plantae" in found.note


def test_the_species_meant_by_cf_is_an_alternative(names):
    assert [other.taxon for other in match(names, "Panthera cf. leo").alternatives] == ["Panthera leo"]
    assert [other.taxon for other in match(names, "Panthera leo × uncia").alternatives] == ["Panthera leo", "Panthera uncia"]


def test_a_part_of_longer_names_is_no_match_but_they_are_alternatives(names):
    found = match(names, "leopard")
    assert (found.match_type, found.note) == ("NONE", "a part of other names only")
    assert [other.taxon for other in found.alternatives] == ["Panthera uncia"]


def test_a_rank_of_the_row_is_taken_where_the_name_is_unknown(names):
    found = match(names, "Yeti himalayensis", context={"class": "Mammalia", "family": "Felidae"})
    assert (found.match_type, found.taxon, found.confidence) == ("HIGHERRANK", "Felidae", 40)


def test_equally_near_names_of_two_taxa_are_no_match_but_alternatives(tmp_path):
    taxonomy = Taxonomy.from_table(pa.table({"species": ["Carex alba", "Carex alta", "Picea mora"]}))
    write_names(tmp_path / "names.sqlite", taxonomy)
    names = Names(tmp_path / "names.sqlite", taxonomy)
    found = match(names, "Carex alxa")  # one letter from alba, one from alta
    assert (found.match_type, found.taxon) == ("HIGHERRANK", "Carex")
    assert [other.taxon for other in found.alternatives] == ["Carex alba", "Carex alta"]
    assert "equally near to Carex alba and Carex alta" in found.note
    assert match(names, "Carex alpa").match_type == "HIGHERRANK"
    assert match(names, "Carex albba").taxon == "Carex alba"


def test_the_sign_of_a_hybrid_decides_where_a_species_has_the_same_name(tmp_path):
    taxonomy = Taxonomy.from_table(pa.table({"species": ["Salix fragilis", "Salix × fragilis", "Salix × rubens"]}))
    write_names(tmp_path / "names.sqlite", taxonomy)
    names = Names(tmp_path / "names.sqlite", Taxonomy(taxonomy.leaves, taxonomy.ranks))
    assert [match(names, name).taxon for name in ("Salix fragilis", "Salix x fragilis", "Salix rubens")] == [
        "Salix fragilis",
        "Salix × fragilis",
        "Salix × rubens",
    ]


def test_a_language_decides_between_bearers_of_one_vernacular_name(tmp_path, taxonomy):
    columns = {"row": [4, 5], "rank": ["species"] * 2, "name": ["Merle"] * 2, "kind": ["vernacular"] * 2, "language": ["en", "fr"]}
    write_names(tmp_path / "names.sqlite", taxonomy, pa.table(columns))
    names = Names(tmp_path / "names.sqlite", taxonomy)
    assert match(names, "Merle").match_type == "HOMONYM"
    assert match(names, "Merle", language="fr").taxon == "Turdus merula"


def test_results_come_in_order_and_repeats_are_equal(names):
    asked = ["Panthera leo", None, "Yeti", "Panthera leo", ""]
    found = list(match_names(names, asked))
    assert [one.name for one in found] == asked
    assert found[0] == found[3]
    assert list(match_names(names, [])) == []


@given(st.text(max_size=30))
def test_any_text_gets_a_match_of_a_known_type(names, text):
    assert match(names, text).match_type in MATCH_TYPES


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("L.", "Linnaeus, 1758", True, id="Linnaeus shortened"),
        pytest.param("(L.) Karst.", "H. Karst.", True, id="a basionym's author left out"),
        pytest.param("Smith, 1900", "Smith, 1950", False, id="other years"),
        pytest.param("Smith, 1900", "Smith, 1901", True, id="a year apart"),
        pytest.param("Mill.", "Miller", True, id="shortened"),
        pytest.param("Smith", "Jones", False, id="other authors"),
        pytest.param(None, "Jones", None, id="none told"),
        pytest.param("", "", None, id="nothing told"),
        pytest.param("1758", "Linnaeus, 1758", True, id="a year alone"),
    ],
)
def test_authorships_are_compared_as_people_shorten_them(one, other, same):
    assert same_authorship(one, other) is same
    assert same_authorship(other, one) is same


def test_a_hybrid_that_the_list_calls_by_its_parents_is_found(tmp_path):
    species = ["Salix alba", "Salix fragilis", "Salix alba × Salix fragilis", "Anas acuta", "Anas acuta crecca"]
    taxonomy = Taxonomy.from_table(pa.table({"genus": [name.split()[0] for name in species], "species": species}))
    write_names(tmp_path / "names.sqlite", taxonomy)
    names = Names(tmp_path / "names.sqlite", taxonomy)
    asked = ["Salix alba × Salix fragilis", "Salix alba x fragilis", "Salix alba L. × S. fragilis L.", "Anas acuta × crecca"]
    assert [(found.match_type, found.taxon) for found in match_names(names, asked)] == [
        *[("EXACT", "Salix alba × Salix fragilis")] * 3,
        ("HIGHERRANK", "Anas"),
    ]


def test_every_homonym_of_the_real_list_is_told_as_one(shared, tmp_path):
    taxonomy = Taxonomy.from_table(shared / "taxonomy" / "wiki_ambiguous.parquet")
    write_names(tmp_path / "names.sqlite", taxonomy)
    names = Names(tmp_path / "names.sqlite", Taxonomy(taxonomy.leaves, taxonomy.ranks))
    species = taxonomy.leaves["species"]
    counts = {row["values"]: row["counts"] for row in species.drop_null().value_counts().to_pylist()}
    homonyms = sorted(name for name, count in counts.items() if count > 1)
    assert len(homonyms) > 1_400
    for name, found in zip(homonyms, match_names(names, homonyms), strict=True):
        assert found.match_type == "HOMONYM"
        assert len(found.alternatives) == counts[name]


def test_real_names_with_one_slip_are_right_at_first_place(shared, tmp_path):
    """Every fiftieth name of the birds, with its middle letters swapped."""
    table = pq.read_table(shared / "taxonomy" / "birds_opennature.parquet")
    taxonomy = Taxonomy.from_table(table)
    write_names(tmp_path / "names.sqlite", taxonomy)
    names = Names(tmp_path / "names.sqlite", Taxonomy(taxonomy.leaves, taxonomy.ranks))
    right = [name for name in pc.unique(table["species"]).to_pylist()[::50] if name[len(name) // 2] != name[len(name) // 2 + 1]]
    asked = [name[: len(name) // 2] + name[len(name) // 2 + 1] + name[len(name) // 2] + name[len(name) // 2 + 2 :] for name in right]
    found = [one.taxon for one in match_names(names, asked)]
    assert sum(one == name for one, name in zip(found, right, strict=True)) >= 0.97 * len(right)


def test_the_ranks_of_its_row_decide_every_homonym_of_the_real_list_rightly(shared, tmp_path):
    source = shared / "taxonomy" / "wiki_ambiguous.parquet"
    taxonomy = Taxonomy.from_table(source)
    write_names(tmp_path / "names.sqlite", taxonomy)
    names = Names(tmp_path / "names.sqlite", Taxonomy(taxonomy.leaves, taxonomy.ranks))
    rows = pq.read_table(source).to_pylist()
    for row, found in zip(rows, match_names(names, read_list(source)), strict=True):
        assert found.match_type == "EXACT"
        assert found.lineage == {rank: row[rank] for rank in taxonomy.ranks if row[rank]}
