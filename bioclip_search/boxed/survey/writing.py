"""Writes a survey into a folder: report.md and metrics.json for people and programs, drawings, and contact sheets of suspects.

Figures, suspects and drawings are left to the rooms beside this one, what was mended to `boxed.examining`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet
from bioclip_search.boxed.report import BoxReport
from bioclip_search.boxed.survey.charts import draw_kinds, draw_survey, stop_if_undrawable
from bioclip_search.boxed.survey.figures import Kind, Survey, metrics_of
from bioclip_search.boxed.survey.suspects import KINDS, UNLABELLED, WORDS, Suspect
from bioclip_search.errors import PictureError
from bioclip_search.evaluation.box_errors.sheets import FIND_COLOUR, MOST_TILES, TRUE_COLOUR, Mark, Tile, contact_sheet
from bioclip_search.images import open_picture
from bioclip_search.markdown import plain
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.output import fresh_folder

REPORT_FILE, METRICS_FILE, SUSPECTS_FILE = "report.md", "metrics.json", "suspects.csv"
SURVEY_PNG, CATEGORIES_PNG, DEPLOYMENTS_PNG = "survey.png", "categories.png", "deployments.png"

MOST_ROWS = 50
"""Rows of a table in the report; metrics.json has all."""


def write_survey(
    sets: Sequence[BoxedSet], survey: Survey, report: BoxReport, suspects: Sequence[Suspect], out: Path, *, detector: str | None = None, overwrite: bool = False
) -> Path:
    """The folder, which stands there only when it is whole.

    Args:
        detector: The name of the one that looked for organisms without a box; None: nobody looked.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ExportError: There is something at `out`, or it cannot be written.
    """
    stop_if_undrawable()
    with fresh_folder(out, SUSPECTS_FILE, ExportOptions(overwrite=overwrite)) as fresh:
        metrics = metrics_of(survey) | {f"suspects_{kind}": sum(one.kind == kind for one in suspects) for kind in KINDS if kind != UNLABELLED or detector}
        told = {"metrics": metrics, "categories": _told(survey.categories), "deployments": _told(survey.deployments), "parts": dict(survey.parts)}
        (fresh / METRICS_FILE).write_text(json.dumps(told | {"notes": report.lines()}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
        draw_survey(fresh / SURVEY_PNG, survey, ", ".join(boxed.name for boxed in sets[:4]) + (" …" if len(sets) > 4 else ""))
        draw_kinds(fresh / CATEGORIES_PNG, survey.categories, "category")
        if survey.deployments:
            draw_kinds(fresh / DEPLOYMENTS_PNG, survey.deployments, "deployment")
        _write_suspects(fresh / SUSPECTS_FILE, suspects)
        sheets = _write_sheets(sets, suspects, fresh)
        lines = _report(survey, metrics, report, suspects, sheets, detector)
        (fresh / REPORT_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return out


def _told(kinds: Mapping[str, Kind]) -> dict[str, dict[str, int]]:
    return {name: vars(kind) for name, kind in kinds.items()}


def _write_suspects(path: Path, suspects: Sequence[Suspect]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kind", "picture", "boxes_xyxy", "categories", "worth"])
        for one in suspects:
            boxes = "; ".join(" ".join(f"{side:.2f}" for side in box) for box in one.boxes_xyxy)
            writer.writerow([one.kind, one.name, boxes, "; ".join(one.categories), f"{one.worth:.4f}"])


def _write_sheets(sets: Sequence[BoxedSet], suspects: Sequence[Suspect], out: Path) -> dict[str, str]:
    """A contact sheet of each kind that there is; gives their file names."""
    sheets = {}
    for kind in KINDS:
        worst = [one for one in suspects if one.kind == kind][:MOST_TILES]
        if worst:
            of_kind = sum(one.kind == kind for one in suspects)
            title = f"{kind}: {WORDS[kind]} ({f'the first {len(worst)} of {of_kind:,}' if of_kind > len(worst) else of_kind})"
            meant = "what the detector found" if kind == UNLABELLED else "what is meant"
            sheets[kind] = f"suspects-{kind}.png"
            contact_sheet(title, [(FIND_COLOUR, meant), (TRUE_COLOUR, "other boxes")], _tiles(sets, worst)).save(out / sheets[kind])
    return sheets


def _tiles(sets: Sequence[BoxedSet], suspects: Sequence[Suspect]) -> Iterator[Tile]:
    """In the order of the suspects; each picture is opened as its turn comes."""
    pictures: dict[tuple[int, int], Any] = {}
    for number, boxed in enumerate(sets):
        rows = sorted({one.row for one in suspects if one.set_number == number})
        wanted = np.zeros(len(boxed), bool)
        wanted[rows] = True
        pictures |= {(number, row): picture for row, picture in zip(rows, boxed.pictures(wanted), strict=True)}
    return _drawn(sets, suspects, pictures)


def _drawn(sets: Sequence[BoxedSet], suspects: Sequence[Suspect], pictures: Mapping[tuple[int, int], Any]) -> Iterator[Tile]:
    for one in suspects:
        try:
            picture = open_picture(pictures[one.set_number, one.row])
        except PictureError:  # changed since it was examined
            continue
        others = [box.box_xyxy for box in sets[one.set_number].boxes[one.row] if box.box_xyxy not in one.boxes_xyxy]
        marks = [Mark(box, TRUE_COLOUR, is_dashed=True) for box in others] + [Mark(box, FIND_COLOUR) for box in one.boxes_xyxy]
        sure = f", {one.worth - (one.worth > 1):.2f} sure" if one.kind == UNLABELLED else ""
        yield Tile(picture, marks, one.name.rsplit("/", 1)[-1], " | ".join(dict.fromkeys(one.categories)) + sure)


def _report(
    survey: Survey, metrics: Mapping[str, float], report: BoxReport, suspects: Sequence[Suspect], sheets: Mapping[str, str], detector: str | None
) -> list[str]:
    lines = ["# What these boxes are like", "", *(f"- {plain(line)}" for line in report.lines()), ""]
    lines += [f"- {plain(part)}: {count:,} pictures" for part, count in survey.parts.items()] if len(survey.parts) > 1 else []
    lines += ["", "## In figures", "", "| | 5 % | median | 95 % |", "| --- | ---: | ---: | ---: |"]
    lines += [_row(words, metrics, name) for name, words in VARYING.items() if f"{name}_median" in metrics]
    if len(survey.shares):
        sizes, shapes = (
            ", ".join(f"{metrics[f'share_{name}']:.0%} {name}" for name in names) for names in (("small", "medium", "large"), ("tall", "squarish", "wide"))
        )
        lines += ["", f"Of the boxes {sizes} (COCO: below 32², below 96² pixels, above); {shapes}."]
    lines += [
        "",
        f"![The figures drawn]({SURVEY_PNG})",
        "",
        "## By category",
        "",
        *_table(survey.categories, "category"),
        "",
        f"![By category]({CATEGORIES_PNG})",
    ]
    if survey.deployments:
        lines += ["", "## By deployment", "", *_table(survey.deployments, "deployment"), "", f"![By deployment]({DEPLOYMENTS_PNG})"]
    lines += ["", "## To be looked at", ""]
    lines += [] if detector else ["Nobody looked for organisms without a box. Name a detector to do so: --detector starter", ""]
    for kind in KINDS:
        count = sum(one.kind == kind for one in suspects)
        if kind != UNLABELLED or detector:
            by = f" ({plain(detector)})" if kind == UNLABELLED else ""
            lines.append(f"- {kind}: {count:,}; {WORDS[kind]}{by}" + (f" ([sheet]({sheets[kind]}))" if kind in sheets else ""))
    return [*lines, "", f"All of them stand in {SUSPECTS_FILE}, with their boxes as left, top, right, bottom in pixels."]


VARYING = {
    "picture_width_px": "width of pictures, px",
    "picture_height_px": "height of pictures, px",
    "boxes_in_a_picture": "boxes in a picture",
    "box_side_px": "√ area of boxes, px",
    "box_share": "share of the picture that a box takes",
    "box_ratio": "width / height of boxes",
}
"""The figures that vary, as the report calls them."""


def _row(words: str, metrics: Mapping[str, float], name: str) -> str:
    values = [f"{metrics[name + part]:,.4g}" for part in ("_low", "_median", "_high")]
    return f"| {words} | {' | '.join(values)} |"


def _table(kinds: Mapping[str, Kind], what: str) -> list[str]:
    rows = [
        f"| {plain(name)} | {kind.boxes:,} | {kind.pictures:,} | {kind.bursts:,} | {kind.deployments:,} |" for name, kind in list(kinds.items())[:MOST_ROWS]
    ]
    more = [f"| … {len(kinds) - MOST_ROWS:,} more, in {METRICS_FILE} | | | | |"] if len(kinds) > MOST_ROWS else []
    return [f"| {what} | boxes | pictures | bursts | deployments |", "| --- | ---: | ---: | ---: | ---: |", *rows, *more]
