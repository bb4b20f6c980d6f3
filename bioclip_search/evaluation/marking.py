"""From cosines and labels to marks: what each picture was called, and whether that is right.

The tree and its names come from `candidates`, the answers from `posterior` and `fallback`, what is right from
`verdicts`; figures are left to `measures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bioclip_search.evaluation.candidates import Candidates
from bioclip_search.evaluation.curves import Attempts, information_of
from bioclip_search.evaluation.measures import Marks, Matches
from bioclip_search.evaluation.severity import heights_of
from bioclip_search.evaluation.sisters import Calls
from bioclip_search.evaluation.verdicts import UNDECIDED, Lineages, is_at_label_rank, is_label, judge_answers, judge_at_rank
from bioclip_search.fallback import Step, attempts
from bioclip_search.posterior import leaf_probabilities, prefix_mass, roll_up
from bioclip_search.taxonomy import Taxonomy

TOP = 5


@dataclass(frozen=True)
class Ruling:
    """The numbers that turn cosines into an answer."""

    logit_scale: float
    temperature: float
    threshold: float
    threshold_from: str


@dataclass(frozen=True, eq=False)
class Tried:
    """What the rules try for b pictures: (b, k) arrays, padded with -1 and 0."""

    leaves: np.ndarray
    below: np.ndarray
    depths: np.ndarray
    probabilities: np.ndarray

    def first_to_reach(self, threshold: float) -> np.ndarray:
        """The column of each picture's answer, (b,); -1 for none."""
        reaches = (self.probabilities >= threshold) & (self.depths >= 0)
        return np.where(reaches.any(axis=1), np.argmax(reaches, axis=1), -1)


def mark(scores: np.ndarray, truths: Lineages, candidates: Candidates, ruling: Ruling) -> Marks:
    """The marks of b pictures from their (b, c) cosines, which are overwritten, and their b labels.

    Raises:
        ValueError: A score is NaN.
    """
    taxonomy, lineages = candidates.taxonomy, candidates.lineages
    matches = _matched(scores, truths, candidates)
    leaves, chances, tried = _answers(leaf_probabilities(scores, ruling.logit_scale, ruling.temperature), taxonomy)
    attempts_ = _judged(tried, truths, lineages, len(taxonomy))
    rows, column = np.arange(len(truths)), tried.first_to_reach(ruling.threshold)
    has_answer = column >= 0
    depth = np.where(has_answer, tried.depths[rows, column], -1)
    answer = np.where(has_answer, attempts_.verdicts[rows, column], UNDECIDED)
    chosen = lineages.take(np.maximum(tried.leaves[rows, column], 0))
    return Marks(
        calls=_called(leaves, truths, lineages),
        chances=chances,
        depth=depth,
        answer=answer,
        probability=np.where(has_answer, tried.probabilities[rows, column], 1.0),
        information=np.where(has_answer, attempts_.information[rows, column], 0.0),
        height=heights_of(chosen, depth, truths, answer),
        attempts=attempts_,
        matches=matches,
    )


def _matched(scores: np.ndarray, truths: Lineages, candidates: Candidates) -> Matches:
    lineages = candidates.lineages
    top = np.stack([_highest(row, TOP) for row in scores])  # (b, up to 5)
    hits = np.stack([is_label(lineages.take(column), truths) for column in top.T], axis=1)  # (b, up to 5)
    best = lineages.take(top[:, 0])
    return Matches(
        top1=hits[:, 0],
        top5=hits.any(axis=1),
        at_rank=is_at_label_rank(best, truths),
        listed=candidates.hold(truths),
        verdicts=np.stack([judge_at_rank(best, truths, rank) for rank in range(len(candidates.taxonomy.ranks))], axis=1),
        height=heights_of(best, best.lowest, truths, judge_answers(best, best.lowest, truths)),
    )


def _called(leaves: np.ndarray, truths: Lineages, lineages: Lineages) -> Calls:
    """The taxon of each rank that holds a leaf, (b, ranks), as a call."""
    found = [lineages.take(column) for column in leaves.T]
    return Calls(
        truth=truths.codes,
        called=np.stack([lineage.at(rank) for rank, lineage in enumerate(found)], axis=1),
        parents=np.stack([lineage.at(rank - 1) if rank else np.full(len(truths), -1) for rank, lineage in enumerate(found)], axis=1),
        verdicts=np.stack([judge_at_rank(lineage, truths, rank) for rank, lineage in enumerate(found)], axis=1),
    )


def _judged(tried: Tried, truths: Lineages, lineages: Lineages, leaves_in_all: int) -> Attempts:
    columns = zip(tried.leaves.T, tried.depths.T, strict=True)
    verdicts = [judge_answers(lineages.take(np.maximum(leaves, 0)), np.maximum(depths, 0), truths) for leaves, depths in columns]
    is_try = tried.depths >= 0
    return Attempts(
        reach=np.where(is_try, tried.probabilities, 0.0).astype(np.float32),
        verdicts=np.where(is_try, np.stack(verdicts, axis=1), UNDECIDED),
        depths=tried.depths.astype(np.int8),
        information=np.where(is_try, information_of(tried.below, leaves_in_all), 0.0).astype(np.float32),
    )


def _answers(probabilities: np.ndarray, taxonomy: Taxonomy) -> tuple[np.ndarray, np.ndarray, Tried]:
    """From (b, c) leaf probabilities: a leaf of the most probable taxon of each rank, (b, ranks), its probability, (b, ranks), and what is tried."""
    shape = (len(probabilities), len(taxonomy.ranks))
    leaves, chances = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    steps = []
    for i, row in enumerate(probabilities):
        prefix = prefix_mass(row)
        for rank, level in enumerate(taxonomy.levels):
            if len(level):  # else leaf 0, which has no name at this rank either
                masses = roll_up(prefix, level.start, level.stop)
                number = int(np.argmax(masses))
                leaves[i, rank], chances[i, rank] = level.start[number], min(1.0, masses[number])
        steps.append(attempts(row, taxonomy.levels))
    return leaves, chances, _padded(steps, taxonomy)


def _padded(steps: Sequence[Sequence[Step]], taxonomy: Taxonomy) -> Tried:
    shape = (len(steps), 2 * len(taxonomy.ranks))
    tried = Tried(np.full(shape, -1), np.zeros(shape, np.int64), np.full(shape, -1), np.zeros(shape))
    for i, of_picture in enumerate(steps):
        for column, step in enumerate(of_picture):
            level = taxonomy.levels[step.depth]
            start, stop = level.start[step.number], level.stop[step.number]
            tried.leaves[i, column], tried.below[i, column] = start, stop - start
            tried.depths[i, column], tried.probabilities[i, column] = step.depth, step.probability
    return tried


def _highest(row: np.ndarray, count: int) -> np.ndarray:
    """The numbers of the highest scores, best first, of equal ones the first; fewer where there are not so many.

    Raises:
        ValueError: A score is NaN.
    """
    count = min(count, len(row))
    highest = np.partition(row, -count)[-count:]  # NaN sorts last
    if np.isnan(highest).any():
        raise ValueError("Scores hold NaN; the embedding or the index has vectors that are no numbers.")
    candidates = np.flatnonzero(row >= highest[0])
    return candidates[np.argsort(-row[candidates], kind="stable")][:count]
