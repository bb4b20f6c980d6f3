"""Teaches a head on the vectors of labelled pictures, in one of four ways.

Which pictures teach is left to the caller, the scale of a head's scores to `scaling`, of which pictures it may speak to `gate`, what becomes of
the head to `blending` and `storing`.

1. `logistic`: multinomial logistic regression; of `STRENGTHS` the C with the least log loss on a quarter of the pictures kept back.
2. `prototypes`: SimpleShot (Wang et al., 2019): the mean is taken off, vectors are brought back to length one, a class is the mean of its own.
3. `ridge`: least squares to one column a class, 1 for its pictures and 0 for others.
4. `mlp`: one hidden layer (`layered`).

Scores of 2 and 3 are no logits of themselves: they are multiplied by the number with which pictures left out (`left_out`) are likeliest, and
so is the penalty of 3 chosen.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from bioclip_search.errors import MissingExtraError, TableError
from bioclip_search.heads import left_out
from bioclip_search.heads.gate import fit_gate
from bioclip_search.heads.head import HEADS, Head, centred, log_softmax
from bioclip_search.heads.scaling import fit_scale

STRENGTHS = (1.0, 10.0, 100.0)
"""Values of C that are tried for vectors of length one, centred; the probe chose 10 to 1000 for the starter by accuracy, log loss wants less."""

Regress = Callable[[np.ndarray, np.ndarray, int, np.ndarray, float], tuple[np.ndarray, np.ndarray]]
"""Centred vectors (n, d), the class of each, k, the weight of each and C in; weight (k, d) and bias (k,) out."""

CHOOSING = 4
"""One in so many pictures, or groups of them, is held back to choose C."""

MAX_ITERATIONS = 300
PENALTIES = tuple(float(penalty) for penalty in np.geomspace(1e-4, 10, 11))
"""Tried for `ridge`, as parts of the mean variance of a vector's numbers, a picture."""


def fit_head(
    kind: str,
    vectors: np.ndarray,
    of: np.ndarray,
    k: int,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
    **options: Any,
) -> Head:
    """The head that pictures teach; name its classes with `Head.named`.

    Args:
        kind: One of `HEADS`.
        vectors: (n, d) unit rows.
        of: (n,) int, the class of each from 0 to k - 1.
        weights: (n,) how much each picture counts, above 0; `balanced_weights` gives some.
        groups: (n,) int, pictures that belong together, which are left out together; each for itself unless given.
        options: `strength` (logistic: C instead of choosing it), `regress` (logistic: seeks weight and bias elsewhere), `scale` (prototypes:
            instead of fitting it), `penalty` (ridge), `hidden`, `epochs` (mlp).

    Raises:
        TableError: Fewer than two classes, a class without a picture, or vectors or weights that are no numbers.
        MissingExtraError: `logistic` without scikit-learn.
    """
    if kind not in FITTING:
        raise TableError(f"There is no head {kind!r}. Choose one of {', '.join(HEADS)}.")
    vectors, of = np.asarray(vectors), np.asarray(of)
    weights = np.ones(len(of)) if weights is None else np.asarray(weights, np.float64)
    stop_if_unteachable(vectors, of, k, weights)
    weights = weights * (len(of) / weights.sum())
    groups = np.arange(len(of)) if groups is None else np.asarray(groups)
    fitted, told = FITTING[kind](vectors, of, k, weights, groups, seed, **options)
    fitted |= fit_gate(vectors, of, k, weights, groups)
    return Head(kind, {name: np.asarray(array, np.float32) for name, array in fitted.items()}, about={"pictures": len(of), **told})


def prototypes_left_out(vectors: np.ndarray, of: np.ndarray, k: int) -> np.ndarray:
    """The log probabilities of `prototypes` for the very pictures that made them, (n, k), each by the others; NaN for one alone in its class."""
    mean = vectors.mean(axis=0)
    moved, sums = centred(vectors, mean, to_length_one=True), np.zeros((k, vectors.shape[1]))
    np.add.at(sums, of, moved)
    scores = left_out.of_prototypes(moved, of, np.ones(len(of)), sums, np.bincount(of, minlength=k).astype(np.float64), np.arange(len(of)))
    scale, _ = fit_scale(scores, of, np.ones(len(of)))
    return log_softmax(scores * scale)


def balanced_weights(of: np.ndarray, k: int) -> np.ndarray:
    """How much each picture counts so that all classes count alike, (n,); their mean is 1.

    >>> balanced_weights(np.array([0, 0, 0, 1]), 2).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    counts = np.bincount(of, minlength=k)
    return len(of) / np.count_nonzero(counts) / counts[of]


def held_back(groups: np.ndarray, seed: int) -> np.ndarray:
    """Which pictures choose the strength of `logistic`, (n,) bool: one group (n,) in `CHOOSING`, by lot."""
    found, group = np.unique(groups, return_inverse=True)
    return np.isin(group, np.random.default_rng(seed).permutation(len(found))[: len(found) // CHOOSING])


def stop_if_unteachable(vectors: np.ndarray, of: np.ndarray, k: int, weights: np.ndarray) -> None:
    """Raises: TableError: classes and vectors do not fit, a class has no picture, or something is no number."""
    if vectors.ndim != 2 or not len(vectors) == len(of) == len(weights):
        raise TableError(f"A head is taught vectors (n, d) with a class and a weight each, not {vectors.shape}, {of.shape} and {weights.shape}.")
    if k < 2:
        raise TableError(f"A head tells classes apart, so it needs two or more, not {k}. Give pictures of another taxon as well.")
    if len(of) and not (of.min() >= 0 and of.max() < k):
        raise TableError(f"Classes are numbered from 0 to {k - 1}; {int(of.min())} to {int(of.max())} came.")
    empty = np.flatnonzero(np.bincount(of, minlength=k) == 0)
    if len(empty):
        raise TableError(f"{len(empty)} of {k} classes have no picture (the first is number {int(empty[0])}). Leave them out, or give pictures of them.")
    if not np.isfinite(vectors).all() or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise TableError("A vector or a weight is no finite number, or a weight not above 0. Look at the pictures' vectors again.")


def _logistic(
    vectors: np.ndarray,
    of: np.ndarray,
    k: int,
    weights: np.ndarray,
    groups: np.ndarray,
    seed: int,
    strength: float | None = None,
    regress: Regress | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    mean = np.average(vectors, axis=0, weights=weights)
    moved, regress = centred(vectors, mean), regress or _regressed
    chosen = _strength(moved, of, k, weights, groups, seed, regress) if strength is None else float(strength)
    weight, bias = regress(moved, of, k, weights, chosen)
    return {"mean": mean, "weight": weight, "bias": bias}, {"strength": chosen}


def _strength(moved: np.ndarray, of: np.ndarray, k: int, weights: np.ndarray, groups: np.ndarray, seed: int, regress: Regress) -> float:
    """The C with the least log loss on pictures of classes that have another to teach; of equal ones, or where none has, the smallest."""
    is_held = held_back(groups, seed)
    taught = np.unique(of[~is_held])
    asked = np.flatnonzero(is_held & np.isin(of, taught))
    if not len(asked) or len(taught) < 2:
        return STRENGTHS[0]
    inside, dense = np.flatnonzero(~is_held), np.searchsorted(taught, of)
    losses = []
    for strength in STRENGTHS:
        weight, bias = regress(moved[inside], dense[inside], len(taught), weights[inside], strength)
        logits = moved[asked] @ weight.T + bias
        highest = logits.max(axis=1)
        own = logits[np.arange(len(asked)), dense[asked]]
        losses.append(float(np.average(highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1)) - own, weights=weights[asked])))
    return STRENGTHS[int(np.argmin(losses))]


def _regressed(moved: np.ndarray, of: np.ndarray, k: int, weights: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weight (k, d) and bias (k,) of multinomial logistic regression."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtraError("A head of the kind logistic", "evaluate") from error
    model = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # Subtle: at a high C it stops early, which regularises too
        model.fit(moved, of, sample_weight=weights)
    if k == 2:  # scikit-learn keeps one row for two classes; half of it for and half against is the same
        return np.concatenate([-model.coef_, model.coef_]) / 2, np.concatenate([-model.intercept_, model.intercept_]) / 2
    return model.coef_, model.intercept_


def _prototypes(
    vectors: np.ndarray, of: np.ndarray, k: int, weights: np.ndarray, groups: np.ndarray, seed: int, scale: float | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    mean = np.average(vectors, axis=0, weights=weights)
    moved = centred(vectors, mean, to_length_one=True)
    sums, held = np.zeros((k, vectors.shape[1])), np.bincount(of, weights, minlength=k)
    np.add.at(sums, of, moved * weights[:, None])
    centres = sums / held[:, None]  # (k, d)
    factor = fit_scale(left_out.of_prototypes(moved, of, weights, sums, held, groups), of, weights)[0] if scale is None else float(scale)
    return {"mean": mean, "weight": factor * centres, "bias": -factor * (centres**2).sum(axis=1) / 2}, {"scale": factor}


def _ridge(
    vectors: np.ndarray, of: np.ndarray, k: int, weights: np.ndarray, groups: np.ndarray, seed: int, penalty: float | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    mean = np.average(vectors, axis=0, weights=weights)
    root = np.sqrt(weights)[:, None]
    moved, targets = centred(vectors, mean) * root, np.eye(k)[of]
    base = np.average(targets, axis=0, weights=weights)  # (k,)
    spread, axes = np.linalg.eigh(moved.T @ moved)  # (d,), (d, d)
    turned = moved @ axes  # (n, d)
    toward = turned.T @ ((targets - base) * root)  # (d, k)
    unit = max(float(spread.sum()) / len(spread), np.finfo(np.float64).tiny)
    tried = PENALTIES if penalty is None else (float(penalty),)
    found = [left_out.of_ridge(turned, toward, np.maximum(spread, 0) + one * unit, targets, base, weights, groups) for one in tried]
    scales, losses = zip(*(fit_scale(foretold, of, weights) for foretold in found), strict=True)
    best = int(np.argmin(losses))
    factor = scales[best]
    weight = (axes @ (toward / (np.maximum(spread, 0) + tried[best] * unit)[:, None])).T  # (k, d)
    return {"mean": mean, "weight": factor * weight, "bias": factor * base}, {"penalty": tried[best], "scale": factor}


def _mlp(
    vectors: np.ndarray, of: np.ndarray, k: int, weights: np.ndarray, groups: np.ndarray, seed: int, **options: Any
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from bioclip_search.heads.layered import fit_layered

    return fit_layered(vectors, of, k, weights, seed, **options)


FITTING: dict[str, Callable[..., tuple[dict[str, np.ndarray], dict[str, Any]]]] = dict(zip(HEADS, (_logistic, _prototypes, _ridge, _mlp), strict=True))
