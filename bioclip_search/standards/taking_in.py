"""Makes a run of an export again: the answers as they were given, and what people decided; no picture is opened.

What a format tells is left to `reading`, how rows are kept to `runs.retagging`, decisions to `review`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bioclip_search.review.decisions import ReviewDecision, append
from bioclip_search.runs.folder import Run
from bioclip_search.runs.retagging import take_in
from bioclip_search.standards.reading import read_export
from bioclip_search.standards.reading.exported import ExportedRun


def take_in_export(export: Path, out: Path) -> Run:
    """The run that an export was made from, as far as its format carries it; without vectors, so it cannot be decided anew.

    Raises:
        SourceError: There is no such export, or it is damaged.
        RunError: There is something in the folder `out`, or it cannot be written.
    """
    told = read_export(export)
    settings = {"encoder": {}, "detector": {"name": "none", "fingerprint": None, "categories": None}, "index": {}, "question": {}, "export": told.kind}
    source = {
        "place": str(export),
        "kind": told.kind,
        "root": told.root and str(told.root.absolute()),
        "project": dict(told.project),
        "notes": list(told.notes),
    }
    run = take_in(told.pictures(), out, settings=settings, source=source, deployments=told.deployments)
    append(run.folder, list(_decisions(told)))
    return run


def _decisions(told: ExportedRun) -> Iterator[ReviewDecision]:
    for media_id, crop, stands in told.decided():
        if stands.verdict and stands.who and stands.when:
            yield ReviewDecision(media_id, crop, stands.verdict, stands.who, stands.when, stands.taxon, stands.rank, stands.lineage, stands.note)
