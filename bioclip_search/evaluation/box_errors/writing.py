"""The folder that says what is wrong with a detector: report.md, errors.csv, and a contact sheet for each class of error.

What is an error is left to `kinds`, what it costs to `gains`, drawing to `sheets`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bioclip_search.boxed.sets import ORGANISM, BoxedSet
from bioclip_search.errors import TableError
from bioclip_search.evaluation.box_errors.gains import error_gains
from bioclip_search.evaluation.box_errors.kinds import IN_WORDS, KINDS, MISSED, RIGHT, Judged, judge_finds
from bioclip_search.evaluation.box_errors.sheets import FIND_COLOUR, MOST_TILES, TRUE_COLOUR, Mark, Tile, contact_sheet
from bioclip_search.evaluation.detection import AREAS_PX, Looked, comparable
from bioclip_search.images import open_picture
from bioclip_search.markdown import plain, table
from bioclip_search.swapping import whole_file

REPORT_FILE, ROWS_FILE = "report.md", "errors.csv"
COLUMNS = ("image", "kind", "category", "found_category", "confidence", "overlap", "size", "found_xyxy", "true_xyxy")
LEGEND = ((TRUE_COLOUR, "what is there"), (FIND_COLOUR, "what was found; dashed: what else is in the picture"))


@dataclass(frozen=True, eq=False)
class ErrorReport:
    """What is wrong with a detector on one set.

    Attributes:
        judged: Finds of at least `min_confidence`, and what is missed with it, in the order of the pictures looked at.
        figures: `map50` and the gain of each class over all finds, with intervals, as `gains.error_gains` gives them.
    """

    boxed: BoxedSet
    looked: Looked
    detector: str
    judged: tuple[Judged, ...]
    figures: Mapping[str, float]
    min_confidence: float

    def counts(self, **like: str) -> Counter[str]:
        """How many of each class, of those of this `size` or `category`."""
        return Counter(one.kind for one in self.judged if all(getattr(one, name) == value for name, value in like.items()))

    def worst(self, kind: str) -> list[Judged]:
        """The errors of a class, the worst first: the surest finds; of what was missed the largest, for those can be seen best."""
        return sorted((one for one in self.judged if one.kind == kind), key=_severity, reverse=True)


def error_report(boxed: BoxedSet, looked: Looked, detector: str, *, by_category: bool = False, min_confidence: float | None = None) -> ErrorReport:
    """What is wrong; classes are counted with the confidence that is used, gains go through all finds, as average precision does.

    Args:
        min_confidence: None for what `identify` asks of the detector.
    """
    min_confidence = looked.used_confidence if min_confidence is None else min_confidence
    found, true = comparable(looked, by_category)
    judged = judge_finds(found, true, min_confidence)
    return ErrorReport(boxed, looked, detector, tuple(judged), error_gains(found, true, judge_finds(found, true)), min_confidence)


def write_errors(folder: Path, report: ErrorReport) -> list[Path]:
    """Writes the report, the table and the sheets of the classes that occur; gives the files.

    Raises:
        TableError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sheets = {kind: folder / f"{kind.replace(' ', '-')}.png" for kind in KINDS if report.counts()[kind]}
        for kind, path in sheets.items():
            sheet = _sheet(report, kind)
            with whole_file(path) as part:
                sheet.save(part, "PNG")
        with whole_file(folder / ROWS_FILE) as part, part.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(_rows(report))
        with whole_file(folder / REPORT_FILE) as part:
            part.write_text("\n".join(_lines(report, sheets)) + "\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise TableError(f"{folder}: the errors cannot be written ({error.strerror or error}). Choose another folder.") from error
    return [folder / REPORT_FILE, folder / ROWS_FILE, *sheets.values()]


def _severity(one: Judged) -> tuple[float, float]:
    left, top, right, bottom = (one.find or one.true).box_xyxy
    return (one.find.confidence, 0.0) if one.find else ((right - left) * (bottom - top), 0.0)


def _rows(report: ErrorReport) -> Iterator[dict[str, Any]]:
    """The errors, class by class, the worst first, as `errors.csv` holds them."""
    for kind in KINDS:
        for one in report.worst(kind):
            yield {
                "image": _name(report, one),
                "kind": kind,
                "category": one.category,
                "found_category": one.find.category if one.find else "",
                "confidence": f"{one.find.confidence:.4f}" if one.find else "",
                "overlap": f"{one.iou:.3f}",
                "size": one.size,
                "found_xyxy": _edges(one.find),
                "true_xyxy": _edges(one.true),
            }


def _sheet(report: ErrorReport, kind: str) -> Image.Image:
    worst = report.worst(kind)
    shown = worst[:MOST_TILES]
    files = _pictures(report, {one.picture for one in shown})
    some = f"the {len(shown)} worst of {len(worst):,}" if len(shown) < len(worst) else f"all {len(worst):,}"
    title = f"{kind.capitalize()}: {IN_WORDS[kind]} · {some}"
    return contact_sheet(title, LEGEND, (_tile(report, one, open_picture(files[one.picture])) for one in shown))


def _tile(report: ErrorReport, one: Judged, picture: Image.Image) -> Tile:
    meant = [Mark(one.true.box_xyxy, TRUE_COLOUR)] if one.true else []
    meant += [Mark(one.find.box_xyxy, FIND_COLOUR)] if one.find else []
    boxes = [mark.box_xyxy for mark in meant]
    others = [mark for mark in _others(report, one) if mark.box_xyxy not in boxes]
    told = [f"{one.find.confidence:.2f} sure"] if one.find else []
    told += [f"overlap {one.iou:.2f}"] if one.true and one.find else []
    called = f"{one.find.category}, is {one.true.category}" if one.find and one.true and one.find.category != one.true.category else one.category
    told += [one.size] + ([called] if called != ORGANISM else [])
    return Tile(picture, [*others, *meant], " · ".join(told), _name(report, one), boxes)


def _others(report: ErrorReport, one: Judged) -> list[Mark]:
    """The other true boxes and used finds of the picture."""
    found = [other.find.box_xyxy for other in report.judged if other.picture == one.picture and other.find]
    there = [box.box_xyxy for box in report.looked.true[one.picture]]
    return [Mark(box, colour, is_dashed=True) for boxes, colour in ((found, FIND_COLOUR), (there, TRUE_COLOUR)) for box in boxes]


def _pictures(report: ErrorReport, numbers: set[int]) -> dict[int, Any]:
    """The pictures with these numbers, as files or bytes: opened all at once, those of a camera trap would take gigabytes."""
    row_of = report.looked.rows
    wanted = np.zeros(len(report.boxed), bool)
    wanted[[row_of[number] for number in numbers]] = True
    at = dict(zip(np.flatnonzero(wanted).tolist(), report.boxed.pictures(wanted), strict=True))
    return {number: at[row_of[number]] for number in numbers}


def _lines(report: ErrorReport, sheets: Mapping[str, Path]) -> Iterator[str]:
    """The report as Markdown."""
    counts = report.counts()
    yield f"# What is wrong: {plain(report.detector)} on {plain(report.boxed.name)}\n"
    right, missing = counts[RIGHT], counts[MISSED]
    told = f"{right:,} {'find is' if right == 1 else 'finds are'} right; {missing:,} {'organism has' if missing == 1 else 'organisms have'} no find"
    yield f"{len(report.looked.found):,} pictures. With a confidence of {report.min_confidence:g} or more: {told}."
    yield f"mAP50 is {_percent(report.figures, 'map50')}.\n"
    yield "`gain` is what mAP50 would gain if the errors of that class were mended and all else stayed (TIDE's dAP, Bolya et al., ECCV 2020),"
    yield "over finds of any confidence, with its 95 % interval; start where it is highest. Gains do not add up: an error mended uncovers others.\n"
    yield from table(
        ["class", "errors", "gain in mAP50", "what it is"], [[k, f"{counts[k]:,}", _percent(report.figures, f"{k}_gain"), IN_WORDS[k]] for k in KINDS]
    )
    yield "\n## By size\n\nBy COCO's areas: small below 32² pixels, large from 96².\n"
    yield from _split(report, "size", list(AREAS_PX))
    yield "\n## By category\n"
    yield from _split(report, "category", sorted({one.category for one in report.judged}))
    for kind, path in sheets.items():
        yield f"\n## {kind.capitalize()}\n\n![{kind}]({path.name})"


def _split(report: ErrorReport, name: str, values: Sequence[str]) -> Iterator[str]:
    rows = []
    for value in values:
        counts = report.counts(**{name: value})
        rows.append([plain(value), *(f"{counts[kind]:,}" for kind in (RIGHT, *KINDS))])
    yield from table([name, RIGHT, *KINDS], rows)


def _percent(figures: Mapping[str, float], name: str) -> str:
    """Points of a hundred with the interval; a dash where there is nothing of it."""
    if name not in figures:
        return "–"
    told = f"{100 * figures[name]:.1f}"
    return f"{told} ({100 * figures[f'{name}_low']:.1f} to {100 * figures[f'{name}_high']:.1f})" if f"{name}_low" in figures else told


def _name(report: ErrorReport, one: Judged) -> str:
    return report.boxed.names[report.looked.rows[one.picture]]


def _edges(one: Any) -> str:
    return " ".join(f"{edge:.1f}" for edge in one.box_xyxy) if one else ""
