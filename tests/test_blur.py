"""Blurred people: what was in the box is gone, and nothing else is."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from bioclip_search.blur import CELLS, blur_people, knows_people

BOX = (60.0, 40.0, 120.0, 140.0)


def noise(seed, size_wh=(200, 180)):
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size_wh[::-1], 3), np.uint8))


def person(detail, size_wh=(200, 180)):
    """A picture of even cells, in whose person a detail changes nothing of the mean of its cell."""
    pixels = np.full((*size_wh[::-1], 3), 100, np.uint8)
    pixels[70:72, 80:82] += np.array([[detail], [-detail]], np.int8).astype(np.uint8)[:, None]
    return PIL.Image.fromarray(pixels.reshape(*size_wh[::-1], 3))


def test_two_people_who_differ_in_details_look_the_same_afterwards():
    one, other = person(20), person(-20)
    assert one.tobytes() != other.tobytes()
    assert blur_people(one, [BOX]).tobytes() == blur_people(other, [BOX]).tobytes()


def test_no_more_is_left_of_a_person_than_a_few_colours():
    """Of two noises, whose cells all have nearly the same mean, nothing is left that would tell them apart."""
    assert blur_people(noise(0), [(20, 20, 160, 160)]).crop((10, 10, 170, 170)).tobytes() == (
        blur_people(noise(1), [(20, 20, 160, 160)]).crop((10, 10, 170, 170)).tobytes()
    )


def test_the_smallest_face_leaves_no_more_than_its_cells():
    stripes = np.zeros((50, 50, 3), np.uint8)
    stripes[:, ::2] = 255
    hidden = np.asarray(blur_people(PIL.Image.fromarray(stripes), [(0, 0, 50, 50)]))
    assert len(np.unique(hidden.reshape(-1, 3), axis=0)) <= CELLS * CELLS
    assert hidden.std() < 1, "stripes of black and white are one grey"


def test_what_lies_outside_of_box_and_margin_is_left_as_it_was():
    before, after = np.asarray(noise(0)), np.asarray(blur_people(noise(0), [BOX]))
    changed = np.any(before != after, axis=2)
    rows, columns = np.nonzero(changed)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (50, 30, 130, 150), "10 px, a tenth of 100, on every side"
    assert changed[30:150, 50:130].mean() > 0.9


def test_several_people_and_those_at_the_edge_are_all_blurred():
    after = np.asarray(blur_people(noise(0), [(-10, -10, 30, 40), (150, 100, 260, 400)])).astype(int)
    for rows, columns in ((slice(0, 40), slice(0, 30)), (slice(100, 180), slice(150, 200))):
        assert np.abs(np.diff(after[rows, columns], axis=1)).max() < 64, "no edge of a pixel is left"


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (199.5, 179.5, 200, 180), (500, 500, 600, 600)])
def test_boxes_of_a_pixel_or_beside_the_picture_do_no_harm(box):
    assert blur_people(noise(0), [box]).size == (200, 180)


def test_without_people_the_picture_is_the_same_and_another_object():
    picture = noise(0)
    copy = blur_people(picture, [])
    assert copy is not picture
    assert copy.tobytes() == picture.tobytes()


def test_the_picture_given_is_not_changed():
    picture = noise(0)
    blur_people(picture, [BOX])
    assert picture.tobytes() == noise(0).tobytes()


def test_no_thumbnail_of_the_person_is_carried_along():
    data = io.BytesIO()
    exif = PIL.Image.Exif()
    exif[0x010E] = "a person by name"
    noise(0).save(data, "JPEG", exif=exif)
    picture = PIL.Image.open(io.BytesIO(data.getvalue()))
    out = io.BytesIO()
    blur_people(picture, [BOX]).save(out, "JPEG")
    assert dict(PIL.Image.open(out).getexif()) == {}


def test_a_box_that_is_no_box_is_refused():
    with pytest.raises(ValueError, match="finite"):
        blur_people(noise(0), [(0, 0, float("nan"), 1)])


@pytest.mark.parametrize(("categories", "expected"), [(("animal", "person"), True), (("organism",), False), ((), False), (None, None)])
def test_whether_a_detector_knows_people(categories, expected):
    assert knows_people(categories) is expected
