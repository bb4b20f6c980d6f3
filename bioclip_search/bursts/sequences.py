"""Which pictures of a run belong to one sequence: by deployment and time, and the frames of one video.

What a sequence shows is left to `fusion`, where the grouping is kept to `folder`.

The rules, for every picture the first that holds:

1. A frame of a video: the frames of that video are one sequence.
2. A picture without a time is a sequence of its own.
3. Pictures of one deployment (where none is told, of one folder) whose times lie no further apart than the gap, one after the
   other, are one sequence. Times that tell their zone are compared with one another, and so are those that do not, but never
   one kind with the other: the clock of a camera need not be that of the place.

No sequence has more than `LONGEST_PICTURES`; the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.errors import RunError
from bioclip_search.runs.folder import Run

GAP_S = 60.0
"""Seconds between two pictures of one sequence, at most: those of Wildlife Insights (fixed there, "Identify images in sequence projects",
2024) and of the `megadetector` package (`SequenceOptions.episode_interval_seconds`)."""

LONGEST_PICTURES = 1000
"""Pictures of one sequence at most: a camera that takes one every half minute would else make one sequence of its whole stay."""

NO_TIME = np.iinfo(np.int64).min
NO_OFFSET = np.iinfo(np.int16).min
HEX_DIGITS = 16

COLUMNS = ("media_id", "image", "frame_number", "timestamp", "utc_offset_min", "deployment")


@dataclass(frozen=True, eq=False)
class Pictures:
    """n pictures in the order of a run, as numbers: 40 bytes each.

    Attributes:
        ids: (n,) uint64, `media_id` as a number.
        groups: (n,) int32; only pictures of one group can be of one sequence.
        times_ms: (n,) int64, of the local clock where no zone is told, else UTC; `NO_TIME` where there is none.
        offsets_min: (n,) int16, from UTC to the local clock; `NO_OFFSET` where it is not told.
        frames: (n,) int32, the number of the frame; -1 for a picture that is none.
        deployments: (n,) int32, places in `names`; -1 where no deployment is told.
    """

    ids: np.ndarray
    groups: np.ndarray
    times_ms: np.ndarray
    offsets_min: np.ndarray
    frames: np.ndarray
    deployments: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Grouping:
    """The sequences of n pictures, numbered in the order of their first picture in the run.

    Attributes:
        of: (n,) int32, the sequence of each picture.
        first: (s,) int64, the place of the picture that each sequence begins with, in time; `last`: it ends with.
        sizes: (s,) int64, how many pictures each has.
        notes: What is worth telling, in words.
    """

    pictures: Pictures
    of: np.ndarray
    first: np.ndarray
    last: np.ndarray
    sizes: np.ndarray
    gap_s: float
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.first)

    def name(self, number: int) -> str:
        """The id of a sequence: that of the picture it begins with, after an s."""
        return f"s{int(self.pictures.ids[self.first[number]]):016x}"


def find_sequences(run: Run, gap_s: float = GAP_S) -> Grouping:
    """The sequences of a run; a million pictures take some seconds and 100 MB.

    Raises:
        RunError: The gap is no time, or the run cannot be read.
    """
    if not 0 <= gap_s < float("inf"):
        raise RunError(f"The gap between two pictures of a sequence is a number of seconds from 0 on, not {gap_s}.")
    return group(pictures_of(run.batches(COLUMNS)), gap_s)


def group(pictures: Pictures, gap_s: float = GAP_S) -> Grouping:
    """The sequences of pictures, by the rules above. Of equal times the order of the run counts, of frames their number.

    Lone pictures, four of one deployment at 0, 50, 100 and 170 s: with a gap of 60 s the first three are one sequence.
    """
    n = len(pictures)
    is_frame = pictures.frames >= 0
    steps = np.where(is_frame, pictures.frames, pictures.times_ms)
    order = np.lexsort((np.arange(n), steps, pictures.offsets_min != NO_OFFSET, pictures.groups))  # the last key counts most
    is_new = np.ones(n, bool)
    if n > 1:
        here, before = order[1:], order[:-1]
        is_elsewhere = (pictures.groups[here] != pictures.groups[before]) | (
            (pictures.offsets_min[here] == NO_OFFSET) != (pictures.offsets_min[before] == NO_OFFSET)
        )
        has_time = (pictures.times_ms[here] != NO_TIME) & (pictures.times_ms[before] != NO_TIME)
        apart = np.where(has_time, pictures.times_ms[here] - np.where(has_time, pictures.times_ms[before], 0), 0) > gap_s * 1000
        is_new[1:] = is_elsewhere | (~is_frame[here] & (apart | ~has_time))
    return _numbered(pictures, order, _shortened(is_new), gap_s)


def _shortened(is_new: np.ndarray) -> np.ndarray:
    """The same beginnings, and one more wherever a sequence has become as long as may be."""
    places = np.arange(len(is_new))
    begun = np.maximum.accumulate(np.where(is_new, places, 0)) if len(places) else places
    return is_new | ((places - begun) % LONGEST_PICTURES == 0)


def _numbered(pictures: Pictures, order: np.ndarray, is_new: np.ndarray, gap_s: float) -> Grouping:
    starts = np.flatnonzero(is_new)
    sizes = np.diff(np.append(starts, len(order)))
    first, last = order[starts], order[starts + sizes - 1]
    foremost = np.minimum.reduceat(order, starts) if len(starts) else starts  # the place in the run where each is met first
    by_run = np.argsort(foremost)
    number_of = np.empty(len(starts), np.int32)
    number_of[by_run] = np.arange(len(starts), dtype=np.int32)
    of = np.empty(len(order), np.int32)
    of[order] = np.repeat(number_of, sizes)
    return Grouping(pictures, of, first[by_run], last[by_run], sizes[by_run], gap_s, _notes(pictures))


def _notes(pictures: Pictures) -> tuple[str, ...]:
    still = pictures.frames < 0
    timeless = int((still & (pictures.times_ms == NO_TIME)).sum())
    timed = still & (pictures.times_ms != NO_TIME)
    has_zone = pictures.offsets_min != NO_OFFSET
    torn = np.intersect1d(pictures.groups[timed & has_zone], pictures.groups[timed & ~has_zone])
    notes = [f"{timeless:,} {'picture tells' if timeless == 1 else 'pictures tell'} no time, each a sequence of its own"] if timeless else []
    if len(torn):
        words = f"In {len(torn):,} {'deployment' if len(torn) == 1 else 'deployments'} some times tell their zone and others do not"
        notes.append(f"{words}; pictures of the two kinds are never put into one sequence")
    return tuple(notes)


def pictures_of(batches: Iterable[pa.RecordBatch]) -> Pictures:
    """The pictures of the rows of a run, each once; the rows of one picture follow one another."""
    groups: dict[str, int] = {}
    names: dict[str, int] = {}
    parts = [_part(batch, groups, names) for batch in _one_row_each(batches)]
    empty = (np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int16), np.empty(0, np.int32), np.empty(0, np.int32))
    return Pictures(*(np.concatenate(columns) for columns in zip(empty, *parts, strict=True)), tuple(names))


def _one_row_each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The first row of every picture."""
    before = None
    for batch in batches:
        ids = media_numbers(batch.column("media_id"))
        is_first = np.ones(len(ids), bool)
        is_first[1:] = ids[1:] != ids[:-1]
        if len(ids):
            is_first[0] = before is None or ids[0] != before
            before = ids[-1]
        yield batch.filter(pa.array(is_first))


def _part(batch: pa.RecordBatch, groups: dict[str, int], names: dict[str, int]) -> tuple[np.ndarray, ...]:
    image, deployment, frame = batch.column("image"), batch.column("deployment"), batch.column("frame_number")
    folder = pc.replace_substring_regex(pc.fill_null(image, ""), r"[^/\\]*$", "")
    place = pc.coalesce(pc.binary_join_element_wise("deployment", deployment, "\0"), pc.binary_join_element_wise("folder", folder, "\0"))
    video = pc.binary_join_element_wise("video", place, image, "\0")
    key = pc.if_else(pc.is_valid(frame), video, place)
    stamps, offsets = batch.column("timestamp"), batch.column("utc_offset_min")
    local = np.asarray(pc.fill_null(stamps.cast(pa.int64()), 0))
    shift = np.asarray(pc.fill_null(offsets, 0)).astype(np.int64) * 60_000
    return (
        media_numbers(batch.column("media_id")),
        _coded(key, groups),
        np.where(np.asarray(stamps.is_valid()), local - shift, NO_TIME),
        np.where(np.asarray(stamps.is_valid()), np.asarray(pc.fill_null(offsets, NO_OFFSET)), NO_OFFSET).astype(np.int16),
        np.asarray(pc.fill_null(frame, -1)).astype(np.int32),
        _coded(deployment, names),
    )


def _coded(column: pa.Array, numbers: dict[str, int]) -> np.ndarray:
    """(n,) int32; numbers are given in order of first sight, -1 for null."""
    encoded = column.dictionary_encode()
    of_word = np.array([*(numbers.setdefault(word, len(numbers)) for word in encoded.dictionary.to_pylist()), -1], np.int32)
    return of_word[np.asarray(pc.fill_null(encoded.indices, len(encoded.dictionary)))]


def media_numbers(column: pa.Array) -> np.ndarray:
    """Ids of 16 hexadecimal digits as numbers, (n,) uint64.

    Raises:
        RunError: An id is none.

    >>> media_numbers(pa.array(["00000000000000ff"])).tolist()
    [255]
    """
    digits = "".join(column.to_pylist()) if column.null_count == 0 else ""
    try:
        if len(digits) != HEX_DIGITS * len(column):
            raise ValueError("its length is another")
        return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)
    except ValueError as error:
        raise RunError(f"A media_id of the run is not made of 16 hexadecimal digits ({error}). Run `tag` anew into another folder.") from error
