"""What came out of a run, in a few lines for a person.

What each picture shows is left to the rows; how sure answers are, and what to look at first, to `review`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import BLANK, FAILED, IDENTIFIED, PERSON, VEHICLE

TAXA_SHOWN = 10
"""The taxa named most often that are told."""


def summary(run: Run) -> Iterator[str]:
    """How many pictures and boxes of each kind, the taxa named most often, and what can be done next."""
    counts = run.note["counts"]
    parts = [f"{_of(counts.get(IDENTIFIED, 0), 'organism')}"]
    parts += [_of(counts[status], word) for status, word in ((PERSON, "person"), (VEHICLE, "vehicle")) if counts.get(status)]
    parts += [f"{counts[status]:,} {status}" for status in (BLANK, FAILED) if counts.get(status)]
    yield f"{_of(counts.get('pictures', 0), 'picture')}: {', '.join(parts)}"
    if bursts := counts.get("bursts"):
        yield f"{_of(bursts, 'burst')} of several pictures, each with an answer of its own"
    if repeats := counts.get("repeats"):
        yield f"{_of(repeats, 'box')} set aside, in one place through a deployment"
    named = taxa_named(run)
    for (taxon, rank, common_name), count in named.most_common(TAXA_SHOWN):
        yield f"  {count:>7,}  {f'{common_name} ({taxon})' if common_name and common_name != taxon else taxon or 'not sure enough to name'}{f', {rank}' if rank else ''}"
    if len(named) > TAXA_SHOWN:
        yield f"           and {len(named) - TAXA_SHOWN:,} more"
    yield f"Kept in {run.folder}. Next: bioclip-search review {run.folder}, or bioclip-search export {run.folder} --to csv --out answers.csv"


def taxa_named(run: Run) -> Counter[tuple[str | None, str | None, str | None]]:
    """How often each taxon, with its rank and common name, was the answer; None where there was none."""
    found: Counter[tuple[str | None, str | None, str | None]] = Counter()
    columns = ["taxon", "rank", "common_name"]
    for batch in run.batches([*columns, "status"]):
        identified = pa.Table.from_batches([batch]).filter(pa.compute.field("status") == IDENTIFIED)
        for row in identified.group_by(columns).aggregate([([], "count_all")]).to_pylist():
            found[row["taxon"], row["rank"], row["common_name"]] += row["count_all"]
    return found


def _of(count: int, word: str) -> str:
    plural = {"person": "people", "box": "boxes"}.get(word, f"{word}s")
    return f"{count:,} {word if count == 1 else plural}"
