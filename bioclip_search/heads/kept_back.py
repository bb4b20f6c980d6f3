"""What heads say of pictures that did not teach them, and of pictures whose class did not.

Which pictures stay together is left to `splits`, what is made of the scores to `weighing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bioclip_search.heads.fitting import balanced_weights, fit_head

CLASS_FOLDS = 5
"""Parts of the classes, each of which is unknown to one head."""


@dataclass(frozen=True, eq=False)
class KeptBack:
    """What `Head.scores` says of the classes, (n, k) float64, NaN for a class that the head was not taught.

    Attributes:
        scores: By a head that was taught the other folds.
        stranger_scores: By a head that was taught nothing of the picture's class; None where there are too few classes, or it was not asked for.
    """

    scores: np.ndarray
    stranger_scores: np.ndarray | None


def kept_back(
    kind: str,
    vectors: np.ndarray,
    of: np.ndarray,
    k: int,
    folds: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    is_balanced: bool = False,
    strangers: bool = True,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> KeptBack:
    """What heads say that were taught a part of the pictures.

    Args:
        vectors, of, k, groups, options: As `fitting.fit_head` takes them.
        folds: (n,) int, the fold of each picture, as `splits.folds.stratified_folds` gives it.
        strangers: Teach heads without some classes as well.
        progress: Called with the heads taught and the heads in all.
    """
    random, classes = np.random.default_rng(seed), np.unique(of)
    part_of_class = np.full(k, -1)
    part_of_class[classes] = random.permutation(len(classes)) % CLASS_FOLDS
    rounds = [(folds == fold, None) for fold in np.unique(folds).tolist()]
    has_strangers = strangers and len(classes) > CLASS_FOLDS
    if has_strangers:
        rounds += [(part_of_class[of] == part, part) for part in range(CLASS_FOLDS)]
    scores, of_strangers = np.full((len(of), k), np.nan), np.full((len(of), k), np.nan) if has_strangers else None
    for done, (is_asked, part) in enumerate(rounds, start=1):
        asked, found = (scores if part is None else of_strangers), ~is_asked
        taught = np.unique(of[found])
        if is_asked.any() and len(taught) > 1:
            dense = np.searchsorted(taught, of[found])
            weights = balanced_weights(dense, len(taught)) if is_balanced else None
            of_groups = None if groups is None else groups[found]
            head = fit_head(kind, vectors[found], dense, len(taught), weights=weights, groups=of_groups, seed=seed, **options)
            asked[np.ix_(np.flatnonzero(is_asked), taught)] = head.scores(vectors[is_asked])
        if progress:
            progress(done, len(rounds))
    return KeptBack(scores, of_strangers)
