from __future__ import annotations

import hashlib
import io
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from bioclip_search.decoding.pool import Decoders
from bioclip_search.errors import PictureError, RunError
from bioclip_search.images import open_picture
from bioclip_search.media import Facts, Frame, GivenBox, Media
from bioclip_search.stream import work_ahead

NOISE = PIL.Image.fromarray(np.random.default_rng(6).integers(0, 256, (600, 901, 3), dtype=np.uint8))


def encoded(picture: PIL.Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def turned() -> bytes:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90°
    exif[0x0110] = "HYPERFIRE 2"
    return encoded(NOISE, "JPEG", exif=exif)


@pytest.fixture(scope="module")
def decoders():
    with Decoders(2) as decoders:
        yield decoders


@pytest.mark.parametrize("enough_px", [None, 100])
def test_a_picture_is_what_it_would_be_in_this_process(decoders, tmp_path, enough_px):
    (tmp_path / "a.jpg").write_bytes(turned())
    opened = decoders.open(Media("a.jpg", tmp_path / "a.jpg"), enough_px)
    assert np.array_equal(opened.picture, open_picture(tmp_path / "a.jpg", enough_px=enough_px))
    assert opened.picture.size == ((600, 901) if enough_px is None else (300, 451))
    assert opened.size_wh == (600, 901)
    assert opened.content_hash == hashlib.sha256(turned()).hexdigest()


def test_bytes_are_opened_as_the_file_is(decoders, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(NOISE, "PNG"))
    by_path, by_bytes = decoders.open(Media("a", tmp_path / "a.png")), decoders.open(Media("a", data=encoded(NOISE, "PNG")))
    assert np.array_equal(by_path.picture, NOISE)
    assert np.array_equal(by_bytes.picture, NOISE)
    assert by_path.content_hash == by_bytes.content_hash


def test_what_the_source_tells_goes_before_the_exif(decoders):
    told = decoders.open(Media("a", data=turned(), facts=Facts(deployment="north"))).facts
    assert (told.deployment, told.camera) == ("north", "HYPERFIRE 2")
    assert decoders.open(Media("a", data=turned(), facts=Facts(camera="borrowed"))).facts.camera == "borrowed"


def test_a_frame_is_open_already(decoders):
    frame = Frame(7, 30.0, NOISE)
    opened = decoders.open(Media("a.mp4", frame=frame, facts=Facts(deployment="north"), boxes=(GivenBox((0, 0, 1, 1), 0.9, "animal"),)))
    assert opened.picture is NOISE
    assert opened.size_wh == (901, 600)
    assert opened.facts.deployment == "north"


def test_a_name_that_is_no_unicode_is_opened(decoders, tmp_path):
    if os.name == "nt":
        pytest.skip("names of files are Unicode there")
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes(encoded(NOISE, "PNG"))
    assert decoders.open(Media(name, tmp_path / name)).picture.size == (901, 600)


@pytest.mark.parametrize(
    ("media", "words"),
    [
        pytest.param(Media("a", Path("nowhere.jpg")), "no such file", id="missing"),
        pytest.param(Media("a", Path("a\0b.jpg")), "no such file", id="a name with a NUL"),
        pytest.param(Media("a", data=b""), "empty", id="no bytes"),
        pytest.param(Media("a", data=b"plain words"), "no picture of a known kind", id="words"),
        pytest.param(Media("a", error="its member is encrypted"), "its member is encrypted", id="its source could not give it"),
        pytest.param(Media("a"), "neither a file nor", id="nothing given"),
    ],
)
def test_what_cannot_be_opened_says_why(decoders, media, words):
    with pytest.raises(PictureError, match=words):
        decoders.open(media)


def test_many_threads_share_few_children_and_keep_the_order(decoders):
    pictures = [PIL.Image.new("RGB", (40, 30), (number, 0, 0)) for number in range(60)]
    media = [Media(str(number), data=encoded(picture, "PNG")) for number, picture in enumerate(pictures)]
    opened = list(work_ahead(decoders.open, media, workers=5))
    assert [each.picture.getpixel((0, 0))[0] for each in opened] == list(range(60))


def test_a_child_that_was_killed_between_two_pictures_is_replaced():
    with Decoders(1) as decoders:
        decoders.open(Media("a", data=turned()))
        (child,) = decoders._idle
        os.kill(child.pid, signal.SIGTERM)
        child._process.wait()
        assert decoders.open(Media("a", data=turned())).size_wh == (600, 901)


def test_closed_decoders_open_nothing_and_leave_no_child():
    with Decoders(2) as decoders, ThreadPoolExecutor(2) as pool:
        list(pool.map(decoders.open, [Media("a", data=turned())] * 4))
        children = list(decoders._idle)
        decoders.close()
    assert children
    assert not any(child.is_there for child in children)
    with pytest.raises(RunError, match="closed"):
        decoders.open(Media("a", data=turned()))
