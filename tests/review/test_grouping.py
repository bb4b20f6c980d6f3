"""Which crops look alike."""

from __future__ import annotations

import numpy as np

from bioclip_search.review.grouping import BLOCK, groups_of_alike


def test_alike_crops_join_the_first_that_leads_them():
    """Three corners of a square around (1, 1, 1): the mean is taken off, so 0 and 2 are alike, 1 and 3, 4 is like nothing of them."""
    vectors = np.array([[2, 1, 1], [1, 2, 1], [2.1, 1, 1], [1, 2.1, 1], [1, 1, 3]], float)
    assert groups_of_alike(vectors).tolist() == [0, 1, 0, 1, 2]


def test_crops_that_are_nearly_one_picture_are_alike_even_where_all_are():
    rng = np.random.default_rng(1)
    assert groups_of_alike(np.ones(8) + rng.normal(0, 0.01, (5, 8))).tolist() == [0] * 5


def test_a_group_holds_no_more_than_can_be_looked_over_the_likest_first():
    angles = np.radians([0, 30, 10, 20])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vectors = np.concatenate([vectors, -vectors])  # the mean is nothing
    assert groups_of_alike(vectors, most=3).tolist() == [0, 1, 0, 0, 2, 3, 2, 2]


def test_a_crop_without_a_vector_is_like_nothing():
    vectors = np.array([[0, 0], [1, 1], [0, 0], [np.nan, 1], [1, 1.01]], np.float16)
    assert groups_of_alike(vectors).tolist() == [0, 1, 2, 3, 1]


def test_none_and_one_are_no_trouble():
    assert groups_of_alike(np.empty((0, 4))).tolist() == []
    assert groups_of_alike(np.ones((1, 4))).tolist() == [0]


def test_many_crops_are_grouped_as_a_plain_loop_would():
    rng = np.random.default_rng(2)
    vectors = (rng.normal(size=(40, 16))[rng.integers(0, 40, 2 * BLOCK + 50)] + rng.normal(0, 0.4, (2 * BLOCK + 50, 16))).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    apart = unit - unit.mean(axis=0)
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    wanted, count = np.full(len(vectors), -1), 0
    for leader in range(len(vectors)):
        if wanted[leader] < 0:
            wanted[[place for place in range(len(vectors)) if place == leader or (wanted[place] < 0 and apart[leader] @ apart[place] >= 0.6)]] = count
            count += 1
    assert 1 < count < len(vectors)
    assert groups_of_alike(vectors, most=10**9).tolist() == wanted.tolist()
