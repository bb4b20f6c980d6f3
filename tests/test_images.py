from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from bioclip_search.errors import PictureError
from bioclip_search.images import MAX_PIXELS, open_picture
from tests.conftest import SHARED

GRADIENT = PIL.Image.fromarray(np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8))


def encoded(picture: PIL.Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def bomb_png(width: int, height: int) -> bytes:
    """A valid PNG header that promises many pixels, with next to no data."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))  # noqa: E731
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def test_transparency_lies_on_white():
    clear = PIL.Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    palette = PIL.Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 10, 10])
    assert open_picture(encoded(clear, "PNG")).getpixel((0, 0)) == (255, 255, 255)
    assert open_picture(encoded(palette, "PNG", transparency=1)).getpixel((0, 0)) == (255, 255, 255)
    assert open_picture(encoded(palette, "PNG")).getpixel((0, 0)) == (200, 10, 10)


def test_sixteen_bits_are_scaled_not_cut_off():
    deep = PIL.Image.fromarray(np.array([[0, 32768, 65535]], np.uint16))
    assert [open_picture(encoded(deep, "PNG")).getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]


def test_float_pictures_use_the_range_they_have():
    floats = PIL.Image.fromarray(np.array([[-1.0, 0.0, 1.0]], np.float32))
    assert [open_picture(encoded(floats, "TIFF")).getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]


def test_cmyk_and_grey_become_rgb():
    assert open_picture(encoded(GRADIENT.convert("CMYK"), "JPEG")).mode == "RGB"
    assert open_picture(encoded(GRADIENT.convert("L"), "JPEG")).mode == "RGB"


def test_exif_rotation_is_done():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90°
    assert open_picture(encoded(GRADIENT, "JPEG", exif=exif)).size == (48, 64)


def test_of_an_animation_the_first_frame_counts():
    frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_picture(data).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1)])
def test_odd_shapes_are_pictures_too(size):
    assert open_picture(encoded(PIL.Image.new("RGB", size), "PNG")).size == size


def test_a_large_jpeg_may_come_back_smaller_but_never_too_small():
    big = encoded(GRADIENT.resize((2048, 1536)), "JPEG")
    picture = open_picture(big, enough_px=224)
    assert 2 * 224 <= min(picture.size) < 1536
    assert open_picture(big).size == (2048, 1536)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"hello, I am a text", "no picture of a known kind", id="text"),
        pytest.param(encoded(GRADIENT.resize((640, 480)), "JPEG")[:3000], "cannot be decoded", id="truncated JPEG"),
        pytest.param(encoded(GRADIENT, "PNG")[:-40], "cannot be decoded", id="truncated PNG"),
        pytest.param(bomb_png(20000, 20000), "decompression bomb", id="400 megapixels"),
        pytest.param(bomb_png(13500, 13500), "decompression bomb", id="just above the limit"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture of a known kind", id="EPS, which would run a program"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_reason(data, reason):
    with pytest.raises(PictureError, match=reason):
        open_picture(data)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match="is no file that could hold a picture"):
        open_picture(tmp_path / "pipe.jpg")


def test_missing_files_folders_and_wrong_arrays_are_refused(tmp_path):
    for source, reason in [
        (tmp_path / "no.jpg", "no such file"),
        ("a\0b.jpg", "no such file"),
        ("a" * 5000, "cannot be opened .File name too long"),
        (tmp_path, "is a folder"),
        (np.zeros((4, 4)), "uint8"),
        (np.zeros((0, 4, 3), np.uint8), "uint8"),
        (3, "not int"),
    ]:
        with pytest.raises(PictureError, match=reason):
            open_picture(source)


def test_arrays_and_pil_images_are_taken_as_they_are():
    assert open_picture(np.asarray(GRADIENT)).tobytes() == GRADIENT.tobytes() == open_picture(GRADIENT).tobytes()


def test_the_limit_is_where_pillow_too_raises():
    assert 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0) == pytest.approx(MAX_PIXELS, rel=1e-6)


@pytest.mark.skipif(not (SHARED / "data" / "hostile").is_dir(), reason="no test data")
@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("african_elephants.jpg", (2048, 1536)),
        ("african_elephants_bw.jpg", (2048, 1536)),
        ("african_elephants_cmyk.jpg", (2048, 1536)),
        ("african_elephants_with_exif_orientation.jpg", (2048, 1536)),
        ("blank.jpg", (2048, 1536)),
        ("african_elephants_truncated_file.jpg", "truncated"),
        ("error_img.JPG", "empty"),
    ],
)
def test_the_hostile_collection_of_real_files(name, outcome):
    path = SHARED / "data" / "hostile" / name
    if isinstance(outcome, tuple):
        assert open_picture(path).size == outcome
    else:
        with pytest.raises(PictureError, match=outcome):
            open_picture(path)
