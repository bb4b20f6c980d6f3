"""Chooses the sketches of an index by measurement: the smallest that finds what an exact search finds.

Measured with queries made of the vectors themselves, since an index is built without pictures: half of them near one
row, half between several. What a sketch is, is left to `sketch`; how one is searched, to `search`.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bioclip_search.index.card import SKETCH_PREFIX, SpeedNote
from bioclip_search.index.search import Near, best_rows, search
from bioclip_search.index.sketch import NEIGHBOURS, Sketch, differences, means_of_all, means_of_parts, write_sketch
from bioclip_search.index.vectors import Vectors
from bioclip_search.posterior import leaf_probabilities, prefix_mass

log = logging.getLogger(__name__)

FROM_NUMBERS = 1 << 27
"""Numbers in all vectors from which a sketch is worth its room: fewer (175,000 rows of 768) are searched exactly in some 30 ms."""

SAMPLED_ROWS = 1 << 16
"""Rows that the directions are found from, and that a sketch is tried on first."""

QUERIES = 32

MARGIN = 4.0
"""Errors are taken for this many times larger than measured, for queries made of texts are kinder than pictures (found with the starter's own: 3)."""

TOP = 10

FLAT = 1e-6
"""Directions in which the rows are this much narrower than in their widest are none."""

DIRECTIONS = (32, 64, 96, 128, 192, 256)
"""Sizes of a sketch that are tried, smallest first; never more than half as many as a vector has numbers."""

MOST_SEARCHED_EXACTLY = 0.1
"""Share of queries that may need an exact search; with more the sketch saves little."""


@dataclass(frozen=True)
class Aim:
    """What a speed promises, and how many rows a query it looks at."""

    recall_at_10: float
    mass_error: float
    looked_at: int


AIMS = {"balanced": Aim(0.99, 0.01, 1024), "fast": Aim(0.95, 0.1, 128)}


def write_sketches(folder: Path, vectors: Vectors, logit_scale: float) -> dict[str, SpeedNote]:
    """Writes sketches into `folder` (`sketch-64` …) and gives the speeds that keep their promise: none for few or structureless vectors."""
    if len(vectors) * vectors.dim < FROM_NUMBERS:
        return {}
    means, sizes = means_of_all(vectors)  # (m, d), (m,)
    sample = _sample(vectors)  # (s, d)
    directions = _directions(differences(sample, *means_of_parts(sample)))  # (d, d), the widest first
    queries = _queries(sample)  # (q, d)
    exact = vectors.scores(queries)  # (q, n)
    speeds: dict[str, SpeedNote] = {}
    largest = vectors.dim // 2
    for name, aim in AIMS.items():
        for size in (size for size in DIRECTIONS if size <= largest):
            if _recall_in_sample(sample, directions[:, :size], queries, aim.looked_at) < aim.recall_at_10:
                continue
            sketch = folder / f"{SKETCH_PREFIX}{size}"
            if not sketch.is_dir():
                write_sketch(sketch, vectors, means, sizes, directions[:, :size])
            speed = _measured(Sketch(sketch, len(vectors), vectors.dim), vectors, queries, exact, logit_scale, aim)
            log.info("%s: %s", name, speed)
            if speed.recall_at_10 >= aim.recall_at_10 and speed.searched_exactly <= MOST_SEARCHED_EXACTLY:
                speeds[name], largest = speed, size
                break
    for left in {path.name for path in folder.glob(f"{SKETCH_PREFIX}*")} - {speed.sketch for speed in speeds.values()}:
        shutil.rmtree(folder / left)
    return speeds


def _sample(vectors: Vectors) -> np.ndarray:
    """Whole blocks of neighbours from all over the rows, (s, d)."""
    blocks = np.arange(len(vectors) // NEIGHBOURS)
    chosen = blocks[:: max(1, len(blocks) * NEIGHBOURS // SAMPLED_ROWS)]
    return np.concatenate([vectors.rows(block * NEIGHBOURS, (block + 1) * NEIGHBOURS) for block in chosen.tolist()])


def _directions(rows: np.ndarray) -> np.ndarray:
    """The principal directions of the rows, as columns (d, d), the widest first."""
    return np.linalg.eigh(rows.T @ rows)[1][:, ::-1].astype(np.float32)


def _queries(sample: np.ndarray) -> np.ndarray:
    """Unit rows (q, d): half near one row, half between four relatives, each with noise as long as itself.

    Subtle: the noise lies in the directions that the rows span, for noise outside of them changes no score.
    """
    random = np.random.default_rng(0)
    numbers = random.integers(len(sample) // NEIGHBOURS, size=(QUERIES, 1)) * NEIGHBOURS + random.integers(NEIGHBOURS, size=(QUERIES, 4))
    numbers[: QUERIES // 2, 1:] = numbers[: QUERIES // 2, :1]
    drawn = sample[numbers]  # (q, 4, d)
    widths, directions = np.linalg.eigh(sample.T @ sample)
    spanned = directions[:, widths > FLAT * widths[-1]].astype(np.float32)  # (d, r)
    noise = random.standard_normal((QUERIES, spanned.shape[1])).astype(np.float32) @ spanned.T
    return _unit(_unit(drawn.mean(axis=1)) + _unit(noise))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))


def _recall_in_sample(sample: np.ndarray, directions: np.ndarray, queries: np.ndarray, looked_at: int) -> float:
    """What a sketch would find among the sampled rows alone, to pass over those that are hopeless."""
    apart = differences(sample, *means_of_parts(sample))
    coarse = queries @ (sample - apart + apart @ directions @ directions.T).T
    hits = [np.isin(best_rows(exact, TOP), best_rows(row, looked_at)).mean() for row, exact in zip(coarse, queries @ sample.T, strict=True)]
    return float(np.mean(hits))


def _measured(sketch: Sketch, vectors: Vectors, queries: np.ndarray, exact: np.ndarray, sharpness: float, aim: Aim) -> SpeedNote:
    unchecked = SpeedNote(sketch.name, aim.looked_at, aim.mass_error, 0.0, 1.0, 0.0, 0.0)
    near, tails = search(vectors, sketch, unchecked, queries, sharpness)
    errors = np.array([_largest_error(*both, sharpness) for both in zip(near, exact, strict=True)])
    error_of_tail = MARGIN * float(np.max(errors / np.maximum(tails, aim.mass_error)))  # a smaller tail tells nothing of how an error grows with it
    kept = tails * error_of_tail <= aim.mass_error
    return SpeedNote(
        sketch=sketch.name,
        looked_at=aim.looked_at,
        error_allowed=aim.mass_error,
        error_of_tail=round(error_of_tail, 3),
        recall_at_10=round(float(np.mean([_recall(*both) for both in zip(near, exact, strict=True)])), 4),
        mass_error=round(float(np.max(errors[kept], initial=0.0)), 4),
        searched_exactly=round(1 - float(kept.mean()), 4),
    )


def _recall(near: Near, exact: np.ndarray) -> float:
    """The share of the ten best rows that are the ten best of what was found."""
    return float(np.isin(best_rows(exact, TOP), near.rows[np.argsort(-near.scores)[:TOP]]).mean())


def _largest_error(near: Near, exact: np.ndarray, sharpness: float) -> float:
    """The largest error of the probability of any run of rows, and so of any taxon.

    The error of a run is a difference of two prefix sums, so the largest is that of the highest and the lowest.
    """
    scores = np.full((1, len(exact)), -np.inf, np.float32)
    scores[0, near.rows] = near.scores
    found, right = (prefix_mass(leaf_probabilities(rows, sharpness)[0]) for rows in (scores, exact[None].copy()))
    return float(np.ptp(found - right))
