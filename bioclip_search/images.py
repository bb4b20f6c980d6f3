"""Opens pictures of any kind as upright RGB, and refuses in clear words what is none or would do harm.

Knows one picture at a time; finding pictures is left to `sources`.
"""

from __future__ import annotations

import contextlib
import io
import stat
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import PIL.Image
import PIL.ImageOps

from bioclip_search.errors import PictureError

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000")
"""What is opened (MPO as JPEG). Formats whose readers run other programs (EPS) or that hold no photographs are left out."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".webp", ".gif", ".bmp", ".ppm", ".mpo", ".jp2"})
"""Endings, in lower case, by which a folder's pictures are known."""

MAX_PIXELS = 178_956_970
"""Largest picture opened, in pixels: 512 MiB of RGB, where Pillow too speaks of a decompression bomb."""

MAX_FILE_BYTES = 1 << 29
"""Largest file opened, in bytes (512 MiB)."""

DRAFT_MARGIN = 2
"""A JPEG may be decoded smaller, but no side below this many times the side that is needed."""

ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""

_ON_ITS_SIDE = frozenset({5, 6, 7, 8})
"""Values of `ORIENTATION` by which width and height change places."""

_warning_filters = threading.Lock()


@dataclass(frozen=True, eq=False)
class Decoded:
    """A picture upright and in RGB, the (width, height) it has when decoded in full, and Pillow's own object, which holds the EXIF."""

    picture: PIL.Image.Image
    size_wh: tuple[int, int]
    header: PIL.Image.Image


def open_picture(source: Any, *, enough_px: int | None = None) -> PIL.Image.Image:
    """The picture, upright and in RGB: first frame, EXIF rotation done, transparency on white, 16 bits scaled to 8.

    Args:
        source: A path, the bytes of a file, a PIL image, or an array (height, width[, 3 or 4]) of uint8.
        enough_px: The short side that is needed. A larger JPEG may come back smaller, but at least twice that.

    Raises:
        PictureError: It is missing, empty, truncated, too large, or no picture.
    """
    if isinstance(source, PIL.Image.Image):
        return _to_rgb(source)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, bytes | bytearray):
        return decode(io.BytesIO(source), len(source), enough_px=enough_px).picture
    if not isinstance(source, str | Path):
        raise PictureError(f"a picture is a path, bytes, a PIL image or a uint8 array, not {type(source).__name__}")
    with open_file(source) as (file, size_bytes):
        return decode(file, size_bytes, enough_px=enough_px).picture


def size_of(source: bytes | str | Path) -> tuple[int, int]:
    """Width and height of the upright picture in a file or its bytes, as the header tells them; no pixel is decoded.

    Raises:
        PictureError: It is missing, empty, too large, or no picture.
    """
    with contextlib.ExitStack() as stack:
        file, size_bytes = (io.BytesIO(source), len(source)) if isinstance(source, bytes) else stack.enter_context(open_file(source))
        if size_bytes == 0:
            raise PictureError("the file is empty (0 bytes)")
        try:
            picture = open_header(file)
        except PIL.UnidentifiedImageError as error:
            raise PictureError(f"is no picture of a known kind ({', '.join(FORMATS)})") from error
        except PictureError:
            raise
        except Exception as error:  # Subtle: a damaged file makes Pillow's readers raise nearly anything.
            raise PictureError(f"cannot be read: {error or type(error).__name__}") from error
        return picture.size[::-1] if _is_on_its_side(picture) else picture.size


@contextlib.contextmanager
def open_file(path: str | Path) -> Iterator[tuple[BinaryIO, int]]:
    """The file, opened to be read, and its size in bytes.

    Raises:
        PictureError: It is missing, may not be read, or is no plain file.
    """
    path = Path(path)
    try:
        size_bytes = _size_bytes(path)
        with path.open("rb") as file:
            yield file, size_bytes
    except FileNotFoundError as error:
        raise PictureError("no such file") from error
    except PermissionError as error:
        raise PictureError("may not be read (permission denied)") from error
    except OSError as error:
        raise PictureError(f"cannot be opened ({error.strerror or error})") from error


def _size_bytes(path: Path) -> int:
    """Raises: PictureError: it is a folder, a pipe, which may never end, or no path at all."""
    try:
        told = path.stat()
    except ValueError as error:  # a NUL, which a table may hold and no path can
        raise PictureError("no such file") from error
    if stat.S_ISDIR(told.st_mode):
        raise PictureError("is a folder, not a picture")
    if not stat.S_ISREG(told.st_mode):
        raise PictureError("is no file that could hold a picture")
    return told.st_size


def decode(file: BinaryIO, size_bytes: int, *, enough_px: int | None = None) -> Decoded:
    """The picture in an open file of so many bytes; see `open_picture`.

    Raises:
        PictureError: It is empty, truncated, too large, or no picture.
    """
    if size_bytes == 0:
        raise PictureError("the file is empty (0 bytes)")
    if size_bytes > MAX_FILE_BYTES:
        raise PictureError(f"the file is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        picture = open_header(file)
        full_wh = picture.size
        if enough_px is not None:
            _draft(picture, enough_px)
        picture.load()
        return Decoded(_to_rgb(picture), full_wh[::-1] if _is_on_its_side(picture) else full_wh, picture)
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError("needs more memory than there is") from error
    except PIL.UnidentifiedImageError as error:
        raise PictureError(f"is no picture of a known kind ({', '.join(FORMATS)})") from error
    except Exception as error:  # Subtle: a damaged file makes Pillow's readers raise nearly anything.
        raise PictureError(f"cannot be decoded: {error or type(error).__name__}") from error


def open_header(file: Any) -> PIL.Image.Image:
    """The picture in an open file, with no pixels read yet. Subtle: Pillow's own bomb check only warns up to twice its limit; ours is one clear number.

    Raises:
        PictureError: It has too many pixels. Of a damaged file Pillow raises nearly anything.
    """
    with without_warnings():
        try:
            picture = PIL.Image.open(file, formats=FORMATS)
        except PIL.Image.DecompressionBombError as error:
            raise PictureError(f"has more than {MAX_PIXELS:,} pixels (decompression bomb?)") from error
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise PictureError(f"has {width}×{height} pixels, more than {MAX_PIXELS:,} (decompression bomb?)")
    return picture


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Keeps Pillow's warnings of odd headers from the user. Subtle: Python's filters belong to all threads, so one at a time changes them."""
    with _warning_filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _is_on_its_side(picture: PIL.Image.Image) -> bool:
    """Whether setting it upright makes the width the height."""
    with contextlib.suppress(Exception):
        return picture.getexif().get(ORIENTATION) in _ON_ITS_SIDE
    return False


def _draft(picture: PIL.Image.Image, enough_px: int) -> None:
    """Lets libjpeg decode at 1/2, 1/4 or 1/8, which is several times faster; other formats take no notice."""
    scale = DRAFT_MARGIN * enough_px / min(picture.size)
    if scale < 1:
        picture.draft(None, tuple(int(np.ceil(side * scale)) for side in picture.size))


def _to_rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    with contextlib.suppress(Exception):  # Subtle: EXIF is a format of its own and often broken; the pixels are sound.
        picture = PIL.ImageOps.exif_transpose(picture)
    if picture.mode == "RGB":
        return picture
    if picture.mode in {"I", "F"} or picture.mode.startswith("I;16"):
        return _from_deep_grey(picture)
    if picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in picture.info:
        rgba = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        white = PIL.Image.new("RGBA", rgba.size, "white")
        return PIL.Image.alpha_composite(white, rgba).convert("RGB")
    return picture.convert("RGB")


def _from_deep_grey(picture: PIL.Image.Image) -> PIL.Image.Image:
    """16-bit greys over their full range, 32-bit and float ones over the range they use. Step by step in place, for these are large."""
    values = np.asarray(picture).astype(np.float64)
    low, high = (0.0, 65535.0) if picture.mode != "F" and values.min() >= 0 and values.max() <= 65535 else (np.nanmin(values), np.nanmax(values))
    values -= low
    values /= max(high - low, 1e-12)
    values *= 255
    grey = np.nan_to_num(values, copy=False).round(out=values).astype(np.uint8)
    return PIL.Image.fromarray(grey).convert("RGB")


def _from_array(array: np.ndarray) -> PIL.Image.Image:
    if array.dtype != np.uint8 or array.ndim not in {2, 3} or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in {3, 4}):
        raise PictureError(f"an array picture is (height, width[, 3 or 4]) uint8, not {array.shape} {array.dtype}")
    return _to_rgb(PIL.Image.fromarray(array))


def crop(picture: PIL.Image.Image, box_xyxy: Sequence[float]) -> PIL.Image.Image:
    """The part of the picture in the box, in pixels."""
    return picture.crop(tuple(round(side) for side in box_xyxy))
