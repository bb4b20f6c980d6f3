"""A head in its place among the leaves of an index: what it adds to the cosines of a picture, all of them or the few that matter.

What it adds is left to `blending`; reading it from a folder to `storing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bioclip_search.heads.blending import Blend, added, blended, lifts
from bioclip_search.heads.head import Head
from bioclip_search.heads.reach import Reach
from bioclip_search.index.search import FEW_ROWS, NEGLIGIBLE, Near

if TYPE_CHECKING:
    from bioclip_search.catalogue import Catalogue
    from bioclip_search.intervals import LeafSet


@dataclass(frozen=True, eq=False)
class Taught:
    """A head, how far it is believed, and the leaves of its classes; `logit_scale` is the encoder's."""

    head: Head
    blend: Blend
    reach: Reach
    logit_scale: float

    def added_to(self, cosines: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """The cosines of queries (b, d) with all leaves, (b, n) float32, overwritten with what the head makes of them."""
        return blended(cosines, self.head.scores(queries), self.reach, self.blend, self.logit_scale)

    def added(self, queries: np.ndarray) -> np.ndarray:
        """What is added to the cosines with the leaves of `reach`, (b, t) float32."""
        return added(self.reach.of(lifts(self.head.scores(queries))), self.blend, self.logit_scale)


def near_with_head(
    catalogue: Catalogue, taught: Taught, queries: np.ndarray, sharpness: float, leaves: LeafSet | None, speed: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each query the leaves in play that matter, (k,) ascending, and their scores with the head, (k,) float32.

    The taught leaves always matter, for no search knows what the head says of them; so they are scored exactly. Of the others those that
    matter beside each other are found as ever: they matter no more beside further leaves. Where very many leaves were taught, all are scored.
    """
    is_taught = np.zeros(len(catalogue.taxonomy), bool)
    is_taught[taught.reach.leaves] = True
    if leaves is not None:
        is_taught &= leaves.mask
    is_taught[catalogue.taxonomy.leaf_of_row[catalogue.silent_rows]] = False
    asked = np.flatnonzero(is_taught)  # (t,) leaves
    if len(asked) > FEW_ROWS:
        yield from _all_of(catalogue.scores(queries), leaves)
        return
    rows = catalogue.taxonomy.row_of_leaf[asked]
    scores = queries @ catalogue.index.rows_at(rows).T + taught.added(queries)[:, np.searchsorted(taught.reach.leaves, asked)]  # (b, t)
    silent = np.union1d(catalogue.silent_rows, rows)
    found = catalogue.index.near(queries, sharpness, among=catalogue.rows_of(leaves), silent=silent, speed=speed)
    for near, own in zip(found, scores, strict=True):
        is_other = near.scores != -np.inf
        if len(near.rows) > FEW_ROWS:  # where the others alone are much alike many are near, and few of them beside the taught ones
            highest = max(own.max(initial=-np.inf), near.scores.max(initial=-np.inf))
            is_other &= ~(near.scores < highest - np.log(len(near.rows) / NEGLIGIBLE) / sharpness)
        numbers, others = catalogue.leaves_of(near if is_other.all() else Near(near.rows[is_other], near.scores[is_other]))
        places = np.searchsorted(numbers, asked)
        yield np.insert(numbers, places, asked), np.insert(others, places, own)


def _all_of(scores: np.ndarray, leaves: LeafSet | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    numbers = np.arange(scores.shape[1]) if leaves is None else leaves.numbers
    yield from ((numbers, row if leaves is None else row[numbers]) for row in scores)
