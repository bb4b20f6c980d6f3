"""Three hundred pictures of the nine leaves, some blurred, some of them labelled with what they do not show."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bioclip_search.calibration.lesson import LabelledPictures
from bioclip_search.errors import TableError
from bioclip_search.evaluation.candidates import Candidates
from bioclip_search.evaluation.rules_compared import World, compare_on
from bioclip_search.evaluation.rules_tried import OURS, PROMISED, RULES, Lesson, seen_at
from bioclip_search.evaluation.unseen import unseen_among
from bioclip_search.evaluation.verdicts import UNDECIDED, Lineages, judge_answers
from bioclip_search.fallback import Climbing, decide
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.prompts import RANKS

SCALE = 12.0


def blurred(taxonomy, n: int = 300) -> LabelledPictures:
    """The vector of each picture is that of its leaf and some of a neighbour's and of noise."""
    random = np.random.default_rng(4)
    leaves, count = random.integers(0, len(taxonomy), n), len(taxonomy)
    vectors = np.eye(count)[leaves] + random.uniform(0, 1, (n, 1)) * np.eye(count)[(leaves + 1) % count] + random.normal(0, 0.15, (n, count))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    lineages = Lineages.of(taxonomy.leaves, RANKS, {})
    return LabelledPictures(vectors, lineages.take(leaves), Candidates("index", taxonomy, lineages, lambda queries: queries.copy()), SCALE)


@pytest.fixture
def world(taxonomy) -> LabelledPictures:
    return blurred(taxonomy)


def test_climbing_answers_as_the_fallback_does(taxonomy):
    pictures = blurred(taxonomy, 40)
    seen = seen_at(pictures, np.arange(40), 1.0)
    for name, threshold in (("climbing at 0.5", 0.5), ("climbing at 0.9", 0.9)):
        answers = RULES[name](seen, Lesson(0.9, None))
        rows = leaf_probabilities(pictures.candidates.scores(pictures.vectors), SCALE)
        decided = [decide(row, taxonomy.levels, Climbing(threshold)).chosen for row in rows]
        assert answers.depths[0].tolist() == [step.depth if step else -1 for step in decided]


@pytest.mark.parametrize("rule", PROMISED)
def test_a_bolder_setting_never_answers_fewer_pictures(taxonomy, rule):
    answers = RULES[rule](seen_at(blurred(taxonomy, 60), np.arange(60), 1.0), Lesson(0.9, None))
    assert (np.diff((answers.depths >= 0).sum(axis=1)) >= 0).all()
    assert ((answers.depths >= 0) | (answers.verdicts == UNDECIDED)).all()


def test_the_best_match_at_every_threshold_is_the_best_leaf(taxonomy):
    pictures = blurred(taxonomy, 60)
    answers = RULES["best match always"](seen_at(pictures, np.arange(60), 1.0), Lesson(0.9, None))
    best = pictures.candidates.lineages.take(pictures.vectors.argmax(axis=1))
    assert answers.depths[0].tolist() == best.lowest.tolist()
    assert answers.verdicts[0].tolist() == judge_answers(best, best.lowest, pictures.truths).tolist()


def test_a_split_teaches_shows_and_asks_with_pictures_of_its_own(taxonomy):
    split = World(blurred(taxonomy)).split(np.random.default_rng(0).permutation(300))
    assert (len(split.shown), len(split.others)) == (90, 150)
    assert not set(split.shown.tolist()) & set(split.others.tolist())


def test_the_table_has_a_row_for_every_rule_and_its_shares_add_up(world):
    found = compare_on(world, (0.7,), 5)
    assert (found.pictures, found.taxa, found.splits) == (300, 9, 5)
    assert [one.rule for one in found.fared if one.target == 0.7] == list(PROMISED)
    for one in found.fared:
        if one.coverage is not None:
            assert sum(one.answered) == pytest.approx(one.coverage, abs=1e-3)
            assert 0 <= one.information <= one.coverage
    by_name = {one.rule: one for one in found.fared}
    assert by_name[OURS].kept >= 0.8
    assert by_name["best match always"].coverage == 1.0
    assert by_name["best match always"].ours is not None
    assert found.to_dict()["fared"][0]["rule"] == OURS


def test_a_rule_that_names_nothing_has_no_accuracy(world):
    """Of pictures that match all taxa alike no leaf is sure, nor the sum of five."""
    found = compare_on(replace(world, candidates=replace(world.candidates, scores=np.zeros_like)), (0.99,), 2)
    silent = next(one for one in found.fared if one.rule == "SpeciesNet's as it is")
    assert (silent.accuracy, silent.coverage, silent.information) == (None, 0.0, 0.0)
    assert "NaN" not in json.dumps(found.to_dict())


def test_of_species_taken_out_every_species_that_is_named_is_wrong(world):
    found = {one.rule: one.metrics for one in unseen_among(world, 0.6, draws=2)}
    always = found["best match always"]
    assert always["silent"] == 0
    assert always["right"] + always["wrong"] == pytest.approx(1, abs=1e-3)
    for metrics in found.values():
        assert metrics["answered_species"] <= metrics["wrong"] + 1e-9
        assert metrics["right_genus"] + metrics["right_family"] == pytest.approx(metrics["right_genus_or_family"], abs=1e-3)
    known, strangers = (found[f"weighing, calibrated {how}"] for how in ("on known species", "with strangers among them"))
    assert strangers["answered_species"] <= known["answered_species"] <= always["answered_species"]


def test_too_few_species_cannot_be_taken_out(world):
    with pytest.raises(TableError, match="too few to take 1% out"):
        unseen_among(world, 0.6, share_taken_out=0.01)
