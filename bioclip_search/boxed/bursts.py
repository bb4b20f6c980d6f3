"""The bursts of sets of boxes, found through all sets at once: a burst whose pictures stand in two files is one, and no split may part it.

What is a burst is left to `evaluation.burst_names`; keeping it in one part to `splits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet, column_of
from bioclip_search.evaluation.burst_names import burst_names


def with_bursts(sets: Sequence[BoxedSet]) -> list[BoxedSet]:
    """The sets with the bursts that their sources tell, and for pictures without one that of their place and time, if both are known."""
    bursts, deployments, taken = (column_of(sets, name) for name in ("bursts", "deployments", "taken"))
    silent = [row for row, (burst, when) in enumerate(zip(bursts, taken, strict=True)) if burst is None and when is not None]
    if not silent:
        return list(sets)
    names = [name for boxed in sets for name in boxed.names]
    found = burst_names([None] * len(silent), [deployments[row] for row in silent], [taken[row] for row in silent], [names[row] for row in silent])
    filled = np.array(bursts, object)
    filled[silent] = found
    ends = np.cumsum([len(boxed) for boxed in sets])
    return [_filled(boxed, of) for boxed, of in zip(sets, np.split(filled, ends[:-1]), strict=True)]


def _filled(boxed: BoxedSet, bursts: np.ndarray) -> BoxedSet:
    return replace(boxed, bursts=bursts if any(burst is not None for burst in bursts) else None)
