"""What a rule gains and what it risks as it grows bolder: the curves over all thresholds, and the areas and points of them.

Pure numpy over the attempts of a rule; how these come about is left to `fallback` and `calibration`, drawing to `report`.

A *sweep* lowers the threshold from above every attempt. A picture has no answer at first; each time the threshold falls
to the reach of one of its attempts, that becomes its answer. Only these steps change anything, so all points of all
curves are running sums over the steps in order, as Valmadre does it ("Hierarchical Classification at Multiple Operating
Points", NeurIPS 2022, and `operating_curve` in the author's code).

Information of a taxon is that of `fallback`: how much of the question which leaf it is the taxon answers. Hierarchical
risk and coverage are those of Goren et al., "Hierarchical Selective Classification", NeurIPS 2024, checked against
`compute_hier_rc_curve` in the authors' code: coverage is the mean information of the answers, right or wrong; risk is the
share of pictures whose answer is wrong, where no answer (their root) is never wrong; hAURC is the area under risk over
coverage by the trapezium rule. The operating curve is that of information gained, the mean over pictures of what right
answers tell, against correctness, the share of answers that are right. Our choices, where theirs say nothing:

1. An answer that the label cannot decide is left out of the risk, from above and below, but its information counts in the
   coverage, which is no matter of labels.
2. The area is taken along the sweep. Where coverage only grows as the threshold falls, as it does in climbing from a
   leaf, that is their area; a step back is taken off again.
3. In a tree of one leaf that leaf has the information of any leaf, 1.
4. Areas can be compared only over the same coverage. So whoever makes the attempts lets the boldest be the most probable
   species, as climbing does where all leaves are species, though a rule that weighs might never give it (`marking`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bioclip_search.evaluation.resample import Figure, divided
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG

TARGETS = (0.8, 0.9, 0.95)
"""Accuracies at which the information gained is told."""

SMALL = 1e-9
"""Slack in comparing shares, which are sums of float64."""


@dataclass(frozen=True, eq=False)
class Attempts:
    """What a rule would answer for n pictures as its threshold rises: the answer at t is the first attempt with reach ≥ t.

    All arrays (n, k); rows with fewer attempts are padded with a reach of 0, which is no attempt.

    Attributes:
        reach: float, the highest threshold at which the attempt still stands.
        verdicts: int8 of `verdicts`.
        depths: int, the number of the rank.
        information: float from 0 to 1, of the taxon attempted, right or wrong.
    """

    reach: np.ndarray
    verdicts: np.ndarray
    depths: np.ndarray
    information: np.ndarray

    def __post_init__(self) -> None:
        if np.isnan(self.reach).any() or np.isnan(self.information).any():
            raise ValueError("Attempts hold NaN; a reach is a number up to 1, and 0 where there is no attempt.")

    def __len__(self) -> int:
        return len(self.reach)


@dataclass(frozen=True, eq=False)
class Points:
    """The points of a sweep, p of them, for each of b draws: all arrays (b, p) but `thresholds`, (p,) from +inf downwards.

    Attributes:
        answered: Share of pictures with an answer.
        coverage: Mean information of the answers, over all pictures.
        risk: Share with a wrong answer, of the pictures that can be decided.
        accuracy: Share right, of the answers that can be decided; NaN where there is none.
        gained: Mean information of right answers, of the pictures that can be decided.
    """

    thresholds: np.ndarray
    answered: np.ndarray
    coverage: np.ndarray
    risk: np.ndarray
    accuracy: np.ndarray
    gained: np.ndarray


class Sweep:
    """The steps of a sweep over attempts, sorted once and summed for any draw of the pictures."""

    def __init__(self, attempts: Attempts):
        before = np.maximum.accumulate(np.pad(attempts.reach, ((0, 0), (1, 0)))[:, :-1], axis=1)  # (n, k) the highest reach before each
        is_step = attempts.reach > before  # only these are ever answers
        pictures, columns = np.nonzero(is_step)  # row by row, in each by rising reach
        reach = attempts.reach[pictures, columns]
        order = np.argsort(-reach, kind="stable")
        self._pictures, reach = pictures[order], reach[order]
        last = np.append(np.flatnonzero(np.diff(reach)), len(reach) - 1)[: len(reach)]
        self._last = last + 1  # the steps done at each point; equal reaches are one point
        self.thresholds = np.concatenate(([np.inf], reach[last]))
        verdicts = attempts.verdicts[pictures, columns]
        information = attempts.information[pictures, columns].astype(np.float64)
        is_last = np.append(pictures[1:] != pictures[:-1], True)[: len(pictures)]  # nothing stood before it

        def change(value: np.ndarray) -> np.ndarray:
            """What each step adds: its value less that of the attempt that it replaces."""
            replaced = np.where(is_last, 0.0, np.append(value[1:], 0.0)[: len(value)])
            return (value - replaced)[order]

        self._answered = change(np.ones(len(pictures)))
        self._coverage = change(information)
        self._right = change(np.where(verdicts == RIGHT, 1.0, 0.0))
        self._wrong = change(np.where(verdicts == WRONG, 1.0, 0.0))
        self._undecided = change(np.where(verdicts == UNDECIDED, 1.0, 0.0))
        self._gained = change(np.where(verdicts == RIGHT, information, 0.0))

    def points(self, weights: np.ndarray) -> Points:
        """All points, for (b, n) counts of the pictures."""
        total = weights.sum(axis=1, keepdims=True)  # (b, 1)
        counted = weights[:, self._pictures]  # (b, steps)
        right, wrong = self._summed(counted, self._right), self._summed(counted, self._wrong)
        decidable = total - self._summed(counted, self._undecided)
        decidable[decidable < SMALL] = 0
        return Points(
            thresholds=self.thresholds,
            answered=divided(self._summed(counted, self._answered), total),
            coverage=divided(self._summed(counted, self._coverage), total),
            risk=np.nan_to_num(divided(wrong, decidable)),
            accuracy=divided(right, np.where(right + wrong < SMALL, 0, right + wrong)),
            gained=np.nan_to_num(divided(self._summed(counted, self._gained), decidable)),
        )

    def _summed(self, counted: np.ndarray, change: np.ndarray) -> np.ndarray:
        """The running sums at the points, (b, p); the first is before every step."""
        sums = np.cumsum(counted * change, axis=1)
        return np.concatenate([np.zeros((len(counted), 1)), sums[:, self._last - 1]], axis=1)


def haurc(points: Points) -> np.ndarray:
    """The area under risk over coverage, (b,): 0 at best; choices 1 to 3 above."""
    return (np.diff(points.coverage) * (points.risk[:, 1:] + points.risk[:, :-1]) / 2).sum(axis=1)


def information_at(points: Points, target: float) -> np.ndarray:
    """The most information gained at any threshold whose answers are right at least so often, (b,); 0 where none is: no answer.

    Subtle: the threshold is sought on the same pictures, so this says what a rule could do, not what it promises.
    """
    reaches = np.nan_to_num(points.accuracy, nan=0.0) >= target - SMALL
    return np.where(reaches, points.gained, 0.0).max(axis=1)


def curve_figures(sweep: Sweep) -> dict[str, Figure]:
    """`haurc`, and `information_at_80` and so on for each of `TARGETS`; one pass over a draw serves them all."""
    kept: list[tuple[np.ndarray, Points]] = []

    def points(weights: np.ndarray) -> Points:
        if not kept or kept[0][0] is not weights:
            kept[:] = [(weights, sweep.points(weights))]
        return kept[0][1]

    at_targets = {f"information_at_{target:.0%}".rstrip("%"): lambda weights, target=target: information_at(points(weights), target) for target in TARGETS}
    return {"haurc": lambda weights: haurc(points(weights)), **at_targets}


def curve_record(attempts: Attempts, most: int = 100) -> dict[str, list[float | None]]:
    """The curves of all pictures as lists of at most so many points, for a file: only JSON types, None where there is no number."""
    points = Sweep(attempts).points(np.ones((1, len(attempts))))
    kept = thinned(points, most)
    columns = {"threshold": points.thresholds[kept]}
    columns |= {name: getattr(points, name)[0][kept] for name in ("answered", "coverage", "risk", "accuracy", "gained")}
    return {name: [round(value, 4) if np.isfinite(value) else None for value in column.tolist()] for name, column in columns.items()}


def thinned(points: Points, most: int = 200) -> np.ndarray:
    """The numbers of at most so many points, the first and the last among them, evenly spaced in coverage: enough to draw."""
    count = len(points.thresholds)
    if count <= most:
        return np.arange(count)
    wanted = np.linspace(0, 1, most - 1)
    reach = np.maximum.accumulate(points.coverage[0])
    found = np.searchsorted(reach, wanted * reach[-1])
    return np.unique(np.concatenate([np.minimum(found, count - 1), [0, count - 1]]))
