"""Writes a run as CSV that Timelapse imports: one row a file, found again by RelativePath and File.

After saulgreenberg/Timelapse, Database/CsvReaderWriter.cs: rows are matched by RelativePath (with backslashes) and File;
every other column must be a data label of the template in use, so the report says which those are; further rows of
one file are passed over, so a file has but one: what is most probable in it first, all others in `AlsoSeen`. One cell of
DateTime that holds no time makes it refuse the whole file, so that column is there only where all times are known; what
a run knows nothing of, such as DeleteFlag, is not told, for it would be overwritten. Boxes go to Timelapse by `megadetector`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from bioclip_search.runs.record import BLANK, IDENTIFIED
from bioclip_search.standards.collection import Collection, SeenPicture, Standing
from bioclip_search.standards.csv_table import check_table, open_to_write, safe, table_writer
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.output import fresh_file
from bioclip_search.standards.report import ExportReport, Tally

KEYS = ("File", "RelativePath")
"""Columns by which Timelapse finds a file, so their texts stay exactly as they are."""

TIME = "DateTime"
"""A column that every template has, as it has those of `KEYS`."""

LABELS = ("Seen", "Species", "CommonName", "Rank", "Probability", "Count", "AlsoSeen", "IdentifiedBy", "Problem")
"""Data labels that the template needs; all of type Note but Count, which is a Counter."""


def write(collection: Collection, out: Path, options: ExportOptions) -> ExportReport:
    """Writes the file; see `ExportOptions`."""
    tally = Tally()
    tally.note(f"The Timelapse template needs the data labels {', '.join(LABELS)} (notes; Count is a counter).")
    columns = (*KEYS, TIME, *LABELS) if _has_all_times(collection) else (*KEYS, *LABELS)
    if TIME not in columns:
        tally.note("Times are left to Timelapse, for not all of them are known, and one empty cell makes it refuse the whole file.")
    with fresh_file(out, options) as part:
        with open_to_write(part) as file:
            writer, machine = table_writer(file, columns), collection.machine
            for image, several in groupby(collection.pictures(options, tally), key=lambda seen: seen.picture.image):
                frames = list(several)
                tally.pictures += len(frames)
                tally.observations += 1
                writer.writerow(safe(_row(image, frames, machine), exact=KEYS))
        check_table(part, columns, required=("File", TIME) if TIME in columns else ("File",))
    return tally.report("timelapse", out)


def _has_all_times(collection: Collection) -> bool:
    return all(batch.column(0).null_count == 0 for batch in collection.run.batches(["timestamp"]))


def _row(image: str, frames: Sequence[SeenPicture], machine: str) -> dict[str, Any]:
    """What is told of a picture, or of all frames of a video together."""
    path, stamp = PurePosixPath(image.replace("\\", "/")), frames[0].picture.facts.timestamp
    about = {
        "File": path.name,
        "RelativePath": "" if str(path.parent) == "." else str(path.parent).replace("/", "\\"),
        TIME: stamp.replace(microsecond=0, tzinfo=None).isoformat(" ") if stamp else None,
        "Problem": "; ".join(dict.fromkeys(one.picture.error for one in frames if one.picture.error is not None)) or None,
    }
    seen = _by_name(frames)
    if not seen:
        return about
    (words, (first, count)), *others = seen.items()
    return about | {
        "Seen": words if first.taxon is None else "organism",
        "Species": first.taxon,
        "CommonName": first.common_name,
        "Rank": first.rank,
        "Probability": None if first.probability is None or first.taxon is None else round(first.probability, 4),
        "Count": count,
        "AlsoSeen": "; ".join(f"{count} {name}" for name, (_, count) in others) or None,
        "IdentifiedBy": first.who if first.is_decided else first.machine or machine,
    }


def _by_name(frames: Sequence[SeenPicture]) -> dict[str, tuple[Standing, int]]:
    """What was seen by its name, the most probable first, blanks last, with the most of it that is in one frame at once."""
    found: dict[str, tuple[Standing, int]] = {}
    for frame in frames:
        counted: Counter[str] = Counter()
        for words, stands in _named(frame):
            counted[words] += stands.status != BLANK
            best, most = found.get(words, (stands, 0))
            found[words] = (max(best, stands, key=_sureness), max(most, counted[words]))
    if len(found) > 1:
        found.pop(BLANK, None)
    return dict(sorted(found.items(), key=lambda item: (item[1][0].taxon is None, -_sureness(item[1][0]), item[0])))


def _named(frame: SeenPicture) -> Iterator[tuple[str, Standing]]:
    for _, stands in frame.observed:
        yield stands.taxon or ("organism without a name" if stands.status == IDENTIFIED else stands.status), stands


def _sureness(stands: Standing) -> float:
    return 1.0 if stands.is_decided else stands.probability or 0.0
