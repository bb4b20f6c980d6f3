"""Writes what `search` found and how `match` matched: a table for the eye, CSV, JSON lines.

Takes finished records; knows nothing of how they came about.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from bioclip_search.names.match import MATCH_TYPES, Match
from bioclip_search.names.search import Hit
from bioclip_search.prompts import RANKS

HIT_COLUMNS = (*["taxon", "rank", "common_name", "display_name", "matched_name", "kind", "language", "taxon_key", "leaves"], *RANKS)
MATCH_COLUMNS = (
    *["name", "match_type", "confidence", "taxon", "rank", "taxon_key", "matched_name", "authorship", "kind", "language"],
    *RANKS,
    "alternatives",
    "note",
)

WIDTHS_OF_HITS = (("TAXON", 32), ("RANK", 8), ("FOUND AS", 34), ("LINEAGE", 0))
WIDTHS_OF_MATCHES = (("NAME", 32), ("TYPE", 10), ("CONF", 4), ("TAXON", 32), ("RANK", 8), ("NOTE", 0))
"""Columns of the tables in characters; what is longer is cut with an ellipsis, the last column never."""


def write_hits(hits: Iterable[Hit], format: str, out: TextIO) -> None:
    """Writes hits; a header even if there are none."""
    if format == "jsonl":
        out.writelines(json.dumps(hit.to_dict(), ensure_ascii=False) + "\n" for hit in hits)
    elif format == "csv":
        rows = _csv(out, HIT_COLUMNS)
        rows.writerows(hit.to_dict() | hit.lineage for hit in hits)
    else:
        out.write(_line(WIDTHS_OF_HITS, [title for title, _ in WIDTHS_OF_HITS]))
        out.writelines(_line(WIDTHS_OF_HITS, _hit_cells(hit)) for hit in hits)


def write_matches(matches: Iterable[Match], format: str, out: TextIO) -> Counter:
    """Writes matches as they come; how many there were of each type."""
    counts: Counter = Counter()
    rows = _csv(out, MATCH_COLUMNS) if format == "csv" else None
    if format == "table":
        out.write(_line(WIDTHS_OF_MATCHES, [title for title, _ in WIDTHS_OF_MATCHES]))
    for match in matches:
        counts[match.match_type] += 1
        if format == "jsonl":
            out.write(json.dumps(match.to_dict(), ensure_ascii=False) + "\n")
        elif rows is not None:
            rows.writerow(match.to_dict() | match.lineage | {"alternatives": "; ".join(_alternatives(match))})
        else:
            out.writelines(_lines(match))
    return counts


def summary(counts: Counter) -> str:
    """How many names were matched how, in words.

    >>> summary(Counter({"EXACT": 2, "NONE": 1}))
    '3 names: 2 EXACT, 1 NONE'
    """
    return f"{counts.total():,} names: " + (", ".join(f"{counts[kind]:,} {kind}" for kind in MATCH_TYPES if counts[kind]) or "none was given")


def _csv(out: TextIO, columns: Sequence[str]) -> csv.DictWriter:
    writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    return writer


def _hit_cells(hit: Hit) -> list[str]:
    found = hit.matched_name if hit.matched_name != hit.taxon else hit.common_name or ""
    told = f"{found} ({hit.language or hit.kind})" if hit.matched_name != hit.taxon else found
    return [hit.taxon, hit.rank, told, " > ".join(list(hit.lineage.values())[:-1]) + (f"  ({hit.leaves:,} taxa)" if hit.leaves > 1 else "")]


def _lines(match: Match) -> Iterator[str]:
    yield _line(WIDTHS_OF_MATCHES, [match.name or "", match.match_type, str(match.confidence), match.taxon or "", match.rank or "", match.note])
    for other in _alternatives(match) if match.taxon is None else ():
        yield _line(WIDTHS_OF_MATCHES, ["", "", "", f"or {other}"], cut=False)


def _alternatives(match: Match) -> list[str]:
    """Each alternative, with its lineage where several have one name, and with the name that leads to it where that is another one."""
    counts = Counter(other.taxon for other in match.alternatives)
    told = [" > ".join(other.lineage.values()) if counts[other.taxon] > 1 else other.taxon for other in match.alternatives]
    return [name if other.matched_name == other.taxon else f"{name} ({other.matched_name})" for name, other in zip(told, match.alternatives, strict=True)]


def _line(widths: Sequence[tuple[str, int]], cells: Sequence[str], cut: bool = True) -> str:
    told = [cell if not width or len(cell) <= width or not cut else cell[: width - 1] + "…" for cell, (_, width) in zip(cells, widths, strict=False)]
    return "  ".join(f"{cell:<{width}}" for cell, (_, width) in zip(told, widths, strict=False)).rstrip() + "\n"
