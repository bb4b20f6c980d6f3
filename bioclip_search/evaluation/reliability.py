"""Whether a stated chance can be taken at its word: the share right among answers of the same probability.

Pure numpy; whose probabilities these are is left to `measures`, drawing to `report`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bioclip_search.evaluation.resample import Figure, divided

CALIBRATION_BINS = 15
"""Bins of the expected calibration error, as usual since Guo et al., "On Calibration of Modern Neural Networks", 2017."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins of equal width from 0 to 1, all arrays (bins,); empty bins hold NaN.

    Attributes:
        pictures: How many fall into each.
        stated: The mean probability of each; `right`: the share right.
    """

    pictures: np.ndarray
    stated: np.ndarray
    right: np.ndarray


def reliability(probability: np.ndarray, is_right: np.ndarray, bins: int = CALIBRATION_BINS) -> Reliability:
    """The bins of a reliability diagram.

    Args:
        probability: (n,) from 0 to 1; 0 falls into the first bin, an edge into the bin below it.
        is_right: (n,) bool.

    Raises:
        ValueError: A probability is NaN.
    """
    which = _bins_of(probability, bins)
    pictures = np.bincount(which, minlength=bins)
    return Reliability(
        pictures=pictures,
        stated=divided(np.bincount(which, probability, minlength=bins), pictures),
        right=divided(np.bincount(which, is_right, minlength=bins), pictures),
    )


def expected_calibration_error(probability: np.ndarray, is_right: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """The mean distance between probability and share right, over bins of equal width ((0, 1/15], …), weighted by count.

    Args:
        probability: (n,) from 0 to 1, n at least 1; 0 falls into the first bin.
        is_right: (n,) bool.

    Raises:
        ValueError: A probability is NaN.

    >>> expected_calibration_error(np.array([0.9, 0.9, 0.5]), np.array([True, False, True])).__round__(4)
    0.4333
    """
    return float(calibration_error(probability, is_right, bins=bins)(np.ones((1, len(probability))))[0])


def calibration_error(probability: np.ndarray, is_right: np.ndarray, of: np.ndarray | None = None, bins: int = CALIBRATION_BINS) -> Figure:
    """`expected_calibration_error` as a figure of the pictures `of`, (n,) bool."""
    rows = np.arange(len(probability)) if of is None else np.flatnonzero(of)
    which = _bins_of(probability[rows], bins)
    gaps = np.zeros((len(rows), bins))
    gaps[np.arange(len(rows)), which] = probability[rows] - is_right[rows]

    def figure(weights: np.ndarray) -> np.ndarray:
        counted = weights[:, rows]
        return divided(np.abs(counted @ gaps).sum(axis=1), counted.sum(axis=1))

    return figure


def _bins_of(probability: np.ndarray, bins: int) -> np.ndarray:
    if np.isnan(probability).any():
        raise ValueError("Probabilities hold NaN; each must be a number from 0 to 1.")
    return np.clip(np.ceil(probability * bins).astype(int) - 1, 0, bins - 1)
