"""The folder of a run: `run.json` says what made it, `rows/` holds what came out, as Parquet that pandas reads alone.

Writing while a run goes on is left to `journal`; what a row holds to `table`.

    RUN/
      run.json             format, source, settings, versions, counts, failures
      rows/part-00000.parquet …   one row a box, in the order of the source; see `table`
      journal.sqlite       what is done and not yet in a part; only of use to `tag --resume`
      sequences.parquet, members.parquet   bursts and their answers; see `bursts`
      repeats.parquet      boxes set aside because nothing there moves; see `detectors.repeats`
      decisions.jsonl      what people decided; see `review`
      job/                 how far it is, where it was started in the background; see `background`
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from bioclip_search.errors import RunError
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.runs.table import EMBEDDING, schema, to_pictures
from bioclip_search.sources.paths import untold
from bioclip_search.swapping import whole_file

FORMAT = "bioclip-search run 1"
NOTE_FILE, ROWS_FOLDER, JOURNAL_FILE, JOB_FOLDER = "run.json", "rows", "journal.sqlite", "job"
MAX_NOTE_BYTES = 1 << 26
BATCH_ROWS = 4096
"""Rows that are held at once while a run is read."""


@dataclass(frozen=True)
class Run:
    """A run that is there to be read, finished or not; open it with `Run.open`.

    Attributes:
        note: The content of `run.json`: "source", "settings", "versions", "counts", "failures", "is_finished" …
    """

    folder: Path
    note: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Raises: RunError: the folder is missing, holds no run, or one of another format."""
        folder = Path(folder)
        return cls(folder, read_note(folder))

    @property
    def root(self) -> Path | None:
        """The folder that `TaggedPicture.image` is told from; None where the pictures came from no folder."""
        root = self.note["source"].get("root")
        return Path(root) if root else None

    @property
    def dim(self) -> int | None:
        """The numbers in an embedding, None where none are kept."""
        return self.note["settings"]["encoder"].get("dim")

    @property
    def parts(self) -> list[Path]:
        """The files of rows, in order."""
        return sorted((self.folder / ROWS_FOLDER).glob("part-*.parquet"))

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in order, by default with all columns but the embeddings; memory is flat in their number.

        Raises:
            RunError: A part is damaged.
        """
        columns = list(columns or schema(None).names)
        for part in self.parts:
            try:
                with parquet.ParquetFile(part) as file:
                    yield from file.iter_batches(BATCH_ROWS, columns=columns)
            except (OSError, ValueError, KeyError, pa.ArrowException) as error:
                raise unreadable(part, error) from error

    def pictures(self, *, embeddings: bool = False) -> Iterator[TaggedPicture]:
        """The pictures in the order of the source, each with its crops."""
        return to_pictures(self.batches([*schema(None).names, *([EMBEDDING] if embeddings and self.dim else [])]))

    def find(self, image: str) -> Path | None:
        """Where a picture of this run can be opened now; None where it is gone or never was a file."""
        for name in dict.fromkeys((image, untold(image))):
            path = Path(name) if self.root is None else self.root / name
            with suppress(OSError, ValueError):
                if path.is_file():
                    return path
        return None


def is_free(folder: Path) -> bool:
    """Whether a run may be begun there: nothing is there, or only what one that was stopped at its very start left behind.

    Raises:
        OSError: The folder cannot be listed.
    """
    if not folder.exists():
        return True
    left = {JOB_FOLDER, ROWS_FOLDER, JOURNAL_FILE, f"{JOURNAL_FILE}-journal"}
    rows = folder / ROWS_FOLDER
    return all(one.name in left for one in folder.iterdir()) and not (rows.exists() and any(rows.iterdir()))


def read_note(folder: Path) -> dict[str, Any]:
    """Raises: RunError: there is no `run.json` in the folder, or one of another format."""
    path = folder / NOTE_FILE
    try:
        with path.open("rb") as file:
            data = file.read(MAX_NOTE_BYTES + 1)
        note = json.loads(data) if len(data) <= MAX_NOTE_BYTES else None
    except OSError as error:
        raise RunError(
            f"{folder}: is no folder of a run, for {NOTE_FILE} cannot be read ({error.strerror or error}). Expected what `tag --out` made."
        ) from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: is damaged ({error}).") from error
    if not isinstance(note, dict) or note.get("format") != FORMAT:
        raise RunError(f"{path}: is not of the format {FORMAT!r}, so it was made by another version. Run `tag` anew into another folder.")
    if not all(isinstance(note.get(name), dict) for name in ("source", "settings", "counts")) or not isinstance(note["settings"].get("encoder"), dict):
        raise RunError(f"{path}: lacks what every run tells of its source, settings and counts. Run `tag` anew into another folder.")
    return note


def write_note(folder: Path, note: Mapping[str, Any]) -> None:
    """Replaces `run.json`, whole or not at all.

    Raises:
        RunError: It cannot be written.
    """
    try:
        with whole_file(folder / NOTE_FILE) as part:
            part.write_text(json.dumps({"format": FORMAT} | dict(note), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(folder, error) from error


def unreadable(part: Path, error: Exception) -> RunError:
    """The error that says what to do where a part of the rows is damaged or gone."""
    return RunError(f"{part}: cannot be read ({(str(error).splitlines() or [type(error).__name__])[0]}). Run `tag` anew into another folder.")


def unwritable(folder: Path, error: Exception) -> RunError:
    """The error that says what to do where the folder of a run cannot be written."""
    reason = getattr(error, "strerror", None) or error
    return RunError(f"{folder}: cannot be written ({reason}). What is done is kept: make room or mend the folder, then call it again with --resume.")
