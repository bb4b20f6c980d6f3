"""Every head asked about pictures that it was not taught: what it says of each, and how often that is right.

Pure numpy over `features`; teaching is left to `heads`, dealing out to `splits`, the choice between heads to `training`.

1. Pictures are dealt into folds, classes as evenly as can be; what belongs together is in one fold.
2. A head is taught the pictures of all folds but one, in all their looks, and asked those of the one, as they are.
3. A class that has pictures in no other fold cannot be learned for the one that it is in: it is missed.
4. What logistic regression is held back with (C) is chosen once for all folds and for the head that is kept, by the log loss of the first
   fold, without further looks.
5. Figures are drawn anew over groups (bootstrap), and `_folds_low`, `_folds_high` tell how they differ from fold to fold (t).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bioclip_search.classifier.features import Features
from bioclip_search.classifier.views import PLAIN
from bioclip_search.evaluation.few_shot import STUDENT_T_95, STUDENT_T_MANY
from bioclip_search.evaluation.resample import Figure, macro_share, mean_of, share, with_intervals
from bioclip_search.heads.fitting import STRENGTHS, Regress, balanced_weights, fit_head
from bioclip_search.heads.head import Head
from bioclip_search.heads.kept_back import KeptBack, kept_back
from bioclip_search.splits.folds import scarce_classes, stratified_folds

FOLDS = 5
UNTAUGHT = -20.0
"""The logarithm of the probability of a class that was not taught: one in 500 million, so that a mean of logarithms stays a number."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One kind of head, asked about every picture once.

    Attributes:
        scores: (n, k) float64, as `Head.scores` gives them; NaN for a class that the head was not taught (rule 3).
        strangers: (n, k) as `heads.kept_back` gives them, None where they were not asked for or there are too few classes.
        options: What `fit_head` was told beside the kind.
    """

    kind: str
    scores: np.ndarray
    strangers: np.ndarray | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> np.ndarray:
        """Logarithms of probabilities among the classes taught, (n, k), numbers throughout: what was not taught has `UNTAUGHT`."""
        return among_taught(self.scores)


def deal(features: Features, folds: int, seed: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The fold of each picture, (n,), and what is to be told of classes that are not in every fold.

    Raises:
        TableError: There are fewer groups than folds.
    """
    fold = stratified_folds(features.of, features.groups, folds, seed)
    scarce = scarce_classes(features.of, features.groups, folds)
    names = [features.taxa[number].name for number in scarce.tolist()]
    told = f"{len(names):,} {'class has' if len(names) == 1 else 'classes have'} fewer than {folds} bursts or single pictures, so not every fold asks of"
    return fold, (f"{told} {'it' if len(names) == 1 else 'them'}: {', '.join(names[:20])}{' and more' if len(names) > 20 else ''}",) if names else ()


def teach(kind: str, features: Features, is_taught: np.ndarray, *, balance: bool = False, seed: int = 0, **options: Any) -> tuple[Head, np.ndarray]:
    """A head taught some of the pictures, (n,) bool, in all their looks, and the classes that it knows, (c,) ascending.

    Args:
        balance: Whether all classes count alike, however many pictures they have.
    """
    vectors, numbers = features.taught(is_taught)
    known, of = np.unique(features.of[numbers], return_inverse=True)
    weights = balanced_weights(of, len(known)) if balance else None
    return fit_head(kind, vectors, of.reshape(-1), len(known), weights=weights, groups=features.groups[numbers], seed=seed, **options), known


def try_head(
    kind: str,
    features: Features,
    fold: np.ndarray,
    *,
    balance: bool = False,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    regress: Regress | None = None,
) -> Trial:
    """Rules 2 to 4.

    Args:
        options: Of the head, where they were chosen before.
        regress: Seeks what `logistic` needs elsewhere, as `fit_head` takes it.
    """
    if options is None:
        sought = {"regress": regress} if regress else {}
        options = {"strength": _strength(features, fold, balance, seed, sought), **sought} if kind == "logistic" else {}
    return Trial(kind, _kept_back(kind, features, fold, balance, seed, options, strangers=False).scores, options=options)


def with_strangers(trial: Trial, features: Features, *, balance: bool = False, seed: int = 0) -> Trial:
    """The same with what heads say that do not know a picture's class, which `heads.weighing` asks for.

    Subtle: of one fold that holds every picture nobody can be taught, so only the heads without some classes are.
    """
    found = _kept_back(trial.kind, features, np.zeros(len(features), np.int64), balance, seed, trial.options, strangers=True)
    return replace(trial, strangers=found.stranger_scores)


def _kept_back(kind: str, features: Features, fold: np.ndarray, balance: bool, seed: int, options: Mapping[str, Any], *, strangers: bool) -> KeptBack:
    """Subtle: looks are taught with the fold of their picture, and what is said of them is left out."""
    vectors, numbers = features.taught(np.ones(len(features), bool))
    of, groups = features.of[numbers], features.groups[numbers]
    found = kept_back(kind, vectors, of, len(features.taxa), fold[numbers], groups=groups, is_balanced=balance, seed=seed, strangers=strangers, **options)
    n = len(features)
    return KeptBack(found.scores[:n], None if found.stranger_scores is None else found.stranger_scores[:n])


def _strength(features: Features, fold: np.ndarray, balance: bool, seed: int, sought: Mapping[str, Any]) -> float:
    """Rule 4, on the pictures as they are; of equal ones the smallest."""
    features, asked = features.with_looks((PLAIN,)), fold == fold.min()
    losses = []
    for strength in STRENGTHS:
        head, known = teach("logistic", features, ~asked, balance=balance, seed=seed, strength=strength, **sought)
        scores = np.full((int(asked.sum()), len(features.taxa)), np.nan)
        scores[:, known] = head.scores(features.vectors[asked])
        scores = among_taught(scores)
        losses.append(-scores[np.arange(len(scores)), features.of[asked]].mean())
    return STRENGTHS[int(np.argmin(losses))]


def among_taught(scores: np.ndarray) -> np.ndarray:
    """What heads say, (n, k), as logarithms of probabilities among the classes that each was taught: without its gate; `UNTAUGHT` in place of NaN.

    >>> np.exp(among_taught(np.log([[0.2, 0.2, 0.1]]))).round(3).tolist()  # the gate let .5 through
    [[0.4, 0.4, 0.2]]
    """
    sums = np.logaddexp.reduce(np.nan_to_num(scores, nan=-np.inf), axis=1, keepdims=True)
    return np.where(np.isnan(scores), UNTAUGHT, scores - sums)


def measured(name: str, scores: np.ndarray, features: Features, fold: np.ndarray) -> dict[str, float]:
    """The figures of scores, flat (rule 5).

    `NAME_right`: share of pictures whose likeliest class is right; `NAME_right_macro`: its mean over classes; `NAME_log_loss`: the mean
    surprise in nats.
    """
    is_right = scores.argmax(axis=1) == features.of
    surprise = -scores[np.arange(len(features)), features.of]
    figures: dict[str, Figure] = {
        f"{name}_right": share(is_right),
        f"{name}_right_macro": macro_share(is_right, features.of),
        f"{name}_log_loss": mean_of(surprise),
    }
    told = with_intervals(figures, int(features.groups.max()) + 1, picture_of_row=features.groups)
    return told | over_folds(f"{name}_right", is_right, fold)


def over_folds(name: str, values: np.ndarray, fold: np.ndarray) -> dict[str, float]:
    """The 95 % interval of the mean of the folds' means of values, (n,), told as `NAME_folds_low` and `_high`; none for a single fold."""
    means = np.array([values[fold == number].mean() for number in np.unique(fold)])
    if len(means) < 2:
        return {}
    half = STUDENT_T_95.get(len(means), STUDENT_T_MANY) * means.std(ddof=1) / np.sqrt(len(means))
    return {f"{name}_folds_low": round(float(means.mean() - half), 4), f"{name}_folds_high": round(float(means.mean() + half), 4)}


def mean_of_bursts(scores: np.ndarray, bursts: np.ndarray) -> np.ndarray:
    """The scores of each picture replaced by the mean over its burst, (n, k)."""
    sums = np.zeros((int(bursts.max(initial=-1)) + 1, scores.shape[1]))
    np.add.at(sums, bursts, scores)
    return (sums / np.maximum(np.bincount(bursts, minlength=len(sums)), 1)[:, None])[bursts]
