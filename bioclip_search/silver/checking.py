"""How many boxes of a silver set are right, by a fair draw of them that people look at.

Reads and writes the table and the sheets of the check; drawing is left to `evaluation.box_errors.sheets`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from bioclip_search.detectors.boxes import box_iou
from bioclip_search.errors import PictureError, TableError
from bioclip_search.evaluation.box_errors.sheets import FIND_COLOUR, MOST_TILES, Mark, Tile, contact_sheet
from bioclip_search.images import open_picture
from bioclip_search.stream import in_blocks
from bioclip_search.swapping import whole_file

COLUMNS = ("number", "image", "category", "confidence", "box_xyxy", "right", "silver_sha256")
YES, NO = frozenset({"yes", "y", "1", "true", "right"}), frozenset({"no", "n", "0", "false", "wrong", "?", "unsure"})
"""What people may write into the column `right`; who cannot tell has no proof that the box is right."""

MAX_CSV_BYTES = 1 << 24
"""Largest table of answers read (16 MiB)."""

Z = 1.959964
"""The 97.5 % point of the normal distribution: intervals are of 95 %."""

LEGEND = ((FIND_COLOUR, "Is this box right: one whole organism, and little else?"), ("#FFFFFF", "dashed: the other boxes of the picture. Is none missing?"))


@dataclass(frozen=True)
class CheckResult:
    """What people say of a draw of boxes.

    Attributes:
        open: Boxes that nobody answered for; they count nowhere.
    """

    right: int
    wrong: int
    open: int

    @property
    def precision(self) -> float:
        """The share of right boxes."""
        return self.right / (self.right + self.wrong)

    @property
    def interval(self) -> tuple[float, float]:
        """Of 95 %, after Wilson (1927)."""
        return wilson_interval(self.right, self.right + self.wrong)


def wilson_interval(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson: Probable inference, the law of succession, and statistical inference, JASA 22, 1927).

    >>> low, high = wilson_interval(19, 20)  # centre (0.95 + 1.921/20) / (1 + 3.841/20)
    >>> round(low, 3), round(high, 3)
    (0.764, 0.991)
    """
    share, spread = hits / of, Z * Z / of
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def write_check(silver: Path, count: int, out: Path, seed: int = 0) -> list[Path]:
    """Draws boxes, each as likely as any other, and writes a table for the answers and sheets that show them; gives the files.

    Args:
        out: The table, .csv; the sheets stand beside it, named as it is.

    Raises:
        TableError: The set cannot be read, the files cannot be written, or people have answered in the table that is there.
    """
    _stop_if_answered(out)
    drawn = draw_boxes(silver, count, seed)
    digest = _hash_of(silver)
    rows, sheets = [], []
    try:
        for block in in_blocks(enumerate(_rows_at(silver, drawn), start=1), MOST_TILES):  # one sheet at a time is in memory
            rows += [_answer_row(number, row, place) | {"silver_sha256": digest} for number, (row, place) in block]
            sheets.append(out.with_name(f"{out.stem}-{len(sheets) + 1}.png"))
            title = f"Check of {silver.name}: boxes {block[0][0]} to {block[-1][0]} of {len(drawn)}. Answer yes or no in {out.name}"
            with whole_file(sheets[-1]) as part:
                contact_sheet(title, LEGEND, (_tile(number, row, place) for number, (row, place) in block)).save(part, "PNG")
        with whole_file(out) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise TableError(f"{out}: the check cannot be written ({error.strerror or error}). Choose another place.") from error
    return [out, *sheets]


def draw_boxes(silver: Path, count: int, seed: int = 0) -> list[tuple[int, int]]:
    """The row and the number of each drawn box, in order; all boxes where there are no more than `count`.

    Raises:
        TableError: The set cannot be read.
    """
    per_row = np.concatenate([np.empty(0, np.int64), *(_box_counts(batch) for batch in _batches(silver, ["objects"]))])
    rows = np.repeat(np.arange(len(per_row)), per_row)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
    chosen = np.sort(np.random.default_rng(seed).choice(len(rows), min(count, len(rows)), replace=False))
    return list(zip(rows[chosen].tolist(), places[chosen].tolist(), strict=True))


def read_check(answers: Path, silver: Path) -> CheckResult:
    """What people answered.

    Raises:
        TableError: The table cannot be read, is of another set, holds another word than yes or no, or no answer at all.
    """
    told = {"yes": 0, "no": 0, "": 0}
    digest = _hash_of(silver)
    for line, row in enumerate(_read_rows(answers), start=2):
        if (row.get("silver_sha256") or "").strip() != digest:
            raise TableError(f"{answers}, line {line}: is about another set than {silver}. Give the set that was checked, or check this one anew.")
        word = (row.get("right") or "").strip().lower()
        if word and word not in YES | NO:
            raise TableError(f"{answers}, line {line}: expected yes or no in the column right, got {word!r}.")
        told["yes" if word in YES else "no" if word else ""] += 1
    if not told["yes"] + told["no"]:
        raise TableError(f"{answers}: nobody has answered yet. Look at the sheets beside it and write yes or no into the column right.")
    return CheckResult(told["yes"], told["no"], told[""])


def _stop_if_answered(out: Path) -> None:
    """A draw never takes the place of answers: they are hours of somebody's work."""
    if out.exists() and any((row.get("right") or "").strip() for row in _read_rows(out)):
        raise TableError(f"{out}: people have answered here already. Read their answers with `train silver-check`, or move the file away to draw anew.")


def _read_rows(answers: Path) -> list[dict[str, str]]:
    try:
        if answers.stat().st_size > MAX_CSV_BYTES:
            raise TableError(f"{answers}: is larger than {MAX_CSV_BYTES >> 20} MiB, so it is no table of answers.")
        text = answers.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TableError(f"{answers}: cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{answers}: is no text in UTF-8. Save it as CSV (UTF-8).") from error
    first = text.partition("\n")[0]
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ","))  # spreadsheets write either
    if not rows or not {"right", "silver_sha256"} <= set(rows[0]):
        raise TableError(f"{answers}: is no table of a check. Expected the columns {', '.join(COLUMNS)}, as `train silver --check` writes them.")
    return rows


def _batches(silver: Path, columns: Sequence[str]) -> Iterator[Any]:
    try:
        with parquet.ParquetFile(silver) as file:
            yield from file.iter_batches(64, columns=list(columns))
    except (OSError, ValueError, KeyError) as error:
        raise TableError(f"{silver}: is no silver set that can be read ({(str(error).splitlines() or [''])[0]}).") from error


def _box_counts(batch: Any) -> np.ndarray:
    return np.array([len(row["objects"]["bbox"]) for row in batch.to_pylist()], np.int64)


def _rows_at(silver: Path, drawn: Sequence[tuple[int, int]]) -> Iterator[tuple[dict[str, Any], int]]:
    """The drawn rows, each with the number of the box that is meant."""
    wanted: dict[int, list[int]] = {}
    for row, place in drawn:
        wanted.setdefault(row, []).append(place)
    first = 0
    for batch in _batches(silver, ["image", "objects", "source_id"]):
        for row in sorted(row for row in wanted if first <= row < first + len(batch)):
            (content,) = batch.slice(row - first, 1).to_pylist()
            yield from ((content, place) for place in wanted[row])
        first += len(batch)


def _answer_row(number: int, row: dict[str, Any], place: int) -> dict[str, Any]:
    objects = row["objects"]
    edges = " ".join(f"{edge:.1f}" for edge in _xyxy(objects["bbox"][place]))
    return {
        "number": number,
        "image": row["source_id"],
        "category": objects["category"][place],
        "confidence": f"{objects['confidence'][place]:.3f}",
        "box_xyxy": edges,
        "right": "",
    }


def _tile(number: int, row: dict[str, Any], place: int) -> Tile:
    boxes = [_xyxy(box) for box in row["objects"]["bbox"]]
    try:
        picture = open_picture(row["image"]["bytes"])
    except PictureError as error:
        raise TableError(f"{row['source_id']}: {error}. The set is damaged; make it anew.") from error
    others = [Mark(box, FIND_COLOUR, is_dashed=True) for n, box in enumerate(boxes) if n != place and box_iou(box, boxes[place]) < 1]
    caption = f"{number} · {row['objects']['confidence'][place]:.2f} sure · {row['objects']['category'][place]}"
    return Tile(picture, [*others, Mark(boxes[place], FIND_COLOUR)], caption, str(row["source_id"]))


def _xyxy(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    left, top, width, height = bbox
    return left, top, left + width, top + height


def _hash_of(silver: Path) -> str:
    try:
        with silver.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise TableError(f"{silver}: cannot be read ({error.strerror or error}).") from error
