from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.calibration.evidence import CAUTIONS, Evidence, evidence_of, join_evidence
from bioclip_search.calibration.judge import teach_judge
from bioclip_search.errors import NotCalibratedError
from bioclip_search.evaluation.attempts import weighing_attempts
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG, Lineages
from bioclip_search.fallback import Weighing, decide
from bioclip_search.prompts import RANKS


def doubtful_species(n: int = 200, right_species: float = 0.5, right_family: float = 1.0) -> Evidence:
    """Pictures whose family is certain and whose species is as often right as its probability says, spread from .1 to .9 around a mean."""
    random = np.random.default_rng(3)
    chance = np.clip(random.uniform(0.1, 0.9, n) + right_species - 0.5, 0.01, 0.99)
    verdicts = np.stack([random.random(n) < right_family, random.random(n) < chance], axis=1).astype(np.int8)
    return Evidence(np.stack([np.full(n, 0.99), chance], axis=1), np.tile([16, 1], (n, 1)), verdicts, np.linspace(0, 1, n), 256)


def test_the_setting_is_the_boldest_that_keeps_the_promise_and_tells_what_it_rests_on():
    evidence = doubtful_species()
    cautious, bold = evidence.setting(0.9), evidence.setting(0.7)
    assert cautious.caution > bold.caution
    assert cautious.information < bold.information
    chosen = evidence.chosen(cautious.caution, 0.9)
    verdicts = evidence.verdicts[np.arange(200), chosen]
    assert (cautious.answers, cautious.right, cautious.coverage) == (200, int((verdicts == RIGHT).sum()), 1.0)
    assert cautious.answered == (float((chosen == 0).mean()), float((chosen == 1).mean()))
    assert cautious.information == pytest.approx(np.mean((verdicts == RIGHT) * np.where(chosen == 0, 0.5, 1.0)))  # 16 of 256 leaves tell half


def test_ranks_that_may_not_be_answered_at_make_a_promise_of_their_own():
    evidence = doubtful_species()
    only_species = evidence.setting(0.5, depths=[1])
    assert only_species.answered[0] == 0
    assert only_species.coverage < evidence.setting(0.5).coverage


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        # 40 that show, and as six in ten show, 40 / .6 = 67 in all.
        pytest.param(doubtful_species(20), r"The 20 labelled .* do not show that 0.9.*20 of them get .* and 40 must.*at least 67\.", id="too few"),
        pytest.param(doubtful_species(200, right_family=0.8), r"at best 0\.\d+ of 200 names were right. Ask for less", id="out of reach"),
        pytest.param(doubtful_species(35), r"at best 1.000 of 35 names were right. Calibrated on about 67 pictures it might be promised", id="a few more"),
    ],
)
def test_a_promise_that_cannot_be_made_is_refused_with_what_would_help(evidence, words):
    with pytest.raises(NotCalibratedError, match=words):
        evidence.setting(0.9)


def test_no_fewer_answers_are_asked_for_than_are_looked_at():
    """Twenty answers, all right, would show 80 %, yet fewer than thirty are never looked at: 30 / .6 = 50."""
    with pytest.raises(NotCalibratedError, match=r"25 of them get .* and 30 must.*at least 50\."):
        doubtful_species(25).setting(0.8)


def test_all_wrong_and_all_undecided_are_refused():
    evidence = doubtful_species()
    for verdict, words in ((WRONG, "at best 0.000 of 200 names were right"), (UNDECIDED, "none of them gets an answer that can be judged")):
        with pytest.raises(NotCalibratedError, match=words):
            Evidence(evidence.probability, evidence.leaves, np.full((200, 2), verdict), evidence.best_score, 256).setting(0.8)


def test_the_evidence_chooses_as_the_fallback_decides(taxonomy):
    """And so it does when a judge is asked."""
    random = np.random.default_rng(2)
    rows = random.dirichlet(np.full(len(taxonomy), 0.3), 60).astype(np.float32)
    numbers: dict[str, int] = {}
    lineages = Lineages.of(taxonomy.leaves, RANKS, numbers)
    truths = lineages.take(random.integers(0, len(taxonomy), 60))
    evidence = join_evidence(
        [
            evidence_of(rows[:20], np.ones(20), truths.take(np.arange(20)), taxonomy, lineages),
            evidence_of(rows[20:], np.ones(40), truths.take(np.arange(20, 60)), taxonomy, lineages),
        ]
    )
    for judge in (None, teach_judge(evidence.probability, evidence.information, evidence.best_score, evidence.verdicts)):
        for caution in (0.1, 0.5, 0.9, 1.0):
            chosen = evidence.judged(judge).chosen(caution, 0.9)
            decided = [decide(row, taxonomy.levels, Weighing(caution, 0.9, judge), best_score=1.0) for row in rows]
            assert chosen.tolist() == [one.chosen.depth if one.chosen else -1 for one in decided]
            for one, chances in zip(decided, evidence.judged(judge).chance if judge else [], strict=bool(judge)):
                assert one.chance is None or one.chance == pytest.approx(chances[one.chosen.depth])


def test_the_attempts_are_what_is_chosen_at_every_caution():
    evidence = doubtful_species()
    attempts = weighing_attempts(evidence, 0.9)
    for caution in CAUTIONS[::7]:
        reaches = attempts.reach >= caution
        depth = np.where(reaches.any(axis=1), attempts.depths[np.arange(200), reaches.argmax(axis=1)], -1)
        assert depth.tolist() == evidence.chosen(caution, 0.9).tolist()


def test_a_picture_is_unlike_the_labelled_ones_if_hardly_any_matched_so_poorly():
    evidence = doubtful_species(200)  # best scores spread evenly from 0 to 1
    assert evidence.is_unlike(0.005)
    assert not evidence.is_unlike(0.02)
