"""Turns what was marked picture by picture into one flat dictionary of figures.

Pure numpy; which answer is right is left to `verdicts`. Figures over nothing are left out, never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED

PRIMARY_METRIC = "top1"

CALIBRATION_BINS = 15
"""Bins of the expected calibration error, as usual since Guo et al., "On Calibration of Modern Neural Networks", 2017."""


@dataclass(frozen=True, eq=False)
class Marks:
    """What became of n pictures, all arrays (n,) or (n, ranks).

    Attributes:
        top1: bool, the best match is the label itself; `top5`: it is among the best five.
        at_rank: bool, the best match is the label or lies within it.
        listed: bool, the label stood among the candidates.
        best: (n, ranks) int8 verdict on the lineage of the best match.
        rolled: (n, ranks) int8 verdict on the taxon of each rank with the largest summed probability.
        depth: Number of the rank of the answer, -1 where no taxon was sure enough.
        answer: int8 verdict on that answer; `probability` its own.
    """

    top1: np.ndarray
    top5: np.ndarray
    at_rank: np.ndarray
    listed: np.ndarray
    best: np.ndarray
    rolled: np.ndarray
    depth: np.ndarray
    answer: np.ndarray
    probability: np.ndarray

    def __len__(self) -> int:
        return len(self.top1)

    def take(self, rows: np.ndarray) -> Marks:
        return Marks(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def join_marks(parts: Sequence[Marks]) -> Marks:
    """The marks of all pictures, in order; at least one part is needed."""
    return Marks(**{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Marks)})


def summarise(marks: Marks, ranks: Sequence[str]) -> dict[str, float]:
    """The figures, flat; `PRIMARY_METRIC` first among the shares.

    `n`, `unlisted`: pictures, and those whose label was no candidate. `top1`, `top5`: the label itself is the best match,
    is among the best five. `top1_at_rank`: the best match is the label or within it. `best_RANK`, `rolled_RANK`: share right
    over the labels that name the rank. `answer_…`: of the fallback's answers (see `_answer_figures`).
    """
    figures = {"n": len(marks), "unlisted": int((~marks.listed).sum())}
    if not len(marks):
        return figures
    figures |= {"top1": _share(marks.top1), "top5": _share(marks.top5), "top1_at_rank": _share(marks.at_rank)}
    for name, verdicts in (("best", marks.best), ("rolled", marks.rolled)):
        for depth, rank in enumerate(ranks):
            decided = verdicts[:, depth] != UNDECIDED
            if decided.any():
                figures[f"{name}_{rank}"] = _share(verdicts[decided, depth] == RIGHT)
    return figures | _answer_figures(marks, ranks)


def expected_calibration_error(probability: np.ndarray, is_right: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """The mean distance between probability and share right, over bins of equal width ((0, 1/15], …), weighted by count.

    Args:
        probability: (n,) from 0 to 1, n at least 1; 0 falls into the first bin.
        is_right: (n,) bool.

    >>> expected_calibration_error(np.array([0.9, 0.9, 0.5]), np.array([True, False, True])).__round__(4)
    0.4333
    """
    which = np.clip(np.ceil(probability * bins).astype(int) - 1, 0, bins - 1)  # (n,)
    gap = np.bincount(which, probability - is_right, minlength=bins)  # (bins,) summed, not yet divided by n
    return float(np.abs(gap).sum() / len(probability))


def brier_score_loss(probability: np.ndarray, is_right: np.ndarray) -> float:
    """The mean squared distance between probability and outcome, 0 at best."""
    return float(np.mean((probability - is_right) ** 2))


def _answer_figures(marks: Marks, ranks: Sequence[str]) -> dict[str, float]:
    """How the fallback did.

    `answer_coverage`: share of pictures with an answer. `answer_accuracy`: share right of those that can be decided.
    `answer_undecided`: pictures that cannot. `answer_depth`: mean rank of the answers, 1 the highest; no answer counts 0.
    `answered_RANK`: share of all pictures answered at it. `answer_ece`, `answer_brier`: of the answers' probabilities.
    """
    answered = marks.depth >= 0
    decided = answered & (marks.answer != UNDECIDED)
    is_right = marks.answer[decided] == RIGHT
    figures = {
        "answer_coverage": _share(answered),
        "answer_undecided": int((answered & ~decided).sum()),
        "answer_depth": round(float(np.mean(marks.depth + 1)), 4),
    }
    if decided.any():
        figures["answer_accuracy"] = _share(is_right)
        figures["answer_ece"] = round(expected_calibration_error(marks.probability[decided], is_right), 4)
        figures["answer_brier"] = round(brier_score_loss(marks.probability[decided], is_right), 4)
    return figures | {f"answered_{rank}": _share(marks.depth == depth) for depth, rank in enumerate(ranks)}


def _share(hits: np.ndarray) -> float:
    return round(float(np.mean(hits)), 4)
