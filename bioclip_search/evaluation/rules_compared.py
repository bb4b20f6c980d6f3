"""How the rules of the fallback fare beside each other: calibrated on one half of the labelled pictures, tried on the other, many times over.

Composes other rooms: what the rules answer comes from `rules_tried`, the promise from `calibration`. Pictures are scored
once for each temperature; a split only looks up what became of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from bioclip_search.calibration.lesson import LabelledPictures, gather, judge_taught_by, taught_and_shown
from bioclip_search.calibration.promise import boldest
from bioclip_search.calibration.temperature import best_temperature, losses_of
from bioclip_search.evaluation.curves import TARGETS
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.evaluation.rules_tried import AS_IT_IS, JUDGED, OURS, PROMISED, RULES, Answers, Lesson, Seen, seen_at
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED
from bioclip_search.fallback import Judge
from bioclip_search.searcher import Searcher
from bioclip_search.splits.cutting import cut_in_two

SPLITS = 200
SEED = 20

TEMPERATURES_NEAR = np.geomspace(0.5, 2.5, 34)
"""Temperatures tried, each 5 % above the one before."""

MOST_KEPT = 64
"""Answers of all pictures by one rule at one temperature that are kept: 2 MB for 3,500 pictures."""

CONFORMAL = "conformal"
"""The rule whose boldness is chosen by what is covered, silence included, and not by the share of names that are right."""


@dataclass(frozen=True)
class Fared:
    """How a rule fared on the halves that it was not calibrated on: means over the splits.

    Attributes:
        kept: Share of the splits in which the accuracy reached the target, None where none was promised.
        refused: Share of the splits in which no promise could be made; they do not count elsewhere.
        answered: Share of pictures answered at each rank, the highest first.
        ours: For a rule with no target, the information that `weighing` gains where it is as often right; `our_accuracy` its own
            on the other halves.
    """

    rule: str
    target: float | None
    kept: float | None
    refused: float
    accuracy: float | None
    coverage: float | None
    information: float | None
    answered: tuple[float, ...]
    ours: float | None = None
    our_accuracy: float | None = None


@dataclass(frozen=True)
class Comparison:
    """All rules at all targets, then those without one."""

    fared: tuple[Fared, ...]
    pictures: int
    taxa: int
    splits: int
    temperatures: tuple[float, ...]
    ranks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it as `evaluate fallback --out` writes it; only JSON types."""
        return asdict(self)


def compare_rules(
    searcher: Searcher,
    sets: Sequence[LabelledSet],
    *,
    parts: Sequence[str] | None = None,
    targets: Sequence[float] = TARGETS,
    splits: int = SPLITS,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """As `compare_on`, for the labelled pictures of some sets over all taxa of an index.

    Raises:
        TableError: There are too few labelled pictures that can be read.
    """
    return compare_on(gather(searcher, sets, parts=parts, workers=workers, progress=progress), targets, splits)


def compare_on(pictures: LabelledPictures, targets: Sequence[float], splits: int = SPLITS) -> Comparison:
    """Every rule on random halves of all pictures, over all taxa of the index.

    1. Of one half a part teaches the temperature and the judge, the rest how bold each rule may be (`promise.boldest`).
    2. The other half is answered. Rules without a promise (fixed thresholds, SpeciesNet's as it is, the best match) are
       tried at a temperature of 1; `weighing` is then set to be as often right on the first half as they are.
    """
    world, taxonomy = World(pictures), pictures.candidates.taxonomy
    random = np.random.default_rng(SEED)
    drawn = [world.split(random.permutation(len(pictures))) for _ in range(splits)]
    fared = [_promised(world, rule, target, drawn) for target in targets for rule in PROMISED]
    fared += [_as_it_is(world, rule, drawn) for rule in AS_IT_IS]
    temperatures = tuple(sorted({split.temperature for split in drawn}))
    return Comparison(tuple(fared), len(pictures), len(taxonomy), splits, temperatures, tuple(taxonomy.ranks))


@dataclass(frozen=True, eq=False)
class Split:
    """Two halves of the pictures, and what a part of the first taught.

    Attributes:
        shown: The rows that show what may be promised; `others` those of the other half.
    """

    temperature: float
    judge: Judge
    shown: np.ndarray
    others: np.ndarray


class World:
    """Labelled pictures, and what every temperature makes of them, worked out once."""

    def __init__(self, pictures: LabelledPictures):
        self._pictures, self._rows = pictures, np.arange(len(pictures))
        self.at = lru_cache(maxsize=None)(self._at)
        self._alike = lru_cache(maxsize=MOST_KEPT)(self._unjudged)
        scale, candidates = pictures.logit_scale, pictures.candidates
        losses = (losses_of(scores, candidates.intervals(truths), scale, TEMPERATURES_NEAR) for scores, truths in pictures.blocks(self._rows))
        self._losses = np.concatenate(list(losses))  # (n, t)

    def split(self, order: np.ndarray) -> Split:
        """The first half of the pictures in this order, which teaches and shows, and the second."""
        first, others = cut_in_two(order, 0.5, self._pictures.groups)
        taught, shown = taught_and_shown(first, self._pictures.groups)
        temperature = best_temperature(np.nansum(self._losses[taught], axis=0), TEMPERATURES_NEAR)
        return Split(temperature, judge_taught_by(self.at(temperature).evidence.take(taught)), shown, others)

    def answers(self, rule: str, split: Split, target: float) -> Answers:
        """What a rule answers for all pictures, as it does in the split; a rule that asks no judge answers alike in many."""
        if rule in JUDGED:
            return RULES[rule](self.at(split.temperature), Lesson(target, split.judge))
        return self._alike(rule, split.temperature, target)

    def _unjudged(self, rule: str, temperature: float, target: float) -> Answers:
        return RULES[rule](self.at(temperature), Lesson(target, None))

    def _at(self, temperature: float) -> Seen:
        return seen_at(self._pictures, self._rows, temperature)


def _promised(world: World, rule: str, target: float, drawn: Sequence[Split]) -> Fared:
    figures = []
    for split in drawn:
        answers = world.answers(rule, split, target)
        place = _covering(answers, split.shown, target) if rule == CONFORMAL else boldest(*answers.counts(split.shown), target)
        if place is not None:
            figures.append(answers.at(place, split.others))
    kept = float(np.mean([not one["accuracy"] < target for one in figures])) if figures else None  # who names nothing breaks no promise
    return _fared(rule, target, kept, 1 - len(figures) / len(drawn), figures)


def _covering(answers: Answers, rows: np.ndarray, target: float) -> int | None:
    """The boldest setting at which enough pictures are not answered wrongly, silence included (Mortier et al. 2026; split conformal).

    With n pictures that is (n + 1) × target of them, rounded up, so that a further picture is, with that probability.
    """
    verdicts = answers.verdicts[:, rows]
    covered = ((verdicts == RIGHT) | (verdicts == UNDECIDED)).sum(axis=1)
    missed = np.flatnonzero(covered < np.ceil((len(rows) + 1) * target))
    place = (missed[0] if len(missed) else len(covered)) - 1
    return int(place) if place >= 0 else None


def _as_it_is(world: World, rule: str, drawn: Sequence[Split]) -> Fared:
    """A rule with no promise, and what ours tells where it is as often right on the pictures that show."""
    figures, ours = [], []
    for split in drawn:
        answers = world.answers(rule, replace(split, temperature=1.0), 0.5)
        (right,), (given,) = answers.counts(split.shown)
        figures.append(answers.at(0, split.others))
        if given:
            mine = world.answers(OURS, split, round(right / given, 2))
            hits, all_given = mine.counts(split.shown)
            enough = np.flatnonzero(hits * given >= right * all_given)
            ours += [mine.at(int(place), split.others) for place in enough[-1:]]
    return replace(_fared(rule, None, None, 0.0, figures), ours=_mean(ours, "information"), our_accuracy=_mean(ours, "accuracy"))


def _fared(rule: str, target: float | None, kept: float | None, refused: float, figures: Sequence[dict[str, Any]]) -> Fared:
    accuracy, coverage, information, answered = (_mean(figures, name) for name in ("accuracy", "coverage", "information", "answered"))
    return Fared(rule, target, kept, refused, accuracy, coverage, information, tuple(answered or ()))


def _mean(figures: Sequence[dict[str, Any]], name: str) -> Any:
    """The mean of a figure over the splits that have it, None where none has."""
    told = [one[name] for one in figures if not np.isnan(one[name]).any()]
    return np.round(np.mean(told, axis=0), 4).tolist() if told else None
