"""The number that scores are multiplied by to become logits, found on pictures that did not make them.

Pure numpy.
"""

from __future__ import annotations

import numpy as np

SCALES = np.geomspace(0.5, 512, 41)
"""Scales tried, each 19 % above the one before."""

SCALE_OF_ONE = 16.0
"""Where no class has two pictures, so that none can be left out: cosines of prototypes of one picture each."""


def fit_scale(scores: np.ndarray, of: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The scale with the least log loss, of equal ones the smallest; and that loss, in nats.

    Args:
        scores: (n, k) of pictures left out of what they are compared with; a row with NaN does not count.
        of: (n,) the class of each.
        weights: (n,) how much each counts.
    """
    counted = np.flatnonzero(np.isfinite(scores).all(axis=1))
    if not len(counted):
        return SCALE_OF_ONE, float("nan")
    found, own = scores[counted], scores[counted, of[counted]]
    above = found - found.max(axis=1, keepdims=True)  # (m, k)
    behind = found.max(axis=1) - own
    losses = [np.average(np.log(np.exp(scale * above).sum(axis=1)) + scale * behind, weights=weights[counted]) for scale in SCALES]
    least = int(np.argmin(losses))
    return float(SCALES[least]), float(losses[least])
