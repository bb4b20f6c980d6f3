from __future__ import annotations

import io

import PIL.Image
import pytest

from bioclip_search.decoding import Decoders
from bioclip_search.thumbnails import LARGE_WH, THUMBNAIL_WH, Thumbnails, cut
from tests.standards.runs import small_run


@pytest.fixture(scope="module")
def decoders():
    with Decoders(2) as decoders:
        yield decoders


@pytest.fixture
def photos(tmp_path):
    """Red, with a green square of 100 by 100 pixels from (600, 400) on."""
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = PIL.Image.new("RGB", (1600, 1200), (200, 0, 0))
    picture.paste((0, 200, 0), (600, 400, 700, 500))
    picture.save(folder / "1.png")
    picture.save(folder / "1.jpg", quality=95)
    return folder


@pytest.fixture
def run(tmp_path, photos):
    return small_run(tmp_path / "run", [], root=photos)


@pytest.fixture
def thumbnails(decoders, tmp_path):
    return Thumbnails(decoders, [tmp_path])


def opened(thumbnail) -> PIL.Image.Image:
    assert thumbnail.why == ""
    with PIL.Image.open(io.BytesIO(thumbnail.jpeg)) as picture:
        return picture.convert("RGB")


def test_a_crop_shows_its_box_with_a_little_around(thumbnails, run):
    shown = opened(thumbnails.crop(run, "1.png", (600, 400, 700, 500)))
    assert shown.width * 3 == pytest.approx(shown.height * 4, abs=4)
    assert shown.getpixel((shown.width // 2, shown.height // 2))[1] > 150
    assert shown.getpixel((2, shown.height // 2))[0] > 150


def test_without_a_box_the_whole_picture_is_shown_small(thumbnails, run):
    for name in ("1.png", "1.jpg"):
        assert opened(thumbnails.crop(run, name, None)).size == THUMBNAIL_WH


def test_the_whole_picture_shows_where_the_box_is(thumbnails, run):
    shown = opened(thumbnails.picture(run, "1.jpg", (600, 400, 700, 500)))
    assert shown.size == (1280, 960)
    blue = shown.getpixel((482, 360))
    assert blue[2] > 100 > blue[0]


def test_a_crop_that_is_looked_at_alone_is_larger_and_kept_apart_from_its_thumbnail(thumbnails, run):
    box = (200, 100, 1400, 1100)
    sizes = [opened(one(run, "1.png", box)).size for one in (thumbnails.crop, thumbnails.large, thumbnails.crop)]
    assert sizes == [THUMBNAIL_WH, LARGE_WH, THUMBNAIL_WH]


def test_several_come_in_their_order(thumbnails, run):
    green, whole, gone = thumbnails.crops(run, [("1.png", (610, 410, 690, 490), None), ("1.png", None, None), ("2.png", None, None)])
    assert opened(green).getpixel((40, 30))[1] > 150
    assert opened(whole).getpixel((1, 1))[0] > 150
    assert gone.jpeg is None


@pytest.mark.parametrize(
    ("image", "content", "reason"),
    [
        pytest.param("gone.jpg", None, "no longer where it was", id="gone"),
        pytest.param("broken.jpg", b"\xff\xd8\xff nothing", "cannot be shown", id="broken"),
        pytest.param("page.jpg", b"<html><script>alert(1)</script></html>", "cannot be shown", id="HTML"),
        pytest.param("empty.png", b"", "0 bytes", id="empty"),
        pytest.param("nul\0.png", None, "no longer where it was", id="NUL"),
    ],
)
def test_a_picture_that_cannot_be_shown_comes_with_the_reason(thumbnails, run, photos, image, content, reason):
    if content is not None:
        (photos / image).write_bytes(content)
    shown = thumbnails.crop(run, image, None)
    assert shown.jpeg is None
    assert reason in shown.why


@pytest.mark.parametrize("image", ["../secret.png", "link.png"])
def test_a_picture_outside_of_the_allowed_folders_is_never_opened(decoders, run, photos, tmp_path, image):
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    (photos / "link.png").symlink_to(tmp_path / "secret.png")
    shown = Thumbnails(decoders, [photos]).crop(run, image, None)
    assert shown.jpeg is None
    assert "outside of the folders" in shown.why


def test_what_was_shown_is_kept_and_the_oldest_goes_when_there_is_too_much(decoders, run, photos, tmp_path):
    thumbnails = Thumbnails(decoders, [tmp_path], most_bytes=4000)
    boxes = [(0, 0, 100 + step, 100) for step in range(6)]
    first = [thumbnails.crop(run, "1.png", box) for box in boxes]
    assert sum(len(one.jpeg) for one in first) > 4000
    (photos / "1.png").unlink()
    assert thumbnails.crop(run, "1.png", boxes[-1]) == first[-1]
    assert thumbnails.crop(run, "1.png", boxes[0]).jpeg is None


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (1599, 1199, 1600, 1200), (-50, -50, 5000, 5000), (700, 500, 600, 400), (1700, 1300, 1800, 1400)])
def test_an_odd_box_is_shown_as_far_as_it_lies_in_the_picture(box):
    shown = cut(PIL.Image.new("RGB", (1600, 1200)), (1600, 1200), box)
    assert 1 <= shown.width <= THUMBNAIL_WH[0]
    assert 1 <= shown.height <= THUMBNAIL_WH[1]
