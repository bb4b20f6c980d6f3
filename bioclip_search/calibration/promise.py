"""How bold a rule may be so that its promise holds: a finite-sample guarantee, whatever the distribution that pictures are drawn from, one by one.

Pure numpy over counts of right answers; which answers a rule gives is left to `evidence`.

The promise: of the names given to as many further pictures of the same kind, at least the target share is right, with
the confidence asked for. Such a lot of pictures has luck of its own, just as the labelled one; so the bound is not
on the share in the long run but on the share in that lot.
"""

from __future__ import annotations

from math import ceil

import numpy as np

CONFIDENCE = 0.95
"""How sure it shall be that a target accuracy is reached, over the draw of the labelled pictures and of the further ones."""

MIN_ANSWERS = 30
"""Answers below which a share right says nothing yet."""

FEW_ANSWERS = 0.5
"""Settings that answer less than this part of what the boldest answers prove too little to begin with, unless they would if half as many were wrong as may be."""

MANY_PICTURES = 10_000_000
"""Where more labelled pictures than this were needed, the target is out of reach."""

ROUNDING = 1e-9
"""0.95 × 100 shall not become 96 by rounding up."""


def chance_of_luck(right: int, answers: int, target: float) -> float:
    """How likely so good a lot of labelled pictures is, at most, where an equally large further lot misses the target.

    Both lots are drawn from one; its right answers that favour this mishap most are those of this lot and one fewer than the further
    one needs. Given these, the count in this lot is hypergeometric: the test of Fisher (1922), one-sided.

    >>> round(chance_of_luck(30, 30, 0.8), 4), round(chance_of_luck(24, 30, 0.8), 2)
    (0.0053, 0.5)
    """
    both = right + max(0, ceil(target * answers - ROUNDING) - 1)
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, 2 * answers + 1)))))

    def log_ways(n: int, k: np.ndarray) -> np.ndarray:
        return log_factorial[n] - log_factorial[k] - log_factorial[n - k]

    here = np.arange(right, min(answers, both) + 1)
    chances = log_ways(both, here) + log_ways(2 * answers - both, answers - here) - log_ways(2 * answers, np.array(answers))
    return float(min(1.0, np.exp(chances).sum()))


def boldest(right: np.ndarray, answers: np.ndarray, target: float, confidence: float = CONFIDENCE) -> int | None:
    """The place of the boldest setting that keeps the promise; None where no setting does.

    Settings are gone through from the most cautious. Those with few answers are passed over, however many of these are
    right. The way ends at the first that might miss the target: one that is met by luck further on is not taken.
    (Fixed-sequence testing; Angelopoulos et al., "Learn then Test", 2021, section 4.)

    Args:
        right: (s,) int, right answers at each setting, the most cautious first; `answers` (s,) those in all.
    """
    found = None
    for setting in np.flatnonzero(answers >= enough_answers(answers, target, confidence)):
        if chance_of_luck(int(right[setting]), int(answers[setting]), target) > 1 - confidence:
            break
        found = int(setting)
    return found


def enough_answers(answers: np.ndarray, target: float, confidence: float = CONFIDENCE) -> float:
    """How many answers a setting must give to be looked at; hangs on their numbers only, (s,), not on which are right."""
    plenty = answers_needed((1 + target) / 2, target, confidence) or MANY_PICTURES
    return max(MIN_ANSWERS, min(plenty, FEW_ANSWERS * answers.max(initial=0)))


def answers_needed(share_right: float, target: float, confidence: float = CONFIDENCE) -> int | None:
    """How many answers, of which this share is right, would keep the promise; None where no number would.

    >>> answers_needed(1.0, 0.95), answers_needed(0.97, 0.95), answers_needed(0.9, 0.95)
    (80, 540, None)
    """
    if share_right <= target:
        return None
    high = MIN_ANSWERS
    while not _is_kept(share_right, high, target, confidence):
        high *= 2
        if high > MANY_PICTURES:
            return None
    low = high // 2
    while low + 1 < high:  # the test is not quite monotone in n, for counts are whole; near enough for advice
        middle = (low + high) // 2
        low, high = (low, middle) if _is_kept(share_right, middle, target, confidence) else (middle, high)
    return high


def _is_kept(share_right: float, answers: int, target: float, confidence: float) -> bool:
    return chance_of_luck(round(share_right * answers), answers, target) <= 1 - confidence
