from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.calibration.judge import Judge, features_of, teach_judge
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG


def pictures(n: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """A family and a species; the species is right as often as the cosine says, whatever its probability."""
    random = np.random.default_rng(seed)
    score = random.uniform(0.1, 0.9, n)
    probability = np.column_stack([random.uniform(0.5, 0.99, n), random.uniform(0.1, 0.9, n)])
    verdicts = np.column_stack([np.full(n, RIGHT), np.where(random.random(n) < score, RIGHT, WRONG)]).astype(np.int8)
    return probability, np.tile([0.5, 1.0], (n, 1)), score, verdicts


def test_it_learns_what_the_chance_hangs_on():
    judge = teach_judge(*pictures(4000))
    probability, information, score, _ = pictures(500, seed=1)
    chance = judge(probability, information, score)
    assert np.abs(chance[:, 1] - score).mean() < 0.04
    assert (chance[:, 0] >= chance[:, 1]).all()


def test_without_pictures_the_chance_is_the_probability():
    none = tuple(array[:0] for array in pictures(1))
    probability = np.array([[0.9, 0.3]])
    assert teach_judge(*none)(probability, np.array([[0.5, 1.0]]), np.array([0.4])).tolist() == [pytest.approx([0.9, 0.3])]


def test_a_few_pictures_move_it_a_little():
    probability, information, score, _ = pictures(3)
    wrong = np.full((3, 2), WRONG)
    chance = teach_judge(probability, information, score, wrong)(probability, information, score)
    assert (chance < probability).all()
    assert (chance > probability / 4).all()


def test_the_undecided_teach_nothing():
    """The same hundred pictures twice, of which the second time none can be judged, teach what they teach once."""
    probability, information, score, verdicts = pictures(100)
    twice = [np.concatenate([array, array]) for array in (probability, information, score)]
    half = teach_judge(*twice, np.concatenate([verdicts, np.full((100, 2), UNDECIDED)]))
    once = teach_judge(probability, information, score, verdicts)
    assert half(probability, information, score) == pytest.approx(once(probability, information, score), abs=1e-6)
    assert half(probability, information, score) != pytest.approx(
        teach_judge(*twice, np.concatenate([verdicts] * 2))(probability, information, score), abs=1e-3
    )
    all_undecided = teach_judge(probability, information, score, np.full((100, 2), UNDECIDED))(probability, information, score)
    assert all_undecided[:, 1] == pytest.approx(probability[:, 1])


def test_all_right_and_all_wrong_stay_finite():
    probability, information, score, _ = pictures(100)
    for verdict, low, high in ((RIGHT, 0.9, 1.0), (WRONG, 0.0, 0.1)):
        chance = teach_judge(probability, information, score, np.full((100, 2), verdict))(probability, information, score)
        assert low < chance.mean() < high
        assert ((chance > 0) & (chance < 1)).all()


def test_the_correction_is_added_in_logits_as_worked_by_hand():
    """One rank of probability .5: logit 0; 2 × (cosine .3 × 10 - 2) / 1 + 0.5 = 2.5; 1 / (1 + e^-2.5) = .9241."""
    judge = Judge(np.array([[0.0, 0.0, 2.0, 0.5]]), np.array([0.0, 0.0, 2.0]), np.ones(3))
    assert features_of(1) == 3
    assert judge(np.array([[0.5]]), np.array([[1.0]]), np.array([0.3])).tolist() == [pytest.approx([0.9241], abs=1e-4)]


def test_no_lower_rank_is_surer_than_a_higher_and_a_missing_taxon_has_no_chance():
    judge = Judge(np.zeros((3, 8)), np.zeros(7), np.ones(7))
    assert judge(np.array([[0.6, 0.0, 0.7]]), np.ones((1, 3)), np.zeros(1)).tolist() == [pytest.approx([0.7, 0.0, 0.7])]
