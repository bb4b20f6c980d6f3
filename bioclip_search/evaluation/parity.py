"""Whether an exported detector finds what the one finds that it was made from: both look at the same pictures, and their figures are compared.

Looking and counting is left to `detection` and `box_gain`, exporting to `detectors.exporting`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet
from bioclip_search.detect import Detector
from bioclip_search.errors import TableError
from bioclip_search.evaluation.box_gain import gain_figures
from bioclip_search.evaluation.detection import Looked, look

MOST_LOSS = 0.005
"""How much the mAP of an export may differ from that of its detector: half a point of a hundred, which rounding to fp16 keeps well below."""


@dataclass(frozen=True)
class Parity:
    """The figures of `box_gain.gain_figures`, before the export and after it."""

    figures: dict[str, float]

    @property
    def difference(self) -> float:
        """Of mAP, after less before."""
        return self.figures["map_gain"]

    @property
    def holds(self) -> bool:
        return abs(self.difference) <= MOST_LOSS


def parity_of(
    before: Detector, after: Detector, sets: Sequence[BoxedSet], *, by_category: bool = False, progress: Callable[[int, int], None] | None = None
) -> Parity:
    """How the figures of the export differ, over all pictures of the sets together.

    Raises:
        TableError: No picture with a box could be read.
    """
    total = 2 * sum(map(len, sets))
    looks, done = [], 0
    for detector in (before, after):
        found = []
        for boxed in sets:
            tell = (lambda now, of, done=done: progress(done + now, total)) if progress else None
            found.append(look(detector, boxed, np.ones(len(boxed), bool), tell))
            done += len(boxed)
        looks.append(_joined(found))
    figures = gain_figures(looks[0], looks[1], by_category=by_category)
    if "map_gain" not in figures:
        raise TableError("Expected pictures with boxes to compare by; none that could be read has one. Give others to --check.")
    return Parity(figures)


def _joined(found: Sequence[Looked]) -> Looked:
    """All that was found, as in one set; rows are counted on."""
    starts = np.cumsum([0, *(len(one.found) + len(one.failures) for one in found)]).tolist()
    return Looked(
        tuple(chain.from_iterable(one.found for one in found)),
        tuple(chain.from_iterable(one.true for one in found)),
        tuple(chain.from_iterable(one.failures for one in found)),
        tuple(row + start for one, start in zip(found, starts, strict=False) for row in one.rows),
    )
