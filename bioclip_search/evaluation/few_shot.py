"""How well a few pictures of each taxon tell the others: SimpleShot, as BioCLIP measures it.

Pure numpy over vectors; where they come from is left to `picture_vectors`.

SimpleShot (Wang et al., "SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot Learning", 2019), as BioCLIP
uses it (Imageomics/bioclip, src/evaluation/few_shot.py):

1. k pictures of every class are drawn, each of another burst; all others are asked but those of a burst that was drawn from,
   which would only be known again.
2. The mean of all drawn pictures is taken off from every picture, which is then brought back to length one.
3. A class is the mean of its drawn pictures, not brought to length one; a picture is of the class whose mean is nearest.
4. The share right is over all pictures asked, and the figure is its mean over five draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from bioclip_search.errors import TableError
from bioclip_search.evaluation.burst_names import groups_in
from bioclip_search.evaluation.picture_vectors import EmbeddedSet
from bioclip_search.evaluation.resample import Figure, ratio, share, with_intervals
from bioclip_search.evaluation.verdicts import RIGHT, Lineages, judge_at_rank

SHOTS = (1, 5)
REPEATS = 5
"""BioCLIP's."""

SIMPLE_SHOT, ZERO_SHOT, BLEND = "simpleshot", "zero_shot", "blend"
"""What figures are called; the last two are `few_shot_blend`'s."""

SEED = 0
TINY = 1e-12

STUDENT_T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Half the width of a 95 % interval of the mean of so many draws, in standard errors (two-sided t, n - 1 degrees of freedom)."""

STUDENT_T_MANY = 2.262
"""For more draws than the table has: wider than need be."""


Teller = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From the pictures that teach, (s,), those that are asked, (q,), and the classes in play, (c,) ascending, all as numbers, to the place among
the classes of what is told for each picture asked, (q,)."""


@dataclass(frozen=True, eq=False)
class Classes:
    """The different labels of n pictures. `of` (n,) int64 is the class of each, -1 for none; `lineages` has a row a class."""

    names: tuple[str, ...]
    of: np.ndarray
    lineages: Lineages

    @property
    def sizes(self) -> np.ndarray:
        """The pictures of each class, (c,) int64."""
        return np.bincount(self.of[self.of >= 0], minlength=len(self.names))


@dataclass(frozen=True)
class FewShot:
    """The figures, flat, and the classes that had too few pictures, for each number of shots."""

    metrics: dict[str, float]
    too_few: dict[int, tuple[str, ...]]


def classes_of(embedded: EmbeddedSet, ranks: Sequence[str]) -> Classes:
    """The classes of pictures: the lowest taxon that a label names, and above the lowest rank its vernacular name as well."""
    truths = Lineages.of(embedded.taxa, ranks, {})
    lowest, codes = truths.lowest, truths.lowest_codes
    vernacular = np.where(lowest < len(ranks) - 1, truths.vernacular, -1)
    keys = np.stack([lowest, codes, vernacular, truths.codes[:, 0]], axis=1)  # (n, 4)
    keys[codes < 0] = -1
    different, firsts, of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    is_class = different[:, 1] >= 0
    number = np.where(is_class, np.cumsum(is_class) - 1, -1)
    firsts = firsts[is_class]
    names = tuple(_name(embedded.taxa.slice(row, 1).to_pylist()[0], ranks) for row in firsts.tolist())
    return Classes(names, number[of.reshape(-1)], truths.take(firsts))


def at_rank(embedded: EmbeddedSet, ranks: Sequence[str], rank: str) -> EmbeddedSet:
    """The pictures whose label names a taxon of the rank, labelled with that and no lower one.

    Raises:
        TableError: There is no such rank, or no label names a taxon of it.
    """
    if rank not in ranks:
        raise TableError(f"There is no rank {rank!r}; there are {', '.join(ranks)}.")
    below = {*list(ranks)[list(ranks).index(rank) + 1 :], "common_name"}

    def cut(taxa: pa.Table) -> pa.Table:
        return pa.table({name: pa.nulls(len(taxa), pa.string()) if name in below else taxa[name] for name in taxa.column_names})

    named = np.flatnonzero(np.asarray(embedded.taxa[rank].is_valid()))
    if not len(named):
        raise TableError(f"{embedded.name}: no label names a {rank}. Ask for a rank that labels name.")
    return replace(embedded, taxa=cut(embedded.taxa), labels=cut(embedded.labels)).take(named)


def few_shot(
    embedded: EmbeddedSet,
    ranks: Sequence[str],
    *,
    shots: Sequence[int] = SHOTS,
    repeats: int = REPEATS,
    seed: int = SEED,
    besides: Mapping[str, Teller] | None = None,
) -> FewShot:
    """The figures of SimpleShot for each number of shots k; classes with k pictures or fewer are left out, and told.

    `simpleshot_K`: share right, mean over the draws, with `_low` and `_high` over the pictures (bootstrap), and
    `_draws_low`, `_draws_high` over the draws (t). `simpleshot_K_macro`: its mean over classes, however many pictures of each are asked.
    `simpleshot_K_RANK`: share of nearest classes that are right at the rank,
    where labels name it. `simpleshot_K_classes`, `simpleshot_K_asked`: classes, and pictures asked in each draw.
    A number of shots for which fewer than two classes are left has no figures.

    Args:
        besides: Others that are asked the same queries after the same draws, by name; `NAME_K` is the share right of each. If `few_shot_blend`'s
            two are among them, `blend_K_gain` is what the blend has more right than the better of SimpleShot and the names, `blend_K_macro_gain` by classes.

    Raises:
        TableError: A number of shots or repeats is below 1, or no two classes have enough pictures for any.
    """
    if min(*shots, repeats, 1) < 1:
        raise TableError(f"Shots and repeats are at least 1, not {', '.join(map(str, (*shots, repeats)))}.")
    classes, groups = classes_of(embedded, ranks), groups_in(embedded, copies=False)
    sizes = bursts_of_classes(classes.of, groups, len(classes.names))
    metrics: dict[str, float] = {}
    too_few = {}
    for k in shots:
        enough = sizes > k
        too_few[k] = tuple(name for name, is_enough in zip(classes.names, enough.tolist(), strict=True) if not is_enough)
        if enough.sum() >= 2:
            rows = np.flatnonzero((classes.of >= 0) & enough[np.maximum(classes.of, 0)])
            asking = _Asking(classes, rows, groups[rows], k, repeats, seed)
            metrics |= _measured(asking, {SIMPLE_SHOT: simple_teller(embedded.vectors, classes.of), **(besides or {})}, ranks)
    if not metrics:
        raise TableError(
            f"{embedded.name}: {len(classes.names):,} classes with {int((classes.of >= 0).sum()):,} pictures. Few-shot needs at least two classes of "
            f"{min(shots) + 1} pictures or more: {min(shots)} to learn from and one to ask."
        )
    return FewShot(metrics, too_few)


def bursts_of_classes(of: np.ndarray, groups: np.ndarray, classes: int, counted: np.ndarray | None = None) -> np.ndarray:
    """How many bursts show each class, (classes,) int64, a picture without one counting as one.

    Args:
        of: (n,) the class of each picture, -1 for none; `groups` (n,) its burst; `counted` (n,) bool whether it counts.
    """
    known = (of >= 0) if counted is None else (of >= 0) & counted
    pairs = np.unique(np.stack([of[known], groups[known]], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=classes)


def simple_shot(support: np.ndarray, of: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The class of each query, (q,): steps 2 and 3. Of equally near classes the first wins.

    Args:
        support: (s, d) unit rows, and the class of each, (s,), numbers from 0 without a gap.
        queries: (q, d) unit rows.
    """
    mean = support.mean(axis=0)
    learned = _centred(support, mean)  # (s, d)
    counts = np.bincount(of)  # (c,)
    centres = np.zeros((len(counts), support.shape[1]))
    np.add.at(centres, of, learned)
    centres /= counts[:, None]  # (c, d)
    nearness = _centred(queries, mean) @ centres.T - (centres**2).sum(axis=1) / 2  # (q, c), half the squared distance but for a constant
    return nearness.argmax(axis=1)


def _centred(vectors: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Step 2. A picture that is the mean itself stays there."""
    moved = vectors.astype(np.float64) - mean
    return moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), TINY)


def simple_teller(vectors: np.ndarray, of: np.ndarray) -> Teller:
    """SimpleShot over the vectors of all pictures, (n, d), and the class of each, (n,)."""

    def told(taught: np.ndarray, queries: np.ndarray, classes: np.ndarray) -> np.ndarray:
        return simple_shot(vectors[taught], np.searchsorted(classes, of[taught]), vectors[queries])

    return told


@dataclass(frozen=True, eq=False)
class _Asking:
    """What is drawn from: pictures by their rows, of classes that all have pictures of more than k bursts, and the burst of each."""

    classes: Classes
    rows: np.ndarray
    groups: np.ndarray
    k: int
    repeats: int
    seed: int


def _measured(asking: _Asking, tellers: Mapping[str, Teller], ranks: Sequence[str]) -> dict[str, float]:
    """The figures of one k."""
    of, lineages, k = asking.classes.of[asking.rows], asking.classes.lineages, asking.k
    groups = np.unique(asking.groups, return_inverse=True)[1].reshape(-1)
    kept, dense = np.unique(of, return_inverse=True)
    asked, right = np.zeros(len(of)), {name: np.zeros(len(of)) for name in tellers}  # (n,) over the draws
    at_rank, decided = np.zeros((len(ranks), len(of))), np.zeros((len(ranks), len(of)))
    shares: dict[str, list[float]] = {name: [] for name in tellers}
    for drawn in _draws(dense, groups, k, asking.repeats, asking.seed):
        queries = np.flatnonzero(~np.isin(groups, groups[drawn]))
        asked[queries] += 1
        for name, teller in tellers.items():
            found = teller(asking.rows[drawn], asking.rows[queries], kept)
            right[name][queries] += found == dense[queries]
            shares[name].append(float(np.mean(found == dense[queries])))
            for depth in range(len(ranks)) if name == SIMPLE_SHOT else ():
                verdicts = judge_at_rank(lineages.take(kept[found]), lineages.take(of[queries]), depth)
                at_rank[depth, queries] += verdicts == RIGHT
                decided[depth, queries] += verdicts >= 0
    figures = _of_pictures_and_of_classes(right, asked, dense, k)
    figures |= {f"{SIMPLE_SHOT}_{k}_{rank}": share(at_rank[depth], decided[depth]) for depth, rank in enumerate(ranks)}
    told = with_intervals(figures, int(groups.max()) + 1, picture_of_row=groups)
    counts = {f"{SIMPLE_SHOT}_{k}_classes": len(kept), f"{SIMPLE_SHOT}_{k}_asked": round(asked.sum() / asking.repeats)}
    over_draws = [_over_draws(f"{name}_{k}", np.array(several)) for name, several in shares.items()]
    return counts | told | {name: value for one in over_draws for name, value in one.items()}


def _of_pictures_and_of_classes(right: Mapping[str, np.ndarray], asked: np.ndarray, of: np.ndarray, k: int) -> dict[str, Figure]:
    """The share right of every teller, by pictures and by classes, and the gain of a blend in both.

    Args:
        right, asked: (n,) how often each picture was told rightly, and asked, over the draws; `of` (n,) its class from 0.
    """
    per_class = 1 / np.maximum(np.bincount(of, asked), 1)[of]  # (n,)
    figures: dict[str, Figure] = {f"{name}_{k}": share(hits, asked) for name, hits in right.items()}
    figures |= {f"{name}_{k}_macro": ratio(hits * per_class, asked * per_class) for name, hits in right.items()}
    if {ZERO_SHOT, BLEND} <= set(right):
        for end in ("", "_macro"):
            figures[f"{BLEND}_{k}{end}_gain"] = _gain(*(figures[f"{name}_{k}{end}"] for name in (BLEND, SIMPLE_SHOT, ZERO_SHOT)))
    return figures


def _gain(blend: Figure, *others: Figure) -> Figure:
    """What the blend has more than the better of the others."""
    return lambda weights: blend(weights) - np.maximum(*(other(weights) for other in others))


def _draws(of: np.ndarray, groups: np.ndarray, k: int, repeats: int, seed: int) -> Iterator[np.ndarray]:
    """Which pictures are learned from, (n,) bool, k of every class: those with the lowest of as many random numbers, one of each burst."""
    random = np.random.default_rng((seed, k))
    for _ in range(repeats):
        order = np.lexsort((random.random(len(of)), of))
        _, firsts = np.unique(np.stack([of, groups], axis=1)[order], axis=0, return_index=True)
        order = order[np.sort(firsts)]  # of each class and burst the picture with the lowest number
        place = np.arange(len(order)) - np.searchsorted(of[order], of[order])  # within its class
        drawn = np.zeros(len(of), bool)
        drawn[order[place < k]] = True
        yield drawn


def _over_draws(name: str, shares: np.ndarray) -> dict[str, float]:
    """The interval of the mean over the draws; none for a single draw."""
    if len(shares) < 2:
        return {}
    half = STUDENT_T_95.get(len(shares), STUDENT_T_MANY) * shares.std(ddof=1) / np.sqrt(len(shares))
    return {f"{name}_draws_low": round(float(shares.mean() - half), 4), f"{name}_draws_high": round(float(shares.mean() + half), 4)}


def _name(row: Mapping[str, str | None], ranks: Sequence[str]) -> str:
    lowest = next(rank for rank in reversed(ranks) if row[rank])
    vernacular = row["common_name"] if lowest != ranks[-1] else None
    return f"{row[lowest]} ({vernacular})" if vernacular else row[lowest]
