"""Answers that were given before, read back one by one: what `identify --format jsonl` or `csv` wrote, or the folder of a run.

Judges nothing; that is `run`. Which pictures are meant by a truth is left to `truth`.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bioclip_search.errors import TableError
from bioclip_search.evaluation.label_tables import JSONL_SUFFIXES, MAX_LINE_BYTES, RUN_MARKS
from bioclip_search.prompts import RANKS
from bioclip_search.results import Answer, Failure, Rung
from bioclip_search.runs.folder import NOTE_FILE, Run

CSV_SUFFIXES = frozenset({".csv", ".tsv"})
ANSWER_SUFFIXES = JSONL_SUFFIXES | CSV_SUFFIXES
BLANK_RULE = "rule 0: no organism"


def are_answers(place: str | Path) -> bool:
    """Whether a place is the folder of a run or a file of answers, by its ending and, for a table, by its columns; pictures and tables of labels are not."""
    path = Path(place)
    if (path / NOTE_FILE).is_file():
        return True
    if path.suffix.lower() not in ANSWER_SUFFIXES or not path.is_file():
        return False
    if path.suffix.lower() in JSONL_SUFFIXES:
        first = next(_lines(path), (0, ""))[1]
        return '"rule"' in first or '"error"' in first
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as lines:
        return set(next(csv.reader(lines, delimiter=_delimiter(path)), [])) >= RUN_MARKS


def read_answers(path: str | Path) -> Iterator[Answer | Failure]:
    """The records of a file, or of a run, in order, as they are asked for; memory is flat in their number.

    JSON lines and runs bring the ladder of every answer; a table does not, so its answers have one rung, their own.

    Raises:
        TableError: The file cannot be read, or a record is no answer, or a number in it is none.
        RunError: The run cannot be read.
    """
    path = Path(path)
    if (path / NOTE_FILE).is_file():
        yield from _of_run(Run.open(path))
        return
    if path.suffix.lower() not in ANSWER_SUFFIXES:
        raise TableError(f"{path}: is no file of answers. Expected what `identify --format jsonl` or `--format csv` wrote: a .jsonl or .csv file.")
    rows = _json_rows(path) if path.suffix.lower() in JSONL_SUFFIXES else _csv_rows(path)
    for where, row in rows:
        try:
            yield _record(row)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TableError(f"{where}: is no answer of `identify` ({_told(error)}). Expected image, rule, taxon, rank, probability and lineage.") from error


def one_per_picture(records: Iterable[Answer]) -> list[Answer]:
    """Of several crops of one picture the answer that stands for it, in the order of the pictures.

    1. Crops with an answer go before those without.
    2. Of these the one that the detector was surest of, a whole picture before any crop of it.
    3. Then the one with the larger probability, then the first.
    """
    best: dict[str, tuple[tuple[float, ...], Answer]] = {}
    for record in records:
        confidence = math.inf if record.detector_confidence is None else record.detector_confidence
        merit = (float(record.taxon is not None), confidence, record.probability or 0.0)
        if record.image not in best or merit > best[record.image][0]:
            best[record.image] = (merit, record)
    return [answer for _, answer in best.values()]


def _of_run(run: Run) -> Iterator[Answer | Failure]:
    """The answers of every crop, one without an organism for a blank picture, and the pictures that failed; persons and vehicles are none."""
    settings = run.note["settings"]
    made_by = {"index": str(settings.get("index", {}).get("name", "")), "encoder": str(settings["encoder"].get("fingerprint", ""))}
    for picture in run.pictures():
        if picture.error is not None:
            yield Failure(picture.image, picture.error)
        elif not picture.crops:
            yield Answer(image=picture.image, probability=None, rule=f"{BLANK_RULE}: {picture.reason}", **made_by)
        yield from (crop.answer for crop in picture.crops if crop.answer is not None)


def _record(row: Mapping[str, Any]) -> Answer | Failure:
    image = _text(row["image"])
    if image is None:
        raise ValueError("it has no image")
    if _text(row.get("error")):
        return Failure(image, str(row["error"]))
    taxon, rank = _text(row.get("taxon")), _text(row.get("rank"))
    probability = _share(row.get("probability"), "probability")
    if (taxon is None) != (rank is None) or (taxon is not None and probability is None):
        raise ValueError("taxon, rank and probability belong together")
    ladder = tuple(Rung(str(rung["rank"]), str(rung["taxon"]), _share(rung["probability"], "probability of a rung") or 0.0) for rung in row.get("ladder") or ())
    return Answer(
        image=image,
        box_xyxy=_box(row.get("box_xyxy")),
        detector_confidence=_share(row.get("detector_confidence"), "detector_confidence"),
        taxon=taxon,
        rank=rank,
        common_name=_text(row.get("common_name")),
        probability=probability,
        chance=_share(row.get("chance"), "chance"),
        rule=str(row["rule"]),
        lineage={str(name): str(value) for name, value in (row.get("lineage") or {}).items() if value},
        ladder=ladder or ((Rung(rank, taxon, probability or 0.0),) if taxon and rank else ()),
        index=str(row["index"]),
        encoder=str(row["encoder"]),
    )


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in _lines(path):
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
            if "\\u" in line:
                json.dumps(row, ensure_ascii=False).encode()  # half a character can be written so, and stands in no file and on no screen
        except (ValueError, RecursionError) as error:
            raise TableError(f"{where}: is no JSON ({_told(error)}). Expected one object a line.") from error
        if not isinstance(row, dict):
            raise TableError(f"{where}: expected a JSON object, not {type(row).__name__}.")
        yield where, row


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, with their numbers."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE_BYTES + 1), b""), start=1):
                if len(line) > MAX_LINE_BYTES:
                    raise TableError(f"{path}, line {number}: is longer than {MAX_LINE_BYTES >> 20} MiB; that is no answer.")
                if line.strip():
                    yield number, line.decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise TableError(f"{path}: no such file, or it may not be read ({error.strerror}).") from error


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="replace") as lines:
            reader = csv.DictReader(lines, delimiter=_delimiter(path))
            columns = reader.fieldnames or []
            if not set(columns) >= RUN_MARKS:
                raise TableError(f"{path}: holds no answers of `identify`; it has the columns {', '.join(columns) or 'none'}.")
            ranks = [name for name in RANKS if name in columns]
            for row in reader:
                yield f"{path}, line {reader.line_num}", {**row, "lineage": {rank: row[rank] for rank in ranks}}
    except (OSError, csv.Error) as error:
        raise TableError(f"{path}: cannot be read as a table ({_told(error)}).") from error


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _text(value: Any) -> str | None:
    return str(value) if value not in (None, "") else None


def _share(value: Any, what: str) -> float | None:
    """A number from 0 to 1, None where there is none."""
    if value in (None, ""):
        return None
    number = float(value)
    if not 0 <= number <= 1:  # NaN, too
        raise ValueError(f"{what} is {value}, not a number from 0 to 1")
    return number


def _box(value: Any) -> tuple[float, float, float, float] | None:
    sides = [float(side) for side in (value.split() if isinstance(value, str) else value or ())]
    if not sides:
        return None
    if len(sides) != 4 or not all(map(math.isfinite, sides)):
        raise ValueError(f"box_xyxy is {value}, not four numbers")
    return (sides[0], sides[1], sides[2], sides[3])


def _told(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0] if str(error) else type(error).__name__
