"""Several child processes that decode, and the threads of this process that share them.

One child is `child`'s, the frames of a video are `videos`', working ahead is left to `stream`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image

from bioclip_search.decoding.child import Child, ChildEnded, Watch
from bioclip_search.decoding.opening import facts_heard
from bioclip_search.errors import PictureError, RunError
from bioclip_search.media import NO_FACTS, Facts, Media
from bioclip_search.stream import default_workers

TIMEOUT_S = 30.0
"""Longest time for one picture or frame, in seconds: one of 12 megapixels takes 0.1, the largest that is opened some 10."""

MEMORY_MB = 4096
"""Most memory of a child, in MiB of addresses: the largest picture that is opened needs 1,500, with transparency 3,600, in 16 bits 3,100."""

TRIES = 2
"""A picture whose child ended is given to one more, for what ended it may have been no fault of the picture."""

CLOSED = "The decoders are closed, so no picture can be opened. Open pictures inside the `with` of `Decoders`."


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture that could be opened.

    Attributes:
        picture: Upright and in RGB; not in full size where less was enough.
        size_wh: Of the upright picture in full, in pixels.
        content_hash: SHA-256 of the file's bytes, for a frame of the video's, in hexadecimal digits.
        facts: What its source tells, and its EXIF where the source is silent.
    """

    picture: PIL.Image.Image
    size_wh: tuple[int, int]
    content_hash: str | None
    facts: Facts = NO_FACTS


class Decoders:
    """Opens pictures in child processes, with a limit on the time and memory of each; to be used in a `with`.

    Children are started as they are needed. Any number of threads may ask; each call borrows one child. A picture that
    makes its child hang, crash or run out of memory is an error like any other, and a fresh child takes over. If this
    process ends, however that happens, its children end too.

    Attributes:
        is_closed: Nothing can be opened any more.

    Args:
        workers: How many children at most. By default one a core, at most `stream.MOST_WORKERS`.
        timeout_s: The longest time for one picture.
        memory_mb: The most memory for one child, None for no limit. Linux holds to it; macOS and Windows know no such limit.
    """

    def __init__(self, workers: int | None = None, *, timeout_s: float = TIMEOUT_S, memory_mb: int | None = MEMORY_MB):
        self.workers = workers or default_workers()
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb
        self._free = threading.Semaphore(self.workers)
        self._idle: list[Child] = []
        self._aside: list[Child] = []
        self._watch = Watch()
        self.is_closed = False

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Ends all children, also those that are at work. May be called twice."""
        self.is_closed = True
        self._watch.end()

    def open(self, media: Media, enough_px: int | None = None) -> Opened:
        """The picture, opened as `images.open_picture` does; a frame of a video is open already.

        Args:
            enough_px: The short side that is needed. A larger JPEG may come back smaller, but at least twice that.

        Raises:
            PictureError: It is missing, empty, damaged, too large, no picture, or takes too much time or memory.
            RunError: The decoders are closed, or no child can be started.
        """
        if media.error is not None:
            raise PictureError(media.error)
        if media.frame is not None:
            return Opened(media.frame.pixels, media.frame.pixels.size, media.frame.content_hash, media.facts)
        if media.file is None and media.data is None:
            raise PictureError("its source gives neither a file nor its bytes")
        for _ in range(TRIES):
            try:
                with self._borrowed() as child:
                    return self._open_by(child, media, enough_px)
            except ChildEnded as error:
                if child.is_late:
                    raise PictureError(f"takes longer than {self.timeout_s:g} s to decode") from error
                how = str(error)
        raise PictureError(f"ends the process that decodes it ({how}), {TRIES} times; the file is probably damaged")

    @contextlib.contextmanager
    def aside(self) -> Iterator[Child]:
        """A child beyond the usual ones, for a work of many steps during which they must not be lacking.

        Raises:
            RunError: The decoders are closed, or no child can be started.
        """
        with self._lent(self._aside) as child:
            yield child

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[Child]:
        with self._free, self._lent(self._idle) as child:
            yield child

    @contextlib.contextmanager
    def _lent(self, idle: list[Child]) -> Iterator[Child]:
        """Subtle: `list.pop` and `append` are whole to other threads; the child that came back last is asked first, so few are awake."""
        child = self._one_of(idle)
        try:
            yield child
        except PictureError:
            idle.append(child)
            raise
        except BaseException:  # what it was asked for may still be on its way, so it can be asked nothing else
            self._watch.forget(child)
            child.end()
            raise
        idle.append(child)

    def _one_of(self, idle: list[Child]) -> Child:
        while not self.is_closed:
            try:
                child = idle.pop()
            except IndexError:
                return self._fresh()
            if child.is_there:
                return child
            self._watch.forget(child)
            child.end()
        raise RunError(CLOSED)

    def _fresh(self) -> Child:
        child = Child(self.memory_mb)
        self._watch.over(child)
        try:
            child.start()
            if self.is_closed:  # meanwhile, by another thread
                raise RunError(CLOSED)
        except BaseException:
            self._watch.forget(child)
            child.end()
            raise
        return child

    def _open_by(self, child: Child, media: Media, enough_px: int | None) -> Opened:
        path = None if media.data is not None else os.path.abspath(media.file)
        child.send({"do": "picture", "path": path, "enough_px": enough_px}, media.data or b"", timeout_s=self.timeout_s)
        answer, pixels = child.receive(self.timeout_s)
        try:
            picture = to_picture(answer, pixels)
            (width, height), content_hash, facts = answer["full_wh"], str(answer["content_hash"]), facts_heard(answer["facts"])
        except (KeyError, TypeError, ValueError) as error:
            raise ChildEnded("an answer that makes no sense") from error
        return Opened(picture, (int(width), int(height)), content_hash, media.facts.over(facts))


def to_picture(answer: dict[str, Any], pixels: np.ndarray) -> PIL.Image.Image:
    """The RGB picture of an answer and its bytes.

    Raises:
        ValueError, TypeError, KeyError: They do not fit each other.
    """
    width, height = (int(side) for side in answer["size_wh"])
    if width < 1 or height < 1 or 3 * width * height != len(pixels):
        raise ValueError("size and bytes differ")
    return PIL.Image.frombytes("RGB", (width, height), pixels)
