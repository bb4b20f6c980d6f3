"""From cosines and labels to marks: what each picture was called, and whether that is right.

The tree and its names come from `candidates`, the answers from `posterior` and `fallback`, what is right from
`verdicts`; figures are left to `measures`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bioclip_search.calibration.evidence import Evidence
from bioclip_search.evaluation.attempts import weighing_attempts
from bioclip_search.evaluation.candidates import Candidates
from bioclip_search.evaluation.curves import Attempts
from bioclip_search.evaluation.measures import Marks, Matches
from bioclip_search.evaluation.rows import join_columns
from bioclip_search.evaluation.severity import heights_of
from bioclip_search.evaluation.sisters import Calls
from bioclip_search.evaluation.verdicts import UNDECIDED, WRONG, Lineages, is_at_label_rank, is_label, judge_answers, judge_at_rank
from bioclip_search.fallback import Row, Rules, Step, Weighing, information
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.taxonomy import Taxonomy

TOP = 5

LEAST_REACH = 1e-6
"""Of the most probable species as the boldest answer of all: below every threshold and caution that is asked for."""


@dataclass(frozen=True)
class Ruling:
    """What turns cosines into an answer, and where the rules are from, in words."""

    logit_scale: float
    temperature: float
    rules: Rules
    rules_from: str

    def to_dict(self) -> dict[str, Any]:
        """Flat, only JSON types."""
        numbers = {name: value for name, value in vars(self.rules).items() if isinstance(value, int | float)}
        rule = {"rule": type(self.rules).__name__.lower(), **numbers, "rules_from": self.rules_from}
        return {"logit_scale": self.logit_scale, "temperature": self.temperature, **rule}


@dataclass(frozen=True, eq=False)
class Taxa:
    """Up to k taxa of a tree for each of b pictures, all arrays (b, k); where there are fewer, leaf and depth are -1, the others 0.

    Attributes:
        leaves: The first leaf of each; `below`: how many it holds.
        depths: The number of its rank.
        probabilities: float.
    """

    leaves: np.ndarray
    below: np.ndarray
    depths: np.ndarray
    probabilities: np.ndarray

    def judged(self, truths: Lineages, lineages: Lineages) -> np.ndarray:
        """The verdict on each as an answer, (b, k) int8."""
        columns = zip(self.leaves.T, self.depths.T, strict=True)
        verdicts = [judge_answers(lineages.take(np.maximum(leaves, 0)), np.maximum(depths, 0), truths) for leaves, depths in columns]
        return np.where(self.depths >= 0, np.stack(verdicts, axis=1), UNDECIDED)

    def information(self, leaves_in_all: int) -> np.ndarray:
        """What each tells, (b, k) float."""
        return np.where(self.depths >= 0, information(np.maximum(self.below, 1), leaves_in_all), 0.0)

    def as_attempts(self, truths: Lineages, lineages: Lineages, leaves_in_all: int) -> Attempts:
        """The taxa in order as the attempts of a rule that takes the first which is probable enough."""
        verdicts = self.judged(truths, lineages)
        return _compact(Attempts(self.probabilities, verdicts, self.depths, self.information(leaves_in_all)))


def mark(scores: np.ndarray, truths: Lineages, candidates: Candidates, ruling: Ruling) -> Marks:
    """The marks of b pictures from their (b, c) cosines, which are overwritten, and their b labels.

    Raises:
        ValueError: A score is NaN.
    """
    matches, best_score = _matched(scores, truths, candidates), scores.max(axis=1)
    depths = range(len(candidates.taxonomy.ranks))
    best_steps, choices, tries = [], [], []
    for row, score in zip(leaf_probabilities(scores, ruling.logit_scale, ruling.temperature), best_score, strict=True):
        tree = Row(row, candidates.taxonomy.levels, best_score=score)  # as large as the tree, so only one at a time
        best_steps.append([tree.best(depth) for depth in depths])
        choices.append(ruling.rules.choose(tree, depths))
        tries.append([step for _, step in tree.attempts(depths)])
    best = _taxa(best_steps, candidates.taxonomy)
    chosen = _taxa([[choice.step] for choice in choices], candidates.taxonomy)
    if isinstance(ruling.rules, Weighing):
        attempts = _weighed(best, best_score, truths, candidates, ruling.rules)
    else:
        tried = _taxa(tries, candidates.taxonomy, 2 * len(depths))
        attempts = tried.as_attempts(truths, candidates.lineages, len(candidates))
    boldest = _boldest(best).as_attempts(truths, candidates.lineages, len(candidates))
    whole = _compact(join_columns([boldest, attempts]))
    marks = marks_of(best, chosen, whole, truths, candidates, matches)
    stated = [choice.chance if choice.chance is not None else probability for choice, probability in zip(choices, marks.probability, strict=True)]
    return replace(marks, probability=np.array(stated))


def marks_of(
    best: Taxa, chosen: Taxa, attempts: Attempts, truths: Lineages, candidates: Candidates, matches: Matches | None = None, *, missing: np.int8 = WRONG
) -> Marks:
    """The marks of b pictures from the most probable taxon of each rank, (b, ranks), and the answer, (b, 1).

    Args:
        missing: The verdict where there is no taxon of a rank that the label names.
    """
    depth, answer = chosen.depths[:, 0], chosen.judged(truths, candidates.lineages)[:, 0]
    answered = candidates.lineages.take(np.maximum(chosen.leaves[:, 0], 0))
    return Marks(
        calls=_called(best.leaves, truths, candidates.lineages, missing),
        chances=best.probabilities.astype(np.float32),
        depth=depth,
        answer=answer,
        probability=np.where(depth >= 0, chosen.probabilities[:, 0], 1.0),
        information=chosen.information(len(candidates))[:, 0],
        height=heights_of(answered, depth, truths, answer),
        attempts=attempts,
        matches=matches,
    )


def _boldest(best: Taxa) -> Taxa:
    """The most probable taxon of the lowest rank that has any, (b, 1): where every curve ends, whatever the rule, so that areas can be compared."""
    lowest = best.depths.max(axis=1, keepdims=True)
    arrays = (np.take_along_axis(array, np.maximum(lowest, 0), axis=1) for array in (best.leaves, best.below, best.depths))
    return Taxa(*arrays, probabilities=np.where(lowest >= 0, LEAST_REACH, 0.0))


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


def _called(leaves: np.ndarray, truths: Lineages, lineages: Lineages, missing: np.int8) -> Calls:
    """The taxon of each rank that holds a leaf, (b, ranks), as a call."""
    called, parents, verdicts = [], [], []
    for rank, column in enumerate(leaves.T):
        found, is_there = lineages.take(np.maximum(column, 0)), column >= 0
        called.append(np.where(is_there, found.at(rank), -1))
        parents.append(np.where(is_there & (rank > 0), found.at(rank - 1), -1))
        absent = np.where(truths.at(rank) >= 0, missing, UNDECIDED)
        verdicts.append(np.where(is_there, judge_at_rank(found, truths, rank), absent))
    return Calls(truths.codes, *(np.stack(columns, axis=1) for columns in (called, parents, verdicts)))


def _weighed(best: Taxa, best_score: np.ndarray, truths: Lineages, candidates: Candidates, rules: Weighing) -> Attempts:
    verdicts = best.judged(truths, candidates.lineages)
    evidence = Evidence(best.probabilities, np.maximum(best.below, 1), verdicts, best_score, len(candidates))
    return _compact(weighing_attempts(evidence.judged(rules.judge), rules.target))


def _compact(attempts: Attempts) -> Attempts:
    """The same in fewer bytes, for they are kept for every picture."""
    return Attempts(
        attempts.reach.astype(np.float32), attempts.verdicts.astype(np.int8), attempts.depths.astype(np.int8), attempts.information.astype(np.float32)
    )


def _taxa(steps: Iterable[Sequence[Step | None]], taxonomy: Taxonomy, width: int | None = None) -> Taxa:
    """Steps as arrays, (b, width); by default as wide as the first row."""
    rows = list(steps)
    shape = (len(rows), len(rows[0]) if width is None else width)
    taxa = Taxa(np.full(shape, -1), np.zeros(shape, np.int64), np.full(shape, -1), np.zeros(shape))
    for i, row in enumerate(rows):
        for column, step in enumerate(row):
            if step is not None:
                level = taxonomy.levels[step.depth]
                start, stop = level.start[step.number], level.stop[step.number]
                taxa.leaves[i, column], taxa.below[i, column] = start, stop - start
                taxa.depths[i, column], taxa.probabilities[i, column] = step.depth, step.probability
    return taxa


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
