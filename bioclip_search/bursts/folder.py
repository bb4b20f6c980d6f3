"""How sequences lie in the folder of a run: `members.parquet` says which picture is of which, `sequences.parquet` what each shows.

How they come about is left to `sequences` and `fusing`. Both files are replaced whole; memory is flat in the number of sequences,
and 12 bytes a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.bursts.sequences import NO_OFFSET, NO_TIME, Grouping, media_numbers
from bioclip_search.errors import RunError
from bioclip_search.results import Answer
from bioclip_search.runs.table import ANSWER_FIELDS, answer_cells, answer_of
from bioclip_search.swapping import whole_file

SEQUENCES_FILE, MEMBERS_FILE = "sequences.parquet", "members.parquet"
BLOCK_ROWS = 2048
"""Sequences, or pictures by the thousand, that are written and read at once."""
KEPT_BLOCKS = 4
GAP_KEY = b"gap_s"

SCHEMA = pa.schema(
    [
        pa.field("sequence_id", pa.string()),
        pa.field("deployment", pa.string()),
        pa.field("start", pa.timestamp("ms")),
        pa.field("end", pa.timestamp("ms")),
        pa.field("utc_offset_min", pa.int16()),
        pa.field("pictures", pa.int32()),
        pa.field("crops", pa.int32()),
        pa.field("method", pa.string()),
        pa.field("agreement", pa.float64()),
        *ANSWER_FIELDS,
    ]
)
"""`start` and `end` are local time, whose zone is `utc_offset_min` where it is known, as in the rows of the run."""

MEMBERS = pa.schema([pa.field("media_id", pa.string()), pa.field("sequence_id", pa.string())])


@dataclass(frozen=True, eq=False)
class SequenceAnswer:
    """What one sequence shows.

    Attributes:
        deployment: As its pictures tell it.
        start: When its first picture was taken, aware where the zone is known; `end`: its last one.
        pictures: How many it has; `crops`: how many of their crops were fused.
        method: One of `fusion.METHODS`; None where nothing was fused.
        agreement: See `fusion.agreement_of`.
        answer: None where no crop was asked about.
    """

    sequence_id: str
    deployment: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    pictures: int = 1
    crops: int = 0
    method: str | None = None
    agreement: float | None = None
    answer: Answer | None = None


class Sequences:
    """The sequences of a run; of a run without any, nothing."""

    def __init__(self, ids: np.ndarray, numbers: np.ndarray, answers: Mapping[str, SequenceAnswer], gap_s: float | None = None):
        """Takes the media ids as numbers, (n,) uint64 ascending, and the sequence of each, (n,) uint64."""
        self._ids, self._numbers = ids, numbers
        self.answers, self.gap_s = answers, gap_s

    def of(self, media_id: str) -> str | None:
        """The sequence of a picture."""
        try:
            wanted = np.uint64(int(media_id, 16))
        except (ValueError, OverflowError):
            return None
        place = int(np.searchsorted(self._ids, wanted))
        return f"s{int(self._numbers[place]):016x}" if place < len(self._ids) and self._ids[place] == wanted else None

    def numbers(self, ids: np.ndarray) -> np.ndarray:
        """The sequences of pictures, both as numbers, (n,) uint64; that of a picture without one is its own."""
        if not len(self._ids):
            return ids
        places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[places] == ids, self._numbers[places], ids)

    def members(self, sequence_ids: Iterable[str]) -> list[str]:
        """The media ids of the pictures of some sequences, ascending."""
        wanted = np.array([int(name[1:], 16) for name in sequence_ids], np.uint64)
        return [f"{one:016x}" for one in self._ids[np.isin(self._numbers, wanted)].tolist()]

    @cached_property
    def torn(self) -> dict[str, float]:
        """The agreement of those whose crops do not agree in all."""
        told = self.answers.agreements() if isinstance(self.answers, KeptAnswers) else ((name, one.agreement) for name, one in self.answers.items())
        return {name: share for name, share in told if share is not None and share < 1}

    def __len__(self) -> int:
        return len(self.answers)


class KeptAnswers(Mapping[str, SequenceAnswer]):
    """The answers of a file, read when they are asked for, some thousand at once, in the order of the file."""

    def __init__(self, path: Path):
        self._path = path
        self._block = lru_cache(maxsize=KEPT_BLOCKS)(self._read_block)

    @cached_property
    def _ids(self) -> np.ndarray:
        """(s,) uint64, in the order of the file."""
        with _opened(self._path) as file:
            return _sequence_numbers(file.read(["sequence_id"])["sequence_id"])

    @cached_property
    def _by_id(self) -> np.ndarray:
        return np.argsort(self._ids)

    @cached_property
    def _starts(self) -> np.ndarray:
        """The row that each block of the file begins with."""
        with _opened(self._path) as file:
            return np.cumsum([0, *(file.metadata.row_group(number).num_rows for number in range(file.num_row_groups))])

    def __getitem__(self, sequence_id: str) -> SequenceAnswer:
        try:
            wanted = np.uint64(int(sequence_id.removeprefix("s"), 16))
        except (ValueError, OverflowError) as error:
            raise KeyError(sequence_id) from error
        place = int(np.searchsorted(self._ids, wanted, sorter=self._by_id))
        row = int(self._by_id[place]) if place < len(self._ids) else -1
        if row < 0 or self._ids[row] != wanted:
            raise KeyError(sequence_id)
        block = int(np.searchsorted(self._starts, row, side="right")) - 1
        return _sequence(self._block(block).slice(row - int(self._starts[block]), 1).to_pylist()[0])

    def __iter__(self) -> Iterator[str]:
        return (f"s{number:016x}" for number in self._ids.tolist())

    def __len__(self) -> int:
        return len(self._ids)

    def agreements(self) -> Iterator[tuple[str, float | None]]:
        """Each sequence with its agreement, without reading the answers."""
        with _opened(self._path) as file:
            for batch in file.iter_batches(BLOCK_ROWS, columns=["sequence_id", "agreement"]):
                yield from zip(batch.column("sequence_id").to_pylist(), batch.column("agreement").to_pylist(), strict=True)

    def _read_block(self, block: int) -> pa.Table:
        with _opened(self._path) as file:
            return file.read_row_group(block)


def read_sequences(folder: str | Path) -> Sequences:
    """The sequences that were kept beside a run.

    Raises:
        RunError: A file is damaged.
    """
    folder = Path(folder)
    if not (folder / MEMBERS_FILE).is_file() or not (folder / SEQUENCES_FILE).is_file():
        return Sequences(np.empty(0, np.uint64), np.empty(0, np.uint64), {})
    with _opened(folder / MEMBERS_FILE) as file:
        parts = [
            (media_numbers(batch.column("media_id")), _sequence_numbers(batch.column("sequence_id")))
            for batch in file.iter_batches(BLOCK_ROWS * 32, columns=MEMBERS.names)
        ]
    ids, numbers = (np.concatenate([np.empty(0, np.uint64), *columns]) for columns in zip(*parts, strict=True)) if parts else (np.empty(0, np.uint64),) * 2
    order = np.argsort(ids)
    with _opened(folder / SEQUENCES_FILE) as file:
        gap = (file.schema_arrow.metadata or {}).get(GAP_KEY)
    return Sequences(ids[order], numbers[order], KeptAnswers(folder / SEQUENCES_FILE), float(gap) if gap else None)


def write_sequences(folder: Path, grouping: Grouping, answers: Iterable[SequenceAnswer]) -> None:
    """Both files, the answers as they come.

    Raises:
        RunError: The folder cannot be written to.
    """
    try:
        with whole_file(folder / MEMBERS_FILE) as members, whole_file(folder / SEQUENCES_FILE) as sequences:
            _write_members(members, grouping)
            schema = SCHEMA.with_metadata({GAP_KEY: f"{grouping.gap_s:g}".encode()})
            with parquet.ParquetWriter(sequences, schema, compression="zstd") as writer:
                rows: list[dict[str, Any]] = []
                for answer in answers:
                    rows.append(_row(answer))
                    if len(rows) == BLOCK_ROWS:
                        writer.write_table(pa.Table.from_pylist(rows, schema))
                        rows = []
                if rows:
                    writer.write_table(pa.Table.from_pylist(rows, schema))
    except OSError as error:
        raise RunError(f"{folder}: the sequences cannot be written ({error.strerror or error}). Make room, or make the folder writable.") from error


def frame_of(grouping: Grouping, number: int) -> SequenceAnswer:
    """A sequence before anything is fused: its id, place, time and size."""
    pictures, first, last = grouping.pictures, int(grouping.first[number]), int(grouping.last[number])
    where = int(pictures.deployments[first])
    return SequenceAnswer(
        sequence_id=grouping.name(number),
        deployment=pictures.names[where] if where >= 0 else None,
        start=_moment(grouping, first),
        end=_moment(grouping, last),
        pictures=int(grouping.sizes[number]),
    )


def _moment(grouping: Grouping, place: int) -> datetime | None:
    time_ms, offset = int(grouping.pictures.times_ms[place]), int(grouping.pictures.offsets_min[place])
    if time_ms == NO_TIME:
        return None
    moment = datetime(1970, 1, 1) + timedelta(milliseconds=time_ms)  # Subtle: `fromtimestamp` fails before 1970 on Windows
    return moment if offset == NO_OFFSET else moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=offset)))


def _write_members(path: Path, grouping: Grouping) -> None:
    first_ids = grouping.pictures.ids[grouping.first]
    with parquet.ParquetWriter(path, MEMBERS, compression="zstd") as writer:
        for start in range(0, len(grouping.of), BLOCK_ROWS * 32):
            ids = grouping.pictures.ids[start : start + BLOCK_ROWS * 32].tolist()
            numbers = first_ids[grouping.of[start : start + BLOCK_ROWS * 32]].tolist()
            columns = [pa.array([f"{one:016x}" for one in ids]), pa.array([f"s{one:016x}" for one in numbers])]
            writer.write_table(pa.table(columns, schema=MEMBERS))


def _row(told: SequenceAnswer) -> dict[str, Any]:
    offset = told.start.utcoffset() if told.start else None
    cells = answer_cells(told.answer) if told.answer else {}
    return cells | {
        "sequence_id": told.sequence_id,
        "deployment": told.deployment,
        "start": told.start.replace(tzinfo=None) if told.start else None,
        "end": _local(told.end, told.start),
        "utc_offset_min": None if offset is None else round(offset.total_seconds() / 60),
        "pictures": told.pictures,
        "crops": told.crops,
        "method": told.method,
        "agreement": told.agreement,
    }


def _local(moment: datetime | None, other: datetime | None) -> datetime | None:
    """A moment by the clock of another, for both are kept with one zone."""
    if moment is None or moment.tzinfo is None or other is None:
        return moment
    return moment.astimezone(other.tzinfo).replace(tzinfo=None)


def _sequence(row: dict[str, Any]) -> SequenceAnswer:
    offset = row["utc_offset_min"]
    zone = None if offset is None else timezone(timedelta(minutes=offset))
    start, end = (None if moment is None else moment.replace(tzinfo=zone) for moment in (row["start"], row["end"]))
    answer = answer_of(row) if row.get("rule") else None
    about = {name: row[name] for name in ("sequence_id", "deployment", "pictures", "crops", "method", "agreement")}
    return SequenceAnswer(start=start, end=end, answer=answer, **about)


def _sequence_numbers(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    words = column.to_pylist()
    return media_numbers(pa.array([word[1:] if word else None for word in words], pa.string()))


@contextmanager
def _opened(path: Path) -> Iterator[parquet.ParquetFile]:
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise RunError(f"{path}: cannot be read ({str(error).splitlines()[0]}). Delete it and find the sequences again.") from error
