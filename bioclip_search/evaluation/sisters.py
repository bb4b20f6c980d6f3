"""Which sister taxa are taken for one another: species of one genus, genera of one family.

Pure numpy over numbered names, whose words are given by who asks; what was answered is left to `measures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bioclip_search.evaluation.resample import Figure, share
from bioclip_search.evaluation.verdicts import UNDECIDED, WRONG

SISTER_RANKS = (("species", "genus"), ("genus", "family"))
"""Each rank whose sisters are looked at, and the rank that they share."""

MOST_PAIRS = 10


@dataclass(frozen=True)
class Pair:
    """Two sister taxa, and how often one was taken for the other.

    `pictures` counts the pictures of both; `one_as_other` those of the first that were called the second.
    """

    rank: str
    parent: str
    one: str
    other: str
    one_as_other: int
    other_as_one: int
    pictures: int

    @property
    def mixed_up(self) -> int:
        return self.one_as_other + self.other_as_one

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Calls:
    """What n pictures were called at each rank, and what they are: numbers of names, -1 where there is none; all (n, ranks).

    Attributes:
        truth: int32, the names of the label.
        called: int32, the taxon of each rank that was thought most probable.
        parents: int32, the name of the rank above in the lineage of that taxon.
        verdicts: int8 on `called`.
    """

    truth: np.ndarray
    called: np.ndarray
    parents: np.ndarray
    verdicts: np.ndarray

    def stays_within(self, depth: int) -> np.ndarray:
        """Whether a call is of the true parent, (n,) bool.

        Subtle: a wrong taxon of the same name is a homonym in another kingdom, and its parent may be one, too.
        """
        is_homonym = self.called[:, depth] == self.truth[:, depth]
        return (self.parents[:, depth] == self.truth[:, depth - 1]) & (self.truth[:, depth - 1] >= 0) & ~is_homonym


def sister_figures(calls: Calls, ranks: Sequence[str]) -> dict[str, Figure]:
    """`species_mistakes_in_genus`, `genus_mistakes_in_family`: of the mistakes at a rank whose parent the label names, the share that stays within it."""
    figures = {}
    for rank, parent in _sister_ranks(ranks):
        depth = ranks.index(rank)
        mistakes = (calls.verdicts[:, depth] == WRONG) & (calls.truth[:, depth - 1] >= 0)
        figures[f"{rank}_mistakes_in_{parent}"] = share(calls.stays_within(depth), mistakes)
    return figures


def mixed_up_pairs(calls: Calls, ranks: Sequence[str], names: Mapping[int, str], most: int = MOST_PAIRS) -> list[Pair]:
    """The pairs of sisters taken for one another most often, at most so many of each rank; of equal ones by name."""
    found = []
    for rank, _ in _sister_ranks(ranks):
        depth = ranks.index(rank)
        truth, called = calls.truth[:, depth], calls.called[:, depth]
        is_mixed = (calls.verdicts[:, depth] == WRONG) & calls.stays_within(depth) & (called >= 0)
        both = np.stack([truth[is_mixed], called[is_mixed], calls.truth[is_mixed, depth - 1]], axis=1)  # (m, 3)
        seen = np.bincount(truth[calls.verdicts[:, depth] != UNDECIDED], minlength=1)
        counted = {tuple(row): int(count) for row, count in zip(*_unique_rows(both), strict=True)}
        pairs = {(*sorted(row[:2], key=names.__getitem__), row[2]) for row in counted}
        of_rank = [_pair(rank, one, other, parent, counted, seen, names) for one, other, parent in pairs]
        found += sorted(of_rank, key=lambda pair: (-pair.mixed_up, pair.one, pair.other))[:most]
    return found


def _pair(rank: str, one: int, other: int, parent: int, counted: Mapping[tuple[int, ...], int], seen: np.ndarray, names: Mapping[int, str]) -> Pair:
    return Pair(
        rank=rank,
        parent=names[parent],
        one=names[one],
        other=names[other],
        one_as_other=counted.get((one, other, parent), 0),
        other_as_one=counted.get((other, one, parent), 0),
        pictures=int(sum(seen[code] for code in (one, other) if code < len(seen))),
    )


def _unique_rows(rows: np.ndarray) -> tuple[list[list[int]], np.ndarray]:
    found, counts = np.unique(rows, axis=0, return_counts=True)
    return found.tolist(), counts


def _sister_ranks(ranks: Sequence[str]) -> list[tuple[str, str]]:
    """Those of `SISTER_RANKS` that stand one above the other in this tree."""
    return [(rank, parent) for rank, parent in SISTER_RANKS if rank in ranks[1:] and ranks[ranks.index(rank) - 1] == parent]
