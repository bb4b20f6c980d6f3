"""What every step gains: names alone, a head, more looks, names and head together, the mean of a burst; and how well each class is told.

Pure numpy over what heads said that were not taught a picture; drawing is left to `plots`, words to `report`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bioclip_search.classifier.features import Features
from bioclip_search.classifier.names_beside import Asked, are_within
from bioclip_search.classifier.ranking import auc_of, average_precision_of, mean_figure
from bioclip_search.classifier.trials import mean_of_bursts, over_folds
from bioclip_search.evaluation.resample import mean_of, share, with_intervals
from bioclip_search.heads.reach import Reach

FEW_DRAWS = 200
"""Draws for figures that cost a sorting of all pictures for every class."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step: its name in figures, its words, and whether each picture is right, (n,) bool. `then` is the step that it is compared with."""

    name: str
    words: str
    is_right: np.ndarray
    then: str | None = None


def steps_of(asked: Asked, reach: Reach, kind: str, unaided: np.ndarray | None) -> tuple[Step, ...]:
    """The steps in order.

    Args:
        unaided: (n, k) the scores of a head that was taught the pictures as they are only; None where no others were.
    """
    features, of = asked.features, asked.features.of
    steps = [
        Step("names", "names alone, among all taxa of the index", are_within(asked.answers.by_name, reach, of)),
        Step("names_taught", "names alone, among the taxa taught", are_within(asked.answers.by_name_taught, reach, of), "names"),
    ]
    if unaided is not None:
        steps.append(Step("head", f"{kind} on features, among the taxa taught", unaided.argmax(axis=1) == of, "names_taught"))
        steps.append(Step("looks", "+ further looks at every picture", asked.scores.argmax(axis=1) == of, "head"))
    else:
        steps.append(Step("head", f"{kind} on features, among the taxa taught", asked.scores.argmax(axis=1) == of, "names_taught"))
    if (np.bincount(features.bursts) > 1).any():
        of_bursts = mean_of_bursts(asked.scores, features.bursts).argmax(axis=1) == of
        steps.append(Step("bursts", "+ the mean over each burst", of_bursts, steps[-1].name))
    steps.append(Step("both", "names and head together, among all taxa of the index", are_within(asked.answers.by_both, reach, of), "names"))
    return tuple(steps)


def figures_of_steps(steps: Sequence[Step], features: Features, fold: np.ndarray) -> dict[str, float]:
    """`step_NAME_right` with intervals over groups and over folds, and `step_NAME_gain` over the step before it, on the same draws."""
    rights = {step.name: step.is_right for step in steps}
    figures = {f"step_{step.name}_right": share(step.is_right) for step in steps}
    figures |= {f"step_{step.name}_gain": mean_of(step.is_right * 1.0 - rights[step.then]) for step in steps if step.then}
    told = with_intervals(figures, int(features.groups.max()) + 1, picture_of_row=features.groups)
    for step in steps:
        told |= over_folds(f"step_{step.name}_right", step.is_right, fold)
    return told


def figures_of_classes(scores: np.ndarray, features: Features) -> dict[str, float]:
    """`auc_macro` and `average_precision_macro`: means over classes of each against the rest, with intervals over groups; `classes`, `pictures`."""
    k = len(features.taxa)
    probabilities = as_probabilities(scores)
    figures = {
        "auc_macro": mean_figure([auc_of(probabilities[:, number], features.of == number) for number in range(k)]),
        "average_precision_macro": mean_figure([average_precision_of(probabilities[:, number], features.of == number) for number in range(k)]),
    }
    told = with_intervals(figures, int(features.groups.max()) + 1, draws=FEW_DRAWS, picture_of_row=features.groups)
    return {"pictures": len(features), "classes": k, "groups": int(features.groups.max()) + 1, **told}


def figures_of_kept_back(asked: Asked, reach: Reach) -> dict[str, float]:
    """`kept_back_names_right`, `_head_right` and `_both_right` of pictures that taught nothing, with intervals over groups."""
    of, groups = asked.features.of, asked.features.groups
    rights = {
        "names": are_within(asked.answers.by_name, reach, of),
        "head": asked.scores.argmax(axis=1) == of,
        "both": are_within(asked.answers.by_both, reach, of),
    }
    figures = {f"kept_back_{name}_right": share(is_right) for name, is_right in rights.items()}
    figures["kept_back_both_gain"] = mean_of(rights["both"] * 1.0 - rights["names"])
    return {"kept_back_pictures": len(of), **with_intervals(figures, int(groups.max()) + 1, picture_of_row=groups)}


def as_probabilities(scores: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities, (n, k), as rows that sum to one."""
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class ClassFigures:
    """How one class is told from all others: shares 0 to 1, NaN over nothing."""

    taxon: str
    rank: str
    pictures: int
    groups: int
    recall: float
    precision: float
    auc: float
    average_precision: float


def by_class(scores: np.ndarray, features: Features) -> tuple[ClassFigures, ...]:
    """The figures of every class, depth first."""
    probabilities, answers = as_probabilities(scores), scores.argmax(axis=1)
    once = np.ones((1, len(features)))
    rows = []
    for number, taxon in enumerate(features.taxa):
        mine, called = features.of == number, answers == number
        both = float((mine & called).sum())
        rows.append(
            ClassFigures(
                taxon=taxon.name,
                rank=taxon.rank,
                pictures=int(mine.sum()),
                groups=len(np.unique(features.groups[mine])),
                recall=both / mine.sum() if mine.any() else float("nan"),
                precision=both / called.sum() if called.any() else float("nan"),
                auc=float(auc_of(probabilities[:, number], mine)(once)[0]),
                average_precision=float(average_precision_of(probabilities[:, number], mine)(once)[0]),
            )
        )
    return tuple(rows)


def confusion(scores: np.ndarray, of: np.ndarray) -> np.ndarray:
    """How many pictures of each class (rows) are called each class (columns), (k, k) int64."""
    k = scores.shape[1]
    return np.bincount(of * k + scores.argmax(axis=1), minlength=k * k).reshape(k, k)
