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
    if np.isnan(scores).any():
        raise ValueError("Scores hold NaN; the embedding or the index has vectors that are no numbers.")
    highest = scores.max(axis=1, keepdims=True, initial=-np.inf)  # (b, 1)
    if not np.isfinite(highest).all():
        raise ValueError("Every taxon is left out; nothing remains to choose from.")
    np.subtract(scores, highest, out=scores)
    np.multiply(scores, np.float32(logit_scale / temperature), out=scores)
    np.exp(scores, out=scores)
    np.divide(scores, scores.sum(axis=1, keepdims=True, dtype=np.float64), out=scores, casting="same_kind")
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
    """The probability of each interval of leaves: (m,) float64.

    Leaves 0..3 with probabilities .5 .2 .2 .1 have the prefix 0 .5 .7 .9 1; the genus [1, 3) has .9 - .5 = .4.
    """
    return prefix[stop] - prefix[start]
