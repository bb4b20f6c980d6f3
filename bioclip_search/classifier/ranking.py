"""How well scores put the pictures of one class before all others: ROC and precision–recall, as curves and as figures with intervals.

Pure numpy. Figures take how often each picture counts, as `evaluation.resample` hands it to them; drawing is left to `plots`.

Pictures of one score are one step, as in scikit-learn. Average precision is the sum over steps of precision times the recall gained
(no interpolation: Davis and Goadrich, "The relationship between precision-recall and ROC curves", ICML 2006, say why).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bioclip_search.evaluation.resample import Figure, divided


@dataclass(frozen=True, eq=False)
class Curves:
    """Step by step from the highest score down, all (s,): the share of the others that is let in, recall, and precision."""

    false_share: np.ndarray
    recall: np.ndarray
    precision: np.ndarray


def curves(scores: np.ndarray, is_class: np.ndarray) -> Curves:
    """The curves of a class, (n,) scores and (n,) bool; they begin where nothing is let in yet.

    >>> found = curves(np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False]))
    >>> found.recall.tolist(), found.false_share.tolist(), found.precision.round(3).tolist()
    ([0.0, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 1.0], [1.0, 1.0, 0.667, 0.5])
    """
    hits, others = _steps(scores, is_class)(np.ones((1, len(scores))))
    found, let_in = np.cumsum(hits[0]), np.cumsum(others[0])
    precision = divided(found, found + let_in)
    return Curves(
        np.concatenate([[0.0], divided(let_in, let_in[-1:])]), np.concatenate([[0.0], divided(found, found[-1:])]), np.concatenate([precision[:1], precision])
    )


def auc_of(scores: np.ndarray, is_class: np.ndarray) -> Figure:
    """The area under the ROC curve: how often a picture of the class has a higher score than another; equal scores count half."""
    steps = _steps(scores, is_class)

    def figure(weights: np.ndarray) -> np.ndarray:
        hits, others = steps(weights)  # (b, s) each
        above = np.cumsum(hits, axis=1) - hits / 2
        return divided((others * above).sum(axis=1), hits.sum(axis=1) * others.sum(axis=1))

    return figure


def average_precision_of(scores: np.ndarray, is_class: np.ndarray) -> Figure:
    """The mean precision at which each picture of the class is found."""
    steps = _steps(scores, is_class)

    def figure(weights: np.ndarray) -> np.ndarray:
        hits, others = steps(weights)
        found = np.cumsum(hits, axis=1)
        precision = np.nan_to_num(divided(found, found + np.cumsum(others, axis=1)))
        return divided((hits * precision).sum(axis=1), hits.sum(axis=1))

    return figure


def mean_figure(figures: list[Figure]) -> Figure:
    """The mean of several figures, such as of all classes; draws in which one is over nothing go without it."""

    def figure(weights: np.ndarray) -> np.ndarray:
        found = np.stack([one(weights) for one in figures])  # (k, b)
        known = ~np.isnan(found)
        return divided(np.where(known, found, 0.0).sum(axis=0), known.sum(axis=0))

    return figure


def _steps(scores: np.ndarray, is_class: np.ndarray):
    """From weights, (b, n), to those of the class and of the others at each different score, the highest first: (b, s) both."""
    order = np.argsort(-scores, kind="stable")
    firsts = np.flatnonzero(np.diff(scores[order], prepend=np.inf) != 0)
    hit = is_class[order]

    def steps(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sorted_weights = weights[:, order]
        return np.add.reduceat(sorted_weights * hit, firsts, axis=1), np.add.reduceat(sorted_weights * ~hit, firsts, axis=1)

    return steps
