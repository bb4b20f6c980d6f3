"""The chance that the best taxon of a rank is the right one, learned from labelled pictures.

Pure numpy. A probability only says how a taxon compares with all others in the index; whether it is right also shows in
how the ranks above and below compare, in how well the best name matches at all, and in how large the taxon is, for a sum
over many leaves favours large taxa. A logistic regression per rank weighs these; where pictures are few it stays with the probability.

Tried on pictures kept back from the starter, at 90 % right, where a judge raises the mean information told from 0.484 to
0.531: without what taxa tell it reaches 0.521; a prior that favours leaves of small families or genera costs up to
0.015 and one that favours large ones gains 0.002; a temperature per rank costs 0.02.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED

LEAST = 1e-4
"""Probabilities nearer to 0 or 1 are taken for this far: what lies beyond is no matter of pictures."""

SHRINKAGE = 10.0
"""Weight of the squared coefficients beside the summed log loss: the best of 1, 3, 10 and 30 for sixty pictures, and as good as any for more."""

SCALE_OF_SCORE = 10.0
"""A cosine's differences are small beside those of logits."""

STEPS = 100
ENOUGH = 1e-7
"""Newton's method ends after so many steps, or when a step gains less than this."""


@dataclass(frozen=True, eq=False)
class Judge:
    """Corrections to the logits of the probabilities, linear in what is known of a picture.

    Attributes:
        weights: (ranks, f + 1) float64, of the f features and 1.
        mean: (f,) of the pictures it was taught, `spread` (f,).
    """

    weights: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    def __call__(self, probability: np.ndarray, information: np.ndarray, best_score: np.ndarray) -> np.ndarray:
        """The chance of being right at each rank: (n, ranks), no lower rank with a better one than a higher; 0 where there is no taxon.

        Args:
            probability: (n, ranks) of the most probable taxon of each rank, `information` (n, ranks) of it; `best_score` (n,) cosines.
        """
        features = _features(probability, information, best_score)  # (n, f)
        known = np.column_stack([(features - self.mean) / self.spread, np.ones(len(features))])  # (n, f + 1)
        chance = _sigmoid(_logit(probability) + known @ self.weights.T)  # (n, ranks)
        chance = np.maximum.accumulate(chance[:, ::-1], axis=1)[:, ::-1]
        return np.where(probability > 0, chance, 0.0)


def teach_judge(probability: np.ndarray, information: np.ndarray, best_score: np.ndarray, verdicts: np.ndarray) -> Judge:
    """The judge with the least log loss on labelled pictures, (n, ranks) each but `best_score`, (n,); any n, even 0.

    The undecided do not count.
    """
    features = _features(probability, information, best_score)
    mean, spread = (features.mean(axis=0), features.std(axis=0)) if len(features) else (np.zeros(features.shape[1]), np.ones(features.shape[1]))
    spread = np.where(spread > LEAST, spread, 1.0)
    known = np.column_stack([(features - mean) / spread, np.ones(len(features))])
    weights = np.zeros((probability.shape[1], known.shape[1]))
    for rank in range(len(weights)):
        rows = verdicts[:, rank] != UNDECIDED
        weights[rank] = _fitted(known[rows], _logit(probability[rows, rank]), verdicts[rows, rank] == RIGHT)
    return Judge(weights, mean, spread)


def _fitted(known: np.ndarray, offset: np.ndarray, is_right: np.ndarray) -> np.ndarray:
    """The weights of a logistic regression that adds to the offset, by Newton's method with halved steps."""
    penalty = np.full(known.shape[1], SHRINKAGE)
    penalty[-1] = 1.0  # what holds for all pictures alike is learned from fewer

    def loss(weights: np.ndarray) -> float:
        logit = offset + known @ weights
        return float(np.sum(np.logaddexp(0, logit) - is_right * logit) + 0.5 * np.sum(penalty * weights**2))

    weights = np.zeros(known.shape[1])
    for _ in range(STEPS):
        chance = _sigmoid(offset + known @ weights)
        gradient = known.T @ (chance - is_right) + penalty * weights
        curvature = (known * (chance * (1 - chance))[:, None]).T @ known + np.diag(penalty)
        step, before, length = np.linalg.solve(curvature, gradient), loss(weights), 1.0
        while loss(weights - length * step) > before and length > ENOUGH:
            length /= 2
        weights = weights - length * step
        if before - loss(weights) < ENOUGH:
            break
    return weights


def features_of(ranks: int) -> int:
    """How many things are known of a picture in a tree of so many ranks."""
    return 2 * ranks + 1


def _features(probability: np.ndarray, information: np.ndarray, best_score: np.ndarray) -> np.ndarray:
    """The logits of all ranks, what their taxa tell, and the best cosine: (n, 2 ranks + 1)."""
    return np.column_stack([_logit(probability), information, np.asarray(best_score) * SCALE_OF_SCORE])


def _logit(probability: np.ndarray) -> np.ndarray:
    kept = np.clip(probability, LEAST, 1 - LEAST)
    return np.log(kept / (1 - kept))


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * logit))
