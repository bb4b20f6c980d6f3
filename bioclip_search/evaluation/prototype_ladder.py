"""How well taxa that are known by pictures alone are identified, through the same ladder as those known by name.

Each picture is compared with the prototypes that all other pictures make, and answered at the rank that is sure enough. Of
a species with one picture nothing is left, so the ladder must stop at its genus or above: what a new species would meet.

1. From every vector the mean of all others is taken off, and it is brought back to length one: pictures lie in a narrow cone,
   and this opens it (as SimpleShot does).
2. A prototype is the mean of the pictures of a taxon, without the one that is asked. A leaf without a prototype cannot be an answer.
3. The score of a leaf is the cosine with its prototype, and a share w of the cosines with the prototypes of the taxa above it.
4. The scale of the softmax and w are those with the least loss, -log P of the true taxon over all ranks; fitted on one half
   of the pictures they are used on the other, so that no picture chooses the numbers that it is measured with.

Probabilities come from `posterior`, answers from `fallback` and `calibration`, curves from `curves`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bioclip_search.calibration.evidence import Evidence, Setting, evidence_of, join_evidence
from bioclip_search.calibration.temperature import fit_temperature
from bioclip_search.errors import NotCalibratedError, TableError
from bioclip_search.evaluation.attempts import weighing_attempts
from bioclip_search.evaluation.candidates import OWN, Candidates, label_tree, leaves_of_labels
from bioclip_search.evaluation.curves import TARGETS, Attempts, Points, Sweep, curve_figures, thinned
from bioclip_search.evaluation.picture_vectors import EmbeddedSet
from bioclip_search.evaluation.resample import Figure, share, with_intervals
from bioclip_search.evaluation.verdicts import RIGHT, Lineages
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.taxonomy import Taxonomy

WEIGHTS_ABOVE = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Values of w that are tried."""

SCALES = np.geomspace(2, 200, 56)
"""Scales of the softmax that are tried, each 9 % above the one before."""

BLOCK_PICTURES = 128
SEED = 7
TINY = 1e-12
SLACK = 1e-9


@dataclass(frozen=True)
class Fit:
    """The numbers of rule 4, for one half of the pictures, and the mean loss on the other, where they were fitted."""

    scale: float
    above: float
    loss: float


@dataclass(frozen=True, eq=False)
class PrototypeLadder:
    """What came out.

    Attributes:
        metrics: The figures, flat; see `prototype_ladder`.
        curves: For each rank, and for "ladder", the share answered and the share right of the answers as the threshold falls.
        settings: What can be promised for each target, None where nothing can.
        fits: The numbers of rule 4 for either half.
    """

    metrics: dict[str, float]
    curves: dict[str, list[dict[str, float]]]
    settings: dict[float, Setting | None]
    fits: tuple[Fit, ...]


class LeftOut:
    """The prototypes of a set's taxa, each without the picture that is asked."""

    def __init__(self, vectors: np.ndarray, leaves: np.ndarray, taxonomy: Taxonomy):
        """Takes (n, d) unit rows and the leaf that each is, (n,); at least two pictures."""
        others = (vectors.sum(axis=0, dtype=np.float64) - vectors) / (len(vectors) - 1)
        self.vectors = _unit(vectors - others)  # rule 1, (n, d)
        self.taxonomy, self.leaves = taxonomy, leaves
        self._groups = [np.arange(len(taxonomy)), *(level.numbers(np.arange(len(taxonomy))) for level in taxonomy.levels)]  # (c,) each
        self._sums = [self._summed(group) for group in self._groups]
        self.pictures = np.bincount(leaves, minlength=len(taxonomy))  # (c,)

    def __len__(self) -> int:
        return len(self.vectors)

    def cosines(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """With the prototype of every leaf, (b, c), -inf where none is left; and summed with those of the taxa above it, (b, c)."""
        own = self._cosines(rows, 0)
        own[np.arange(len(rows)), self.leaves[rows]] = np.where(self.pictures[self.leaves[rows]] > 1, own[np.arange(len(rows)), self.leaves[rows]], -np.inf)
        lowest = self.taxonomy.deepest_ranks()  # (c,)
        above = np.zeros_like(own)
        for depth in range(len(self.taxonomy.ranks) - 1):
            group = self._groups[depth + 1]
            is_above = (group >= 0) & (depth < lowest)
            above[:, is_above] += self._cosines(rows, depth + 1)[:, group[is_above]]
        return own, above

    def intervals(self, candidates: Candidates, truths: Lineages) -> np.ndarray:
        """`Candidates.intervals` of the pictures, but 0, 0 where no other picture is of the taxon: (n, ranks, 2)."""
        found = candidates.intervals(truths)
        before = np.concatenate(([0], np.cumsum(self.pictures)))
        found[before[found[..., 1]] - before[found[..., 0]] < 2] = 0
        return found

    def _summed(self, group: np.ndarray) -> np.ndarray:
        """The sum of the vectors of each taxon, (g, d)."""
        numbers = group[self.leaves]
        sums = np.zeros((int(group.max(initial=-1)) + 1, self.vectors.shape[1]))
        np.add.at(sums, numbers[numbers >= 0], self.vectors[numbers >= 0])
        return sums

    def _cosines(self, rows: np.ndarray, which: int) -> np.ndarray:
        """With every taxon of a rank, (b, g); 0 with one that no other picture is of."""
        sums, numbers = self._sums[which], self._groups[which][self.leaves[rows]]
        asked = self.vectors[rows]
        found = asked @ _unit(sums).T  # (b, g)
        is_own = numbers >= 0
        rest = sums[numbers[is_own]] - asked[is_own]
        found[np.flatnonzero(is_own), numbers[is_own]] = (asked[is_own] * _unit(rest)).sum(axis=1)
        return found


def prototype_ladder(embedded: EmbeddedSet, ranks: Sequence[str], *, use_above: bool = True) -> PrototypeLadder:
    """The figures of a set; pictures without a label are left out.

    `n`, `leaves`: pictures, and different labels. For each RANK that labels name, over the pictures whose label names it:
    `RANK_n`, `RANK_possible` (share of which another picture is of the same taxon: no more can be right), `RANK_right` (share of
    which the most probable taxon is right), `RANK_answered_80` … (the most pictures that can be answered at the rank with such
    accuracy, as a share). Of the ladder: `haurc`, `information_at_80` … (`curves.curve_figures`).

    Args:
        use_above: Whether w of rule 3 may be other than 0.

    Raises:
        TableError: Fewer than four labelled pictures, or no taxon with two.
    """
    leaves, tree = _tree_of(embedded, ranks)
    embedded, leaves = embedded.take(np.flatnonzero(leaves >= 0)), leaves[leaves >= 0]
    numbers: dict[str, int] = {}
    lineages, truths = Lineages.of(tree.leaves, ranks, numbers), Lineages.of(embedded.taxa, ranks, numbers)
    left_out = LeftOut(embedded.vectors, leaves, tree)
    candidates = Candidates(OWN, tree, lineages, lambda vectors: vectors)
    intervals = left_out.intervals(candidates, truths)
    if not intervals.any():
        raise TableError(f"{embedded.name}: no two pictures are of one taxon, so no picture has a prototype that could be right.")
    evidence, fits = _evidence(left_out, intervals, truths, lineages, WEIGHTS_ABOVE if use_above else (0.0,))
    named = truths.codes >= 0  # (n, ranks)
    sweeps = _sweeps(evidence, named, ranks)
    return PrototypeLadder(
        metrics={"n": len(embedded), "leaves": len(tree), **_figures(evidence, intervals, named, sweeps, ranks)},
        curves={name: _curve(sweep.points(np.ones((1, sweep_n)))) for name, (sweep, sweep_n) in sweeps.items()},
        settings={target: _setting(evidence, target) for target in TARGETS},
        fits=fits,
    )


def _tree_of(embedded: EmbeddedSet, ranks: Sequence[str]) -> tuple[np.ndarray, Taxonomy]:
    is_labelled = np.any([np.array(embedded.taxa[rank].is_valid()) for rank in ranks], axis=0)
    if is_labelled.sum() < 4:
        raise TableError(f"{embedded.name}: {int(is_labelled.sum())} labelled pictures are too few; the ladder of prototypes needs at least four.")
    tree = label_tree(embedded.taxa, ranks)
    return leaves_of_labels(embedded.taxa, tree), tree


def _evidence(left_out: LeftOut, intervals: np.ndarray, truths: Lineages, lineages: Lineages, weights: Sequence[float]) -> tuple[Evidence, tuple[Fit, ...]]:
    """Rule 4: for all pictures in order, and the numbers of either half."""
    half = np.random.default_rng(SEED).permutation(len(left_out)) % 2  # (n,)
    fits, parts, rows_of = [], [], []
    for number in (0, 1):
        fit = _fit(left_out, np.flatnonzero(half != number), intervals, weights)
        fits.append(fit)
        for rows in _blocks(np.flatnonzero(half == number)):
            own, above = left_out.cosines(rows)
            probabilities = leaf_probabilities((own + fit.above * above).astype(np.float32), fit.scale)
            parts.append(evidence_of(probabilities, own.max(axis=1), truths.take(rows), left_out.taxonomy, lineages))
            rows_of.append(rows)
    order = np.argsort(np.concatenate(rows_of))
    return join_evidence(parts).take(order), tuple(fits)


def _fit(left_out: LeftOut, rows: np.ndarray, intervals: np.ndarray, weights: Sequence[float]) -> Fit:
    """The scale and w with the least loss on some pictures."""

    def blocks(weight: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for block in _blocks(rows):
            own, above = left_out.cosines(block)
            yield own + weight * above, intervals[block]

    best = None
    for weight in weights:
        temperature, losses = fit_temperature(blocks(weight), 1.0, 1 / SCALES, shrinkage=0)
        found = Fit(1 / temperature, weight, float(losses.min()))
        best = found if best is None or found.loss < best.loss else best
    return best


def _sweeps(evidence: Evidence, named: np.ndarray, ranks: Sequence[str]) -> dict[str, tuple[Sweep, int]]:
    """For each rank that labels name the answers at it alone, over the pictures whose label names it, and those of the ladder."""
    sweeps = {}
    for depth, rank in enumerate(ranks):
        rows = np.flatnonzero(named[:, depth])
        if len(rows):
            arrays = (evidence.probability, evidence.verdicts, np.full(evidence.verdicts.shape, depth), evidence.information)
            sweeps[rank] = (Sweep(Attempts(*(array[rows, depth : depth + 1] for array in arrays))), len(rows))
    return sweeps | {"ladder": (Sweep(weighing_attempts(evidence, max(TARGETS))), len(evidence))}


def _figures(evidence: Evidence, intervals: np.ndarray, named: np.ndarray, sweeps: dict[str, tuple[Sweep, int]], ranks: Sequence[str]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for depth, rank in enumerate(ranks):
        if rank in sweeps:
            sweep, count = sweeps[rank]
            of_rank: dict[str, Figure] = {f"{rank}_right": share(evidence.verdicts[named[:, depth], depth] == RIGHT)}
            of_rank |= {f"{rank}_answered_{target:.0%}".rstrip("%"): partial(_answered_at, sweep, target) for target in TARGETS}
            possible = float(np.mean(intervals[named[:, depth], depth, 1] > 0))
            figures |= {f"{rank}_n": count, f"{rank}_possible": round(possible, 4), **with_intervals(of_rank, count)}
    return figures | with_intervals(curve_figures(sweeps["ladder"][0]), len(evidence))


def _answered_at(sweep: Sweep, target: float, weights: np.ndarray) -> np.ndarray:
    """The largest share that can be answered with such accuracy, (b,)."""
    points = sweep.points(weights)
    return np.where(np.nan_to_num(points.accuracy, nan=0.0) >= target - SLACK, points.answered, 0.0).max(axis=1)


def _curve(points: Points) -> list[dict[str, float]]:
    rows = thinned(points)
    kept = rows[~np.isnan(points.accuracy[0, rows])]
    return [
        {
            "threshold": round(float(points.thresholds[row]), 4),
            "answered": round(float(points.answered[0, row]), 4),
            "accuracy": round(float(points.accuracy[0, row]), 4),
            "information": round(float(points.gained[0, row]), 4),
        }
        for row in kept.tolist()
    ]


def _setting(evidence: Evidence, target: float) -> Setting | None:
    try:
        return evidence.setting(target)
    except NotCalibratedError:
        return None


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[first : first + BLOCK_PICTURES] for first in range(0, len(rows), BLOCK_PICTURES))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), TINY)
