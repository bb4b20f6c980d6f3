"""Pictures with boxes in two halves that share no burst, and what a detector finds in each.

Which pictures belong together is left to `boxed.splitting`, looking to `evaluation.detection`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet, kept
from bioclip_search.boxed.splitting import groups_in_sets
from bioclip_search.detect import Detector
from bioclip_search.errors import TableError
from bioclip_search.evaluation.detection import Looked, look
from bioclip_search.splits.folds import stratified_parts

MOST_BOXES = 3
"""Pictures with so many boxes or more are one class when the halves are evened: the classes are the set, and 0, 1, 2 or 3 boxes."""

LEAST_PICTURES = 10
"""A half with fewer pictures says nothing of settings; a choice of this project."""

Half = tuple[BoxedSet, ...]


def halves_of(sets: Sequence[BoxedSet], seed: int = 0) -> tuple[Half, Half]:
    """Two halves, as even as can be in each set and in boxes a picture; no burst and no bytes are in both.

    Args:
        sets: Examined, so that bursts and contents are known where they can be.

    Raises:
        TableError: There are too few pictures, or all belong together.
    """
    if not sets:
        raise TableError("There are no pictures to choose by: none is in the part asked for. Pictures marked train are left out unless --part says otherwise.")
    of = np.concatenate([number * (MOST_BOXES + 1) + np.minimum([len(boxes) for boxes in one.boxes], MOST_BOXES) for number, one in enumerate(sets)])
    part = stratified_parts(of.astype(np.int64), groups_in_sets(sets), (0.5, 0.5), seed)
    if min(np.bincount(part, minlength=2)) < LEAST_PICTURES:
        raise TableError(
            f"{len(of):,} pictures cannot be halved so that each half has {LEAST_PICTURES} or more and no burst is in both. Give more pictures with boxes (--part all takes all of a set)."
        )
    ends = np.cumsum([len(one) for one in sets])[:-1]
    return tuple(tuple(kept(one, here == half) for one, here in zip(sets, np.split(part, ends), strict=True)) for half in (0, 1))


def look_at(detector: Detector, half: Half, progress: Callable[[int, int], None] | None = None) -> Looked:
    """What it finds in the pictures of all sets of a half, as of one set."""
    total, done, several = sum(map(len, half)), 0, []
    for one in half:
        tell = (lambda n, _, before=done: progress(before + n, total)) if progress else None
        several.append(look(detector, one, np.ones(len(one), bool), tell))
        done += len(one)
    rows = [(number, row) for number, looked in enumerate(several) for row in looked.rows]
    return Looked(
        tuple(finds for looked in several for finds in looked.found),
        tuple(boxes for looked in several for boxes in looked.true),
        tuple(failure for looked in several for failure in looked.failures),
        tuple(rows),
        several[0].used_confidence,
    )
