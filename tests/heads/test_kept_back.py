"""What is said of a picture comes from a head that it did not teach, or that nothing of its class taught."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.heads.fitting import fit_head
from bioclip_search.heads.kept_back import CLASS_FOLDS, kept_back
from tests.heads.test_fitting import clouds


def test_scores_are_those_of_heads_taught_the_other_folds():
    vectors, of = clouds(48, k=6)
    folds = np.arange(48) // 6 % 3
    found = kept_back("ridge", vectors, of, 6, folds).scores
    for fold in range(3):
        head = fit_head("ridge", vectors[folds != fold], of[folds != fold], 6)
        assert found[folds == fold] == pytest.approx(head.scores(vectors[folds == fold]))


def test_pictures_of_one_group_are_left_out_of_the_gate_of_every_head_together():
    """Each picture and its double: as near as itself were it not left out with it."""
    vectors, of = clouds(48, k=6)
    vectors, of, groups, folds = np.concatenate([vectors] * 2), np.tile(of, 2), np.tile(np.arange(48), 2), np.tile(np.arange(48) // 6 % 2, 2)
    found = kept_back("ridge", vectors, of, 6, folds, groups=groups).scores
    head = fit_head("ridge", vectors[folds == 1], of[folds == 1], 6, groups=groups[folds == 1])
    assert found[folds == 0] == pytest.approx(head.scores(vectors[folds == 0]))
    alone = fit_head("ridge", vectors[folds == 1], of[folds == 1], 6)
    assert alone.arrays["gate"][1] > head.arrays["gate"][1] + 0.01


def test_strangers_are_asked_of_a_head_without_their_class_and_no_other_picture_goes_by():
    vectors, of = clouds(48, k=6)
    found = kept_back("prototypes", vectors, of, 6, np.arange(48) % 2).stranger_scores
    own = found[np.arange(48), of]
    assert np.isnan(own).all()
    missing = np.isnan(found)
    assert missing.sum(axis=1).min() >= 1
    assert (missing.sum(axis=1) <= -(-6 // CLASS_FOLDS)).all()
    told = np.exp(np.where(missing, -np.inf, found)).sum(axis=1)
    assert told.max() < 1  # what is told sums to what the gate lets through
    assert told.mean() < 0.2  # and that is little of a picture of a class that was not taught


def test_a_class_that_the_other_folds_lack_is_not_told_of():
    """The last class stands in fold 0 alone, so the head that is asked about fold 0 does not know it."""
    vectors, of = clouds(40, k=4)
    folds = np.where(of == 3, 0, np.arange(40) // 4 % 2)
    found = kept_back("prototypes", vectors, of, 4, folds).scores
    assert np.isnan(found[folds == 0, 3]).all()
    assert not np.isnan(found[folds == 1]).any()


def test_few_classes_or_none_wanted_leave_no_strangers():
    vectors, of = clouds(40, k=4)
    assert kept_back("prototypes", vectors, of, 4, np.arange(40) // 4 % 2).stranger_scores is None
    vectors, of = clouds(48, k=6)
    assert kept_back("prototypes", vectors, of, 6, np.arange(48) % 2, strangers=False).stranger_scores is None


def test_a_fold_that_leaves_a_single_class_to_teach_tells_nothing():
    vectors, of = clouds(12, k=2)
    found = kept_back("prototypes", vectors, of, 2, of).scores
    assert np.isnan(found).all()


def test_progress_counts_every_head():
    vectors, of = clouds(48, k=6)
    ticks = []
    kept_back("prototypes", vectors, of, 6, np.arange(48) % 2, progress=lambda *told: ticks.append(told))
    assert ticks == [(number, 2 + CLASS_FOLDS) for number in range(1, 3 + CLASS_FOLDS)]
