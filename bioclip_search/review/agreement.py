"""How often people found the machine's name right, in all and by its rank, with intervals.

What was decided is `decisions`' to say, when a name holds `spared`'s. The crops that were decided are as a rule the doubtful ones, so
this is no measure of the run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.bursts.folder import read_sequences
from bioclip_search.bursts.sequences import media_numbers
from bioclip_search.evaluation.resample import share, with_intervals
from bioclip_search.review.decisions import ACCEPTED, CORRECTED, UNSURE, WHOLE, standing_decisions
from bioclip_search.review.spared import holds
from bioclip_search.runs.folder import Run
from bioclip_search.runs.table import answer_of, schema


@dataclass(frozen=True)
class Agreement:
    """Of the machine's names at one rank, or at any (None), how many crops were decided, and how many names were found right.

    Attributes:
        low, high: The interval of 95 % of the share; None of a single picture. Pictures of one burst count as one there.
    """

    rank: str | None
    decided: int
    right: int
    low: float | None = None
    high: float | None = None

    @property
    def share(self) -> float:
        return self.right / self.decided


def agreement(run: Run) -> list[Agreement]:
    """That of any rank first, then those of each rank that was named, the highest first; empty where nothing that the machine named was decided.

    A name is right if it lies on one line with what was decided. Where that is blank, a person or a vehicle it is wrong, and where
    nobody can tell it does not count.

    Raises:
        RunError: The run or its decisions cannot be read.
    """
    names, right, media = _judged(run)
    if not names:
        return []
    bursts = np.unique(read_sequences(run.folder).numbers(media), return_inverse=True)[1]
    ranks = np.array([rank for rank, _ in names], object)
    order = dict(names)
    told = [_figures(None, right, bursts)]
    for rank in sorted(order, key=lambda rank: order[rank]):
        told.append(_figures(rank, right[ranks == rank], bursts[ranks == rank]))
    return told


def _judged(run: Run) -> tuple[list[tuple[str, int]], np.ndarray, np.ndarray]:
    """Of the n crops that count: the rank of the machine's name with its depth in the ladder, whether it is right, (n,) bool, and the media, (n,) uint64."""
    standing = {key: one for key, one in standing_decisions(run.folder).items() if one.verdict != UNSURE}
    wanted = pa.array(sorted({name for name, _ in standing}), pa.string())
    names: list[tuple[str, int]] = []
    right: list[bool] = []
    media: list[str] = []
    for batch in run.batches(schema(None).names) if standing else ():
        of_named = pc.and_(pc.is_in(batch.column("media_id"), wanted), pc.is_valid(batch.column("taxon")))
        for row in batch.filter(of_named).to_pylist():
            decision = standing.get((row["media_id"], row["crop"])) or standing.get((row["media_id"], WHOLE))
            if decision is not None:
                answer = answer_of(row)
                names.append((str(answer.rank), len(answer.lineage)))
                right.append(decision.verdict in (ACCEPTED, CORRECTED) and holds(answer, decision.lineage))
                media.append(row["media_id"])
    return names, np.array(right, bool), media_numbers(pa.array(media, pa.string()))


def _figures(rank: str | None, right: np.ndarray, bursts: np.ndarray) -> Agreement:
    of_row = np.unique(bursts, return_inverse=True)[1]
    told = with_intervals({"right": share(right)}, int(of_row.max()) + 1, picture_of_row=of_row)
    return Agreement(rank, len(right), int(right.sum()), told.get("right_low"), told.get("right_high"))
