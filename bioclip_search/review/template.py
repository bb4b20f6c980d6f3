"""A table for a person to fill in: one row a crop, what the machine says of it, and empty cells for what the person says.

Which crops are asked about is left to `queue` and `spared`, what becomes of the filled table to `deciding`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bioclip_search.errors import RunError
from bioclip_search.results import shown_chance
from bioclip_search.review.queue import Doubt
from bioclip_search.standards.csv_table import open_to_write, safe, table_writer
from bioclip_search.swapping import whole_file

ASKED = ("verdict", "taxon", "note")
COLUMNS = ("image", "media_id", "crop", "box_xyxy", "sequence", "answer", "rank", "common_name", "chance", "doubt", "why", *ASKED)


def write_template(doubts: Iterable[Doubt], out: Path) -> int:
    """Writes the table, whole or not at all; gives the number of rows.

    Raises:
        RunError: It is there already, for somebody may have filled it in, or it cannot be written.
    """
    if out.exists():
        raise RunError(f"{out}: is there already, and may be filled in. Give another name, or take it away.")
    count = 0
    try:
        with whole_file(out) as part, open_to_write(part) as file:
            writer = table_writer(file, COLUMNS)
            for doubt in doubts:
                writer.writerow(safe(row_of(doubt)))
                count += 1
    except OSError as error:
        raise RunError(f"{out}: cannot be written ({error.strerror or error}).") from error
    return count


def row_of(doubt: Doubt) -> dict[str, Any]:
    """The cells of one row, those that are asked for empty; also what `review --format csv` prints."""
    answer = doubt.answer
    chance = shown_chance(answer) if answer.taxon else None
    return {
        "image": doubt.image,
        "media_id": doubt.media_id,
        "crop": doubt.crop,
        "box_xyxy": " ".join(f"{side:g}" for side in doubt.box_xyxy or ()),
        "sequence": doubt.sequence or "",
        "answer": answer.taxon or "",
        "rank": answer.rank or "",
        "common_name": answer.common_name or "",
        "chance": "" if chance is None else f"{chance:.3f}",
        "doubt": f"{doubt.doubt:.3f}",
        "why": "; ".join(doubt.reasons),
        **dict.fromkeys(ASKED, ""),
    }
