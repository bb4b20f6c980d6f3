"""One taxon against all others, step by step: what pixels tell, what features add, what mirroring adds, and what a burst adds.

The table of the snow-leopard study (Hamilton et al., "Flexible and Scalable Deep Learning with MMLSpark", 2018, section 5: logistic
regression on pixels, on features of a network, with mirrored pictures, with the scores of a burst averaged), with intervals.
Looking at pictures is left to `features`; drawing to `plots`.

1. Every row is asked about pictures that it was not taught, in the same folds; a burst lies in one fold.
2. Mirrored pictures are taught and asked: what is said of a picture is the mean of what is said of it and of its mirror image.
3. Over a burst the mean of the log odds of its frames is taken for each frame.
4. Pixels are those of the picture at `PIXELS` a side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image

from bioclip_search.classifier.examples import Examples
from bioclip_search.classifier.features import Features, see
from bioclip_search.classifier.ranking import auc_of, average_precision_of
from bioclip_search.classifier.trials import deal, teach
from bioclip_search.classifier.views import PLAIN
from bioclip_search.classifier.words import gain_in_words, share_in_words
from bioclip_search.errors import TableError
from bioclip_search.evaluation.resample import Figure, share, with_intervals
from bioclip_search.heads.fitting import STRENGTHS
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxon

PIXELS = 32
"""Side of a picture whose pixels are taught, as CIFAR's; larger ones told no more of the pictures tried."""

REST = "the rest"
FIGURES = ("auc", "average_precision", "accuracy")
DRAWS = 500
WORD_WIDTH, FIGURE_WIDTH = 44, 24


class PixelEncoder:
    """Gives the pixels of a picture as if they were features: (n, 3 · `PIXELS`²) float32, unit rows."""

    name, fingerprint, dim, logit_scale, input_px = "pixels", f"pixels-{PIXELS}-lanczos", 3 * PIXELS**2, 1.0, PIXELS

    def prepare(self, picture: PIL.Image.Image) -> np.ndarray:
        return np.asarray(picture.resize((PIXELS, PIXELS), PIL.Image.Resampling.LANCZOS), np.float32).ravel() / 255

    def encode_prepared(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        rows = np.stack(prepared)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    def encode_images(self, pictures: Sequence[PIL.Image.Image]) -> np.ndarray:
        return self.encode_prepared([self.prepare(picture) for picture in pictures])


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the table: its name in figures, its words, and the log odds of every picture, (n,)."""

    name: str
    words: str
    odds: np.ndarray


@dataclass(frozen=True, eq=False)
class Study:
    """The table. `is_taxon` (n,) bool; `metrics` has `ROW_FIGURE` with intervals over bursts, and `ROW_FIGURE_gain` over the row before."""

    taxon: str
    is_taxon: np.ndarray
    rows: tuple[Row, ...]
    metrics: dict[str, float]

    def lines(self) -> list[str]:
        """The table in words."""
        head = f"{self.taxon} AGAINST THE REST: {int(self.is_taxon.sum()):,} of {len(self.is_taxon):,} pictures"
        titles = ("ROC AUC", "average precision", "accuracy")
        lines = [head, f"  {'':<{WORD_WIDTH}}" + "".join(f"{title:<{FIGURE_WIDTH}}" for title in titles)]
        for row in self.rows:
            cells = "".join(f"{share_in_words(self.metrics, f'{row.name}_{figure}'):<{FIGURE_WIDTH}}" for figure in FIGURES)
            lines.append(f"  {row.words:<{WORD_WIDTH}}{cells}".rstrip())
        for row in self.rows[1:]:
            cells = "".join(f"{gain_in_words(self.metrics, f'{row.name}_{figure}_gain'):<{FIGURE_WIDTH}}" for figure in FIGURES)
            lines.append(f"  {'gain of ' + row.words:<{WORD_WIDTH}}{cells}".rstrip())
        return lines


def study_of(
    searcher: Searcher,
    examples: Examples,
    taxon: str,
    *,
    folds: int = 5,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    home: Path | None = None,
) -> Study:
    """The table for one taxon among all examples.

    Raises:
        UnknownTaxonError: The index has no such taxon.
        TableError: No class of the examples is within the taxon, or none outside it.
    """
    sides = sides_of(searcher, examples.taxa, taxon)
    features = see(searcher.encoder, examples, views="flip", workers=workers, progress=progress, home=home)
    pixels = see(PixelEncoder(), examples, workers=workers, home=home)
    if len(pixels) != len(features):
        raise TableError("Pictures were changed while they were looked at. Run it again while nothing else changes them.")
    features, pixels = _two_sided(features, sides), _two_sided(pixels, sides)
    fold, _ = deal(features, folds, seed)
    return _study(taxon, features, pixels, fold, seed)


def _study(taxon: str, features: Features, pixels: Features, fold: np.ndarray, seed: int) -> Study:
    rows = [
        Row("pixels", "pixels + logistic regression", _odds(pixels, fold, seed)),
        Row("features", "features + logistic regression", _odds(features.with_looks((PLAIN,)), fold, seed)),
        Row("mirrored", "+ mirrored pictures", _odds(features, fold, seed)),
    ]
    if (np.bincount(features.bursts) > 1).any():
        rows.append(Row("bursts", "+ the mean over each burst", _mean_of_bursts(rows[-1].odds, features.bursts)))
    is_taxon = features.of == 1
    return Study(taxon, is_taxon, tuple(rows), _figures(rows, is_taxon, features.groups))


def sides_of(searcher: Searcher, classes: Sequence[Taxon], name: str) -> np.ndarray:
    """1 for a class within the taxon of this name, 0 for one of the rest, -1 for one above it, whose pictures may show either: (k,) int64.

    Raises:
        UnknownTaxonError: The index has no such taxon.
        TableError: No class is within the taxon, or none outside it.
    """
    taxon = searcher.names.the_one(name)

    def side(one: Taxon) -> int:
        if taxon.start <= one.start and one.stop <= taxon.stop:
            return 1
        return -1 if one.start <= taxon.start and taxon.stop <= one.stop else 0

    sides = np.array([side(one) for one in classes])
    if not (sides == 1).any() or not (sides == 0).any():
        raise TableError(
            f"A study of {taxon.name} needs pictures of it and of other taxa; of {len(classes):,} taxa with pictures "
            f"{int((sides == 1).sum()):,} are within it and {int((sides == 0).sum()):,} outside."
        )
    return sides


def _two_sided(features: Features, sides: np.ndarray) -> Features:
    """The pictures of both sides, whose classes are the rest, 0, and the taxon, 1."""
    found = features.only(sides[features.of] >= 0)
    return replace(found, of=sides[found.of], taxa=(Taxon(REST, "", 0, 0), Taxon("the taxon", "", 0, 0)))


def _odds(features: Features, fold: np.ndarray, seed: int) -> np.ndarray:
    """The log odds of each picture by heads that were not taught it, (n,), the mean over its looks (rule 2)."""
    strength = _strength(features, fold, seed)
    odds = np.zeros(len(features))
    for number in np.unique(fold).tolist():
        odds[fold == number] = _asked(features, fold, number, strength, seed)
    return odds


def _asked(features: Features, fold: np.ndarray, number: int, strength: float, seed: int) -> np.ndarray:
    """The log odds of the pictures of one fold."""
    head, _ = teach("logistic", features, fold != number, seed=seed, strength=strength)
    sums, looks = np.zeros(len(features)), np.zeros(len(features))
    for look in features.looks:
        asked = fold[look.pictures] == number
        scores = head.scores(look.vectors[asked])
        sums[look.pictures[asked]] += scores[:, 1] - scores[:, 0]
        looks[look.pictures[asked]] += 1
    return (sums / np.maximum(looks, 1))[fold == number]


def _strength(features: Features, fold: np.ndarray, seed: int) -> float:
    """The C of least log loss on the first fold; of equal ones the smallest."""
    first = int(fold.min())
    signs = np.where(features.of[fold == first] == 1, 1.0, -1.0)
    losses = [float(np.logaddexp(0, -signs * _asked(features, fold, first, strength, seed)).mean()) for strength in STRENGTHS]
    return STRENGTHS[int(np.argmin(losses))]


def _mean_of_bursts(odds: np.ndarray, bursts: np.ndarray) -> np.ndarray:
    return (np.bincount(bursts, odds) / np.maximum(np.bincount(bursts), 1))[bursts]


def _figures(rows: Sequence[Row], is_taxon: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    figures: dict[str, Figure] = {}
    for before, row in zip((None, *rows), rows, strict=False):
        mine = _of_row(row, is_taxon)
        figures |= {f"{row.name}_{name}": figure for name, figure in mine.items()}
        if before is not None:
            figures |= {f"{row.name}_{name}_gain": _difference(figure, _of_row(before, is_taxon)[name]) for name, figure in mine.items()}
    return with_intervals(figures, int(groups.max()) + 1, draws=DRAWS, picture_of_row=groups)


def _of_row(row: Row, is_taxon: np.ndarray) -> dict[str, Figure]:
    return {"auc": auc_of(row.odds, is_taxon), "average_precision": average_precision_of(row.odds, is_taxon), "accuracy": share((row.odds > 0) == is_taxon)}


def _difference(figure: Figure, before: Figure) -> Figure:
    return lambda weights: figure(weights) - before(weights)
