"""What is asked of a place, put together: rules, the index's own countries, records; and the answers of a searcher there."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from bioclip_search.build import build_index
from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import TableError
from bioclip_search.index import Index
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxonomy
from tests.conftest import picture_of, small_table

LION = "mammalia;carnivora;felidae;panthera;leo"


@pytest.fixture
def fence(tmp_path):
    (tmp_path / "fence.json").write_text(json.dumps({LION: {"allow": {"KEN": [], "USA": ["CA"]}}, "aves;;;;": {"block": {"NOR": []}}}))
    return tmp_path / "fence.json"


@pytest.fixture
def seen(tmp_path):
    rows = ["Vulpes vulpes,NO,60,10,5"] * 20 + ["Felis catus,NO,60,10,11"] * 20 + ["Panthera leo,KE,-1,37,5"]
    (tmp_path / "seen.csv").write_text("species,country,lat,lon,month\n" + "\n".join(rows))
    return tmp_path / "seen.csv"


@pytest.fixture
def searcher(small_index, encoder):
    return Searcher(Index(small_index), encoder)


@pytest.fixture
def leaf(taxonomy):
    return taxonomy.leaves["species"].to_pylist().index


def left_out(catalogue, restriction):
    kept = set() if restriction.leaves is None else set(restriction.leaves.numbers.tolist())
    return sorted(
        list(catalogue.taxonomy.lineage(leaf).values())[-1] for leaf in range(len(catalogue.taxonomy)) if restriction.leaves is not None and leaf not in kept
    )


def test_a_geofence_composes_with_clade_and_exclusion(small_index, fence):
    catalogue = Catalogue(Index(small_index))
    assert left_out(catalogue, catalogue.restrict(country="no", geofence=fence)) == ["Oenanthe oenanthe", "Panthera leo", "Turdus merula"]
    assert left_out(catalogue, catalogue.restrict(country="KEN", geofence=fence)) == []
    assert left_out(catalogue, catalogue.restrict(country="USA", region="US-CA", geofence=fence)) == []
    restriction = catalogue.restrict(within="Felidae", exclude="Felis", country="USA", region="NY", geofence=[fence])
    assert [catalogue.taxonomy.lineage(int(leaf))["species"] for leaf in restriction.leaves.numbers] == ["Panthera uncia"]
    assert [catalogue.taxonomy.lineage(int(leaf))["species"] for leaf in restriction.wider.numbers] == ["Panthera leo", "Panthera uncia"]
    assert restriction.place.words == "USA-NY"


def test_a_geofence_and_the_countries_of_the_index_hold_both(tmp_path, encoder, fence, seen):
    table = small_table().append_column("countries", pa.array(["NOR", "KEN", *["NOR KEN"] * 7]))
    catalogue = Catalogue(build_index(tmp_path / "i", Taxonomy.from_table(table), encoder, recipe=TextRecipe(templates=BARE_TEMPLATE)))
    assert left_out(catalogue, catalogue.restrict(country="KEN", geofence=fence)) == ["Panthera leo"]
    assert left_out(catalogue, catalogue.restrict(country="NOR", geofence=fence)) == ["Oenanthe oenanthe", "Panthera leo", "Panthera uncia", "Turdus merula"]
    assert catalogue.restrict(country="NOR", occurrences=seen).leaves is None  # rule 3: with records alone nothing is shut out


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param({"geofence": True}, r"\(--geofence\) needs the --country", id="rules without a country"),
        pytest.param({"country": "USA", "region": "NJ"}, r"--region is used by the rules of a --geofence", id="a region without rules"),
        pytest.param({"near": "60,10"}, r"--near\) is used with --occurrences", id="a point without records"),
        pytest.param({"month": 5}, r"--month is used with --occurrences", id="a month without records"),
        pytest.param({"country": "NOR"}, "does not know where its taxa occur; give --checklist", id="a country that nobody knows of"),
        pytest.param({"country": "UK", "geofence": True}, r"'UK' is no country code \(did you mean GBR\?\)", id="not a code"),
        pytest.param({"within": "Panthera leo", "country": "NOR", "geofence": True}, "leave no taxon of the index small for NOR", id="nothing is left"),
    ],
)
def test_questions_that_make_no_sense_are_told(small_index, fence, asked, message):
    asked = asked | ({"geofence": fence} if asked.get("geofence") else {})
    with pytest.raises(TableError, match=message):
        Catalogue(Index(small_index)).restrict(**asked)


def test_an_answer_tells_what_a_fence_took_out(searcher, leaf, fence):
    (answer,) = searcher.identify(picture_of(leaf("Panthera leo")), country="NOR", geofence=fence)
    assert answer.taxon != "Panthera leo"
    assert (answer.place, answer.out_of_range) == ("NOR", None)
    assert (answer.removed.taxon, answer.removed.common_name, answer.without_place.taxon, answer.without_place.rank) == (
        "Panthera leo",
        "Lion",
        "Panthera leo",
        "species",
    )
    assert answer.removed.probability == pytest.approx(answer.without_place.probability) != answer.probability


def test_a_strong_stray_is_answered_and_flagged(searcher, leaf, seen):
    lion = picture_of(leaf("Panthera leo"))
    (answer,) = searcher.identify(lion, occurrences=seen, country="NOR")
    (anywhere,) = searcher.identify(lion)
    assert (answer.taxon, answer.out_of_range, answer.removed, answer.place) == ("Panthera leo", True, None, "NOR")
    assert answer.without_place.probability == pytest.approx(anywhere.probability)
    (at_home,) = searcher.identify(lion, occurrences=seen, near=(-1, 37))
    assert (at_home.out_of_range, at_home.place) == (False, "-1, 37")


def test_rules_and_records_hold_together(searcher, leaf, fence, seen):
    (answer,) = searcher.identify(picture_of(leaf("Panthera leo")), country="NOR", geofence=fence, occurrences=seen, month=5)
    assert (answer.removed.taxon, answer.place) == ("Panthera leo", "NOR in May")


def test_a_place_of_rules_and_one_of_records_are_both_told(small_index, fence, seen):
    catalogue = Catalogue(Index(small_index))
    words = [catalogue.restrict(country="NOR", geofence=fence, occurrences=seen, near=near, month=12).place.words for near in (None, "60,10")]
    assert words == ["NOR in December", "NOR; 60, 10 in December"]
    notes = catalogue.restrict(occurrences=seen).notes
    assert notes[-1] == "seen.csv: 41 records taken wherever they lie; say where with --near or --country"


def test_without_a_place_an_answer_says_nothing_of_one(searcher, leaf):
    (answer,) = searcher.identify(picture_of(leaf("Felis catus")), within="Felidae")
    assert (answer.place, answer.out_of_range, answer.without_place, answer.removed) == (None, None, None, None)


def test_silent_taxa_stay_silent_at_a_place(tmp_path, encoder, taxonomy, seen):
    from bioclip_search.build import build_from_vectors

    vectors = encoder.encode_texts(encoder.texts)
    fox = taxonomy.leaves["species"].to_pylist().index("Vulpes vulpes")
    vectors[fox] = 0
    searcher = Searcher(build_from_vectors(tmp_path / "i", Taxonomy.from_table(taxonomy.leaves), vectors, encoder), encoder)
    (answer,) = searcher.identify(picture_of(0), occurrences=seen, country="NOR", rank="species", top=9)
    assert "Vulpes vulpes" not in {answer.taxon, *(other.taxon for other in answer.alternatives)}
