"""How well a straight line through the vectors tells the taxa: a linear probe, logistic regression on frozen vectors.

Where vectors come from is left to `picture_vectors`, what a class is to `few_shot`.

1. Classes with fewer than `LEAST_PICTURES` pictures are left out, for each must be taught, chosen by, and asked. The pictures of
   a burst count as one.
2. A fifth of the pictures of every class is asked and the others are taught, five times over with other fifths (stratified
   cross-validation: every picture is asked once); or, where a part is to be taught, all others are asked, once. No burst is parted.
3. The strength of the regularisation, C, is the one of `STRENGTHS` that is right most often on a quarter of the pictures
   taught, of equal ones the first; then all of them are taught with it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bioclip_search.errors import MissingExtraError, TableError
from bioclip_search.evaluation.burst_names import groups_in
from bioclip_search.evaluation.few_shot import SEED, bursts_of_classes, classes_of
from bioclip_search.evaluation.picture_vectors import EmbeddedSet
from bioclip_search.evaluation.resample import Figure, share, with_intervals
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, Lineages, judge_at_rank
from bioclip_search.splits.folds import stratified_folds

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Values of C that are tried, for vectors of length one that were centred; for the starter 10 to 1000 were chosen."""

FOLDS = 5
CHOOSING = 4
"""One in so many of the pictures taught is held back to choose C."""

LEAST_PICTURES = 5
MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class Probe:
    """The figures, flat, the classes left out, and the C that was chosen each time."""

    metrics: dict[str, float]
    too_few: tuple[str, ...]
    strengths: tuple[float, ...]


def linear_probe(embedded: EmbeddedSet, ranks: Sequence[str], *, teach: str | None = None, seed: int = SEED) -> Probe:
    """The figures of a linear probe.

    `probe`: share right of the pictures asked, `probe_RANK`: at the rank, where labels name it; with `_low` and `_high` over
    the pictures (bootstrap by bursts). `probe_classes`, `probe_asked`: how many.

    Args:
        teach: The part that is taught, all others being asked; by default rule 2 makes parts.

    Raises:
        TableError: Fewer than two classes have enough pictures, or the part to be taught is not there.
        MissingExtraError: scikit-learn is not installed.
    """
    classes, is_taught = classes_of(embedded, ranks), _taught_part(embedded, teach)
    groups = groups_in(embedded, copies=False)
    enough = bursts_of_classes(classes.of, groups, len(classes.names), is_taught) >= LEAST_PICTURES
    named = np.flatnonzero(classes.of >= 0)
    rows = named[enough[classes.of[named]]]
    if enough.sum() < 2 or (teach is not None and is_taught[rows].all()):
        raise TableError(
            f"{embedded.name}: {int(enough.sum())} of {len(classes.names):,} classes have {LEAST_PICTURES} pictures to teach or more, and "
            f"{int((~is_taught[rows]).sum())} pictures of them are not taught; a linear probe needs at least two such classes, and pictures to ask."
        )
    of, groups, found, strengths = classes.of[rows], groups[rows], np.full(len(rows), -1), []
    for taught, asked in _splits(of, groups, is_taught[rows], teach is None, seed):
        model, strength = _fitted(embedded.vectors[rows[taught]], of[taught], groups[taught], seed)
        found[asked] = model(embedded.vectors[rows[asked]])
        strengths.append(strength)
    is_asked = found >= 0
    figures = _figures(classes.lineages.take(found[is_asked]), classes.lineages.take(of[is_asked]), (found == of)[is_asked], ranks)
    counts = {"probe_classes": int(enough.sum()), "probe_asked": int(is_asked.sum())}
    too_few = tuple(name for name, is_enough in zip(classes.names, enough.tolist(), strict=True) if not is_enough)
    drawn = np.unique(groups[is_asked], return_inverse=True)[1].reshape(-1)
    return Probe(counts | with_intervals(figures, int(drawn.max()) + 1, picture_of_row=drawn), too_few, tuple(strengths))


def _taught_part(embedded: EmbeddedSet, teach: str | None) -> np.ndarray:
    """Which pictures may be taught, (n,) bool."""
    is_taught = np.ones(len(embedded), bool) if teach is None else embedded.parts == teach
    if not is_taught.any():
        raise TableError(f"{embedded.name}: has no part {teach!r}; it has {', '.join(sorted(set(embedded.parts.tolist()))) or 'no pictures'}.")
    return is_taught


def _figures(answers: Lineages, truths: Lineages, is_right: np.ndarray, ranks: Sequence[str]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {"probe": share(is_right)}
    for depth, rank in enumerate(ranks):
        verdicts = judge_at_rank(answers, truths, depth)
        figures[f"probe_{rank}"] = share(verdicts == RIGHT, verdicts != UNDECIDED)
    return figures


def _splits(of: np.ndarray, groups: np.ndarray, is_taught: np.ndarray, make_parts: bool, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pictures taught and asked, as row numbers, time by time (rule 2)."""
    if not make_parts:
        yield np.flatnonzero(is_taught), np.flatnonzero(~is_taught)
        return
    fold = stratified_folds(of, groups, FOLDS, seed)
    for number in range(FOLDS):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def _fitted(vectors: np.ndarray, of: np.ndarray, groups: np.ndarray, seed: int) -> tuple[Any, float]:
    """What tells classes by vectors, and its C (rule 3)."""
    held = stratified_folds(of, groups, CHOOSING, seed + 1) == 0
    shares = [float(np.mean(_taught(vectors[~held], of[~held], strength)(vectors[held]) == of[held])) for strength in STRENGTHS]
    strength = STRENGTHS[int(np.argmax(shares))]
    return _taught(vectors, of, strength), strength


def _taught(vectors: np.ndarray, of: np.ndarray, strength: float) -> Any:
    """From (q, d) unit rows to classes, taught with one C; vectors are centred by the mean of those taught."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtraError("The linear probe", "evaluate") from error
    mean = vectors.mean(axis=0)
    model = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # Subtle: at a high C it stops early, which regularises too
        model.fit(vectors - mean, of)
    return lambda asked: model.predict(asked - mean)
