"""Turns what was marked picture by picture into one flat dictionary of figures, each with its interval.

Pure numpy; which answer is right is left to `verdicts`, how far off a wrong one is to `severity`, the curves to `curves`,
sister taxa to `sisters`, intervals to `resample`. Figures over nothing are left out, never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bioclip_search.evaluation.curves import Attempts, Sweep, curve_figures
from bioclip_search.evaluation.reliability import calibration_error
from bioclip_search.evaluation.resample import Figure, macro_share, mean_of, share, with_intervals
from bioclip_search.evaluation.rows import take_rows
from bioclip_search.evaluation.sisters import Calls, sister_figures
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED

PRIMARY_METRIC = "top1"


@dataclass(frozen=True, eq=False)
class Matches:
    """The best match of n pictures, all arrays (n,) or (n, ranks).

    Attributes:
        top1: bool, the best match is the label itself; `top5`: it is among the best five.
        at_rank: bool, the best match is the label or lies within it.
        listed: bool, the label stood among the candidates.
        verdicts: (n, ranks) int8 on the lineage of the best match.
        height: int8 of `severity`, of the best match.
    """

    top1: np.ndarray
    top5: np.ndarray
    at_rank: np.ndarray
    listed: np.ndarray
    verdicts: np.ndarray
    height: np.ndarray


@dataclass(frozen=True, eq=False)
class Marks:
    """What became of n pictures, all arrays (n,) or (n, ranks).

    Attributes:
        calls: The taxon of each rank with the largest summed probability, beside the label.
        chances: (n, ranks) float, the probability of each.
        depth: Number of the rank of the answer, -1 where no taxon was sure enough.
        answer: int8 verdict on that answer; `probability` its own, `information` of its taxon, `height` of `severity`.
        attempts: What would be answered at other thresholds.
        matches: The best match, where it is known.
    """

    calls: Calls
    chances: np.ndarray
    depth: np.ndarray
    answer: np.ndarray
    probability: np.ndarray
    information: np.ndarray
    height: np.ndarray
    attempts: Attempts
    matches: Matches | None = None

    def __len__(self) -> int:
        return len(self.depth)

    def take(self, rows: np.ndarray) -> Marks:
        return take_rows(self, rows)


def summarise(marks: Marks, ranks: Sequence[str], *, picture_of_row: np.ndarray | None = None) -> dict[str, float]:
    """The figures, flat; `PRIMARY_METRIC` first among the shares. All but counts have `_low` and `_high` beside them.

    `n`: pictures. `rolled_RANK`: share of the taxa with the largest summed probability that are right, over the labels that
    name the rank; with `_macro` the mean of that share over the true taxa. `ece_RANK`: the calibration error of their probabilities.
    The best match, the fallback's answers, the curves and sister taxa have their own: `_match_figures`, `_answer_figures`,
    `curves.curve_figures`, `sisters.sister_figures`.

    Args:
        picture_of_row: (n,) which picture each row is of, where one has several (crops); they are drawn together.
    """
    rows = np.arange(len(marks)) if picture_of_row is None else np.unique(picture_of_row, return_inverse=True)[1]
    pictures = int(rows.max(initial=-1)) + 1
    counts: dict[str, float] = {"n": len(marks)}
    if marks.matches is not None:
        counts["unlisted"] = int((~marks.matches.listed).sum())
    if not len(marks):
        return counts
    answered = marks.depth >= 0
    counts["answer_undecided"] = int((answered & (marks.answer == UNDECIDED)).sum())
    figures = {
        **(_match_figures(marks.matches, marks.calls.truth, ranks) if marks.matches is not None else {}),
        **_rank_figures("rolled", marks.calls.verdicts, marks.calls.truth, ranks),
        **_answer_figures(marks, ranks),
        **curve_figures(Sweep(marks.attempts)),
        **_calibration_figures(marks, ranks),
        **sister_figures(marks.calls, ranks),
    }
    return counts | with_intervals(figures, pictures, picture_of_row=None if picture_of_row is None else rows)


def _match_figures(matches: Matches, truth: np.ndarray, ranks: Sequence[str]) -> dict[str, Figure]:
    """How the best match did.

    `top1`, `top5`: the label itself is the best match, is among the best five. `top1_at_rank`: the best match is the
    label or within it. `best_RANK`: share right over the labels that name the rank. `best_severity`: mean height of its mistakes.
    """
    return {
        "top1": share(matches.top1),
        "top5": share(matches.top5),
        "top1_at_rank": share(matches.at_rank),
        **_rank_figures("best", matches.verdicts, truth, ranks),
        "best_severity": mean_of(matches.height, matches.height > 0),
    }


def _rank_figures(name: str, verdicts: np.ndarray, truth: np.ndarray, ranks: Sequence[str]) -> dict[str, Figure]:
    """Share right at each rank, over pictures and over taxa."""
    figures = {}
    for depth, rank in enumerate(ranks):
        decided = verdicts[:, depth] != UNDECIDED
        is_right = verdicts[:, depth] == RIGHT
        figures[f"{name}_{rank}"] = share(is_right, decided)
        figures[f"{name}_{rank}_macro"] = macro_share(is_right, np.where(decided, truth[:, depth], -1))
    return figures


def _answer_figures(marks: Marks, ranks: Sequence[str]) -> dict[str, Figure]:
    """How the fallback did.

    `answer_coverage`: share of pictures with an answer. `answer_accuracy`: share right of those that can be decided.
    `answer_information`: mean information gained, 0 where wrong or none, of all pictures but the undecided.
    `answer_severity`: mean height of the mistakes. `answer_depth`: mean rank of the answers, 1 the highest; no answer counts 0.
    `answered_RANK`: share of all pictures answered at it.
    """
    answered = marks.depth >= 0
    decided = answered & (marks.answer != UNDECIDED)
    is_right = decided & (marks.answer == RIGHT)
    return {
        "answer_coverage": share(answered),
        "answer_accuracy": share(is_right, decided),
        "answer_information": mean_of(np.where(is_right, marks.information, 0.0), decided | ~answered),
        "answer_severity": mean_of(marks.height, marks.height > 0),
        "answer_depth": mean_of(marks.depth + 1),
        **{f"answered_{rank}": share(marks.depth == depth) for depth, rank in enumerate(ranks)},
    }


def _calibration_figures(marks: Marks, ranks: Sequence[str]) -> dict[str, Figure]:
    """`answer_ece`, `answer_brier` of the answers' probabilities, `ece_RANK` of the most probable taxon of each rank."""
    decided = (marks.depth >= 0) & (marks.answer != UNDECIDED)
    is_right = marks.answer == RIGHT
    figures = {
        "answer_ece": calibration_error(marks.probability, is_right, decided),
        "answer_brier": mean_of((marks.probability - is_right) ** 2, decided),
    }
    for depth, rank in enumerate(ranks):
        verdicts = marks.calls.verdicts[:, depth]
        figures[f"ece_{rank}"] = calibration_error(marks.chances[:, depth], verdicts == RIGHT, verdicts != UNDECIDED)
    return figures
