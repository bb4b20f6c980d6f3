from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from bioclip_search.classifier.views import LOOKS, PLAIN, VIEWS, look_at
from bioclip_search.evaluation.labelled import find_sets
from tests.classifier.speckled import write_pictures


def half_red() -> PIL.Image.Image:
    """Red on the left, blue on the right."""
    picture = PIL.Image.new("RGB", (40, 20), (0, 0, 200))
    picture.paste((200, 0, 0), (0, 0, 20, 20))
    return picture


def test_a_mirrored_picture_has_its_sides_exchanged():
    mirrored = LOOKS["mirrored"](half_red())
    assert (mirrored.getpixel((0, 0)), mirrored.getpixel((39, 0))) == ((0, 0, 200), (200, 0, 0))


def test_a_nearer_look_shows_the_middle_three_quarters():
    assert LOOKS["nearer"](half_red()).size == (30, 15)
    assert LOOKS["nearer"](half_red()).getpixel((14, 7)) == (200, 0, 0)  # 5 of 40 columns are off, so red ends at 15
    assert LOOKS["nearer"](half_red()).getpixel((15, 7)) == (0, 0, 200)


def test_light_and_darkness_change_the_pixels_and_infrared_takes_the_colour():
    assert LOOKS["left-in-sun"](half_red()).getpixel((0, 0)) == (255, 0, 0)  # 200 · 1.4 is more than there is
    assert LOOKS["right-at-dusk"](half_red()).getpixel((0, 0)) == (0, 0, 120)  # mirrored, 200 · 0.6
    red, green, blue = LOOKS["infrared"](half_red()).getpixel((0, 0))
    assert red == green == blue


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 2)])
def test_every_look_is_a_picture_however_small_it_was(size):
    for look in LOOKS.values():
        seen = look(PIL.Image.new("RGB", size))
        assert min(seen.size) >= 1
        assert seen.mode == "RGB"


def test_the_picture_itself_comes_first_in_all_views():
    assert {looks[0] for looks in VIEWS.values()} == {PLAIN}
    assert set(VIEWS["flip"]) < set(VIEWS["strong"])


def test_a_look_at_a_set_is_a_set_with_a_state_of_its_own_and_what_cannot_be_opened_comes_as_it_is(tmp_path, taxonomy):
    root = write_pictures(tmp_path / "x", taxonomy, 2, ["Felis catus"])
    (root / "Felis catus" / "0001.png").write_bytes(b"broken")
    (plain,) = find_sets([root])
    mirrored = look_at(plain, "mirrored", 8)
    assert look_at(plain, PLAIN, 8) is plain
    assert mirrored.state() not in (plain.state(), look_at(plain, "nearer", 8).state())
    sound, broken = mirrored.pictures(np.ones(2, bool))
    assert isinstance(sound, PIL.Image.Image)
    assert broken == root / "Felis catus" / "0001.png"
