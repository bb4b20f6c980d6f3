"""A finished run in the formats of others, each checked before it is there; and back again.

Read in this order: `collection` (what all writers see: pictures with the answers that stand), `options`, `report`,
`output` (where an export is written), then a format. Reading exports is `reading`.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from bioclip_search.errors import ExportError
from bioclip_search.runs.folder import Run
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.report import ExportReport

__all__ = ["FORMATS", "ExportOptions", "ExportReport", "export"]


UNFINISHED = "The run is not finished: what was not tagged yet is not in it. Go on with `tag --resume`, then export again with --overwrite."


class Format(NamedTuple):
    """The module whose `write(collection, out, options)` writes it, and what it is."""

    module: str
    what: str


FORMATS = {
    "csv": Format("csv_table", "one row a box, with all that is known"),
    "xlsx": Format("spreadsheet", "the same as a workbook"),
    "megadetector": Format("megadetector", "MegaDetector batch output 1.6, JSON; for Timelapse and AddaxAI"),
    "camtrap-dp": Format("camtrap_dp", "Camtrap DP 1.0.2, a folder of three tables"),
    "darwin-core": Format("darwin_core", "Darwin Core occurrences; a path that ends in .zip gives an archive for GBIF"),
    "timelapse": Format("timelapse", "CSV that Timelapse imports"),
    "wildlife-insights": Format("wildlife_insights", "images.csv of Wildlife Insights' batch upload"),
    "coco": Format("coco", "COCO Camera Traps, JSON"),
    "geojson": Format("geojson", "a point for each deployment, or for each observation"),
    "species-folders": Format("species_folders", "the pictures in folders by species"),
    "annotated": Format("annotated", "the pictures with boxes and names drawn in"),
}
"""The formats by name, those that hold most first."""


def export(run: Run, to: str, out: str | Path, **options: Any) -> ExportReport:
    """Writes the run in a format, and gives back what was written and what was left out.

    Args:
        to: One of `FORMATS`.
        options: Those of `ExportOptions`.

    Raises:
        ExportError: The format is unknown, `out` is there already or cannot be written, the format wants to know
            what the run does not tell, or what would be written broke the format's rules. Nothing is written then.
    """
    from bioclip_search.standards.collection import Collection

    if to not in FORMATS:
        raise ExportError(f"There is no format {to!r}. Expected one of: {', '.join(FORMATS)}.")
    module = import_module(f"bioclip_search.standards.{FORMATS[to].module}")
    report = module.write(Collection.open(run), Path(out), ExportOptions(**options))
    return report if run.note.get("is_finished", True) else replace(report, notes=(UNFINISHED, *report.notes))
