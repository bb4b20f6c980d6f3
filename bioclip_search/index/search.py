"""The rows of an index that matter to a query, with their scores: by scoring all rows, or by a sketch made exact where it matters.

How probabilities arise from the scores is left to `posterior`; how good a sketch is was measured by `sketching` and
stands in the card.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioclip_search.index.card import SpeedNote
from bioclip_search.index.sketch import Sketch
from bioclip_search.index.vectors import Vectors, one_blas_thread
from bioclip_search.intervals import LeafSet
from bioclip_search.stream import work_ahead

FEW_ROWS = 20_000
"""Rows in play that are all scored exactly at once: no sketch is faster."""

NEGLIGIBLE = 1e-6
"""Rows that together have a smaller probability than this do not matter: float32 shows no less."""

FAR = 4.0
"""No row is taken to lie further above its coarse score than this many times the spread of those looked at."""

SMALL_PART = 0.1
"""What one row that was not looked at may add to a probability, as a part of the error allowed."""

MOST_LOOKED_AT = 1 / 32
"""Where more rows than this share would have to be looked at, an exact search is as fast."""

LEAST_LEFT_OUT = 1e-6
"""Shorter lengths are rounding."""

MANY = 1 / 8
"""Where more rows than this share are near, nothing is gained by leaving out the others."""

SAMPLED = 64
"""Of so many rows one is looked at to guess how high the best ones lie."""


class Near(NamedTuple):
    """The rows that matter to one query: their numbers, (k,) ascending, and cosines, (k,) float32; -inf for one that takes no part."""

    rows: np.ndarray
    scores: np.ndarray


def search_all(vectors: Vectors, queries: np.ndarray, sharpness: float, among: LeafSet | None = None, silent: np.ndarray | None = None) -> list[Near]:
    """What matters to each query, found by scoring every row.

    Args:
        queries: (b, d) float32, unit rows.
        sharpness: What the cosines are multiplied by before the softmax.
        among: The rows that take part.
        silent: The numbers of rows that never do.
    """
    if among is not None and len(among) <= FEW_ROWS:
        return _all_of(vectors, queries, among.numbers, silent)
    scores = _without(silent, vectors.scores(queries, among))  # (b, n)
    return list(work_ahead(lambda row: _near(row, sharpness), scores))


def search(
    vectors: Vectors, sketch: Sketch, speed: SpeedNote, queries: np.ndarray, sharpness: float, among: LeafSet | None = None, silent: np.ndarray | None = None
) -> tuple[list[Near], np.ndarray]:
    """As `search_all`, by a sketch; and for each query the probability of the rows that were not looked at, (b,), nought where all were.

    1. The sketch scores every row that takes part.
    2. The `looked_at` best are scored exactly; what the sketch erred by there tells how far its other scores spread
       for what it leaves out of them. Half the variance of that spread, in logits, is what it underrates the sum of
       their exponentials by (the mean of a log-normal distribution).
    3. So are all others that would matter if they lay `FAR` spreads higher.
    4. Where the probability of the rows not looked at is so large that a taxon's may be off by more than
       `error_allowed`, or too many would matter, or too many are near, all rows are scored exactly.
    """
    if among is not None and len(among) <= FEW_ROWS:
        return search_all(vectors, queries, sharpness, among, silent), np.zeros(len(queries))
    scores = _without(silent, sketch.scores(queries, among))  # (b, n)

    def refined(number: int) -> tuple[Near, float]:
        return _refined(scores[number], queries[number], vectors, sketch, speed, sharpness)

    with one_blas_thread():
        found = list(work_ahead(refined, range(len(queries))))
    near, tails = [one for one, _ in found], np.array([tail for _, tail in found])
    doubtful = np.flatnonzero((tails * speed.error_of_tail > speed.error_allowed) | (tails >= 1))
    if len(doubtful):
        for number, exact in zip(doubtful.tolist(), search_all(vectors, queries[doubtful], sharpness, among, silent), strict=True):
            near[number] = exact
    tails[doubtful] = 0.0
    return near, tails


def best_rows(scores: np.ndarray, count: int) -> np.ndarray:
    """The numbers of the `count` highest of (n,) scores, ascending; all that are above -inf where there are fewer.

    Every 64th score tells about how high the best lie, so that few are left to sort.
    """
    sample, wanted = scores[::SAMPLED], 2 * count // SAMPLED + 8
    floor = np.partition(sample, -wanted)[-wanted] if wanted < len(sample) else -np.inf
    found = np.flatnonzero(scores >= floor)
    if len(found) < count:
        found = np.arange(len(scores))
    if len(found) > count:
        found = np.sort(found[np.argpartition(-scores[found], count - 1)[:count]])
    return found[scores[found] > -np.inf]


def _all_of(vectors: Vectors, queries: np.ndarray, rows: np.ndarray, silent: np.ndarray | None) -> list[Near]:
    rows = rows if silent is None else np.setdiff1d(rows, silent, assume_unique=True)
    return [Near(rows, scores) for scores in vectors.scores_among(queries, rows)]


def _without(silent: np.ndarray | None, scores: np.ndarray) -> np.ndarray:
    if silent is not None and len(silent):
        scores[:, silent] = -np.inf
    return scores


def _near(scores: np.ndarray, sharpness: float, margin: float = 0.0) -> Near:
    """The rows whose probability is not negligible, nor would be if they lay higher by the margin, in logits; all, if they are many or few.

    Subtle: a score that is NaN counts as near, so that it is told where probabilities are made.
    """
    if len(scores) > FEW_ROWS:
        highest = scores.max(initial=-np.inf)
        rows = np.flatnonzero(~(scores < highest - (np.log(len(scores) / NEGLIGIBLE) + max(0.0, margin)) / sharpness) & (scores != -np.inf))
        if len(rows) <= len(scores) * MANY:
            return Near(rows, scores[rows])
    return Near(np.arange(len(scores)), scores)


def _refined(row: np.ndarray, query: np.ndarray, vectors: Vectors, sketch: Sketch, speed: SpeedNote, sharpness: float) -> tuple[Near, float]:
    """What matters in a row of coarse scores, made exact where it matters; and the probability of all that was not looked at."""
    part = speed.error_allowed * SMALL_PART
    seen = best_rows(row, speed.looked_at)
    if not len(seen):  # no row takes part, or every score is NaN
        return Near(np.arange(len(row)), row), 0.0
    exact = vectors.rows_at(seen) @ query
    spread = sharpness * float(np.sqrt(np.mean(((exact - row[seen]) / np.maximum(sketch.left_out[seen], LEAST_LEFT_OUT)) ** 2)))  # logits a unit left out
    row[seen] = exact
    near, scores = _near(row, sharpness, FAR * spread * sketch.most_left_out + np.log(NEGLIGIBLE / (len(row) * part)))
    if len(near) == len(row):
        return Near(near, scores), 1.0
    left_out = spread * sketch.left_out[near]  # (k,) logits
    is_seen = np.isin(near, seen, assume_unique=True)
    scores += np.where(is_seen, 0, 0.5 * left_out**2 / sharpness).astype(np.float32)
    more = np.flatnonzero(_may_matter(sharpness * (scores - _log_sum(scores, sharpness)), left_out, part) & ~is_seen)
    if len(more) > len(row) * MOST_LOOKED_AT:
        return Near(near, scores), 1.0
    scores[more] = vectors.rows_at(near[more]) @ query
    is_seen[more] = True
    tail = 1 - np.exp(sharpness * (_log_sum(scores[is_seen], sharpness) - _log_sum(scores, sharpness)))
    return Near(near, scores), float(tail)


def _may_matter(logits: np.ndarray, left_out: np.ndarray, part: float) -> np.ndarray:
    """Whether a row's probability, its log given, would grow by more than the part if it lay `FAR` spreads higher."""
    higher = np.clip(FAR * left_out, LEAST_LEFT_OUT, None)
    return logits + higher + np.log(-np.expm1(-higher)) > np.log(part)  # Subtle: exp(higher) - 1 itself may be too large for a number


def _log_sum(scores: np.ndarray, sharpness: float) -> float:
    """The score of one row whose exponential is that of all together."""
    highest = scores.max(initial=-1.0)
    return float(highest + np.log(np.exp(sharpness * (scores - highest)).sum(dtype=np.float64)) / sharpness)
