from __future__ import annotations

import numpy as np
import pytest

from app.remembering_encoder import RememberingEncoder
from tests.conftest import ColourEncoder, picture_of


class CountingEncoder(ColourEncoder):
    """A colour encoder that counts the pictures it had to encode."""

    encoded = 0

    def encode_prepared(self, prepared):
        self.encoded += len(prepared)
        return super().encode_prepared(prepared)


@pytest.fixture
def behind():
    return CountingEncoder(["lion", "fox", "carp"])


def test_the_vectors_are_those_of_the_encoder_behind_in_their_order(behind):
    pictures = [picture_of(number) for number in (2, 0, 1, 0)]
    remembering = RememberingEncoder(behind)
    for _ in range(2):
        np.testing.assert_array_equal(remembering.encode_images(pictures), behind.encode_images(pictures))


def test_the_same_pixels_are_encoded_once(behind):
    remembering = RememberingEncoder(behind)
    remembering.encode_images([picture_of(0), picture_of(1), picture_of(0)])
    assert behind.encoded == 2
    remembering.encode_images([picture_of(1), picture_of(2)])
    assert behind.encoded == 3


def test_equal_pixels_in_another_shape_are_another_picture(behind):
    remembering = RememberingEncoder(behind)
    remembering.encode_images([picture_of(1), picture_of(1).resize((12, 16))])
    assert behind.encoded == 2


def test_the_oldest_vectors_are_forgotten_first(behind):
    remembering = RememberingEncoder(behind, most=2)
    for number in (0, 1, 2):
        remembering.encode_images([picture_of(number)])
    remembering.encode_images([picture_of(1), picture_of(2)])
    assert behind.encoded == 3
    remembering.encode_images([picture_of(0)])
    assert behind.encoded == 4


def test_nothing_gives_no_rows(behind):
    assert RememberingEncoder(behind).encode_images([]).shape == (0, behind.dim)


def test_all_else_is_left_to_the_encoder_behind(behind):
    remembering = RememberingEncoder(behind)
    assert (remembering.fingerprint, remembering.dim, remembering.input_px) == (behind.fingerprint, 32, 8)
