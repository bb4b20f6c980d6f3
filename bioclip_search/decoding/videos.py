"""A video as a stream of its frames, each a picture to be looked at; decoded in a child process, and timed.

How frames are decoded is left to `film`, how the child is held to its limits to `child`.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from bioclip_search.decoding.child import Child, ChildEnded
from bioclip_search.decoding.opening import facts_heard
from bioclip_search.decoding.pool import CLOSED, Decoders, to_picture
from bioclip_search.errors import MissingExtraError, PictureError, RunError
from bioclip_search.media import Facts, Frame, Media, Video

FRAMES_PER_S = 1.0
"""Frames looked at in a second of video unless told otherwise: as many as MegaDetector takes (its DEFAULT_SECONDS_PER_VIDEO_FRAME)."""


@dataclass(frozen=True)
class FrameChoice:
    """Which frames of a video are looked at: every n-th, or so many a second; neither means `FRAMES_PER_S`.

    Raises:
        ValueError: Both are given, or one that chooses nothing.
    """

    every: int | None = None
    per_s: float | None = None

    def __post_init__(self) -> None:
        if self.every is not None and self.per_s is not None:
            raise ValueError("Give every n-th frame or a number of frames a second, not both.")
        if self.every is not None and self.every < 1:
            raise ValueError(f"Every n-th frame needs an n of 1 or more, not {self.every}.")
        if self.per_s is not None and not (math.isfinite(self.per_s) and self.per_s > 0):
            raise ValueError(f"The frames per second must be more than 0, not {self.per_s}.")


def frames(video: Video, choice: FrameChoice, decoders: Decoders, is_done: Callable[[str, int], bool] | None = None) -> Iterator[Media]:
    """The chosen frames of a video, and those that it has boxes for, in their order.

    A frame's time is the video's, as the source or else the video itself tells it, and its own place in the video. Of a
    video that cannot be opened, or not to its end, the last is a `Media` with the reason as its `error`.

    Args:
        is_done: Asked with the hash of the video's bytes and a frame's number; a frame that is done is passed over.

    Raises:
        MissingExtraError: PyAV is not installed.
        RunError: The decoders are closed.
    """
    if importlib.util.find_spec("av") is None:
        raise MissingExtraError("Reading videos", "video")
    try:
        with decoders.aside() as child:
            yield from _frames(child, video, choice, decoders.timeout_s, is_done)
            return
    except PictureError as error:
        reason = str(error)
    except ChildEnded as error:
        if decoders.is_closed:
            raise RunError(CLOSED) from error
        reason = f"takes longer than {decoders.timeout_s:g} s for one frame" if child.is_late else f"ends the process that decodes it ({error})"
    yield Media(video.image, video.file, facts=video.facts, error=reason)


def _frames(child: Child, video: Video, choice: FrameChoice, timeout_s: float, is_done: Callable[[str, int], bool] | None) -> Iterator[Media]:
    """Subtle: the next frame is asked for before this one is given away, so the child works while the frame is looked at."""
    per_s = FRAMES_PER_S if choice.every is None and choice.per_s is None else choice.per_s
    wish = {"every": choice.every, "per_s": per_s, "also": sorted(video.boxes or ())}
    child.send({"do": "film", "path": os.path.abspath(video.file)}, json.dumps(wish).encode("ascii"), timeout_s=timeout_s)
    told, _ = child.receive(timeout_s)
    try:
        rate, content_hash, facts = float(told["rate"]), str(told["content_hash"]), video.facts.over(facts_heard(told["facts"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ChildEnded("an answer that makes no sense") from error
    child.send({"do": "next"}, timeout_s=timeout_s)
    while True:
        answer, pixels = child.receive(timeout_s)
        if answer.get("is_over"):
            return
        media = _media(video, answer, pixels, rate, content_hash, facts)
        child.send({"do": "next"}, timeout_s=timeout_s)
        if is_done is None or not is_done(content_hash, media.frame.number):
            yield media


def _media(video: Video, answer: dict[str, Any], pixels: np.ndarray, rate: float, content_hash: str, facts: Facts) -> Media:
    try:
        number, offset = int(answer["number"]), timedelta(seconds=float(answer["offset_s"]))
        picture = to_picture(answer, pixels)
        timestamp = facts.timestamp + offset if facts.timestamp else None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ChildEnded("an answer that makes no sense") from error
    boxes = None if video.boxes is None else video.boxes.get(number)
    return Media(video.image, video.file, facts=replace(facts, timestamp=timestamp), boxes=boxes, frame=Frame(number, rate, picture, content_hash))
