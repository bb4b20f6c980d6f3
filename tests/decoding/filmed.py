"""Small videos whose frames show their own number, so that any test can see which frame it was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.Image

BITS, SIDE_PX = 10, 32
SIZE_WH = (BITS * SIDE_PX, 96)


def numbered(number: int) -> np.ndarray:
    """(96, 320, 3) uint8: the number's bits as white and black squares along the top, the lowest leftmost; grey below."""
    picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), 128, np.uint8)
    for bit in range(BITS):
        picture[:SIDE_PX, bit * SIDE_PX : (bit + 1) * SIDE_PX] = 255 if number >> bit & 1 else 0
    return picture


def number_shown(picture: PIL.Image.Image) -> int:
    """The number that a frame shows, however badly it was compressed."""
    assert picture.size == SIZE_WH
    return sum(1 << bit for bit in range(BITS) if picture.getpixel((bit * SIDE_PX + SIDE_PX // 2, SIDE_PX // 2))[0] > 127)


def write_video(
    path: Path,
    count: int,
    rate: Fraction | int = 25,
    *,
    codec: str = "mpeg4",
    options: Mapping[str, str] | None = None,
    draw: Callable[[int], np.ndarray] = numbered,
    size_wh: tuple[int, int] = SIZE_WH,
    **metadata: str,
) -> Path:
    """A video of frames 0, 1, 2 …, each drawn from its number; its index stands first in an MP4, so that it can be cut off."""
    muxer = {"movflags": "faststart+use_metadata_tags"} if path.suffix in {".mp4", ".mov"} else {}
    with av.open(str(path), "w", container_options=muxer) as container:
        container.metadata.update(metadata)
        stream = container.add_stream(codec, rate=rate, options=dict(options or {}))
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(number), "rgb24")))
        container.mux(stream.encode())
    return path
