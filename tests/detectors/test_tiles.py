"""Tiles: covers, seams and worked pictures with a detector that sees coloured squares, as real ones do: no further than its view."""

from __future__ import annotations

import itertools

import numpy as np
import PIL.Image
import pytest

from bioclip_search.detect import Detection
from bioclip_search.detectors.boxes import NMS_MAX_IOU, box_iou
from bioclip_search.detectors.tiles import WHOLE, Sight, TiledDetector, joined, tiles_of


class SquareDetector:
    """Sees every square of one colour that is at least `least` of its view's longer side; red ones are animals, blue ones people."""

    name, fingerprint, categories = "squares", "5900a7e5", ("animal", "person")

    def __init__(self, least: float = 0.0, confidence: float = 0.8):
        self.least, self.confidence, self.looks = least, confidence, []

    def detect(self, pictures, min_confidence):
        self.looks += [picture.size for picture in pictures]
        return [self._of(np.asarray(picture)) for picture in pictures]

    def _of(self, pixels):
        found = []
        for value in sorted({int(one) for one in np.unique(pixels[..., 1])} - {0}):  # green numbers the squares
            rows, columns = np.nonzero(pixels[..., 1] == value)
            box = float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)
            if max(box[2] - box[0], box[3] - box[1]) >= self.least * max(pixels.shape[:2]):
                category = "animal" if pixels[rows[0], columns[0], 0] else "person"
                found.append(Detection(box, self.confidence, category))
        return found


def scene(*boxes, size_wh=(400, 300), people=()):
    picture = PIL.Image.new("RGB", size_wh)
    for number, box in enumerate(boxes, start=1):
        picture.paste((0 if number in people else 255, number, 0), box)
    return picture


def seen(picture, detector=None, **tiling):
    (found,) = TiledDetector(detector or SquareDetector(), **{"tile_px": 128, "overlap": 0.25} | tiling).detect([picture], 0.2)
    return sorted(one.box_xyxy for one in found)


# Covers


@pytest.mark.parametrize("size_wh", [(129, 64), (300, 100), (1000, 777), (64, 5000), (128, 128), (1, 1)])
@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5, 0.75])
def test_tiles_cover_the_picture_with_the_overlap_asked_for_and_do_not_leave_it(size_wh, overlap):
    tiles = tiles_of(size_wh, 128, overlap)
    seen_by = np.zeros(size_wh[::-1], int)
    for left, top, right, bottom in tiles:
        assert 0 <= left < right <= size_wh[0]
        assert 0 <= top < bottom <= size_wh[1]
        seen_by[top:bottom, left:right] += 1
    assert seen_by.min() >= 1
    assert len({(right - left, bottom - top) for left, top, right, bottom in tiles}) == 1
    for one, other in itertools.pairwise(sorted({tile[0] for tile in tiles})):
        assert other - one <= 128 * (1 - overlap) + 1, "1 px is lost to rounding"


def test_a_picture_no_larger_than_a_tile_is_looked_at_once():
    detector = SquareDetector()
    TiledDetector(detector, tile_px=400).detect([scene(size_wh=(400, 300)), scene(size_wh=(10, 400))], 0.2)
    assert detector.looks == [(400, 300), (10, 400)]


def test_a_larger_one_is_looked_at_whole_and_in_tiles_of_one_size():
    detector = SquareDetector()
    TiledDetector(detector, tile_px=200, overlap=0.0).detect([scene(size_wh=(400, 300))], 0.2)
    assert detector.looks == [(400, 300)] + 4 * [(200, 200)]


@pytest.mark.parametrize("tiling", [{"tile_px": 63}, {"overlap": -0.1}, {"overlap": 0.8}, {"overlap": float("nan")}])
def test_tilings_that_make_no_sense_are_refused(tiling):
    with pytest.raises(ValueError, match="Expected tiles of at least"):
        TiledDetector(SquareDetector(), **tiling)


def test_name_and_fingerprint_tell_the_tiling():
    variants = [TiledDetector(SquareDetector(), tile_px=px, overlap=share) for px in (640, 1280) for share in (0.2, 0.5)]
    assert len({one.fingerprint for one in variants}) == 4
    assert variants[0].fingerprint == TiledDetector(SquareDetector(), tile_px=640, overlap=0.2).fingerprint
    assert variants[0].name == "squares in tiles of 640 px"


# Worked pictures


def test_a_small_animal_that_is_lost_in_the_whole_picture_is_found_in_a_tile():
    picture, near_sighted = scene((210, 150, 230, 170)), SquareDetector(least=0.1)  # 20 px are 0.05 of 400 and 0.15 of 128
    assert near_sighted.detect([picture], 0.2) == [[]]
    assert seen(picture, SquareDetector(least=0.1)) == [(210, 150, 230, 170)]


@pytest.mark.parametrize(
    ("box", "case"),
    [
        ((80, 20, 140, 80), "across one seam, whole in no tile, larger than the overlap of 36 px"),
        ((100, 100, 120, 120), "within the overlap of four tiles"),
        ((60, 60, 160, 160), "across a corner of four tiles"),
        ((10, 40, 390, 70), "through all tiles of a row"),
        ((5, 5, 395, 295), "nearly the whole picture"),
        ((0, 0, 30, 30), "at the edge of the picture, where nothing is cut"),
        ((90, 5, 128, 40), "up to an edge of its tile"),
    ],
)
@pytest.mark.parametrize("least", [0.0, 0.1])
def test_an_animal_on_seams_is_found_once(box, case, least):
    detector = SquareDetector(least)
    assert seen(scene(box), detector) == [box], case
    assert len(detector.looks) > 1


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
def test_an_animal_that_only_tiles_see_is_put_together_from_its_pieces(overlap):
    blind_to_all = SquareDetector(least=0.3)  # of 1000 px it sees none below 300, of 256 px from 77
    assert seen(scene((100, 100, 390, 390), size_wh=(1000, 1000)), blind_to_all, tile_px=256, overlap=overlap) == [(100, 100, 390, 390)]


def test_neighbours_on_a_seam_stay_two():
    animals = (90, 10, 150, 60), (90, 70, 150, 120)
    assert seen(scene(*animals)) == sorted(animals)


def test_many_animals_are_all_found_once():
    rng = np.random.default_rng(0)
    cells = [(x, y) for x in range(0, 960, 80) for y in range(0, 640, 80)]
    boxes = [(x + 5, y + 5, x + int(rng.integers(15, 75)), y + int(rng.integers(15, 75))) for x, y in cells]
    assert seen(scene(*boxes, size_wh=(960, 640)), tile_px=200) == sorted(boxes)


def test_people_keep_their_category_through_tiles():
    (found,) = TiledDetector(SquareDetector(), tile_px=128).detect([scene((10, 10, 40, 60), (200, 200, 240, 260), people=(2,))], 0.2)
    assert {one.category: one.box_xyxy for one in found} == {"animal": (10, 10, 40, 60), "person": (200, 200, 240, 260)}


# Rules, box by box


def sight(box, confidence=0.8, view=0, cut=(), category="animal"):
    return Sight(Detection(tuple(map(float, box)), confidence, category), view, frozenset(cut))


def told(*sights):
    return [(one.box, one.detection.confidence, one.detection.category) for one in joined(sights)]


def test_of_two_views_the_surer_box_stays_whatever_its_category():
    person, animal = sight((0, 0, 10, 10), 0.9, WHOLE, category="person"), sight((0, 0, 10, 9), 0.8, 3)
    assert told(animal, person) == [((0, 0, 10, 10), 0.9, "person")]


def test_boxes_of_one_view_do_not_drop_each_other():
    rider, horse = sight((0, 0, 10, 10), 0.9, 2, category="person"), sight((0, 1, 10, 10), 0.8, 2)
    assert len(told(rider, horse)) == 2


def test_pieces_that_meet_become_one_as_sure_as_the_surer_of_them():
    left, right = sight((50, 10, 128, 60), 0.5, 0, [2]), sight((92, 12, 180, 60), 0.7, 1, [0])
    assert told(left, right) == [((50, 10, 180, 60), 0.7, "animal")]


@pytest.mark.parametrize(
    ("other", "case"),
    [
        (sight((92, 45, 180, 95), 0.7, 1, [0]), "15 of 85 px along the seam are shared"),
        (sight((140, 10, 180, 60), 0.7, 1, [0]), "they do not meet"),
        (sight((92, 10, 180, 60), 0.7, 0, [0]), "one view sees both"),
    ],
)
def test_pieces_that_do_not_fit_stay_two(other, case):
    assert len(told(sight((50, 10, 128, 60), 0.5, 0, [2]), other)) == 2, case


def test_a_piece_gives_way_to_the_whole_animal_even_if_it_is_surer():
    assert told(sight((50, 10, 128, 60), 0.95, 0, [2]), sight((48, 8, 220, 62), 0.3, WHOLE)) == [((48, 8, 220, 62), 0.3, "animal")]


def test_a_piece_that_nobody_completes_is_kept():
    assert told(sight((50, 10, 128, 60), 0.95, 0, [2])) == [((50, 10, 128, 60), 0.95, "animal")]


def naive_suppression(sights):
    """All pairs, the surest first, without a word of rules 2 and 3, for boxes that are not cut."""
    left = sorted(sights, key=lambda one: (-one.detection.confidence, one.box, one.detection.category, one.view))
    kept = []
    while left:
        best, left = left[0], left[1:]
        kept.append(best)
        left = [one for one in left if one.view == best.view or box_iou(one.box, best.box) <= NMS_MAX_IOU]
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_suppression_equals_the_naive_one_on_boxes_that_are_not_cut(seed):
    rng = np.random.default_rng(seed)
    corner, side = rng.uniform(0, 60, (150, 2)), rng.uniform(5, 40, (150, 2))
    boxes = np.concatenate([corner, corner + side], axis=1)
    sights = [
        sight(box, round(float(rng.random()), 2), int(rng.integers(-1, 5)), category=("animal", "person")[int(rng.integers(2))]) for box in boxes.tolist()
    ]
    expected = naive_suppression(sights)
    assert joined(sights) == expected
    assert len(expected) < len(sights)
