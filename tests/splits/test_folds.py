"""Folds part no group, hold every picture once, and spread every class as evenly as can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.errors import TableError
from bioclip_search.splits.folds import NO_CLASS, scarce_classes, stratified_folds, stratified_parts


@st.composite
def pictures(draw, least_groups=2):
    """Classes and groups of some pictures; a group may hold several classes, and a picture none."""
    n = draw(st.integers(least_groups, 60))
    of = draw(st.lists(st.integers(NO_CLASS, 5), min_size=n, max_size=n))
    rest = draw(st.lists(st.integers(0, 20), min_size=n - least_groups, max_size=n - least_groups))
    return np.array(of), np.array([*range(least_groups), *rest])


def is_whole(parts, groups):
    return all(len(set(parts[groups == group].tolist())) == 1 for group in set(groups.tolist()))


@given(pictures(least_groups=3), st.integers(2, 3), st.integers(0, 3))
def test_no_group_is_parted_and_every_picture_has_a_fold(drawn, k, seed):
    of, groups = drawn
    folds = stratified_folds(of, groups, k, seed)
    assert is_whole(folds, groups)
    assert set(folds.tolist()) == set(range(k))  # every fold holds something
    assert np.array_equal(folds, stratified_folds(of, groups, k, seed))


@given(st.lists(st.integers(0, 5), min_size=5, max_size=60), st.integers(2, 5), st.integers(0, 3))
def test_lone_pictures_of_a_class_differ_by_one_between_folds_at_most(of, k, seed):
    folds = stratified_folds(np.array(of), np.arange(len(of)), k, seed)
    for one in set(of):
        counts = np.bincount(folds[np.array(of) == one], minlength=k)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(folds, minlength=k)
    assert sizes.max() - sizes.min() <= len(set(of))


def unevenness(folds, of, k):
    """How far the classes are from even, as StratifiedGroupKFold measures it: the mean over classes of the spread of their shares."""
    counts = np.array([np.bincount(folds[of == one], minlength=k) / (of == one).sum() for one in np.unique(of)])
    return counts.std(axis=1).mean()


@pytest.mark.parametrize("seed", range(4))
def test_classes_are_as_even_as_those_of_stratified_group_k_fold(seed):
    from sklearn.model_selection import StratifiedGroupKFold

    random = np.random.default_rng(seed)
    sizes = random.integers(1, 9, 150)  # bursts of 1 to 8 frames, each of one of seven classes, some rarer than others
    groups, of = np.repeat(np.arange(150), sizes), np.repeat(random.choice(7, 150, p=np.array([16, 8, 4, 2, 2, 1, 1]) / 34), sizes)
    ours = stratified_folds(of, groups, 5, seed)
    theirs = np.zeros(len(of), int)
    for number, (_, asked) in enumerate(StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(of, of, groups)):
        theirs[asked] = number
    assert unevenness(ours, of, 5) <= unevenness(theirs, of, 5) * 1.05


def test_another_seed_is_another_split():
    of, groups = np.zeros(40, int), np.arange(40)
    assert not np.array_equal(stratified_folds(of, groups, 4, 0), stratified_folds(of, groups, 4, 1))


def test_a_class_of_too_few_bursts_is_named():
    """Class 0 has three bursts, class 1 six frames of one burst; row 9 has no class."""
    of = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, NO_CLASS])
    groups = np.array([0, 1, 2, 3, 3, 3, 3, 3, 3, 4])
    assert scarce_classes(of, groups, 3).tolist() == [1]
    assert scarce_classes(of, groups, 4).tolist() == [0, 1]


def test_fewer_bursts_than_folds_are_refused():
    with pytest.raises(TableError, match="6 pictures in 2 groups cannot be split into 3 folds"):
        stratified_folds(np.zeros(6, int), np.array([0, 0, 0, 1, 1, 1]), 3)
    with pytest.raises(TableError, match="at least 2 folds"):
        stratified_folds(np.zeros(6, int), np.arange(6), 1)


@given(pictures(), st.sampled_from([(0.8, 0.2), (0.7, 0.15, 0.15), (3, 1), (1.0, 0.0, 1.0)]), st.integers(0, 3))
def test_parts_part_no_group_and_a_share_of_nothing_gets_nothing(drawn, shares, seed):
    of, groups = drawn
    parts = stratified_parts(of, groups, shares, seed)
    assert is_whole(parts, groups)
    assert all(shares[part] > 0 for part in parts.tolist())
    assert np.array_equal(parts, stratified_parts(of, groups, shares, seed))


@given(st.integers(1, 80), st.floats(0.05, 0.95), st.integers(0, 3))
def test_one_class_of_lone_pictures_is_shared_to_within_one(n, share, seed):
    parts = stratified_parts(np.zeros(n, int), np.arange(n), (share, 1 - share), seed)
    assert abs(int((parts == 0).sum()) - share * n) <= 1


def test_a_class_of_one_picture_is_taught():
    of = np.array([0] * 20 + [1])
    assert stratified_parts(of, np.arange(21), (0.8, 0.2))[20] == 0


def test_many_classes_of_two_pictures_leave_something_to_ask():
    """Each class alone would be taught whole, 1.6 of 2 being nearer to 2 than to 1; all together a fifth is held back."""
    parts = stratified_parts(np.repeat(np.arange(100), 2), np.arange(200), (0.8, 0.2))
    assert 10 <= int((parts == 1).sum()) <= 40


@pytest.mark.parametrize("shares", [(), (0, 0), (0.5, -0.5), (float("nan"), 1)])
def test_shares_that_cannot_be_are_refused(shares):
    with pytest.raises(TableError, match="shares of the parts are numbers from 0 on"):
        stratified_parts(np.zeros(2, int), np.arange(2), shares)


def test_no_pictures_have_no_parts():
    assert stratified_parts(np.empty(0, int), np.empty(0, int), (0.5, 0.5)).tolist() == []
