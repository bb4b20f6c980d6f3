"""The way to look at pictures by which a detector does best, chosen on one half of the pictures and measured on the other.

Loading a detector with other settings is left to whoever calls, halves to `halves`, writing the card to `keeping`. The rules:

1. Beginning with the settings as they are, one thing after the other is tried on the first half: the size of the pictures, looking several
   times (augment), the overlap of suppression. A try is taken if its mAP is higher than that of the best so far by `LEAST_GAIN`.
2. Then the confidence: that whose finds have the highest F1 at an overlap of 0.5; of equal ones the nearest to the one so far.
3. What was chosen is measured on the second half beside the settings as they were. If mAP is lower there, everything but the confidence
   stays as it was; if F1 is, the confidence does.

So what is told of the gain is of pictures that proposed nothing. They could refuse, though (rule 3): a gain in mAP that is told is never below 0, and
a little too good where there is hardly any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bioclip_search.detect import Detector
from bioclip_search.detectors.card import PX_RANGE, Inference
from bioclip_search.evaluation.box_gain import gain_figures
from bioclip_search.evaluation.detection import OVERLAPS, Looked, categories_of_true, comparable, drawn_figures, match_boxes
from bioclip_search.evaluation.resample import Figure, ratio, with_intervals
from bioclip_search.sweep.halves import Half, look_at

SCALES = (0.75, 1.25, 1.5)
"""Sizes that are tried, in times the size so far."""

OVERLAPS_TRIED = (0.35, 0.55, 0.65)
CONFIDENCES = tuple(round(0.05 * step, 2) for step in range(1, 20))
PX_STEP = 32

LEAST_GAIN = 0.002
"""A try must be better by so much of mAP (0.2 points of a hundred), as more looks and pixels cost time; a choice of this project."""

Load = Callable[[Inference], Detector]


@dataclass(frozen=True)
class Try:
    """One way to look, and how it did on the half that chooses."""

    inference: Inference
    map: float
    is_taken: bool = False


@dataclass(frozen=True, eq=False)
class Sweep:
    """What came out.

    Attributes:
        before, after: The settings as they were, and as they should be.
        tries: On the first half, in order.
        figures: On the second half: `map50_before`, `map50_after`, `map50_gain` …, `f1_…` at the confidences of the settings; with intervals.
    """

    before: Inference
    after: Inference
    tries: tuple[Try, ...]
    figures: Mapping[str, float]

    @property
    def is_changed(self) -> bool:
        return self.after != self.before


def sweep_settings(
    load: Load, before: Inference, image_px: int, halves: tuple[Half, Half], *, by_category: bool = False, progress: Callable[[str], None] | None = None
) -> Sweep:
    """The best settings by the rules above. At any time only the finds of the best so far and of the try at hand are in memory.

    Args:
        load: The detector with the settings that it is given.
        image_px: The side that pictures are scaled to where the settings tell none.
    """
    first, second = halves
    tell = progress or (lambda line: None)

    def finds(inference: Inference) -> Looked:
        tell(in_words(inference))
        return look_at(load(inference), first)

    best, tries = _chosen(finds, before, image_px, by_category)
    tell("the other half")
    of_before, of_best = (look_at(load(inference), second) for inference in (before, best))
    after = _kept(before, best, of_before, of_best, by_category)
    of_after = of_best if replace(after, confidence=0.0) == replace(best, confidence=0.0) else of_before
    return Sweep(before, after, tries, _figures(of_before, of_after, before, after, by_category))


def best_confidence(looked: Looked, now: float, by_category: bool) -> float:
    """Rule 2: of `CONFIDENCES` and the one so far."""
    scores = {confidence: _f1(looked, confidence, by_category)(np.ones((1, len(looked.true))))[0] for confidence in {now, *CONFIDENCES}}
    return max(scores, key=lambda confidence: (np.nan_to_num(scores[confidence]), -abs(confidence - now), -confidence))


def in_words(inference: Inference) -> str:
    """The settings in one line."""
    size = f"{inference.image_px} px" if inference.image_px else "size as trained"
    return f"{size}, {'several looks' if inference.augment else 'one look'}, overlap {inference.iou:g}, confidence {inference.confidence:g}"


def _chosen(finds: Callable[[Inference], Looked], before: Inference, image_px: int, by_category: bool) -> tuple[Inference, tuple[Try, ...]]:
    """Rules 1 and 2."""
    best, looked = before, finds(before)
    score = _map(looked, by_category)
    tries = [Try(before, score, is_taken=True)]
    for step in (_sizes, _looks, _overlaps):
        held = best
        for other in step(held, image_px):
            of_other = finds(other)
            reached = _map(of_other, by_category)
            is_taken = reached >= score + LEAST_GAIN
            tries.append(Try(other, reached, is_taken))
            if is_taken:
                best, score, looked = other, reached, of_other
            del of_other
    return replace(best, confidence=best_confidence(looked, before.confidence, by_category)), tuple(tries)


def _sizes(inference: Inference, image_px: int) -> Iterator[Inference]:
    now = inference.image_px or image_px
    sides = {min(max(round(scale * now / PX_STEP) * PX_STEP, PX_RANGE[0]), PX_RANGE[1]) for scale in SCALES}
    yield from (replace(inference, image_px=side) for side in sorted(sides - {now}))


def _looks(inference: Inference, _image_px: int) -> Iterator[Inference]:
    yield replace(inference, augment=not inference.augment)


def _overlaps(inference: Inference, _image_px: int) -> Iterator[Inference]:
    yield from (replace(inference, iou=iou) for iou in OVERLAPS_TRIED if iou != inference.iou)


def _kept(before: Inference, best: Inference, of_before: Looked, of_best: Looked, by_category: bool) -> Inference:
    """Rule 3."""
    is_better = _map(of_best, by_category) >= _map(of_before, by_category)
    held, looked = (best, of_best) if is_better else (before, of_before)
    ones = np.ones((1, len(looked.true)))
    then, now = (_f1(looked, confidence, by_category)(ones)[0] for confidence in (best.confidence, before.confidence))
    return replace(held, confidence=best.confidence if then >= now else before.confidence)


def _figures(of_before: Looked, of_after: Looked, before: Inference, after: Inference, by_category: bool) -> dict[str, float]:
    """The gain on the second half, with F1 at the confidence of each."""
    f1_before, f1_after = _f1(of_before, before.confidence, by_category), _f1(of_after, after.confidence, by_category)
    f1 = {"f1_before": f1_before, "f1_after": f1_after, "f1_gain": lambda weights: f1_after(weights) - f1_before(weights)}
    told = gain_figures(of_before, of_after, by_category=by_category) | with_intervals(f1, len(of_before.true))
    return {name: value for name, value in told.items() if not name.startswith("found")}  # F1 tells of the confidence


def _map(looked: Looked, by_category: bool) -> float:
    figures = drawn_figures(looked, by_category)[1]
    return float(figures["map"](np.ones((1, len(looked.true))))[0]) if figures else 0.0


def _f1(looked: Looked, confidence: float, by_category: bool) -> Figure:
    """F1 of the finds of this confidence, at an overlap of 0.5: twice the right ones over finds and true boxes together."""
    found, true = comparable(looked, by_category)
    sure = [[one for one in several if one.confidence >= confidence] for several in found]
    n = len(true)
    right, counted = np.zeros(n), np.zeros(n)
    for category in sorted({*categories_of_true(true), *(one.category for several in sure for one in several)}):
        matched = match_boxes(sure, true, category, OVERLAPS[:1])
        right += np.bincount(matched.pictures, matched.right[0].astype(np.float64), minlength=n)
        counted += np.bincount(matched.pictures, matched.counts[0].astype(np.float64), minlength=n) + matched.true_per_picture
    return ratio(2 * right, counted)


def rows_of(tries: Sequence[Try]) -> list[list[str]]:
    """The tries as rows of a table: what was tried, mAP in points of a hundred, whether it was taken."""
    return [[in_words(one.inference), f"{100 * one.map:.1f}", "taken" if one.is_taken else ""] for one in tries]
