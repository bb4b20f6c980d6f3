"""A burst that a split parts is found, told, and mended where that is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.errors import TableError
from bioclip_search.splits.straddling import find_straddling, kept_whole, mended

PARTS = ["train", "train", "test", "test", "val"]
GROUPS = np.array([7, 7, 7, 3, 3])
"""Burst 7 has two pictures in train and one in test; burst 3 one in test and one in val."""


def test_parted_bursts_are_found_with_all_their_rows():
    found = find_straddling(PARTS, GROUPS)
    assert found.groups.tolist() == [3, 7]
    assert found.rows.tolist() == [0, 1, 2, 3, 4]
    assert found.example == (0, 2)


def test_the_words_name_two_pictures_of_one_burst():
    words = find_straddling(PARTS, GROUPS).told(PARTS, ["a", "b", "c", "d", "e"])
    assert words == "The split parts 2 bursts (5 pictures that belong together): a is in train, and c of the same burst in test."


def test_a_burst_goes_to_where_most_of_it_is_and_of_equals_to_the_smaller_part():
    """Burst 7: two of three in train. Burst 3: one each, and val has one picture in all where test has two."""
    assert mended(PARTS, GROUPS).tolist() == ["train", "train", "train", "val", "val"]


def test_equal_parts_of_equal_size_are_settled_by_name():
    assert mended(["b", "a"], np.array([0, 0])).tolist() == ["a", "a"]


@given(st.lists(st.tuples(st.sampled_from(["train", "val", "test"]), st.integers(0, 6)), max_size=40))
def test_what_was_mended_parts_nothing_and_whole_groups_stay_where_they_were(rows):
    parts, groups = np.array([part for part, _ in rows], object), np.array([group for _, group in rows], int)
    whole = mended(parts, groups)
    assert not find_straddling(whole, groups)
    untouched = np.setdiff1d(np.arange(len(rows)), find_straddling(parts, groups).rows)
    assert np.array_equal(whole[untouched], parts[untouched])


def test_a_parted_burst_is_refused_with_what_to_do():
    with pytest.raises(TableError, match=r"parts one burst \(2 pictures .* a is in train, and b of the same burst in test.*--mend-split"):
        kept_whole(["train", "test"], np.array([0, 0]), names=["a", "b"])


def test_a_parted_burst_is_mended_where_asked_and_told():
    parts, notes = kept_whole(["train", "train", "test"], np.array([0, 0, 0]), mend=True)
    assert parts.tolist() == ["train", "train", "train"]
    assert notes[0].endswith("1 picture moved.")


def test_a_sound_split_is_given_back_without_a_word():
    parts, notes = kept_whole(["train", "test"], np.array([0, 1]))
    assert parts.tolist() == ["train", "test"]
    assert notes == ()


def test_parts_and_groups_of_other_numbers_are_refused():
    with pytest.raises(TableError, match="parts of 1 pictures and groups of 2"):
        find_straddling(["train"], np.array([0, 1]))
