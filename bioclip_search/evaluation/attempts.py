"""What a rule of the fallback would answer as it grows bolder, for the curves.

Numpy only; the rules themselves are left to `fallback`, what became of pictures to `calibration.evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bioclip_search.calibration.evidence import CAUTIONS, Evidence
from bioclip_search.evaluation.curves import Attempts


def weighing_attempts(evidence: Evidence, target: float, depths: Sequence[int] | None = None) -> Attempts:
    """What rules 5 and 6 answer at any caution: the reach of a rank is the highest of `CAUTIONS` at which it is answered at."""
    n, ranks = evidence.probability.shape
    reach = np.zeros((n, ranks))
    for caution in CAUTIONS:
        chosen = evidence.chosen(caution, target, depths)
        rows = np.flatnonzero(chosen >= 0)
        reach[rows, chosen[rows]] = np.maximum(reach[rows, chosen[rows]], caution)
    return _boldest_first(reach, evidence)


def _boldest_first(reach: np.ndarray, evidence: Evidence) -> Attempts:
    order = np.where(reach > 0, reach, np.inf).argsort(axis=1, kind="stable")
    return Attempts(*(np.take_along_axis(array, order, axis=1) for array in (reach, evidence.verdicts, _depths(evidence), evidence.information)))


def _depths(evidence: Evidence) -> np.ndarray:
    return np.tile(np.arange(evidence.probability.shape[1]), (len(evidence), 1))
