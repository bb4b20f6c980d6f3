"""How good a detector folder is on pictures that did not teach it, as plain numbers for its card.

The rules are those of `evaluation.detection`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet
from bioclip_search.detect import Detector
from bioclip_search.evaluation.detection import detection_figures, look

DIGITS = 4


def measure(
    detector: Detector, sets: Sequence[BoxedSet], *, by_category: bool, progress: Callable[[int, int], None] | None = None
) -> dict[str, dict[str, float]]:
    """The figures of each set by its name; sets of one name are told apart by a number.

    Args:
        by_category: Whether a find must also bear the category of the box.
        progress: Called with (pictures looked at, in all).
    """
    results: dict[str, dict[str, float]] = {}
    total, before = sum(map(len, sets)), [0, *accumulate(map(len, sets))]
    for boxed, done in zip(sets, before, strict=False):
        tell = (lambda now, of, done=done: progress(done + now, total)) if progress else None
        figures = detection_figures(look(detector, boxed, np.ones(len(boxed), bool), tell), by_category=by_category)
        name = boxed.name if boxed.name not in results else f"{boxed.name}-{len(results) + 1}"
        results[name] = {key: round(float(value), DIGITS) for key, value in figures.items()}
    return results
