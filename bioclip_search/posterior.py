"""From cosines to the probability of every leaf, and from there to that of every taxon above.

Pure numpy; what is decided with the probabilities is left to `fallback`.
"""

from __future__ import annotations

import numpy as np


def leaf_probabilities(scores: np.ndarray, logit_scale: float, temperature: float = 1.0) -> np.ndarray:
    """The softmax of `scores * logit_scale / temperature` over each row.

    Args:
        scores: (b, n) float32 cosines; -inf where a leaf is left out. Overwritten with the result.
        logit_scale: The factor that the encoder was trained with (CLIP's `exp(logit_scale)`).
        temperature: Above 1 flattens, below 1 sharpens.

    Returns:
        (b, n) float32, each row summing to one.

    Raises:
        ValueError: A score is NaN, or a row leaves out every leaf.
    """
    for row in scores:  # row by row, for a million leaves fit into the CPU's cache and a batch of them does not
        highest = row.max(initial=-np.inf)  # NaN if any is
        if np.isnan(highest):
            raise ValueError("Scores hold NaN; the embedding or the index has vectors that are no numbers.")
        if not np.isfinite(highest):
            raise ValueError("Every taxon is left out; nothing remains to choose from.")
        np.subtract(row, highest, out=row)
        np.multiply(row, np.float32(logit_scale / temperature), out=row)
        np.exp(row, out=row)
        np.divide(row, np.float32(row.sum(dtype=np.float64)), out=row)
    return scores


def prefix_mass(probabilities: np.ndarray) -> np.ndarray:
    """The mass before each leaf: (n,) → (n + 1,) float64, from 0 to 1.

    Subtle: float64, for differences of float32 prefix sums over a million leaves lose the small masses.
    """
    prefix = np.empty(len(probabilities) + 1, np.float64)
    prefix[0] = 0.0
    np.cumsum(probabilities, dtype=np.float64, out=prefix[1:])
    return prefix


def roll_up(prefix: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """The probability of each interval of leaves: (m,) float64. No two intervals share a leaf.

    Leaves 0..3 with probabilities .5 .2 .2 .1 have the prefix 0 .5 .7 .9 1; the genus [1, 3) has .9 - .5 = .4.
    """
    if len(start) == len(prefix) - 1:  # every leaf is a taxon of its own
        return np.diff(prefix)
    return prefix[stop] - prefix[start]
