"""What of a run needs a person, the largest doubt first, and why.

Reads the run, its sequences and what was decided already; a table to fill in is left to `template`. Memory is flat but for 28 bytes a
doubtful crop: the run is read once to weigh all crops, and then the parts that hold them for each `BLOCK` of doubts that are asked for.

Why a crop needs a person, any of these:

1. It has no answer.
2. Its answer is less likely right than the target: by its chance, where the calibration learned one, else by its probability.
3. Its answer is not expected at the place.
4. The pictures of its sequence disagree: its answer is on no line with the sequence's, or the others are not.
5. The question lies beyond what was calibrated on; a picture that looks like nothing known is among these.

The doubt is 1 - chance × share, where the chance is that of rule 2 (0 without an answer), halved by rule 3 (`OUT_OF_RANGE_COUNTS`), and
the share is how much of the sequence agrees. Of equal doubts the order of the run counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.bursts.folder import Sequences, read_sequences
from bioclip_search.bursts.fusion import are_on_one_line, path_of
from bioclip_search.bursts.sequences import media_numbers
from bioclip_search.detectors.repeats import read_repeats
from bioclip_search.errors import RunError
from bioclip_search.results import Answer, percent, shown_chance
from bioclip_search.review.decisions import WHOLE, standing_decisions
from bioclip_search.review.rows import Rows
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import IDENTIFIED
from bioclip_search.runs.table import answer_of, schema

DEFAULT_TARGET = 0.9
"""Share of names that shall be right, as in `evaluate`."""

OUT_OF_RANGE_COUNTS = 0.5
"""What a chance is multiplied by where the taxon is not expected: a rule of thumb, for no records are complete."""

BLOCK = 20_000
"""Doubts that are held in full at once."""

WEIGHED = ("media_id", "crop", "status", "taxon", "chance", "probability", "out_of_range", "beyond_calibration")


@dataclass(frozen=True)
class Doubt:
    """A crop that a person should look at. `doubt` is from 0 to 1, `reasons` say why; see above."""

    media_id: str
    image: str
    crop: int
    box_xyxy: tuple[float, float, float, float] | None
    frame_number: int | None
    sequence: str | None
    doubt: float
    reasons: tuple[str, ...]
    answer: Answer

    def to_dict(self) -> dict[str, Any]:
        """Flat, only JSON types: the picture, the machine's answer in few words, the doubt and the reasons."""
        about = {name: value for name, value in asdict(self).items() if name != "answer"}
        told = {name: getattr(self.answer, name) for name in ("taxon", "rank", "common_name", "probability", "chance")}
        return about | told | {"doubt": round(self.doubt, 4), "reasons": list(self.reasons)}


def queue(run: Run, target: float = DEFAULT_TARGET, *, again: bool = False, bursts: bool = False, limit: int | None = None) -> Iterator[Doubt]:
    """The crops of a run that need a person, the largest doubt first.

    Args:
        target: The chance of being right that is sure enough.
        again: Those that were decided already, too.
        bursts: Of each sequence only the crop of the largest doubt.
        limit: At most so many.

    Raises:
        RunError: The run cannot be read, or the target is no share.
    """
    if not 0 < target <= 1:
        raise RunError(f"A target is a share from 0 to 1, such as {DEFAULT_TARGET}, not {target}.")
    sequences = read_sequences(run.folder)
    left_out = read_repeats(run.folder) | (set() if again else set(standing_decisions(run.folder)))
    weighed = weigh(run, target, sequences, left_out)
    order = np.argsort(-weighed.doubts, kind="stable")
    if bursts:
        order = order[np.sort(np.unique(sequences.numbers(weighed.media[order]), return_index=True)[1])]
    yield from doubts_at(run, weighed.rows[order[:limit]], target, sequences)


def doubts_at(run: Run, rows: np.ndarray, target: float = DEFAULT_TARGET, sequences: Sequences | None = None, finder: Rows | None = None) -> Iterator[Doubt]:
    """The crops in these rows of the run, (k,) each once, in the order of the argument, with what speaks against each, if anything."""
    sequences = read_sequences(run.folder) if sequences is None else sequences
    finder = finder or Rows(run)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        found = dict(_told(finder, np.sort(block), target, sequences))
        yield from (found[int(row)] for row in block)


def count(run: Run, target: float = DEFAULT_TARGET) -> tuple[int, int]:
    """How many crops need a person, and how many were asked about in all."""
    left_out = read_repeats(run.folder) | set(standing_decisions(run.folder))
    weighed = weigh(run, target, read_sequences(run.folder), left_out)
    return len(weighed.rows), sum(int(pc.sum(_is_asked(batch)).as_py() or 0) for batch in run.batches(("status",)))


def _is_asked(batch: pa.RecordBatch) -> pa.Array:
    return pc.equal(batch.column("status"), IDENTIFIED)


@dataclass(frozen=True, eq=False)
class Weighed:
    """The k crops that need a person, in the order of the run: 28 bytes each.

    Attributes:
        rows: (k,) int64, their rows in the run; `doubts` (k,) float64.
        media: (k,) uint64, their pictures' ids as numbers; `crops` (k,) int32, their numbers in the picture.
    """

    rows: np.ndarray
    doubts: np.ndarray
    media: np.ndarray
    crops: np.ndarray


def weigh(run: Run, target: float, sequences: Sequences, left_out: Collection[tuple[str, int]] = ()) -> Weighed:
    """All crops that need a person but those that are left out."""
    parts = [(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint64), np.empty(0, np.int32))]
    first = 0
    for batch in run.batches(WEIGHED):
        chance = _chances(batch)
        unexpected = np.asarray(pc.fill_null(batch.column("out_of_range"), False))
        share = _shares(batch, sequences)
        is_beyond = np.asarray(pc.fill_null(pc.greater(pc.list_value_length(batch.column("beyond_calibration")), 0), False))
        needed = np.asarray(_is_asked(batch)) & ((chance < target) | unexpected | (share < 1) | is_beyond)
        if left_out:
            keys = zip(batch.column("media_id").to_pylist(), batch.column("crop").to_pylist(), strict=True)
            needed &= ~np.array([key in left_out or (key[0], WHOLE) in left_out for key in keys], bool)
        doubt = 1 - chance * np.where(unexpected, OUT_OF_RANGE_COUNTS, 1.0) * share
        numbers = np.asarray(pc.fill_null(batch.column("crop"), WHOLE)).astype(np.int32)
        parts.append((first + np.flatnonzero(needed), doubt[needed], media_numbers(batch.column("media_id"))[needed], numbers[needed]))
        first += len(batch)
    return Weighed(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _chances(batch: pa.RecordBatch) -> np.ndarray:
    """How likely each answer is right; 0 where there is none."""
    chance = np.asarray(pc.fill_null(pc.coalesce(batch.column("chance"), batch.column("probability")), 0.0))
    return np.where(np.asarray(batch.column("taxon").is_valid()), chance, 0.0)


def _shares(batch: pa.RecordBatch, sequences: Sequences) -> np.ndarray:
    """How much of its sequence agrees, for each row; 1 where there is no sequence."""
    if not sequences.torn:
        return np.ones(len(batch))
    return np.array([sequences.torn.get(sequences.of(name) or "", 1.0) for name in batch.column("media_id").to_pylist()])


def _told(finder: Rows, rows: np.ndarray, target: float, sequences: Sequences) -> Iterator[tuple[int, Doubt]]:
    """The doubts of these rows, (k,) ascending, with the number of the row."""
    columns = [name for name in schema(None).names if name not in ("content_hash", "camera")]
    for here, table in finder.at(rows, columns):
        for number, row in zip(here.tolist(), table.to_pylist(), strict=True):
            yield number, _doubt(row, target, sequences)


def _doubt(row: dict[str, Any], target: float, sequences: Sequences) -> Doubt:
    box = None if row["box_xyxy"] is None else tuple(row["box_xyxy"])
    answer = answer_of(row, box)
    name = sequences.of(row["media_id"])
    reasons, share = list(_reasons(answer, target)), 1.0
    if name in sequences.torn:
        told, share = sequences.answers[name], sequences.torn[name]
        fits = told.answer is not None and are_on_one_line(path_of(answer), path_of(told.answer))
        other = told.answer.taxon if told.answer is not None and told.answer.taxon else "no one taxon"
        reasons.append(f"the burst disagrees: {'it' if fits else 'not this crop but the burst'} is named {other}, and {percent(share)} of its crops agree")
    chance = (shown_chance(answer) or 0.0) if answer.taxon else 0.0
    doubt = 1 - chance * (OUT_OF_RANGE_COUNTS if answer.out_of_range else 1.0) * share
    return Doubt(row["media_id"], row["image"], row["crop"], box, row["frame_number"], name, doubt, tuple(reasons), answer)


def _reasons(answer: Answer, target: float) -> Iterator[str]:
    chance = shown_chance(answer)
    if answer.taxon is None:
        yield "not sure enough to name"
    elif chance is not None and chance < target:
        what = "probability" if answer.chance is None else "chance of being right"
        yield f"the {what}, {percent(chance)}, is below {percent(target)}"
    if answer.out_of_range:
        yield f"not expected there ({answer.place})" if answer.place else "not expected there"
    yield from (f"beyond the calibration: {reason}" for reason in answer.beyond_calibration)
