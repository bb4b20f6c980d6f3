"""How near a picture is to what a head was taught, and the gate that lets the head speak of pictures that are near.

Pure numpy. What the head says of a picture that is let through is left to `head`, how far it is believed beside the names to `weighing`.

A head knows its own classes only, and shares any picture out among them: a monkey too, where it was taught beetles. How it shares it out
tells little of whether the picture shows any of them; how near the picture lies to what was taught tells much.

1. The nearness g of a picture is the cosine with the nearest of the classes' means, brought to length one (the nearest-mean rule of Mensink
   et al., "Distance-based image classification", PAMI 2013).
2. The gate lets it through with the probability 1 / (1 + e**(-a (g - m))), whose logarithm is added to what the head says of every class.
3. m and a are those of pictures of the taught classes that the means do not hold: each is left out of the mean of its own class, with all
   that belong to it (bursts, its mirror image). With their mean and standard deviation, m lies `BELOW` standard deviations under the mean,
   and a is that of the logistic distribution with this standard deviation, π / √3 over it. So the gate is open for all but the farthest
   of the taught (.97 at their mean) and shut for what is farther still. Subtle: a new picture lies closer to the mean of
   all three of a class than one of the three to that of the other two, so where pictures are few the gate errs on the side of the taught.
4. Where fewer than `LEAST_PICTURES` can be left out, as with one picture a class, nobody knows how far the taught reach: there is no gate.

Measured with the starter on held-out pictures, share right among all taxa of the index by names alone, with a head without a gate, and with one:
28 wild species that the starter never saw, three pictures each, by logistic regression, asked of 102 monkeys .83, .62 and .81, of 490 butterflies
.54, .32 and .36, of the taught species themselves .01, .19 and .19; by ridge .83, .53 and .72, .54, .27 and .30, .00, .21 and .20; 4 of them .83,
.42 and .83, .54, .07 and .50, .00, .95 and .95. Of 97 classes of butterflies, four each, .57, .92 and .92, asked of monkeys .83, .73 and .83.
With 24 wild species by up to eight pictures each the taught themselves lost: .00, .45 and .41. `BELOW` was chosen on another draw of the wild species.
"""

from __future__ import annotations

import numpy as np

from bioclip_search.heads.left_out import groups_in_classes

BELOW = 2.0
"""Standard deviations between the mean nearness and the middle of the gate."""

LOGISTIC_SLOPE = float(np.pi / np.sqrt(3))
"""Of the logistic distribution with standard deviation 1, whose scale is √3 / π."""

LEAST_PICTURES = 10
"""Left out, each for itself or with what belongs to it: of ten a standard deviation is known to a quarter."""

LEAST_SPREAD = 0.02
"""Of a cosine: taught pictures that lie closer together than this (one camera, one afternoon) do not tell how far the next ones will."""

BLOCK_COSINES = 1 << 22
"""32 MiB of them."""

TINY = 1e-12


def fit_gate(
    vectors: np.ndarray, of: np.ndarray, k: int, weights: np.ndarray, groups: np.ndarray | None = None, *, block_cosines: int = BLOCK_COSINES
) -> dict[str, np.ndarray]:
    """`centres` (k, d) and `gate` (2,), a and m, as a head keeps them; nothing where there is no gate (rule 4).

    Args:
        vectors: (n, d) unit rows.
        of: (n,) int, the class of each from 0 to k - 1.
        weights: (n,) how much each counts, above 0.
        groups: (n,) int, pictures that belong together; each for itself unless given.
        block_cosines: Cosines of pictures with centres that are at hand at once.
    """
    groups = np.arange(len(of)) if groups is None else groups
    sums = np.zeros((k, vectors.shape[1]))
    np.add.at(sums, of, vectors * weights[:, None])
    found, together = _left_out(vectors, of, weights, groups, sums, block_cosines)
    counted = ~np.isnan(found)
    if len(np.unique(together[counted])) < LEAST_PICTURES:
        return {}
    mean = np.average(found[counted], weights=weights[counted])
    spread = max(float(np.sqrt(np.average((found[counted] - mean) ** 2, weights=weights[counted]))), LEAST_SPREAD)
    return {"centres": _to_length_one(sums), "gate": np.array([LOGISTIC_SLOPE / spread, mean - BELOW * spread])}


def nearness(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The cosine of each with the nearest centre: (n, d) unit rows, (k, d) unit rows → (n,) float64."""
    return (vectors.astype(np.float64) @ centres.T.astype(np.float64)).max(axis=1)


def log_let_through(near: np.ndarray, gate: np.ndarray) -> np.ndarray:
    """The logarithm of rule 2, (n,).

    >>> np.exp(log_let_through(np.array([0.5, 0.6, 0.7]), np.array([10.0, 0.6]))).round(3).tolist()  # 1 / (1 + e), a half, 1 / (1 + 1/e)
    [0.269, 0.5, 0.731]
    """
    return -np.logaddexp(0.0, -float(gate[0]) * (near - float(gate[1])))


def _left_out(
    vectors: np.ndarray, of: np.ndarray, weights: np.ndarray, groups: np.ndarray, sums: np.ndarray, block_cosines: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nearness of each picture, its group being left out of the mean of its class, (n,), NaN where nothing is left of that; and its group, (n,)."""
    together, is_alone = groups_in_classes(of, groups, len(sums))
    own = np.zeros((int(together.max(initial=-1)) + 1, vectors.shape[1]))
    np.add.at(own, together, vectors * weights[:, None])
    centres, found = _to_length_one(sums), np.full(len(of), np.nan)
    rows = np.flatnonzero(~is_alone)
    step = max(block_cosines // len(sums), 1)
    for block in (rows[first : first + step] for first in range(0, len(rows), step)):
        cosines = vectors[block] @ centres.T  # (b, k)
        rest = _to_length_one(sums[of[block]] - own[together[block]])  # (b, d)
        cosines[np.arange(len(block)), of[block]] = (vectors[block] * rest).sum(axis=1)
        found[block] = cosines.max(axis=1)
    return found, together


def _to_length_one(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)
