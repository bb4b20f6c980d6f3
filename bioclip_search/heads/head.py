"""A head: how likely each of some taught classes is, from a picture's vector alone.

Pure numpy. Teaching one is left to `fitting`, of which pictures it may speak to `gate`, what it counts beside the names of taxa to `blending`,
files to `storing`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bioclip_search.errors import ModelError
from bioclip_search.heads.gate import log_let_through, nearness

HEADS = ("logistic", "prototypes", "ridge", "mlp")

SHAPES = {"mean": "d", "weight": "k×w", "bias": "k", "hidden_weight": "w×d", "hidden_bias": "w", "centres": "k×d", "gate": "2"}
"""The arrays of a head of k classes over vectors of d numbers: w is d, but for `mlp`, where it is the number of hidden units."""

LINEAR, LAYERED = ("mean", "weight", "bias"), ("mean", "weight", "bias", "hidden_weight", "hidden_bias")
GATED = ("centres", "gate")
"""Those that a head may lack: both, or neither."""

TINY = 1e-12
MOST_OF_A_NUMBER = 1e6
"""No number of a head of ours comes near it; larger ones would overflow."""

Taxa = Sequence[Mapping[str, str]]


@dataclass(frozen=True, eq=False)
class Head:
    """What was taught.

    Attributes:
        kind: One of `HEADS`.
        arrays: Those of `SHAPES` that the kind has, float32.
        taxa: The lineage of each class, {rank: name} down to the rank that its label names, in the order of the classes; empty until `named`.
        about: What else is told of it, as JSON can hold it: the options it was taught with, what it was taught on.
    """

    kind: str
    arrays: Mapping[str, np.ndarray]
    taxa: tuple[Mapping[str, str], ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stop_if_odd(self)

    @property
    def classes(self) -> int:
        return len(self.arrays["bias"])

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return len(self.arrays["mean"])

    @property
    def fingerprint(self) -> str:
        """The same for the same numbers and the same taxa: 16 hexadecimal digits."""
        digest = hashlib.sha256(self.kind.encode())
        for name in sorted(self.arrays):
            digest.update(name.encode() + np.ascontiguousarray(self.arrays[name], np.float32).tobytes())
        for lineage in self.taxa:
            digest.update("\t".join(f"{rank}={name}" for rank, name in lineage.items()).encode(errors="surrogatepass") + b"\n")
        return digest.hexdigest()[:16]

    def named(self, taxa: Taxa, **about: Any) -> Head:
        """The same head, its classes named.

        Raises:
            ModelError: There are more or fewer taxa than classes, or one is named twice.
        """
        return replace(self, taxa=tuple(dict(lineage) for lineage in taxa), about={**self.about, **about})

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """The logarithm of the probability of each class: (n, d) unit rows → (n, k) float64.

        They sum to the probability that the gate lets the picture through; to one where the head has none.
        """
        told = log_softmax(self.logits(vectors))
        return told + log_let_through(nearness(vectors, self.arrays["centres"]), self.arrays["gate"])[:, None] if "gate" in self.arrays else told

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """What the probabilities are made of: (n, d) unit rows → (n, k) float64."""
        seen = centred(vectors, self.arrays["mean"], to_length_one=self.kind == "prototypes")
        if self.kind == "mlp":
            seen = np.maximum(seen @ self.arrays["hidden_weight"].T.astype(np.float64) + self.arrays["hidden_bias"], 0.0)  # (n, w)
        return seen @ self.arrays["weight"].T.astype(np.float64) + self.arrays["bias"]


def centred(vectors: np.ndarray, mean: np.ndarray, *, to_length_one: bool = False) -> np.ndarray:
    """The vectors less the mean, (n, d) float64; brought back to length one if asked, but for one that is the mean itself."""
    moved = vectors.astype(np.float64) - mean
    return moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), TINY) if to_length_one else moved


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of logits, (n, k), as logarithms of probabilities."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def stop_if_odd(head: Head) -> None:
    """Looks at all that the program reckons with.

    Raises:
        ModelError: The kind is none of ours, an array is missing, of another shape, or no numbers, or the taxa are not as many as the classes.
    """
    if head.kind not in HEADS:
        raise ModelError(f"A head is one of {', '.join(HEADS)}, not {head.kind!r}.")
    expected = (LAYERED if head.kind == "mlp" else LINEAR) + (GATED if set(GATED) & set(head.arrays) else ())
    if sorted(head.arrays) != sorted(expected):
        raise ModelError(
            f"A head of the kind {head.kind} has the arrays {', '.join(expected)}, not {', '.join(sorted(head.arrays)) or 'none'}. Train it again."
        )
    shape_of = {name: tuple(array.shape) for name, array in head.arrays.items()}
    wanted = _shapes(head.arrays)
    for name in expected:
        if shape_of[name] != wanted[name] or 0 in shape_of[name]:
            raise ModelError(f"The {name} of a head is {SHAPES[name]}, here {wanted[name]}, but came as {shape_of[name]}. Train it again.")
        if not (np.abs(head.arrays[name]) <= MOST_OF_A_NUMBER).all():  # NaN is not, either
            raise ModelError(f"The {name} of a head holds what is no number from -{MOST_OF_A_NUMBER:g} to {MOST_OF_A_NUMBER:g}. Train it again.")
    if head.taxa:
        _stop_if_misnamed(head.taxa, shape_of["bias"][0])


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """The shape that every array must have, by the lengths of those with one axis."""
    (d,), (k,) = (array.shape if array.ndim == 1 else (-1,) for array in (arrays["mean"], arrays["bias"]))
    width = len(arrays["hidden_bias"]) if "hidden_bias" in arrays and arrays["hidden_bias"].ndim == 1 else d
    return {"mean": (d,), "bias": (k,), "weight": (k, width), "hidden_weight": (width, d), "hidden_bias": (width,), "centres": (k, d), "gate": (2,)}


def _stop_if_misnamed(taxa: Taxa, classes: int) -> None:
    if len(taxa) != classes:
        raise ModelError(f"The head has {classes} classes, and {len(taxa)} taxa were given. Give one lineage a class.")
    told = [tuple(lineage.items()) for lineage in taxa]
    if not all(told) or not all(isinstance(part, str) and part for pairs in told for pair in pairs for part in pair):
        raise ModelError("A class of the head has no lineage, or an empty name in it. Give each {rank: name} down to the rank of its label.")
    if twice := next((pairs for pairs, count in Counter(told).items() if count > 1), None):
        raise ModelError(f"Two classes of the head are {' > '.join(name for _, name in twice)}. Join their pictures before teaching.")
