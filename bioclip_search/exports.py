"""Writes results as text while they come: a table for the eye, CSV for a spreadsheet, JSON lines for programs.

Takes finished records of `results`; knows nothing of how they came about.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TextIO

from bioclip_search.prompts import RANKS
from bioclip_search.results import Answer, Failure, LabelAnswer, percent, remarks, shown_chance

FORMATS = ("table", "csv", "jsonl")

Record = Answer | Failure | LabelAnswer

ANSWER_COLUMNS = (
    *("image", "box_xyxy", "detector_confidence", "taxon", "rank", "common_name", "probability", "chance", "rule"),
    *RANKS,
    *("alternatives", "beyond_calibration", "place", "out_of_range", "without_place", "removed", "index", "encoder", "error"),
)
LABEL_COLUMNS = ("image", "label", "probability", "error")

PICTURE_WIDTH, ANSWER_WIDTH, RANK_WIDTH = 28, 44, 8
"""Columns of the table in characters; what is longer is cut with an ellipsis."""


def write_records(records: Iterable[Record], format: str, out: TextIO, *, of_labels: bool = False) -> Iterator[Record]:
    """Writes each record as it comes, and passes it on.

    Args:
        format: One of `FORMATS`. A header is written even if no record comes.
        of_labels: The records are those of `label`, not of `identify`.
    """
    if format == "jsonl":
        write = _write_json
    elif format == "csv":
        write = _csv_writer(out, LABEL_COLUMNS if of_labels else ANSWER_COLUMNS)
    else:
        out.write(_row("PICTURE", *(("LABEL", "", "CHANCE") if of_labels else ("ANSWER", "RANK", "CHANCE  WHY"))) + "\n")
        write = _write_table
    for record in records:
        write(record, out)
        out.flush()
        yield record


def ladder_line(answer: Answer) -> str:
    """The ladder on one line, the answer's own rung in brackets."""
    rungs = []
    for rung in answer.ladder:
        told = f"{rung.taxon} {percent(rung.probability)}"
        rungs.append(f"[{told}]" if (rung.rank, rung.taxon) == (answer.rank, answer.taxon) else told)
    return " › ".join(rungs)


def full_name(taxon: str | None, common_name: str | None) -> str:
    """Both names, the vernacular one first, as a person would say them."""
    if taxon is None:
        return "not sure enough to name"
    return f"{common_name} ({taxon})" if common_name and common_name != taxon else taxon


def _write_json(record: Record, out: TextIO) -> None:
    out.write(json.dumps(record.to_dict(), ensure_ascii=False) + "\n")


def _csv_writer(out: TextIO, columns: Sequence[str]) -> Callable[[Record, TextIO], None]:
    """One row per crop, or per picture and label."""
    writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    return lambda record, _: writer.writerows(_label_rows(record) if isinstance(record, LabelAnswer) else [_answer_row(record)])


def _answer_row(record: Answer | Failure) -> dict[str, object]:
    row = record.to_dict()
    if isinstance(record, Answer):
        row |= record.lineage
        row["box_xyxy"] = " ".join(f"{side:g}" for side in record.box_xyxy or ())
        row["alternatives"] = "; ".join(f"{other.taxon} {other.probability:.4f}" for other in record.alternatives)
        row["beyond_calibration"] = "; ".join(record.beyond_calibration)
        row["removed"] = record.removed and f"{record.removed.taxon} {record.removed.probability:.4f}"
        row["without_place"] = record.without_place and f"{record.without_place.taxon or 'no answer'} {record.without_place.probability:.4f}"
    return row


def _label_rows(record: LabelAnswer) -> list[dict[str, object]]:
    return [{"image": record.image, "label": words, "probability": probability} for words, probability in record.labels]


def _write_table(record: Record, out: TextIO) -> None:
    out.writelines(line.rstrip() + "\n" for line in _lines_of(record))


def _lines_of(record: Record) -> Sequence[str]:
    if isinstance(record, Failure):
        return [_row(record.image, f"cannot be answered: {record.error}", cut=False)]
    if isinstance(record, LabelAnswer):
        return [_row(record.image if number == 0 else "", words, "", f"{percent(chance):>6}") for number, (words, chance) in enumerate(record.labels[:5])]
    name = full_name(record.taxon, record.common_name) if record.ladder else "blank"
    chance = percent(shown_chance(record)) if record.taxon else ""
    first = _row(record.image, name, record.rank or "", f"{chance:>6}  {record.rule}")
    more = [ladder_line(record)] if record.ladder else []
    return [first, *(" " * (PICTURE_WIDTH + 2) + line for line in (*more, *remarks(record)))]


def _row(picture: str, answer: str, rank: str = "", rest: str = "", cut: bool = True) -> str:
    picture = picture if len(picture) <= PICTURE_WIDTH else "…" + picture[1 - PICTURE_WIDTH :]
    answer = answer if len(answer) <= ANSWER_WIDTH or not cut else answer[: ANSWER_WIDTH - 1] + "…"
    return f"{picture:<{PICTURE_WIDTH}}  {answer:<{ANSWER_WIDTH}}  {rank:<{RANK_WIDTH}}  {rest}"
