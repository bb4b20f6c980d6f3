"""One test per rule and branch with named taxa, after SpeciesNet's own ensemble_prediction_combiner_test and geofence_utils_test.

The same 200,000 random cases gave the same answers as speciesnet 5.0.6 itself when this was written.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.geography import Geofence, Place
from bioclip_search.geography.geofence import Rule
from bioclip_search.speciesnet import ANIMAL, BLANK, HUMAN, LIKELY_CLASS, UNKNOWN, VEHICLE, Detection, Fence, ancestor, answer, answer_rows, label_of, rank_of

LION = "mammalia;carnivora;felidae;panthera;leo"
PANTHERA = "mammalia;carnivora;felidae;panthera;"
FELIDAE = "mammalia;carnivora;felidae;;"
PUMA = "mammalia;carnivora;felidae;puma;concolor"
SAND_CAT = "mammalia;carnivora;felidae;felis;margarita"
CARNIVORA = "mammalia;carnivora;;;"
MAMMALIA = "mammalia;;;;"
BROWN_BEAR = "mammalia;carnivora;ursidae;ursus;arctos"
POLAR_BEAR = "mammalia;carnivora;ursidae;ursus;maritimus"
PANDA = "mammalia;carnivora;ursidae;ailuropoda;melanoleuca"
URSUS, URSIDAE = "mammalia;carnivora;ursidae;ursus;", "mammalia;carnivora;ursidae;;"
BLACKBIRD = "aves;passeriformes;turdidae;turdus;merula"

FENCE = Geofence(
    "as in SpeciesNet's tests",
    {
        LION: Rule(allow={"KEN": (), "TZA": ()}),
        PANTHERA: Rule(allow={"KEN": (), "TZA": (), "USA": ("AK", "CA")}),
        FELIDAE: Rule(allow={"FRA": (), "KEN": (), "TZA": (), "USA": ()}, block={"FRA": (), "USA": ("NY",)}),
        SAND_CAT: Rule(block={"AUS": ()}),
        URSIDAE: Rule(block={"GBR": ()}),
    },
)


def told(detection, classes, *place, known=None):
    detections = [] if detection is None else [Detection(*detection)]
    found = answer(detections, list(classes), list(classes.values()), Fence(FENCE, Place.of(*place), known))
    return found.rule, found.label, pytest.approx(found.score), found.source


@pytest.mark.parametrize(
    ("detection", "classes", "expected"),
    [
        pytest.param(("person", 0.8), {LION: 0.1}, ("1a", HUMAN, 0.8, "detector"), id="1a: a person's box, whatever was classified"),
        pytest.param(("person", 0.3), {HUMAN: 0.7}, ("1b", HUMAN, 0.7, "classifier"), id="1b: a likely person, classified as human"),
        pytest.param(("person", 0.3), {VEHICLE: 0.7}, ("1b", HUMAN, 0.7, "classifier"), id="1b: a likely person, classified as vehicle"),
        pytest.param(("person", 0.7), {LION: 0.1}, ("7", UNKNOWN, 0.1, "classifier"), id="1a: 0.7 is not above 0.7"),
        pytest.param(("person", 0.2), {HUMAN: 0.6}, ("7", UNKNOWN, 0.6, "classifier"), id="1b: 0.2 is not above 0.2"),
        pytest.param(("person", 0.3), {HUMAN: 0.5}, ("7", UNKNOWN, 0.5, "classifier"), id="1b: 0.5 is not above 0.5"),
        pytest.param(("person", 0.3), {LION: 0.9}, ("4a", LION, 0.9, "classifier"), id="1: a likely person that is a sure lion"),
        pytest.param(("vehicle", 0.3), {HUMAN: 0.7}, ("2a", HUMAN, 0.7, "classifier"), id="2a: a likely vehicle, classified as human"),
        pytest.param(("vehicle", 0.9), {HUMAN: 0.7}, ("2a", HUMAN, 0.7, "classifier"), id="2a: goes before 2b"),
        pytest.param(("vehicle", 0.8), {LION: 0.1}, ("2b", VEHICLE, 0.8, "detector"), id="2b: a vehicle's box"),
        pytest.param(("vehicle", 0.3), {VEHICLE: 0.5}, ("2c", VEHICLE, 0.5, "classifier"), id="2c: a likely vehicle, classified as one"),
        pytest.param(("vehicle", 0.3), {VEHICLE: 0.4}, ("7", UNKNOWN, 0.4, "classifier"), id="2c: 0.4 is not above 0.4"),
        pytest.param(("animal", 0.1), {BLANK: 0.7}, ("3a", BLANK, 0.7, "classifier"), id="3a: no box to speak of"),
        pytest.param(None, {BLANK: 0.7}, ("3a", BLANK, 0.7, "classifier"), id="3a: no box at all"),
        pytest.param(("animal", 0.3), {BLANK: 0.995}, ("3b", BLANK, 0.995, "classifier"), id="3b: a sure blank, though there is a box"),
        pytest.param(("animal", 0.2), {BLANK: 0.99}, ("7", UNKNOWN, 0.99, "classifier"), id="3: 0.2 is not below 0.2, nor 0.99 above 0.99"),
        pytest.param(("animal", 0.1), {LION: 0.9}, ("4a", LION, 0.9, "classifier"), id="4a: a sure animal"),
        pytest.param(None, {LION: 0.81}, ("4a", LION, 0.81, "classifier"), id="4a: without a box"),
        pytest.param(("animal", 0.3), {LION: 0.7}, ("4b", LION, 0.7, "classifier"), id="4b: a likely animal in a box"),
        pytest.param(("animal", 0.2), {LION: 0.7}, ("5", PANTHERA, 0.7, "classifier+rollup_to_genus"), id="4b: not in a box, so rolled up"),
        pytest.param(("vehicle", 0.3), {LION: 0.7}, ("5", PANTHERA, 0.7, "classifier+rollup_to_genus"), id="4b: not in another's box"),
        pytest.param(("animal", 0.3), {FELIDAE: 0.7}, ("4b", FELIDAE, 0.7, "classifier"), id="4b: a class above species"),
        pytest.param(("animal", 0.1), {BROWN_BEAR: 0.4, POLAR_BEAR: 0.3, LION: 0.2}, ("5", URSUS, 0.7, "classifier+rollup_to_genus"), id="5: genus"),
        pytest.param(("animal", 0.1), {BROWN_BEAR: 0.4, PANDA: 0.3, LION: 0.2}, ("5", URSIDAE, 0.7, "classifier+rollup_to_family"), id="5: family"),
        pytest.param(("animal", 0.1), {BROWN_BEAR: 0.4, LION: 0.3, BLACKBIRD: 0.2}, ("5", CARNIVORA, 0.7, "classifier+rollup_to_order"), id="5: order"),
        pytest.param(("animal", 0.1), {BROWN_BEAR: 0.4, MAMMALIA: 0.3, BLACKBIRD: 0.2}, ("5", MAMMALIA, 0.7, "classifier+rollup_to_class"), id="5: class"),
        pytest.param(("animal", 0.1), {BLACKBIRD: 0.4, LION: 0.3, BLANK: 0.2}, ("5", ANIMAL, 0.7, "classifier+rollup_to_kingdom"), id="5: kingdom"),
        pytest.param(
            ("animal", 0.1), {FELIDAE: 0.4, LION: 0.3, BLANK: 0.2}, ("5", FELIDAE, 0.7, "classifier+rollup_to_family"), id="5: a family and a species of it"
        ),
        pytest.param(("animal", 0.6), {LION: 0.1}, ("6", ANIMAL, 0.6, "detector"), id="6: an animal's box"),
        pytest.param(("animal", 0.6), {BLANK: 0.9}, ("6", ANIMAL, 0.6, "detector"), id="6: though likely blank"),
        pytest.param(("animal", 0.9), {}, ("6", ANIMAL, 0.9, "detector"), id="6: not classified"),
        pytest.param(("animal", 0.5), {LION: 0.1}, ("7", UNKNOWN, 0.1, "classifier"), id="7: 0.5 is not above 0.5"),
        pytest.param(None, {}, ("7", UNKNOWN, 0.0, "classifier"), id="7: nothing at all"),
    ],
)
def test_every_rule_gives_its_answer_without_a_place(detection, classes, expected):
    assert told(detection, classes) == expected


@pytest.mark.parametrize(
    ("classes", "place", "expected"),
    [
        pytest.param({LION: 0.9}, ("KEN",), ("4a", LION, 0.9, "classifier"), id="allowed"),
        pytest.param({LION: 0.9}, ("USA",), ("4a", FELIDAE, 0.9, "classifier+geofence+rollup_to_family"), id="to the family; never to the genus"),
        pytest.param({LION: 0.7}, ("USA",), ("4b", FELIDAE, 0.7, "classifier+geofence+rollup_to_family"), id="4b, too"),
        pytest.param({LION: 0.85, PUMA: 0.1}, ("USA", "CA"), ("4a", FELIDAE, 0.95, "classifier+geofence+rollup_to_family"), id="with the scores of its kin"),
        pytest.param({LION: 0.9}, ("USA", "NY"), ("4a", CARNIVORA, 0.9, "classifier+geofence+rollup_to_order"), id="past a fenced family"),
        pytest.param({LION: 0.9}, ("FRA",), ("4a", CARNIVORA, 0.9, "classifier+geofence+rollup_to_order"), id="past a family that is allowed and blocked"),
        pytest.param({SAND_CAT: 0.9}, ("AUS",), ("4a", CARNIVORA, 0.9, "classifier+geofence+rollup_to_order"), id="its family is not allowed there either"),
        pytest.param({SAND_CAT: 0.9}, ("PER",), ("4a", SAND_CAT, 0.9, "classifier"), id="blocked elsewhere only"),
        pytest.param({BROWN_BEAR: 0.9}, ("GBR",), ("4a", BROWN_BEAR, 0.9, "classifier"), id="a fenced family says nothing of the bear, whose key is missing"),
        pytest.param({BROWN_BEAR: 0.4, POLAR_BEAR: 0.3, PUMA: 0.2}, ("GBR",), ("5", URSUS, 0.7, "classifier+rollup_to_genus"), id="5: a genus without a rule"),
        pytest.param({BROWN_BEAR: 0.4, PANDA: 0.3, PUMA: 0.2}, ("GBR",), ("5", CARNIVORA, 0.9, "classifier+rollup_to_order"), id="5: past a fenced family"),
    ],
)
def test_what_is_fenced_is_rolled_up_to_the_first_unfenced_taxon(classes, place, expected):
    assert told(("animal", 0.6), classes, *place) == expected


def test_without_an_unfenced_taxon_above_it_the_answer_is_unknown():
    """LION is fenced in the USA, and this taxonomy knows no taxon above it: only a wrong set-up can come here."""
    assert told(None, {LION: 0.9}, "USA", known={LION}) == ("4a", UNKNOWN, 0.9, "classifier+geofence+rollup_failed")


def test_taxa_that_the_taxonomy_lacks_are_passed_over():
    classes = {BROWN_BEAR: 0.4, POLAR_BEAR: 0.3}
    assert told(None, classes, known={URSIDAE, CARNIVORA}) == ("5", URSIDAE, 0.7, "classifier+rollup_to_family")


def test_of_equal_sums_and_equally_confident_boxes_the_first_wins():
    tie = {LION: 0.7, BROWN_BEAR: 0.7}
    assert told(None, tie)[:2] == ("5", PANTHERA)
    assert told(None, dict(reversed(tie.items())))[:2] == ("5", URSUS)
    boxes = [Detection("vehicle", 0.9), Detection("person", 0.9)]
    assert answer(boxes, [LION], [0.1]).rule == "2b"
    assert answer(boxes[::-1], [LION], [0.1]).rule == "1a"


def test_the_most_confident_box_counts():
    assert answer([Detection("animal", 0.6), Detection("person", 0.9)], [LION], [0.1]).rule == "1a"


@pytest.mark.parametrize(("detection", "score"), [(Detection("animal", 0.9), math.nan), (Detection("animal", math.nan), 0.9)])
def test_numbers_that_are_none_are_refused(detection, score):
    with pytest.raises(ValueError, match="none of them NaN"):
        answer([detection], [LION], [score])


def test_labels_and_lineages_are_one():
    lion = {
        "kingdom": "Animalia",
        "phylum": "Chordata",
        "class": "Mammalia",
        "order": "Carnivora",
        "family": "Felidae",
        "genus": "Panthera",
        "species": "Panthera leo",
    }
    assert label_of(lion) == LION
    assert [ancestor(LION, rank) for rank in ("species", "genus", "family", "order", "class", "kingdom")] == [
        LION,
        PANTHERA,
        FELIDAE,
        CARNIVORA,
        MAMMALIA,
        ANIMAL,
    ]
    assert [ancestor(FELIDAE, rank) for rank in ("species", "genus", "family")] == [None, None, FELIDAE]
    assert [ancestor(label, "kingdom") for label in (BLANK, VEHICLE, UNKNOWN, ANIMAL)] == [None, None, None, ANIMAL]
    assert [rank_of(label) for label in (LION, PANTHERA, MAMMALIA, ANIMAL, HUMAN, BLANK, UNKNOWN)] == [
        "species",
        "genus",
        "class",
        "kingdom",
        "species",
        None,
        None,
    ]
    assert label_of({"species": "Canis lupus dingo", "genus": "Canis", "class": "Mammalia"}) == "mammalia;;;canis;lupus dingo"


SHARES = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.35, 0.65, 0.66, 0.7, 0.81, 0.9]), min_size=5, max_size=5)


@given(order=st.permutations(range(5)), shares=SHARES, others=SHARES, is_boxed=st.booleans())
def test_many_crops_at_once_are_answered_as_one_by_one(taxonomy, order, shares, others, is_boxed):
    """Over the animals with a class, as SpeciesNet has them; `answer_rows` works on leaves, the rules on labels."""
    labels = [label_of(taxonomy.lineage(leaf)) for leaf in range(len(taxonomy))]
    animals = np.array([leaf for leaf, label in enumerate(labels) if label.startswith(("mammalia", "aves"))])
    leaves = np.stack([animals[order], animals[order[::-1]]])
    scores = -np.sort(-np.array([shares, others]), axis=1)
    depths, chosen = answer_rows(leaves, scores, taxonomy.levels, **({"accept": LIKELY_CLASS} if is_boxed else {}))
    found = [
        taxonomy.lineage(leaf, down_to=taxonomy.ranks[depth]) if depth >= 0 else None for depth, leaf in zip(depths.tolist(), chosen.tolist(), strict=True)
    ]
    boxes = [Detection("animal", 0.3)] if is_boxed else []
    expected = [answer(boxes, [labels[leaf] for leaf in row], score).label for row, score in zip(leaves, scores.tolist(), strict=True)]
    assert [UNKNOWN if lineage is None else label_of(lineage) for lineage in found] == expected


def test_a_leaf_above_species_is_accepted_at_its_own_rank(taxonomy):
    carrots = next(leaf for leaf in range(len(taxonomy)) if taxonomy.leaves["common_name"][leaf].as_py() == "Carrot family")
    depths, chosen = answer_rows(np.array([[carrots, 0, 1, 2, 3]]), np.array([[0.9, 0.1, 0, 0, 0]]), taxonomy.levels)
    assert (taxonomy.ranks[depths[0]], chosen[0]) == ("family", carrots)
