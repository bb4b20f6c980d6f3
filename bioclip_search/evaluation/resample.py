"""Figures with the interval that belongs to them, by drawing the pictures anew many times.

Pure numpy; a figure is any function of how often each picture counts. What the figures mean is left to `measures`,
`curves` and `sisters`, which build them of the few kinds given here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

Figure = Callable[[np.ndarray], np.ndarray]
"""From how often each picture counts, (b, n) float64, to the figure of each of the b draws, (b,); NaN where it is over nothing."""

DRAWS = 1000
"""Times that the pictures are drawn anew: the ends of a 95 % interval then stand on 25 draws each."""

FEW_DRAWS, MOST_DRAWN = 200, 20_000_000
"""Of very many pictures fewer draws are made, for their intervals are narrow and each draw costs more: so many pictures drawn in all."""

LEVEL = 0.95
SEED = 20241
BLOCK_NUMBERS = 1 << 18
"""Counts held at once, 2 MB: what a core's cache takes."""

PLACES = 4
"""Decimals of a figure."""


def with_intervals(
    figures: Mapping[str, Figure], pictures: int, *, draws: int | None = None, seed: int = SEED, picture_of_row: np.ndarray | None = None
) -> dict[str, float]:
    """Every figure as `NAME`, with `NAME_low` and `NAME_high`, flat: the percentile bootstrap (Efron 1979), 95 %.

    All figures share the draws, so that they may be compared. Figures over nothing are left out; draws over nothing do not
    count. One picture alone says nothing of its like, so it gets no interval. Subtle: where every picture is right no draw can
    hold a mistake; a share of 0 or 1 gets the exact interval (Clopper and Pearson 1934) instead: 30 of 30 may be 88 %. A figure
    that any noise raises, as a calibration error, is drawn too high: its interval is stretched to hold the figure itself.

    Args:
        picture_of_row: (n,) the picture, below `pictures`, that each row belongs to, where one has several (crops); drawn as one.

    >>> with_intervals({"right": share(np.array([True, True, False, True]))}, 4)
    {'right': 0.75, 'right_low': 0.25, 'right_high': 1.0}
    """
    rows = pictures if picture_of_row is None else len(picture_of_row)
    ones = np.ones((1, rows))
    values = {name: float(figure(ones)[0]) for name, figure in figures.items()} if rows else {}
    known = {name: figures[name] for name, value in values.items() if not np.isnan(value)}
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in known}
    if pictures > 1 and known:
        draws = draws or max(FEW_DRAWS, min(DRAWS, MOST_DRAWN // pictures))
        for counts in _draws(pictures, draws, seed):
            weights = counts if picture_of_row is None else counts[:, picture_of_row]
            for name, figure in known.items():
                drawn[name].append(figure(weights))
    told: dict[str, float] = {}
    for name in known:
        told[name] = round(values[name], PLACES)
        of_draws = np.concatenate(drawn[name]) if drawn[name] else np.empty(0)
        of_draws = of_draws[~np.isnan(of_draws)]
        if len(of_draws):
            low, high = np.quantile(of_draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            figure = known[name]
            if isinstance(figure, Share) and values[name] in (0.0, 1.0):
                low, high = _exact_ends(values[name], figure.pictures(picture_of_row))
            low, high = min(low, values[name]), max(high, values[name])
            told |= {f"{name}_low": round(float(low), PLACES), f"{name}_high": round(float(high), PLACES)}
    return told


class Share:
    """A figure that counts hits, and so has an exact interval where the others have none."""

    def __init__(self, hits: np.ndarray, of: np.ndarray):
        self._of, self._figure = of, ratio(hits, of)

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        return self._figure(weights)

    def pictures(self, picture_of_row: np.ndarray | None = None) -> int:
        """How many pictures the share is of."""
        counted = self._of > 0
        return int(counted.sum()) if picture_of_row is None else len(np.unique(picture_of_row[counted]))


def share(hits: np.ndarray, of: np.ndarray | None = None) -> Share:
    """The share of hits among the pictures `of`, both (n,) bool, all by default; or among the things counted in each, both (n,) numbers."""
    return Share(hits, np.ones(len(hits), bool) if of is None else of)


def mean_of(values: np.ndarray, of: np.ndarray | None = None) -> Figure:
    """The mean of values, (n,), over the pictures `of`, (n,) bool; values elsewhere are not looked at."""
    return ratio(values, np.ones(len(values), bool) if of is None else of)


def ratio(values: np.ndarray, of: np.ndarray) -> Figure:
    """The sum of values over the sum of weights `of`, both (n,), where `of` is not 0."""
    below = of.astype(np.float64)
    above = np.where(below != 0, values, 0).astype(np.float64)

    def figure(weights: np.ndarray) -> np.ndarray:
        return divided(weights @ above, weights @ below)

    return figure


def macro_share(hits: np.ndarray, taxa: np.ndarray) -> Figure:
    """The mean over taxa of the share of hits among the pictures of each, so that a common taxon counts no more than a rare one.

    Subtle: a picture weighs one over the pictures of its taxon, in every draw. Were the shares of each draw averaged
    instead, taxa of one picture would be missing from a third of the draws, and the interval would lean to common taxa.

    Args:
        hits: (n,) bool.
        taxa: (n,) int, the taxon of each picture; below 0 is not counted.
    """
    pictures = np.bincount(taxa[taxa >= 0], minlength=1)
    weights = np.where(taxa >= 0, 1 / np.maximum(pictures[np.maximum(taxa, 0)], 1), 0.0)
    return ratio(hits * weights, weights)


def divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The quotients, NaN over 0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)


def _exact_ends(value: float, pictures: int) -> tuple[float, float]:
    """Clopper and Pearson's for none or all of so many: beyond the end that is missed, the chance of none or all is half of what the level leaves."""
    reach = ((1 - LEVEL) / 2) ** (1 / pictures)
    return (reach, 1.0) if value == 1.0 else (0.0, 1 - reach)


def _draws(pictures: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each picture was drawn, block by block: (b, pictures) float64, each row summing to `pictures`."""
    random = np.random.default_rng(seed)
    step = max(1, BLOCK_NUMBERS // pictures)
    for first in range(0, draws, step):
        block = min(step, draws - first)
        drawn = random.integers(0, pictures, (block, pictures)) + np.arange(block)[:, None] * pictures
        yield np.bincount(drawn.ravel(), minlength=block * pictures).reshape(block, pictures).astype(np.float64)
