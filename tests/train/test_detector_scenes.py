"""Scenes: boxes stay on what they bound through cutting, scaling, mirroring and light."""

import io

import numpy as np
import PIL.Image
import pytest

from bioclip_search.train.detector_config import BoxSetConfig, DetectorConfig
from bioclip_search.train.detector_data import BoxedPicture, read_boxed
from bioclip_search.train.detector_light import change_light
from bioclip_search.train.detector_scenes import LEAST_BOX_PX, SceneSource, _place, clipped, mirrored
from tests.train.boxed_files import png, write_squares

SQUARES = BoxSetConfig("squares", "squares-*.parquet", scenery=True)


def settings(**changes):
    return DetectorConfig((SQUARES,), **{"train_px": 128, "batch_size": 4} | changes)


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return read_boxed(write_squares(tmp_path_factory.mktemp("squares")), [SQUARES])


def test_a_batch_is_a_function_of_seed_and_step(squares):
    first, second = SceneSource(settings(seed=1), squares), SceneSource(settings(seed=1), squares)
    second.batch(0)
    for one, other in zip(first.batch(7), second.batch(7), strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
    assert not (first.batch(7)[0] == first.batch(8)[0]).all()
    assert not (first.batch(7)[0] == SceneSource(settings(seed=2), squares).batch(7)[0]).all()


def test_a_batch_has_the_shape_that_the_network_wants(squares):
    images, boxes = SceneSource(settings(), squares).batch(0)
    assert images.shape == (4, 3, 128, 128)
    assert 0 <= images.min() < images.max() <= 1
    assert all(several.shape[1:] == (4,) for several in boxes)


@pytest.mark.parametrize("shares", [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)], ids=["photo", "mosaic", "set in"])
def test_boxes_lie_on_the_squares(squares, shares):
    source = SceneSource(settings(photo_share=shares[0], mosaic_share=shares[1]), squares)
    inside, outside = [], []
    for number in range(30):
        pixels, boxes = source.scene(np.random.default_rng(number))
        grey = pixels.mean(axis=2) / max(1, pixels.max())
        covered = np.zeros(grey.shape, bool)
        for left, top, right, bottom in boxes.round().astype(int):
            assert 0 <= left < right <= 128
            assert 0 <= top < bottom <= 128
            assert min(right - left, bottom - top) >= LEAST_BOX_PX - 1
            covered[top:bottom, left:right] = True
        if covered.any() and not covered.all():
            inside.append(grey[covered].mean())
            outside.append(grey[~covered].mean())
    assert len(inside) >= 10
    assert np.mean(inside) > 1.5 * np.mean(outside)


def test_pictures_kept_back_are_never_drawn(squares):
    source = SceneSource(settings(), squares)
    assert {picture.source_id.split("/")[0] for picture in source.pictures} == {"train"}
    assert {picture.source_id.split("/")[0] for picture, _ in source.scenery} <= {"train"}


def test_weights_are_shares_of_sets_whatever_their_size():
    sets = (BoxSetConfig("few", "x", weight=3.0), BoxSetConfig("many", "x", weight=1.0))
    data = png(np.zeros((20, 20, 3), np.uint8))
    pictures = [BoxedPicture(data, ((1, 1, 9, 9),), "many" if i else "few", str(i), True) for i in range(10)]
    source = SceneSource(DetectorConfig(sets), pictures)
    rng = np.random.default_rng(0)
    drawn = [source._pick(rng).set_name for _ in range(2000)]
    assert drawn.count("few") / 2000 == pytest.approx(0.75, abs=0.04)


def test_sets_that_are_no_scenery_give_none(squares):
    assert SceneSource(DetectorConfig((BoxSetConfig("squares", "x"),)), squares).scenery == []


def test_without_scenery_scenes_are_photos_and_mosaics(squares):
    source = SceneSource(DetectorConfig((BoxSetConfig("squares", "x"),), train_px=64, photo_share=0.0, mosaic_share=0.0), squares)
    assert all(len(source.scene(np.random.default_rng(i))[1]) for i in range(5))


def test_placing_by_hand():
    # 10 x 10 px doubled and moved by (4, -6): the box (2, 5, 6, 9) comes to (8, 4, 16, 12).
    image = PIL.Image.new("RGB", (10, 10), (9, 9, 9))
    scene = _place(PIL.Image.new("RGB", (30, 30)), image, np.array([[2, 5, 6, 9]], np.float32), np.full(2, 2.0), np.array([4.0, -6.0]))
    assert scene.boxes.tolist() == [[8, 4, 16, 12]]
    pixels = np.asarray(scene.image)[..., 0]
    assert (pixels[:14, 4:24] == 9).all()
    assert pixels.sum() == 9 * 14 * 20


def test_a_mirrored_box_is_as_far_from_the_other_edge():
    assert mirrored(np.array([[10, 5, 30, 20]]), 100).tolist() == [[70, 5, 90, 20]]


def test_a_box_mostly_cut_away_is_not_asked_for():
    boxes = np.array([[-6, 0, 4, 10], [-8, 0, 2, 10], [20, 20, 30, 30]], np.float32)  # 0.4, 0.2, 1.0 are left
    assert clipped(boxes, (100, 25)).tolist() == [[0, 0, 4, 10], [20, 20, 30, 25]]
    assert clipped(np.zeros((0, 4), np.float32), (5, 5)).shape == (0, 4)


def test_light_changes_values_but_neither_shape_nor_kind():
    pixels = np.asarray(PIL.Image.open(io.BytesIO(png(np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)))))
    changed = [change_light(pixels, np.random.default_rng(i)) for i in range(40)]
    assert {(one.shape, one.dtype.name) for one in changed} == {((20, 30, 3), "uint8")}
    assert not any((one == pixels).all() for one in changed)
    grey = [one for one in changed if (one[..., 0] == one[..., 1]).all() and (one[..., 1] == one[..., 2]).all()]
    assert 2 <= len(grey) <= 20
    assert (change_light(pixels, np.random.default_rng(3)) == changed[3]).all()
