"""The cosines of pictures with all leaves, as few numbers as tell the loss at any temperature and any weight of a head.

Pure numpy. Leaves that the head treats alike and that lie next to each other stand as one, with their mean cosine and their number: in
bins so narrow that their exponentials' sum is off by one part in two thousand at most. A million leaves become some hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BIN_LOGITS = 0.1
"""Width of a bin: the mean of e**x over it is e**middle times 1 + width**2 / 24."""

FEW_TAUGHT = 2048
"""Taught leaves up to this many stand each for itself."""


@dataclass(frozen=True, eq=False)
class Atoms:
    """The atoms of n pictures, one after the other.

    Attributes:
        features: (m, 3) float64: s · cosine, what the head says, and 1; the last two are 0 where the leaves were not taught.
        counts: (m,) float64, the logarithm of the number of leaves.
        is_true: (m,) bool, whether the leaves are of the picture's class.
        starts: (n,) int64, the first atom of each picture.
        pictures: (b,) bool, which of the pictures that came have atoms: those whose class holds a leaf with a vector.
    """

    features: np.ndarray
    counts: np.ndarray
    is_true: np.ndarray
    starts: np.ndarray
    pictures: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def losses(self, numbers: np.ndarray) -> np.ndarray:
        """-log P of the class of each picture, (n,), with the logit `features @ numbers` of each atom's leaves."""
        logits = self.features @ numbers + self.counts
        return self._log_sums(logits)[0] - self._log_sums(np.where(self.is_true, logits, -np.inf))[0]

    def slopes(self, numbers: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The slope (3,) of the weighted loss, and the bend (3, 3) of its convex part.

        The slope of a loss is the mean of the features over all leaves less that over the true ones, the bend their covariance over all.
        """
        logits = self.features @ numbers + self.counts
        over_all = self._shares(logits)
        of_picture = np.repeat(np.arange(len(self)), np.diff(self.starts, append=len(logits)))
        counted = (weights[of_picture] * over_all)[:, None] * self.features  # (m, 3)
        means = np.add.reduceat(over_all[:, None] * self.features, self.starts)  # (n, 3)
        of_true = weights[of_picture] * self._shares(np.where(self.is_true, logits, -np.inf))
        return counted.sum(axis=0) - of_true @ self.features, counted.T @ self.features - means.T @ (weights[:, None] * means)

    def _shares(self, logits: np.ndarray) -> np.ndarray:
        sums, repeats = self._log_sums(logits)
        return np.exp(logits - np.repeat(sums, repeats))

    def _log_sums(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The logarithm of the sum of exponentials of each picture, (n,), and how many atoms it has, (n,)."""
        repeats = np.diff(self.starts, append=len(logits))
        highest = np.maximum.reduceat(logits, self.starts)
        return highest + np.log(np.add.reduceat(np.exp(logits - np.repeat(highest, repeats)), self.starts)), repeats


def atoms_of(cosines: np.ndarray, of_leaves: np.ndarray, leaves: np.ndarray, truths: np.ndarray, logit_scale: float) -> Atoms:
    """Those of b pictures.

    Args:
        cosines: (b, n) with all leaves, -inf where there is no vector.
        of_leaves: (b, t) what the head says of the leaves it was taught, NaN where it was not taught them; `leaves` (t,) which these are.
        truths: (b, 2) the leaves `[start, stop)` of the class of each.
    """
    parts, kept = [], np.zeros(len(cosines), bool)
    for number, (row, told, (start, stop)) in enumerate(zip(cosines, of_leaves, truths.tolist(), strict=True)):
        part = _of_picture(row, told, leaves, start, stop, logit_scale)
        kept[number] = bool(part[2].any())
        if kept[number]:
            parts.append(part)
    features, counts, is_true = (np.concatenate(arrays) for arrays in zip(*parts, strict=True)) if parts else (np.empty((0, 3)), np.empty(0), np.empty(0, bool))
    lengths = np.array([len(part[1]) for part in parts], np.int64)
    return Atoms(features, counts, is_true, np.cumsum(lengths) - lengths, kept)


def joined(parts: Sequence[Atoms]) -> Atoms:
    """The pictures of all parts, in order."""
    if not parts:
        return Atoms(np.empty((0, 3)), np.empty(0), np.empty(0, bool), np.empty(0, np.int64), np.empty(0, bool))
    before = np.cumsum([0, *(len(part.counts) for part in parts[:-1])])
    starts = np.concatenate([part.starts + first for part, first in zip(parts, before.tolist(), strict=True)])
    return Atoms(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "counts", "is_true")),
        starts,
        np.concatenate([part.pictures for part in parts]),
    )


def _of_picture(row: np.ndarray, told: np.ndarray, leaves: np.ndarray, start: int, stop: int, logit_scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    logits = row.astype(np.float64) * logit_scale
    is_taught = np.zeros(len(row), bool)
    is_taught[leaves[~np.isnan(told)]] = True
    is_true = np.zeros(len(row), bool)
    is_true[start:stop] = True
    has_vector = logits > -np.inf
    groups = [(has_vector & ~is_taught & (is_true == truth), truth) for truth in (False, True)]
    binned = [(*_binned(logits[mask], np.zeros(int(mask.sum()))), truth, False) for mask, truth in groups]
    heard = ~np.isnan(told) & has_vector[leaves]
    for truth in (False, True):
        mine = heard & (is_true[leaves] == truth)
        found = logits[leaves[mine]], told[mine].astype(np.float64)
        binned.append((*(_binned(*found) if mine.sum() > FEW_TAUGHT else (*found, np.zeros(int(mine.sum())))), truth, True))
    features = [np.stack([mean, says, np.full(len(mean), float(taught))], axis=1) for mean, says, _, _, taught in binned]
    counts, truths = [counts for _, _, counts, _, _ in binned], [np.full(len(mean), truth) for mean, _, _, truth, _ in binned]
    return np.concatenate(features), np.concatenate(counts), np.concatenate(truths)


def _binned(logits: np.ndarray, says: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean logit, what the head says, and the logarithm of the number, of the leaves of each bin that has any."""
    if not len(logits):
        return logits, says, logits
    different, which = (np.zeros(1), 0) if not says.any() else np.unique(says, return_inverse=True)
    place = np.floor((logits - logits.min()) / BIN_LOGITS).astype(np.int64)
    width = int(place.max()) + 1
    key = which * width + place
    numbers = np.bincount(key)
    used = np.flatnonzero(numbers)
    means = np.bincount(key, logits)[used] / numbers[used]
    return means, different[used // width], np.log(numbers[used])
