"""Pictures of several things are shared out kind by kind, and no burst is parted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.errors import TableError
from bioclip_search.splits.multilabel import split_boxes


@st.composite
def boxes(draw):
    n, m = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    counts = draw(st.lists(st.lists(st.integers(0, 3), min_size=m, max_size=m), min_size=n, max_size=n))
    return np.array(counts), np.array(draw(st.lists(st.integers(0, 15), min_size=n, max_size=n)))


@given(boxes(), st.sampled_from([(0.8, 0.2), (0.5, 0.25, 0.25), (1.0, 0.0, 1.0)]), st.integers(0, 3))
def test_no_burst_is_parted_and_every_picture_has_a_part(drawn, shares, seed):
    counts, groups = drawn
    parts = split_boxes(counts, shares, groups, seed)
    assert parts.shape == (len(counts),)
    assert all(shares[part] > 0 for part in parts.tolist())
    assert all(len(set(parts[groups == group].tolist())) == 1 for group in set(groups.tolist()))
    assert np.array_equal(parts, split_boxes(counts, shares, groups, seed))


@given(boxes(), st.sampled_from([(0.8, 0.2), (0.5, 0.25, 0.25)]), st.integers(0, 3))
def test_a_single_kind_is_shared_out_to_within_one_burst(drawn, shares, seed):
    """Each burst goes where most is lacking: a part is short of its share by less than the largest burst, or over it by no more."""
    counts, groups = drawn[0][:, :1], drawn[1]
    parts = split_boxes(counts, shares, groups, seed)
    largest = max(counts[groups == group].sum() for group in groups)
    for part, share in enumerate(shares):
        assert abs(counts[parts == part].sum() - share * counts.sum()) <= largest + 1e-6


@given(st.integers(1, 60), st.integers(0, 3))
def test_pictures_of_nothing_are_shared_out_to_within_one(n, seed):
    parts = split_boxes(np.zeros((n, 2)), (0.7, 0.3), seed=seed)
    assert abs(int((parts == 0).sum()) - 0.7 * n) <= 1


def test_the_rarest_kind_is_dealt_first():
    """Worked by hand, after Sechidis et al.: parts of one half each; b is held by two pictures, a by four.

    b first: pictures 0 and 1 lack one each, so one goes to either part. Then a: each part should get 2 of 4; picture 0 brought one,
    picture 1 none, so of pictures 2, 3 and 4 the part without gets two and the other one. Three pictures are then in one part, two
    in the other: 1 and two of a, 0 and one of a.
    """
    labels = np.array([[1, 1], [0, 1], [1, 0], [1, 0], [1, 0]])
    for seed in range(5):
        parts = split_boxes(labels, (0.5, 0.5), seed=seed)
        assert parts[0] != parts[1]
        assert [int(labels[parts == part, 0].sum()) for part in (0, 1)] == [2, 2]


def test_every_kind_keeps_the_shares_where_pictures_hold_several():
    """60 pictures of five kinds, the rarest in some twelve: no part misses its share of a kind by more than three boxes."""
    labels = (np.random.default_rng(3).random((60, 5)) < (0.7, 0.5, 0.4, 0.3, 0.2)).astype(int)
    parts = split_boxes(labels, (0.6, 0.2, 0.2))
    for part, share in enumerate((0.6, 0.2, 0.2)):
        assert np.abs(labels[parts == part].sum(axis=0) - share * labels.sum(axis=0)).max() <= 3


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(TableError, match="each a count from 0 on"):
        split_boxes(np.array([[-1.0]]), (0.5, 0.5))
    with pytest.raises(TableError, match="a row a picture and a column a kind"):
        split_boxes(np.zeros(3), (0.5, 0.5))
    with pytest.raises(TableError, match="labels of 2 pictures and groups of 3"):
        split_boxes(np.zeros((2, 1)), (0.5, 0.5), np.zeros(3, int))


def test_nothing_is_split_into_nothing():
    assert split_boxes(np.zeros((0, 3)), (0.5, 0.5)).tolist() == []
