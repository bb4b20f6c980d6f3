"""Repeats: the rules by hand-worked cases, and the cells against comparing every box with every place."""

from __future__ import annotations

import numpy as np
import pytest
from pyarrow import parquet

from bioclip_search.detectors.boxes import box_iou
from bioclip_search.detectors.repeats import MEGADETECTORS, REPEATS_FILE, PlacedBoxes, RepeatRules, find_repeats, mark_repeats, read_repeats
from bioclip_search.errors import RunError
from tests.standards.runs import crop, picture, small_run

BRANCH = (100, 100, 200, 200)
"""A box of 100 by 100 pixels in pictures of 800 by 600; moved by 5 px to the right it shares 95 of 105 with itself, 0.905."""


def at(*boxes, **told):
    return tuple(crop(number, box, **told) for number, box in enumerate(boxes))


def shots(count, box=BRANCH, folder="cam", **told):
    return [picture(f"{folder}/{n:03}.jpg", *at(box), **told) for n in range(count)]


def repeats_of(folder, pictures, **rules):
    run = small_run(folder / "run", pictures, rows_a_part=7)
    count = find_repeats(run, RepeatRules(**rules))
    found = read_repeats(run.folder)
    assert count == len(found)
    return found


def test_twenty_boxes_at_one_place_are_repeats_and_nineteen_are_none(tmp_path):
    twenty, nineteen = shots(20, folder="a"), shots(19, folder="b")
    assert repeats_of(tmp_path, twenty + nineteen) == {(one.media_id, 0) for one in twenty}


@pytest.mark.parametrize(("moved_px", "is_repeat"), [pytest.param(5, True, id="95 of 105 is 0.905"), pytest.param(6, False, id="94 of 106 is 0.887")])
def test_a_place_reaches_as_far_as_the_overlap_says(tmp_path, moved_px, is_repeat):
    last = picture("cam/last.jpg", *at((100 + moved_px, 100, 200 + moved_px, 200)))
    assert ((last.media_id, 0) in repeats_of(tmp_path, [*shots(20), last])) is is_repeat


def test_a_place_stands_where_its_first_box_stood_and_does_not_wander(tmp_path):
    creeping = [picture(f"cam/{n:02}.jpg", *at((100 + n, 100, 200 + n, 200))) for n in range(12)]
    found = repeats_of(tmp_path, creeping, min_pictures=6)
    assert found == {(one.media_id, 0) for one in creeping}, "0–5 px belong to the first place, 6–11 px to the one that the sixth opened"
    assert set(parquet.read_table(tmp_path / "run" / REPEATS_FILE)["place"].to_pylist()) == {0, 1}


@pytest.mark.parametrize(
    ("box", "why"),
    [
        pytest.param((0, 0, 500, 200), "100,000 of 480,000 px are more than a fifth", id="large"),
        pytest.param((100, 100, 100, 200), "it has no area", id="thin"),
    ],
)
def test_boxes_that_fill_the_picture_or_nothing_are_no_repeats(tmp_path, box, why):
    assert repeats_of(tmp_path, shots(30, box)) == frozenset(), why


def test_a_box_of_just_a_fifth_of_the_picture_is_looked_at(tmp_path):
    assert len(repeats_of(tmp_path, shots(20, (0, 0, 320, 300)))) == 20


def test_two_deployments_are_not_one_place(tmp_path):
    assert repeats_of(tmp_path, shots(19, deployment="A") + shots(19, folder="cam", deployment="B")) == frozenset()


def test_boxes_of_two_categories_are_not_one_place(tmp_path):
    pictures = [picture(f"cam/{n}.jpg", *at(BRANCH, category="vehicle" if n % 2 else "animal")) for n in range(38)]
    assert repeats_of(tmp_path, pictures) == frozenset()


def test_folders_stand_for_deployments_where_none_is_told_and_a_deployment_may_span_folders(tmp_path):
    halves = shots(10, folder="a") + shots(10, folder="b")
    assert repeats_of(tmp_path / "1", halves) == frozenset()
    told = shots(10, folder="a", deployment="D") + shots(10, folder="b", deployment="D")
    assert len(repeats_of(tmp_path / "2", told)) == 20


def test_a_video_counts_as_one_picture(tmp_path):
    frames = [picture("cam/film.mp4", *at(BRANCH), frame_number=n, frame_rate=10.0) for n in range(50)]
    assert repeats_of(tmp_path / "1", frames) == frozenset()
    found = repeats_of(tmp_path / "2", [*shots(19), *frames])
    assert len(found) == 69, "with 19 pictures it is the twentieth, and all its frames are repeats"


def test_weak_boxes_are_left_alone(tmp_path):
    weak = [picture(f"cam/weak{n}.jpg", *at(BRANCH, confidence=0.09)) for n in range(30)]
    assert repeats_of(tmp_path, shots(20) + weak) == {(one.media_id, 0) for one in shots(20)}


def test_of_a_picture_only_the_box_at_the_place_is_set_aside(tmp_path):
    pictures = [picture(f"cam/{n:02}.jpg", *at((300 + 20 * n, 300, 340 + 20 * n, 340), BRANCH)) for n in range(20)]
    assert repeats_of(tmp_path, pictures) == {(one.media_id, 1) for one in pictures}


def test_the_run_itself_is_left_as_it_is(tmp_path):
    pictures = shots(20)
    run = small_run(tmp_path / "run", pictures)
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    find_repeats(run)
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file() and path.name != REPEATS_FILE} == before


def test_a_run_without_boxes_has_no_repeats_and_says_that_one_looked(tmp_path):
    run = small_run(tmp_path / "run", [picture("a.jpg"), picture("b.jpg", crop(box=None)), picture("c.jpg", error="broken")])
    assert read_repeats(run.folder) == frozenset()
    assert find_repeats(run) == 0
    assert (run.folder / REPEATS_FILE).is_file()
    assert read_repeats(run.folder) == frozenset()


def test_an_empty_run_has_no_repeats(tmp_path):
    assert find_repeats(small_run(tmp_path / "run", [])) == 0


def test_a_damaged_file_of_repeats_is_told(tmp_path):
    (tmp_path / REPEATS_FILE).write_bytes(b"PAR1 nonsense")
    with pytest.raises(RunError, match=r"damaged .* look for repeats again"):
        read_repeats(tmp_path)


@pytest.mark.parametrize("rules", [{"min_iou": 0}, {"min_iou": 1.0}, {"max_area": 1.5}, {"min_pictures": 1}, {"min_confidence": float("nan")}])
def test_rules_that_make_no_sense_are_refused(rules):
    with pytest.raises(ValueError, match="Expected an overlap"):
        RepeatRules(**rules)


# Against the naive method


def naive_marks(boxes, rules):
    """Every box against every place, in plain loops; the set of the boxes that are repeats."""
    marked = set()
    for block in np.unique(boxes.block):
        places = []
        for number in np.flatnonzero(boxes.block == block):
            box = tuple(boxes.xyxy[number].tolist())
            matches = [members for first, members in places if box_iou(box, first) >= rules.min_iou]
            if not matches:
                places.append((box, []))
                matches = [places[-1][1]]
            for members in matches:
                members.append(number)
        for _, members in places:
            if len({boxes.picture[number] for number in members}) >= rules.min_pictures:
                marked.update(members)
    return marked


def random_boxes(seed, count=600, blocks=2, jitter=0.03):
    rng = np.random.default_rng(seed)
    corner, side = rng.uniform(0, 0.6, (count, 2)), np.exp(rng.uniform(np.log(1e-4), np.log(0.4), (count, 2)))
    old = rng.integers(0, 12, count)
    is_old = rng.random(count) < 0.7
    corner[is_old], side[is_old] = corner[old[is_old]], side[old[is_old]]
    corner += rng.normal(0, jitter, (count, 2)) * side
    side *= np.exp(rng.normal(0, jitter, (count, 2)))
    numbers = np.arange(count, dtype=np.int32)
    return PlacedBoxes(np.concatenate([corner, corner + side], axis=1), rng.integers(0, blocks, count).astype(np.int32), numbers // 2, numbers, numbers)


@pytest.mark.parametrize("min_iou", [0.3, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("seed", range(3))
def test_cells_find_what_comparing_all_with_all_finds(seed, min_iou):
    boxes, rules = random_boxes(seed), RepeatRules(min_iou=min_iou, min_pictures=4)
    place, pictures = mark_repeats(boxes, rules)
    assert set(np.flatnonzero(place >= 0)) == naive_marks(boxes, rules)
    assert (pictures[place >= 0] >= 4).all()
    assert (pictures[place < 0] == 0).all()


def test_the_random_boxes_hold_repeats_and_others():
    marked = naive_marks(random_boxes(0), RepeatRules(min_pictures=4))
    assert 50 < len(marked) < 550


def test_progress_ends_at_all_boxes():
    told = []
    mark_repeats(random_boxes(1), MEGADETECTORS, lambda done, total: told.append((done, total)))
    assert told[-1] == (600, 600)
