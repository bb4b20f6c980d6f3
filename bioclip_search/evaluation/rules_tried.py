"""What each rule of the fallback answers for labelled pictures, at every setting from cautious to bold, ours and those of others.

Numpy over what is kept of the pictures; who wins is left to `rules_compared`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bioclip_search.calibration.evidence import CAUTIONS, Evidence, evidence_of_steps, join_evidence
from bioclip_search.calibration.lesson import LabelledPictures
from bioclip_search.evaluation.candidates import Candidates
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, Lineages, judge_answers
from bioclip_search.fallback import Judge, Row, information
from bioclip_search.index.search import best_rows
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.speciesnet import ROLLED_UP, SURE_CLASS, TOP_CLASSES, answer_rows

THRESHOLDS = np.round(np.arange(0.99, 0.0, -0.01), 2)
"""Thresholds tried for rules that have one, highest first."""

FIXED = (0.5, 0.65, 0.9)
"""Thresholds that people set by hand."""

OURS = "weighing"


@dataclass(frozen=True)
class Lesson:
    """What a rule may have learned: the accuracy it is to reach, and a judge of its chances."""

    target: float
    judge: Judge | None


@dataclass(frozen=True, eq=False)
class Answers:
    """What a rule answers for n pictures at s settings, the most cautious first: (s, n) arrays; a depth of -1 is no answer."""

    depths: np.ndarray
    verdicts: np.ndarray
    information: np.ndarray
    ranks: int

    def at(self, setting: int, rows: np.ndarray) -> dict[str, Any]:
        """The figures of some pictures at a setting: accuracy (NaN without an answer), coverage, mean information of right answers, and shares by rank."""
        depths, verdicts, told = (array[setting, rows] for array in (self.depths, self.verdicts, self.information))
        decided = int((verdicts != UNDECIDED).sum())
        return {
            "accuracy": float((verdicts == RIGHT).sum() / decided) if decided else np.nan,
            "coverage": float(np.mean(depths >= 0)),
            "information": float(np.mean(np.where(verdicts == RIGHT, told, 0.0))),
            "answered": [float(np.mean(depths == depth)) for depth in range(self.ranks)],
        }

    def counts(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Right answers and answers that can be judged at each setting, (s,) each."""
        verdicts = self.verdicts[:, rows]
        return (verdicts == RIGHT).sum(axis=1), (verdicts != UNDECIDED).sum(axis=1)


@dataclass(frozen=True, eq=False)
class Seen:
    """What n pictures look like at a temperature.

    Attributes:
        evidence: The most probable taxon of each rank.
        climb: What rules 2 and 3 try, in order, in the same form; `climb_depths` (n, k) its ranks.
        top: (n, 5) the best leaves, best first; `top_chances` their probabilities.
    """

    evidence: Evidence
    climb: Evidence
    climb_depths: np.ndarray
    top: np.ndarray
    top_chances: np.ndarray
    truths: Lineages
    candidates: Candidates


def seen_at(pictures: LabelledPictures, rows: np.ndarray, temperature: float) -> Seen:
    """What these pictures look like at a temperature; at least one is needed."""
    parts = []
    for scores, truths in pictures.blocks(rows):
        best = scores.max(axis=1)
        parts.append(_seen(leaf_probabilities(scores, pictures.logit_scale, temperature), best, truths, pictures.candidates))
    arrays = (np.concatenate([getattr(part, name) for part in parts]) for name in ("climb_depths", "top", "top_chances"))
    evidence, climb = (join_evidence([getattr(part, name) for part in parts]) for name in ("evidence", "climb"))
    return Seen(evidence, climb, *arrays, pictures.truths.take(rows), pictures.candidates)


def _seen(probabilities: np.ndarray, best_score: np.ndarray, truths: Lineages, candidates: Candidates) -> Seen:
    taxonomy, lineages = candidates.taxonomy, candidates.lineages
    every = range(len(taxonomy.ranks))
    rows = [Row(row, taxonomy.levels) for row in probabilities]
    best, climbed = [[row.best(depth) for depth in every] for row in rows], [[step for _, step in row.attempts(every)] for row in rows]
    depths = np.full((len(rows), 2 * len(every)), -1)
    for i, steps in enumerate(climbed):
        depths[i, : len(steps)] = [step.depth for step in steps]
    top = np.stack([_best_first(row, min(TOP_CLASSES, len(taxonomy))) for row in probabilities])
    return Seen(
        evidence=evidence_of_steps(best, best_score, truths, taxonomy, lineages),
        climb=evidence_of_steps(climbed, best_score, truths, taxonomy, lineages, depths.shape[1]),
        climb_depths=depths,
        top=top,
        top_chances=np.take_along_axis(probabilities, top, axis=1),
        truths=truths,
        candidates=candidates,
    )


def _best_first(row: np.ndarray, count: int) -> np.ndarray:
    rows = best_rows(row, count)
    return rows[np.argsort(-row[rows], kind="stable")]


def _weighing(seen: Seen, lesson: Lesson) -> Answers:
    evidence = seen.evidence.judged(lesson.judge)
    chosen = np.stack([evidence.chosen(caution, lesson.target) for caution in CAUTIONS])
    return _picked(evidence, chosen, chosen, evidence.probability.shape[1])


def _lowest(seen: Seen, lesson: Lesson) -> Answers:
    evidence = seen.evidence.judged(lesson.judge)
    reaches = evidence.chances[None] >= THRESHOLDS[:, None, None]  # (s, n, ranks)
    chosen = np.where(reaches.any(axis=2), reaches.shape[2] - 1 - reaches[:, :, ::-1].argmax(axis=2), -1)
    return _picked(evidence, chosen, chosen, evidence.probability.shape[1])


def _climbing(seen: Seen, lesson: Lesson, thresholds: Sequence[float] = THRESHOLDS) -> Answers:
    reaches = seen.climb.probability[None] >= np.asarray(thresholds)[:, None, None]  # (s, n, k)
    column = np.where(reaches.any(axis=2), reaches.argmax(axis=2), -1)
    depths = seen.climb_depths[np.arange(len(seen.climb)), column]  # (s, n)
    return _picked(seen.climb, column, depths, seen.evidence.probability.shape[1])


def _picked(evidence: Evidence, column: np.ndarray, depths: np.ndarray, ranks: int) -> Answers:
    """The answers in these columns of the evidence, (s, n); -1 for none."""
    rows, has = np.arange(len(evidence)), column >= 0
    return Answers(
        depths=np.where(has, depths, -1).astype(np.int8),
        verdicts=np.where(has, evidence.verdicts[rows, column], UNDECIDED).astype(np.int8),
        information=np.where(has, evidence.information[rows, column], 0.0).astype(np.float32),
        ranks=ranks,
    )


def _speciesnet(seen: Seen, lesson: Lesson, settings: Sequence[tuple[float, float]] = tuple((t, t) for t in THRESHOLDS)) -> Answers:
    """Its rules 4, 5 and 7 over the best five; where a threshold is fitted, it stands for both of theirs."""
    given = [answer_rows(seen.top, seen.top_chances, seen.candidates.taxonomy.levels, accept=accept, rolled_up=rolled) for accept, rolled in settings]
    return _judged(seen, np.stack([depths for depths, _ in given]), np.stack([leaves for _, leaves in given]))


def _best_match(seen: Seen, lesson: Lesson, thresholds: Sequence[float] = THRESHOLDS) -> Answers:
    """The best leaf, at whatever rank it is named, if it reaches the threshold."""
    deepest = seen.candidates.taxonomy.deepest_ranks()[seen.top[:, 0]]
    depths = np.stack([np.where(seen.top_chances[:, 0] >= threshold, deepest, -1) for threshold in thresholds])
    return _judged(seen, depths, np.broadcast_to(seen.top[:, 0], depths.shape))


def _judged(seen: Seen, depths: np.ndarray, leaves: np.ndarray) -> Answers:
    """The answers at these ranks above these leaves, (s, n) each."""
    taxonomy, lineages = seen.candidates.taxonomy, seen.candidates.lineages
    verdicts = np.stack([judge_answers(lineages.take(found), np.maximum(at, 0), seen.truths) for at, found in zip(depths, leaves, strict=True)])
    sizes = np.ones(depths.shape, np.int64)
    for depth, level in enumerate(taxonomy.levels):
        here = depths == depth
        numbers = level.numbers(leaves[here])
        sizes[here] = (level.stop - level.start)[numbers]
    return Answers(depths, np.where(depths >= 0, verdicts, UNDECIDED), np.where(depths >= 0, information(sizes, len(taxonomy)), 0.0), len(taxonomy.ranks))


# What is asked of a rule, by the name it bears in the tables.
RULES: dict[str, Callable[[Seen, Lesson], Answers]] = {
    OURS: _weighing,
    "weighing, no judge": lambda seen, lesson: _weighing(seen, replace(lesson, judge=None)),
    "climbing": _climbing,
    "lowest rank, judged": _lowest,
    "lowest rank": lambda seen, lesson: _lowest(seen, replace(lesson, judge=None)),
    "conformal": _climbing,
    "SpeciesNet's": _speciesnet,
    "best match": _best_match,
    **{f"climbing at {threshold:g}": (lambda seen, lesson, at=threshold: _climbing(seen, lesson, (at,))) for threshold in FIXED},
    "SpeciesNet's as it is": lambda seen, lesson: _speciesnet(seen, lesson, ((SURE_CLASS, ROLLED_UP),)),
    "best match always": lambda seen, lesson: _best_match(seen, lesson, (0.0,)),
}
JUDGED = frozenset({OURS, "lowest rank, judged"})
PROMISED = (OURS, "weighing, no judge", "lowest rank, judged", "lowest rank", "climbing", "conformal", "SpeciesNet's", "best match")
AS_IT_IS = (*(f"climbing at {threshold:g}" for threshold in FIXED), "SpeciesNet's as it is", "best match always")
"""Rules that ask a judge; those whose boldness is fitted, and those that are taken as they are."""
