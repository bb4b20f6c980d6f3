"""What labelled pictures show of an index: how probable the best taxon of every rank was, and whether it was right.

Numpy only, small enough to be kept: from it any target accuracy, with any limits on the rank, is promised or refused
without looking at a picture again. How sure a promise is, is left to `promise`; files to `record`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from bioclip_search.calibration.promise import CONFIDENCE, MIN_ANSWERS, answers_needed, boldest
from bioclip_search.errors import NotCalibratedError
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, Lineages, judge_answers
from bioclip_search.fallback import Judge, Row, Step, information, weigh, weights_of
from bioclip_search.taxonomy import Taxonomy

CAUTIONS = np.round(np.arange(100, 0, -1) / 100, 2)
"""Cautions tried, highest first: finer than a thousand pictures can tell apart."""

SHARE_FOR_TEACHING = 0.4
"""The temperature and the judge are fitted on this share of the labelled pictures, and the evidence is what the others show: a promise is exact
only for numbers that were chosen without them."""

UNLIKE = 0.01
"""Share of the labelled pictures whose best match is poorer than what still counts as a picture of their kind."""


@dataclass(frozen=True, eq=False)
class Setting:
    """The boldest weighing that keeps a promise, and what it rests on.

    Attributes:
        coverage: Share of the labelled pictures that get an answer.
        information: Mean information of the right answers over all pictures, from 0 to 1.
        answered: For each rank the share of pictures answered at it.
    """

    target: float
    caution: float
    answers: int
    right: int
    coverage: float
    information: float
    answered: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Evidence:
    """n labelled pictures against a tree; all arrays (n, ranks) but `best_score`, (n,).

    Attributes:
        probability: Of the most probable taxon of each rank, 0 where there is none.
        leaves: How many leaves that taxon holds.
        verdicts: int8 of `verdicts` on it.
        best_score: The cosine with the best match.
        chance: That the taxon is the right one, as a judge has it; None where none was asked and the probability stands for it.
    """

    probability: np.ndarray
    leaves: np.ndarray
    verdicts: np.ndarray
    best_score: np.ndarray
    leaves_in_all: int
    chance: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.best_score)

    @cached_property
    def information(self) -> np.ndarray:
        return information(np.maximum(self.leaves, 1), self.leaves_in_all)

    @property
    def chances(self) -> np.ndarray:
        """How likely the taxon of each rank is right, as far as is known."""
        return self.probability if self.chance is None else self.chance

    def take(self, rows: np.ndarray) -> Evidence:
        return replace(self, **{name: array[rows] for name, array in _arrays(self).items()})

    def judged(self, judge: Judge | None) -> Evidence:
        """The same pictures as a judge sees them."""
        return replace(self, chance=judge(self.probability, self.information, self.best_score) if judge else None)

    def chosen(self, caution: float, target: float, depths: Sequence[int] | None = None) -> np.ndarray:
        """The rank that each picture is answered at, (n,) int64, -1 without an answer; as `fallback.Weighing` would."""
        chances = self.chances
        if depths is not None:
            chances = np.where(np.isin(np.arange(chances.shape[1]), list(depths)), chances, 0.0)
        return weigh(chances, weights_of(self.information, caution), caution * target)

    def setting(self, target: float, *, depths: Sequence[int] | None = None, confidence: float = CONFIDENCE) -> Setting:
        """The boldest caution with which the target is promised.

        Args:
            depths: The numbers of the ranks that may be answered at.

        Raises:
            NotCalibratedError: No caution keeps the promise; says how many labelled pictures might.
        """
        chosen = np.stack([self.chosen(caution, target, depths) for caution in CAUTIONS])  # (s, n)
        rows = np.arange(len(self))
        verdicts = np.where(chosen >= 0, self.verdicts[rows, chosen], UNDECIDED)  # (s, n)
        right, answers = (verdicts == RIGHT).sum(axis=1), (verdicts != UNDECIDED).sum(axis=1)
        place = boldest(right, answers, target, confidence)
        if place is None:
            raise NotCalibratedError(self._refusal(right, answers, target, confidence))
        return Setting(
            target=target,
            caution=float(CAUTIONS[place]),
            answers=int(answers[place]),
            right=int(right[place]),
            coverage=float(np.mean(chosen[place] >= 0)),
            information=float(np.mean(np.where(verdicts[place] == RIGHT, self.information[rows, chosen[place]], 0.0))),
            answered=tuple(float(np.mean(chosen[place] == depth)) for depth in range(self.probability.shape[1])),
        )

    def is_unlike(self, best_score: float) -> bool:
        """Whether a picture's best match is so poor that hardly any labelled picture had one like it."""
        return best_score < self._poorest

    @cached_property
    def _poorest(self) -> float:
        return float(np.quantile(self.best_score, UNLIKE))

    def _refusal(self, right: np.ndarray, answers: np.ndarray, target: float, confidence: float) -> str:
        """What was seen, and how many pictures would do."""
        told = f"The {len(self):,} labelled pictures that did not teach do not show that {target:g} of the names would be right, at {confidence:g} confidence"
        some, most = np.flatnonzero(answers >= MIN_ANSWERS), int(answers.max(initial=0))
        if not most:
            return f"{told}: none of them gets an answer that can be judged. Do their labels name taxa of this index?"
        if not len(some):
            needed = max(MIN_ANSWERS, answers_needed(1.0, target, confidence) or 0)
            return f"{told}: {most} of them get an answer that can be judged, and {needed} must, were all of them right. Calibrate on at least {self._in_all(needed / most):,}."
        place = max(some, key=lambda setting: right[setting] / answers[setting])
        share = right[place] / answers[place]
        needed = answers_needed(float(share), target, confidence)
        if needed is None:
            return f"{told}: at best {share:.3f} of {answers[place]:,} names were right. Ask for less, or use an index that knows these organisms better."
        pictures = self._in_all(max(needed, answers[place] + 1) / answers[place])
        return f"{told}: at best {share:.3f} of {answers[place]:,} names were right. Calibrated on about {pictures:,} pictures it might be promised; or ask for less."

    def _in_all(self, times: float) -> int:
        """How many pictures, those that teach included, give so many times this evidence."""
        return int(np.ceil(times * len(self) / (1 - SHARE_FOR_TEACHING)))


def evidence_of(probabilities: np.ndarray, best_score: np.ndarray, truths: Lineages, taxonomy: Taxonomy, lineages: Lineages) -> Evidence:
    """The evidence of b pictures.

    Args:
        probabilities: (b, n) of the leaves; `best_score` (b,).
        lineages: Those of the leaves, numbered as `truths` are.
    """
    rows = [Row(row, taxonomy.levels) for row in probabilities]
    best = [[row.best(depth) for depth in range(len(taxonomy.ranks))] for row in rows]
    return evidence_of_steps(best, best_score, truths, taxonomy, lineages)


def evidence_of_steps(
    steps: Sequence[Sequence[Step | None]], best_score: np.ndarray, truths: Lineages, taxonomy: Taxonomy, lineages: Lineages, width: int | None = None
) -> Evidence:
    """As `evidence_of`, of up to k taxa for each of b pictures, in the columns where they stand; k is that of the ranks unless given."""
    shape = (len(steps), width or len(taxonomy.ranks))
    chance, leaves, verdicts = np.zeros(shape), np.ones(shape, np.int64), np.full(shape, UNDECIDED)
    for i, of_picture in enumerate(steps):
        columns = [column for column, step in enumerate(of_picture) if step]
        known = [of_picture[column] for column in columns]
        starts, stops = np.array([(taxonomy.levels[step.depth].start[step.number], taxonomy.levels[step.depth].stop[step.number]) for step in known]).T
        chance[i, columns] = [step.probability for step in known]
        leaves[i, columns] = stops - starts
        verdicts[i, columns] = judge_answers(lineages.take(starts), np.array([step.depth for step in known]), truths.take([i] * len(known)))
    return Evidence(chance, leaves, verdicts, np.asarray(best_score, np.float64), len(taxonomy))


def join_evidence(parts: Sequence[Evidence]) -> Evidence:
    """That of all pictures, in order; at least one part is needed."""
    return replace(parts[0], **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _arrays(parts[0])})


def _arrays(evidence: Evidence) -> dict[str, np.ndarray]:
    told = {field.name: getattr(evidence, field.name) for field in fields(evidence)}
    return {name: array for name, array in told.items() if isinstance(array, np.ndarray)}
