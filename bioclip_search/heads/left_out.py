"""What a head would say of the very pictures that taught it, each left out together with all that belongs to it: its burst, its mirror image.

Pure numpy, in closed form: no head is taught anew. Subtle: a picture whose mirror image goes on teaching is told far too well.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

JUST_OVER_ONE = 1 + 1e-9
"""In place of 1 where a group is all that was taught, and taking it away would divide by nought."""


def of_prototypes(moved: np.ndarray, of: np.ndarray, weights: np.ndarray, sums: np.ndarray, held: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The scores of each picture with all classes, (n, k), its own class being the mean of its other groups; NaN where it has none.

    Subtle: the mean that was taken off holds the picture still, by one part in n.

    Args:
        moved: (n, d) what is averaged.
        of, weights, groups: (n,) the class, the weight and the group of each.
        sums: (k, d) of the classes, weighted.
        held: (k,) the weight of each class.
    """
    centres = sums / held[:, None]
    scores = moved @ centres.T - (centres**2).sum(axis=1) / 2  # (n, k), half the squared distance but for a constant
    together, is_alone = groups_in_classes(of, groups, len(held))
    own, own_weight = np.zeros((int(together.max()) + 1, moved.shape[1])), np.bincount(together, weights)
    np.add.at(own, together, moved * weights[:, None])
    rest = np.where(is_alone, np.nan, held[of] - own_weight[together])
    others = (sums[of] - own[together]) / rest[:, None]  # (n, d)
    scores[np.arange(len(of)), of] = (moved * others).sum(axis=1) - (others**2).sum(axis=1) / 2
    return scores


def of_ridge(
    turned: np.ndarray, toward: np.ndarray, spread: np.ndarray, targets: np.ndarray, base: np.ndarray, weights: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """What is foretold of each picture by all the other groups, (n, k).

    What is left unexplained of a group by the others is (I - UU')⁻¹ times what is by all, U being what its pictures add to the fit: for one
    picture the rule of Allen, "The relationship between variable selection and data augmentation", Technometrics 1974.

    Args:
        turned: (n, d) the pictures along the axes of their spread, times the root of their weight.
        toward: (d, k) their products with the targets.
        spread: (d,) along each axis, the penalty with it.
        targets: (n, k), and `base` (k,) their mean.
        weights, groups: (n,) the weight and the group of each.
    """
    root = np.sqrt(weights)[:, None]
    added = np.concatenate([turned / np.sqrt(spread), root / np.sqrt(weights.sum())], axis=1)  # (n, d + 1), the last for the mean
    rest = (targets - base) * root - turned @ (toward / spread[:, None])  # (n, k)
    left_out = np.empty_like(rest)
    for rows in _of_one_size(groups):  # (g, b)
        u, r = added[rows], rest[rows]
        across = u.swapaxes(1, 2)
        if rows.shape[1] <= u.shape[2]:
            left_out[rows] = np.linalg.solve(JUST_OVER_ONE * np.eye(rows.shape[1]) - u @ across, r)
        else:  # the same through the smaller matrix (Woodbury)
            left_out[rows] = r + u @ np.linalg.solve(JUST_OVER_ONE * np.eye(u.shape[2]) - across @ u, across @ r)
    return targets - left_out / root


def groups_in_classes(of: np.ndarray, groups: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """A number for the group of each picture within its class, (n,), and whether the class has no other, (n,) bool.

    >>> groups_in_classes(np.array([0, 0, 1, 1]), np.array([5, 6, 6, 6]), 2)
    (array([0, 1, 2, 2]), array([False, False,  True,  True]))
    """
    _, group = np.unique(groups, return_inverse=True)
    _, first, together = np.unique(of * (int(group.max(initial=-1)) + 1) + group, return_index=True, return_inverse=True)
    return together, np.bincount(of[first], minlength=k)[of] < 2


def _of_one_size(groups: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of all groups of one size after the other, (g, b)."""
    order = np.argsort(groups, kind="stable")
    _, first, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    for size in np.unique(sizes).tolist():
        yield order[first[sizes == size][:, None] + np.arange(size)]
