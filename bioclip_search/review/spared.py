"""What share of a run no person need look at, for so many names to be right; and the draw of crops that can show it.

How sure a promise is, is left to `calibration.promise`; decisions to `decisions`.

What people decided about doubtful crops says nothing of the sure ones. So a draw is needed: all crops of a run stand in one fixed order
that has nothing to do with what they show (a hash of their names), and a draw is the beginning of it. As far as that beginning was
decided, it is a fair draw, in whatever order it was decided; decisions on crops further on do not count here.

1. An answer is right if it lies on one line with what was decided; where that is blank, a person, a vehicle or unsure, it is not.
2. Of the settings "no person looks at answers of a chance of t or more", t = 1.00, 0.99 …, the boldest is taken that keeps the target at
   a confidence of 0.95, as `calibrate` does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.bursts.sequences import media_numbers
from bioclip_search.calibration.promise import CONFIDENCE, MIN_ANSWERS, answers_needed, boldest
from bioclip_search.detectors.repeats import read_repeats
from bioclip_search.errors import RunError
from bioclip_search.evaluation.resample import share, with_intervals
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG
from bioclip_search.results import Answer, percent
from bioclip_search.review.decisions import ACCEPTED, CORRECTED, WHOLE, ReviewDecision, standing_decisions
from bioclip_search.review.queue import Doubt, doubts_at
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import IDENTIFIED
from bioclip_search.runs.table import answer_of, schema

THRESHOLDS = np.round(np.arange(100, 0, -1) / 100, 2)
"""Chances tried, highest first; fixed beforehand, for a promise is exact only for numbers that were chosen without the draw."""

_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)
"""Of the mixing function splitmix64 (Steele, Lea and Flood 2014)."""


@dataclass(frozen=True)
class Spared:
    """What a draw shows.

    Attributes:
        crops: Those that were asked about, in the whole run; `drawn`: how many of the draw were decided.
        threshold: Answers of this chance or more need no person; None where the target cannot be promised.
        spared: The share of all crops that have such an answer.
        accuracy: The share of right names among those of the draw, with its interval of 95 %.
        believed: The share of crops spared if every chance is what it says; nobody has shown that.
        why: Why nothing is promised, and what to do.
    """

    target: float
    crops: int
    drawn: int
    threshold: float | None = None
    spared: float | None = None
    answers: int = 0
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    believed: float = 0.0
    why: str = ""

    def lines(self) -> Iterator[str]:
        """All of it in words."""
        if self.threshold is not None:
            low, high = self.accuracy_low, self.accuracy_high
            yield f"{percent(self.spared or 0)} of the {self.crops:,} crops need no person: those named with a chance of {self.threshold:g} or more."
            yield (
                f"Of {self.answers:,} such names among {self.drawn:,} crops drawn and decided, {self.accuracy:.3f} are right ({low:.3f} to {high:.3f}); "
                f"so {self.target:g} of them are, at {CONFIDENCE:g} confidence."
            )
        else:
            yield self.why
        yield f"If every chance were what it says, it would be {percent(self.believed)}; the decisions alone can show that."


def draw(run: Run, count: int) -> Iterator[Doubt]:
    """The first crops of the fixed order, in that order; more of them later go on from there.

    Raises:
        RunError: The run cannot be read.
    """
    crops = _Crops(run)
    return doubts_at(run, crops.rows[np.argsort(crops.keys, kind="stable")[:count]])


def spared(run: Run, target: float) -> Spared:
    """What no person need look at, by what was decided of the draw.

    Raises:
        RunError: The run cannot be read, or the target is no share.
    """
    if not 0 < target < 1:
        raise RunError(f"A target is a share between 0 and 1, such as 0.95, not {target:g}.")
    crops = _Crops(run)
    believed = _believed(crops.chances, target)
    order = np.argsort(crops.keys, kind="stable")
    verdicts = _judged(run, crops)[order]
    is_open = verdicts == UNDECIDED
    drawn = int(np.argmax(is_open)) if is_open.any() else len(verdicts)
    chances, right = crops.chances[order[:drawn]], verdicts[:drawn] == RIGHT
    above = chances[None] >= THRESHOLDS[:, None]  # (s, drawn)
    answers, hits = above.sum(axis=1), (above & right).sum(axis=1)
    place = boldest(hits, answers, target)
    if place is None:
        return Spared(target, len(crops), drawn, believed=believed, why=_refusal(run.folder, hits, answers, drawn, len(crops), target))
    figures = with_intervals({"accuracy": share(right[above[place]])}, int(answers[place]))
    threshold = float(THRESHOLDS[place])
    return Spared(target, len(crops), drawn, threshold, float(np.mean(crops.chances >= threshold)), int(answers[place]), believed=believed, **figures)


class _Crops:
    """The n crops of a run that were asked about and not set aside: 32 bytes each.

    Attributes:
        rows: (n,) int64, their rows in the run; `ids` (n,) uint64 and `numbers` (n,) int32 name them.
        chances: (n,) float64, that the answer is right, 0 where there is none.
        keys: (n,) uint64, their order in a draw.
    """

    def __init__(self, run: Run):
        repeats = read_repeats(run.folder)
        parts, first = [(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0))], 0
        for batch in run.batches(("media_id", "crop", "status", "taxon", "chance", "probability")):
            asked = np.asarray(pc.fill_null(pc.equal(batch.column("status"), IDENTIFIED), False))
            if repeats:
                pairs = zip(batch.column("media_id").to_pylist(), batch.column("crop").to_pylist(), strict=True)
                asked = asked & ~np.array([pair in repeats for pair in pairs], bool)
            chance = np.asarray(pc.fill_null(pc.coalesce(batch.column("chance"), batch.column("probability")), 0.0))
            chance = np.where(np.asarray(batch.column("taxon").is_valid()), chance, 0.0)
            numbers = np.asarray(pc.fill_null(batch.column("crop"), WHOLE)).astype(np.int32)
            parts.append((first + np.flatnonzero(asked), media_numbers(batch.column("media_id"))[asked], numbers[asked], chance[asked]))
            first += len(batch)
        self.rows, self.ids, self.numbers, self.chances = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        self.keys = mixed(self.ids, self.numbers)

    def __len__(self) -> int:
        return len(self.rows)


def mixed(ids: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Numbers that stand in no order, (n,) uint64: the same for the same crop in every run."""
    with np.errstate(over="ignore"):
        mix = ids + (numbers.astype(np.int64) + 2).astype(np.uint64) * _STEP
        for shift, multiplier in zip((np.uint64(30), np.uint64(27)), _MULTIPLIERS, strict=True):
            mix = (mix ^ (mix >> shift)) * multiplier
    return mix ^ (mix >> np.uint64(31))


def _judged(run: Run, crops: _Crops) -> np.ndarray:
    """Whether each answer is right by what was decided, (n,) int8 verdicts: `UNDECIDED` where nobody decided."""
    standing = standing_decisions(run.folder)
    verdicts = np.full(len(crops), UNDECIDED)
    if not standing:
        return verdicts
    wanted = pa.array(sorted({name for name, _ in standing}), pa.string())
    place_of = {
        (f"{number:016x}", crop): place
        for place, (number, crop) in enumerate(zip(crops.ids.tolist(), crops.numbers.tolist(), strict=True))
        if _has(standing, number, crop)
    }
    for batch in run.batches(schema(None).names):
        for row in batch.filter(pc.is_in(batch.column("media_id"), wanted)).to_pylist():
            place = place_of.get((row["media_id"], row["crop"]))
            if place is not None:
                decision = standing.get((row["media_id"], row["crop"])) or standing[row["media_id"], WHOLE]
                verdicts[place] = RIGHT if _is_right(row, decision) else WRONG
    return verdicts


def _has(standing: dict[tuple[str, int], ReviewDecision], number: int, crop: int) -> bool:
    name = f"{number:016x}"
    return (name, crop) in standing or (name, WHOLE) in standing


def _is_right(row: dict, decision: ReviewDecision) -> bool:
    return decision.verdict in (ACCEPTED, CORRECTED) and holds(answer_of(row), decision.lineage)


def holds(answer: Answer, lineage: Mapping[str, str]) -> bool:
    """Rule 1: whether the answer's taxon is in the lineage, or it lies within the lowest one of it; a rank that one lacks says nothing."""
    if not answer.taxon or not lineage or any(lineage.get(rank, name) != name for rank, name in answer.lineage.items()):
        return False
    lowest = list(lineage)[-1]
    return answer.rank in lineage or answer.lineage.get(lowest) == lineage[lowest]


def _believed(chances: np.ndarray, target: float) -> float:
    """The share of crops in the largest lot of the surest names whose mean chance reaches the target."""
    if not len(chances):
        return 0.0
    surest = np.sort(chances)[::-1]
    reaches = np.flatnonzero(np.cumsum(surest) / np.arange(1, len(surest) + 1) >= target)
    return float(reaches[-1] + 1) / len(chances) if len(reaches) else 0.0


def _refusal(folder: Path, right: np.ndarray, answers: np.ndarray, drawn: int, crops: int, target: float) -> str:
    """What was seen, and how many crops would do."""
    told = f"The {drawn:,} crops drawn and decided do not show that {target:g} of any names are right, at {CONFIDENCE:g} confidence"
    enough = np.flatnonzero(answers >= MIN_ANSWERS)
    if not len(enough):
        needed = max(MIN_ANSWERS, answers_needed(1.0, target) or 0)
        count = int(np.ceil(needed * drawn / answers.max())) if answers.max(initial=0) else needed
        told += f": {needed} sure names are the least, were all of them right"
    else:
        best = max(enough, key=lambda setting: right[setting] / answers[setting])
        found = right[best] / answers[best]
        needed = answers_needed(float(found), target)
        told += f": at best {found:.3f} of {answers[best]:,} were right"
        if needed is None:
            return f"{told}. Ask for less, or let people look at all of them."
        count = int(np.ceil(max(needed, answers[best] + 1) * drawn / answers[best]))
    if count > crops:
        return f"{told}. That takes about {count:,} crops, and the run has {crops:,}: let people look at all of them."
    return f"{told}. Draw and decide {count:,} crops or more: bioclip-search review {folder} --sample {count} --template sample.csv"
