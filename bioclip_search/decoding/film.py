"""The chosen frames of a video, upright and in RGB, decoded one after the other; runs in the child.

Which frames are wanted is told by `videos`; what the video tells of itself is left to `metadata`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import PIL.Image

from bioclip_search.decoding.metadata import video_facts
from bioclip_search.decoding.opening import hash_of
from bioclip_search.errors import PictureError
from bioclip_search.images import MAX_PIXELS, open_file
from bioclip_search.media import Facts

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpegts,mpeg,asf,flv,ogg,mxf,dv"
"""What is opened, by FFmpeg's names. Left out are above all playlists, which name other files and addresses to be read."""

THREADS = 2
"""Threads that decode a video: its frames come one after the other, so other children do not help."""

WHOLE_SHARE = 0.98
"""A video that holds fewer than this share of the frames in its index was cut off. Edit lists may hide the first few of a sound one."""

_TURNS = {90: PIL.Image.Transpose.ROTATE_90, 180: PIL.Image.Transpose.ROTATE_180, 270: PIL.Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class Wish:
    """Which frames are wanted: every n-th one, or those nearest to so many moments a second, and `also` these numbers."""

    every: int | None
    per_s: float | None
    also: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame: its number, counted from 0, the seconds since the first one, and its picture."""

    number: int
    offset_s: float
    picture: PIL.Image.Image


class Film:
    """A video opened to be read once, from its beginning.

    Attributes:
        content_hash: SHA-256 of the file's bytes.
        rate: Its frames per second, on average.

    Raises:
        PictureError: It is missing, empty, damaged, or no video.
    """

    def __init__(self, path: str, wish: Wish, at_work: Callable[[], None]):
        self.content_hash, self.rate, self.facts = "", Fraction(0), Facts()
        self._path, self._wish, self._at_work = path, wish, at_work
        self._shots = self._read()
        next(self._shots)

    def next(self) -> Shot | None:
        """The next frame that is wanted, None after the last.

        Raises:
            PictureError: The video breaks off; there are no more frames then.
        """
        return next(self._shots, None)

    def close(self) -> None:
        self._shots.close()

    def _read(self) -> Iterator[Any]:
        """First nothing, once the video is open; then its shots."""
        import av

        with open_file(self._path) as (file, size_bytes):
            if size_bytes == 0:
                raise PictureError("the file is empty (0 bytes)")
            self.content_hash = hash_of(file, self._at_work)
            file.seek(0)
            number = None
            try:
                with closing(av.open(file, metadata_errors="replace", options={"format_whitelist": CONTAINERS, "protocol_whitelist": "none"})) as container:
                    stream = self._stream(container)
                    yield None
                    for seen, shot in self._decoded(container, stream):
                        number = seen
                        self._at_work()
                        if shot is not None:
                            yield shot
            except av.error.FFmpegError as error:
                after = "is no video of a known kind, or damaged" if number is None else f"breaks off after frame {number}"
                raise PictureError(f"{after} ({error.strerror or error})") from error

    def _stream(self, container: Any) -> Any:
        if not container.streams.video:
            raise PictureError("holds no moving pictures")
        stream = container.streams.best("video")
        if stream.codec_context is None:
            raise PictureError("is coded in a way that FFmpeg does not know here")
        size = stream.codec_context.width, stream.codec_context.height
        if size[0] * size[1] > MAX_PIXELS:
            raise PictureError(f"has frames of {size[0]}×{size[1]} pixels, more than {MAX_PIXELS:,}")
        self.rate = stream.average_rate or stream.guessed_rate or Fraction(0)
        if self.rate <= 0:
            raise PictureError("does not tell how many frames it has a second")
        stream.thread_type, stream.codec_context.thread_count = "AUTO", THREADS
        self.facts = video_facts({**stream.metadata, **container.metadata})
        return stream

    def _decoded(self, container: Any, stream: Any) -> Iterator[tuple[int, Shot | None]]:
        """Each frame's number with its shot where it is wanted."""
        pick = picks(self._wish, self.rate)
        number, packets, start = -1, 0, None
        for packet in container.demux(stream):
            packets += packet.size > 0
            for frame in packet.decode():
                number += 1
                moment = frame.pts * frame.time_base if frame.pts is not None and frame.time_base else number / self.rate
                start = moment if start is None else start
                yield number, Shot(number, float(moment - start), upright(frame)) if pick(number, moment - start) else None
        if number < 0:
            raise PictureError("holds no frame that can be decoded")
        declared = stream.frames if "mov" in container.format.name.split(",") else 0
        if packets < WHOLE_SHARE * declared:
            raise PictureError(f"breaks off after frame {number}: it holds {packets} of the {declared} frames that it tells of")


def picks(wish: Wish, rate: Fraction) -> Callable[[int, Fraction], bool]:
    """Tells of each frame in turn, by number and seconds since the first, whether it is wanted.

    Of a wish for so many a second the frame nearest to each moment is taken, the earlier of two: at 25 frames a second
    and two wanted, 0, 12, 25, 37 …
    """
    per_s = Fraction(wish.per_s).limit_denominator(10**6) if wish.per_s else None
    due = Fraction(0)

    def is_wanted(number: int, second: Fraction) -> bool:
        nonlocal due
        if per_s is None:
            return number % wish.every == 0 or number in wish.also
        reached = second + 1 / (2 * rate)
        if reached < due:
            return number in wish.also
        due = (reached * per_s // 1 + 1) / per_s
        return True

    return is_wanted


def upright(frame: Any) -> PIL.Image.Image:
    """The frame in RGB, turned as the video says that it was filmed."""
    if frame.width * frame.height > MAX_PIXELS:
        raise PictureError(f"has a frame of {frame.width}×{frame.height} pixels, more than {MAX_PIXELS:,}")
    picture = frame.to_image()
    turn = _TURNS.get(round(frame.rotation) % 360)
    return picture if turn is None else picture.transpose(turn)
