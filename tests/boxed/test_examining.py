from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from bioclip_search.boxed.boxed_set import TrueBox
from bioclip_search.boxed.examining import examine, mended_boxes
from bioclip_search.boxed.report import CLIPPED, CORRUPT, DOUBLED, FLAT, NO_BOX, ONE_PICTURE, OUTSIDE, SIZE, STRADDLES, SUBJECTS, TWICE, BoxReport, Told
from tests.boxed.small_boxes import boxes, picture_bytes, small_set


@pytest.mark.parametrize(
    ("told", "left", "kinds"),
    [
        pytest.param([(1, 2, 3, 4)], [(1, 2, 3, 4)], [], id="inside"),
        pytest.param([(-5, -5, 50, 50)], [(0, 0, 40, 30)], [CLIPPED], id="beyond every edge"),
        pytest.param([(-0.005, 0, 40.005, 30)], [(0, 0, 40, 30)], [], id="rounded"),
        pytest.param([(40, 0, 50, 10)], [], [OUTSIDE], id="beside"),
        pytest.param([(39.6, 0, 50, 10)], [], [OUTSIDE], id="hardly inside"),
        pytest.param([(3, 3, 3.2, 3.2)], [(3, 3, 3.2, 3.2)], [], id="tiny, and inside"),
        pytest.param([(1, 2, 3, 4), (1, 2, 3, 4.0001)], [(1, 2, 3, 4)], [DOUBLED], id="twice"),
        pytest.param([(-9, 2, 3, 4), (-3, 2, 3, 4)], [(0, 2, 3, 4)], [CLIPPED, CLIPPED, DOUBLED], id="twice once they are cut off"),
    ],
)
def test_a_box_is_mended_by_the_rules(told, left, kinds):
    heard = []
    assert [box.box_xyxy for box in mended_boxes(boxes(*told), (40, 30), heard.append)] == left
    assert heard == kinds


def test_boxes_of_two_categories_at_one_place_are_two():
    both = (TrueBox((1, 1, 5, 5), "Puma"), TrueBox((1, 1, 5, 5), "Lynx"))
    assert mended_boxes(both, (40, 30)) == both


def test_what_is_wrong_is_left_out_and_told(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").write_bytes(picture_bytes(7)[:-30])
    several = [boxes((1, 1, 5, 5)), boxes((2, 2, 6, 6)), boxes((30, 20, 60, 50)), ()]
    sizes = np.array([[40, 30], [40, 30], [80, 60], [0, 0]])
    told = small_set(tmp_path / "a", several, dropped=2, categories=("Puma concolor", "Lynx lynx"), sizes_wh=sizes, bursts=np.array(list("abcd"), object))
    (sound,), report = examine([told])
    assert [sound.boxes, sound.names] == [(boxes((1, 1, 5, 5)), boxes((30, 20, 40, 30)), ()), ("small/0.png", "small/2.png", "small/3.png")]
    assert (sound.sizes_wh.tolist(), sound.bursts.tolist(), sound.dropped) == ([[40, 30]] * 3, ["a", "c", "d"], 0)
    assert [picture.name for picture in sound.pictures(np.array([False, True, True]))] == ["2.png", "3.png"]
    assert (report.pictures, report.background, report.boxes, report.categories) == (3, 1, 2, 1)
    assert {kind: told.count for kind, told in report.found.items()} == {FLAT: 2, CORRUPT: 1, SIZE: 1, CLIPPED: 1, NO_BOX: 1}
    assert report.found[CORRUPT].examples[0].startswith("small/1.png (cannot be decoded")
    assert report.found[SIZE].examples == ("small/2.png (80 × 60, is 40 × 30)",)


def test_the_same_bytes_are_told_and_worse_where_they_are_in_two_parts(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in range(2):
            (tmp_path / folder / f"{number}.png").write_bytes(picture_bytes(5))
    one = small_set(tmp_path / "a", [(), ()], "a")
    two = small_set(tmp_path / "b", [()], "b", parts=np.array(["val"], object))
    _, report = examine([one, two])
    assert (report.count(TWICE), report.count(STRADDLES)) == (1, 1)
    assert report.found[STRADDLES].examples == ("b/0.png = a/0.png (val and train)",)


def test_a_picture_on_its_side_has_the_size_that_it_has_upright(tmp_path):
    (tmp_path / "a").mkdir()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (640, 480)).save(tmp_path / "a/0.png", "jpeg", exif=exif)
    (sound,), report = examine([small_set(tmp_path / "a", [boxes((0, 0, 480, 640))])])
    assert (sound.sizes_wh.tolist(), report.count(CLIPPED)) == ([[480, 640]], 0)


def test_pictures_that_follow_one_another_by_the_cameras_clock_are_a_burst(tmp_path):
    """Three at 6:00:00, 6:00:40 and 7:00:00 of a camera: the first two are a minute or less apart."""
    (tmp_path / "a").mkdir()
    for number, clock in enumerate(("06:00:00", "06:00:40", "07:00:00")):
        exif = PIL.Image.Exif()
        exif[0x0132] = f"2024:05:01 {clock}"
        PIL.Image.new("RGB", (40, 30), (number, 0, 0)).save(tmp_path / f"a/{number}.png", "jpeg", exif=exif)
    (sound,), _ = examine([small_set(tmp_path / "a", [()] * 4)])
    first, second, third, fourth = sound.bursts
    assert first == second != third
    assert fourth is None


def test_a_category_in_one_picture_only_is_told(tmp_path):
    several = [boxes((1, 1, 5, 5)), (*boxes((1, 1, 5, 5)), *boxes((1, 1, 5, 5), (2, 2, 4, 4), category="Lynx lynx"))]
    _, report = examine([small_set(tmp_path / "a", several)])
    assert report.found == {ONE_PICTURE: Told(1, ("Lynx lynx",))}


def test_nothing_gives_an_empty_report():
    assert examine([]) == ([], BoxReport())
    assert BoxReport().lines() == ["0 pictures with 0 boxes of 0 categories"]


@pytest.mark.parametrize("kind", SUBJECTS)
def test_every_kind_is_said_of_one_and_of_several(kind):
    one, many = (BoxReport(found={kind: Told(count, ("a",))}).lines()[1] for count in (1, 2))
    assert one.startswith(f"1 {SUBJECTS[kind]} {kind}: a")
    assert many.startswith("2 ")
    assert many.endswith(": a, …")
    assert not any(f" {verb} " in f" {' '.join(many.split()[2:3])} " for verb in ("is", "has", "lies", "stands", "marks", "reaches"))
