"""What an adapted encoder names better than before, and what worse: the same pictures asked of both, rank by rank.

Which pictures are asked is left to `gathering`, drawing intervals to `evaluation.resample`, words to `report`.

Either encoder is asked for the taxon whose text lies nearest, among all taxa of the index and among the labels of all sets alone. Right at
a rank is by `evaluation.verdicts`. Both answers of a picture are drawn together, and with them those of its burst, so that the interval
is that of the difference (paired bootstrap; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.encoder import Encoder
from bioclip_search.evaluation.burst_names import groups_in
from bioclip_search.evaluation.candidates import OWN, Candidates, candidates_of_index, candidates_of_labels
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.evaluation.picture_vectors import EmbeddedSet, vectors_of
from bioclip_search.evaluation.resample import share, with_intervals
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, Lineages, judge_at_rank
from bioclip_search.prompts import TextRecipe
from bioclip_search.searcher import BATCH_CROPS, Searcher
from bioclip_search.text_vectors import TextVectors
from bioclip_search.train.regional.gathering import ASK, Gathered

REGION, OTHERS = "region", "others"
TOLD_RANKS = ("species", "genus", "family")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two encoders; `searcher` is None where its index is not at hand."""

    encoder: Encoder
    searcher: Searcher | None


@dataclass(frozen=True)
class Gain:
    """One line: of which pictures, among which names, at which rank.

    Attributes:
        figures: `before`, `after` and `gain`, shares, each with `_low` and `_high`; `n` pictures whose label names the rank, `candidates`.
    """

    pictures: str
    among: str
    rank: str
    figures: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        return {"pictures": self.pictures, "among": self.among, "rank": self.rank, **self.figures}


def gains(before: Side, after: Side, gathered: Gathered, recipe: TextRecipe, ranks: Sequence[str], home: Path, progress: Progress | None = None) -> list[Gain]:
    """The figures of the pictures that are asked: of the region, then of others; at species, genus and family, as far as labels name them.

    Args:
        home: Where the pictures' vectors are kept.
    """
    found = []
    for name, sets in ((REGION, gathered.region), (OTHERS, gathered.others)):
        asked = [labelled for labelled in sets if (labelled.parts == ASK).any()]
        if asked:
            seen = [_seen(side, asked, home, progress) for side in (before, after)]
            found += _compared(name, (before, after), seen, [*gathered.region, *gathered.others], recipe, ranks)
    return found


def _seen(side: Side, sets: Sequence[LabelledSet], home: Path, progress: Progress | None) -> list[EmbeddedSet]:
    return [vectors_of(side.encoder, labelled, labelled.parts == ASK, home=home, progress=progress) for labelled in sets]


def _compared(
    name: str, sides: Sequence[Side], seen: Sequence[list[EmbeddedSet]], sets: Sequence[LabelledSet], recipe: TextRecipe, ranks: Sequence[str]
) -> list[Gain]:
    numbers: dict[str, int] = {}
    truths = [Lineages.of(found.taxa, ranks, numbers) for found in seen[0]]
    groups = _groups(seen[0])
    lists = [_lists(side, sets, recipe, ranks, numbers, all(one.searcher for one in sides)) for side in sides]
    gained = []
    for pair in zip(*lists, strict=True):
        verdicts = [_verdicts(candidates, found, truths) for candidates, found in zip(pair, seen, strict=True)]  # two of (n, ranks)
        for rank in (rank for rank in TOLD_RANKS if rank in ranks):
            was, now = (side[:, list(ranks).index(rank)] for side in verdicts)
            if (was != UNDECIDED).any():
                told = {"n": int((was != UNDECIDED).sum()), "candidates": len(pair[0]), **paired(was, now, groups)}
                gained.append(Gain(name, pair[0].name, rank, told))
    return gained


def paired(was: np.ndarray, now: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """`before`, `after` and `gain` with their intervals, of verdicts (n,) int8 on the same pictures; groups (n,) from 0 are drawn whole.

    >>> told = paired(np.array([0, 0, 1, 1]), np.array([1, 1, 1, 1]), np.arange(4))
    >>> told["before"], told["after"], told["gain"]
    (0.5, 1.0, 0.5)
    """
    before, after = (share(side == RIGHT, side != UNDECIDED) for side in (was, now))
    return with_intervals(
        {"before": before, "after": after, "gain": lambda weights: after(weights) - before(weights)}, int(groups.max(initial=-1)) + 1, picture_of_row=groups
    )


def _lists(side: Side, sets: Sequence[LabelledSet], recipe: TextRecipe, ranks: Sequence[str], numbers: dict[str, int], has_index: bool) -> list[Candidates]:
    """What an encoder may answer: any taxon of its index, where both have theirs; any label of the sets."""
    own = candidates_of_labels(OWN, [labelled.taxa for labelled in sets], TextVectors(side.encoder, recipe), ranks, numbers)
    return [candidates_of_index(side.searcher, numbers), own] if has_index and side.searcher else [own]


def _verdicts(candidates: Candidates, seen: Sequence[EmbeddedSet], truths: Sequence[Lineages]) -> np.ndarray:
    """Whether the nearest taxon is right at each rank: (n, ranks) int8."""
    rows = []
    for found, labels in zip(seen, truths, strict=True):
        for first in range(0, len(found), BATCH_CROPS):
            best = candidates.scores(found.vectors[first : first + BATCH_CROPS]).argmax(axis=1)  # (b,)
            answers, wanted = candidates.lineages.take(best), labels.take(np.arange(first, first + len(best)))
            rows.append(np.stack([judge_at_rank(answers, wanted, depth) for depth in range(labels.codes.shape[1])], axis=1))
    return np.concatenate(rows)


def _groups(seen: Sequence[EmbeddedSet]) -> np.ndarray:
    """The burst of each picture of all sets, (n,) int64 from 0."""
    numbers, before = [], 0
    for found in seen:
        numbers.append(groups_in(found, copies=False) + before)
        before += int(numbers[-1].max(initial=-1)) + 1
    return np.concatenate(numbers)
