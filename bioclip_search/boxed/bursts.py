"""The bursts of pictures with boxes: as their source tells them, else by place and time as `bursts.sequences` finds them in a run.

Keeping a burst in one part is left to `splits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from bioclip_search.bursts.sequences import NO_OFFSET, Pictures, group


def burst_names(told: np.ndarray | None, deployments: np.ndarray | None, moments: Sequence[datetime | None]) -> np.ndarray | None:
    """(n,) object, the burst of each picture; None where neither its source nor its place and time tell it, and in all if no picture's do.

    Args:
        told: (n,) object, the bursts that the source tells; deployments: (n,) object, the places. None: it tells none.
    """
    found = np.full(len(moments), None, object) if told is None else told.copy()
    if deployments is not None:
        silent = np.array([burst is None and where is not None and when is not None for burst, where, when in zip(found, deployments, moments, strict=True)])
        rows = np.flatnonzero(silent)
        if len(rows):
            grouping = group(_pictures([deployments[row] for row in rows], [moments[row] for row in rows]))
            begins = rows[grouping.first[grouping.of]]  # the picture that each one's burst begins with
            found[rows] = [f"{deployments[row]} {moments[row].isoformat(' ')}" for row in begins]
    return found if any(burst is not None for burst in found) else None


def _pictures(deployments: Sequence[str], moments: Sequence[datetime]) -> Pictures:
    """Times on the clock of the place where no zone is told, else UTC, as a run has them."""
    names = sorted(set(deployments))
    number_of = {name: number for number, name in enumerate(names)}
    numbers = np.array([number_of[name] for name in deployments], np.int32)
    zero = datetime(1970, 1, 1)
    seconds = [(one.replace(tzinfo=None) - (one.utcoffset() or timedelta()) - zero).total_seconds() for one in moments]
    times = np.array([round(one * 1000) for one in seconds], np.int64)
    offsets = np.array([NO_OFFSET if one.utcoffset() is None else one.utcoffset().total_seconds() // 60 for one in moments], np.int16)
    n = len(deployments)
    return Pictures(np.arange(n, dtype=np.uint64), numbers, times, offsets, np.full(n, -1, np.int32), numbers, tuple(names))
