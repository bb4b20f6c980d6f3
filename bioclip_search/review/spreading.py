"""A decision about one crop taken for the other crops of its burst.

Which pictures are one burst is left to `bursts`; understanding the decision to `deciding`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.bursts.folder import read_sequences
from bioclip_search.detectors.repeats import read_repeats
from bioclip_search.results import Answer
from bioclip_search.review.decisions import ACCEPTED, CORRECTED, WHOLE, ReviewDecision, standing_decisions
from bioclip_search.runs.folder import Run
from bioclip_search.runs.table import schema, to_pictures

NOTE = "decided with its burst"


def for_the_burst(run: Run, taken: Sequence[ReviewDecision]) -> Iterator[ReviewDecision]:
    """What the decisions say of the other crops of their sequences, in the order of the run.

    Left alone are crops that somebody decided about, those set aside, and sequences about which the decisions differ.
    """
    sequences = read_sequences(run.folder)
    by_sequence: dict[str, ReviewDecision | None] = {}
    for decision in taken:
        if name := sequences.of(decision.media_id):
            is_other = name in by_sequence and _said(by_sequence[name]) != _said(decision)
            by_sequence[name] = None if is_other else decision
    agreed = {name: decision for name, decision in by_sequence.items() if decision is not None}
    if not agreed:
        return
    settled = {decision.key for decision in taken} | set(standing_decisions(run.folder)) | read_repeats(run.folder)
    wanted = pa.array(sequences.members(agreed), pa.string())
    batches = (batch.filter(pc.is_in(batch.column("media_id"), wanted)) for batch in run.batches(schema(None).names))
    for picture in to_pictures(batch for batch in batches if len(batch)):
        decision = agreed[sequences.of(picture.media_id) or ""]
        for crop in picture.crops:
            if crop.answer is not None and not {(picture.media_id, crop.number), (picture.media_id, WHOLE)} & settled:
                yield replace(decision, media_id=picture.media_id, crop=crop.number, verdict=_verdict(decision, crop.answer), note=NOTE)


def _said(decision: ReviewDecision | None) -> tuple[str, str | None] | None:
    """What a decision comes to, however the machine had named the crop."""
    if decision is None:
        return None
    return ("named" if decision.verdict in (ACCEPTED, CORRECTED) else decision.verdict, decision.taxon)


def _verdict(decision: ReviewDecision, own: Answer) -> str:
    if decision.verdict not in (ACCEPTED, CORRECTED):
        return decision.verdict
    return ACCEPTED if (own.taxon, own.rank) == (decision.taxon, decision.rank) else CORRECTED
