"""From what a user asks of an answer to the rules that choose it, and what of a question no calibration can speak for.

The rules themselves are left to `fallback`, what may be promised to `calibration`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bioclip_search.calibration.record import CalibrationRecord
from bioclip_search.catalogue import Restriction
from bioclip_search.errors import NotCalibratedError, TableError
from bioclip_search.fallback import DEFAULT_THRESHOLD, AtRank, Climbing, Rules, Weighing
from bioclip_search.taxonomy import Taxonomy


def ruling_for(
    taxonomy: Taxonomy,
    index: str,
    calibration: Callable[[], CalibrationRecord | None],
    *,
    rank: str | None = None,
    threshold: float | None = None,
    target_accuracy: float | None = None,
    min_rank: str | None = None,
    max_rank: str | None = None,
) -> dict[str, Any]:
    """The rules, and the ranks that may be answered at, as `fallback.decide` takes them.

    Args:
        index: The name of the index, for messages.
        calibration: Gives the calibration in use; called only for a target accuracy.
        rank: Answer at this rank, however unsure (rule 1).
        threshold: Probability that a taxon must reach (rule 2).
        target_accuracy: The share of answers that shall be right (rule 5). Only one of the three can be asked for.
        min_rank: Never answer below this rank; `max_rank`: never above that one.

    Raises:
        TableError: A rank is unknown, a number is out of range, the ranks leave nothing, or two things were asked that cannot both be.
        NotCalibratedError: The target accuracy cannot be promised.
    """

    def depth(name: str | None, usual: int) -> int:
        return usual if name is None else taxonomy.ranks.index(taxonomy.level(name).rank)

    _stop_if_torn(rank=rank, threshold=threshold, target_accuracy=target_accuracy, limits=min_rank or max_rank)
    highest, lowest = depth(max_rank, 0), depth(min_rank, len(taxonomy.ranks) - 1)
    if highest > lowest:
        raise TableError(
            f"The rank {max_rank} lies below {min_rank}, so no rank is left to answer at: --max-rank is the highest one allowed, --min-rank the lowest."
        )
    depths = range(highest, lowest + 1)
    if rank is not None:
        return {"rules": AtRank(depth(rank, 0)), "depths": depths}
    if target_accuracy is None:
        if threshold is not None and not 0 <= threshold <= 1:
            raise TableError(f"A threshold is a probability from 0 to 1, not {threshold}.")
        return {"rules": Climbing(DEFAULT_THRESHOLD if threshold is None else threshold), "depths": depths}
    if not 0 < target_accuracy < 1:
        raise TableError(f"A target accuracy is a share between 0 and 1, such as 0.95, not {target_accuracy:g}.")
    record = calibration()
    if record is None:
        raise NotCalibratedError(
            f"The index {index} carries no calibration, so no accuracy can be promised. Calibrate it on pictures with known names (bioclip-search calibrate), or use --threshold."
        )
    return {"rules": record.rules(target_accuracy, depths), "depths": depths}


def _stop_if_torn(*, rank: str | None, threshold: float | None, target_accuracy: float | None, limits: str | None) -> None:
    """Lets nobody think that a promise holds which another wish has set aside."""
    if threshold is not None and target_accuracy is not None:
        raise TableError("Give either a threshold (--threshold) or a target accuracy (--target-accuracy): the second finds out how sure a name must be.")
    other = next(
        (
            name
            for name, value in (("--threshold", threshold), ("--target-accuracy", target_accuracy), ("--min-rank or --max-rank", limits))
            if value is not None
        ),
        None,
    )
    if rank is not None and other:
        raise TableError(
            f"--rank {rank} answers at that rank, however unsure, so {other} would not count. Leave one out; --min-rank and --max-rank limit the ranks."
        )


def unjudged(rules: Rules) -> Rules:
    """The same rules for a question that is narrowed down, where the judge was never taught what is sure.

    Narrowed to its own class, order or family, a picture of those kept back from the starter (1,200 of them) was named
    rightly in 96 to 98 of 100 answers at a target of 90 %; had the judge been asked, in 86 to 93.
    """
    return replace(rules, judge=None) if isinstance(rules, Weighing) else rules


def beyond_calibration(record: CalibrationRecord | None, taxonomy: Taxonomy, restriction: Restriction, best_score: float) -> tuple[str, ...]:
    """What of a question lies outside of what the calibration was fitted on, in words; the promise does not hold there.

    Args:
        best_score: The cosine of the picture with the best match in play.
    """
    if record is None:
        return ()
    reasons, evidence, leaves = [], record.evidence, restriction.leaves
    if restriction.place is not None and restriction.place.prior is not None:
        reasons.append(f"fitted without a place, and here the records of {restriction.place.prior.words} count")
    if leaves is not None and len(leaves) < len(taxonomy):
        reasons.append(f"fitted on all {evidence.leaves_in_all:,} taxa, of which the filters leave {len(leaves):,}")
    elif evidence.is_unlike(best_score):
        reasons.append(f"fitted on pictures that match some name better than this one (cosine {best_score:.2f})")
    if evidence.leaves_in_all != len(taxonomy):
        reasons.append(f"fitted on {evidence.leaves_in_all:,} taxa, now there are {len(taxonomy):,}")
    return tuple(reasons)
