"""A calibration as it is kept: a small table that says which index it belongs to, in that index's folder or a file of its own.

What is promised with it is left to `evidence`.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.calibration.evidence import Evidence
from bioclip_search.calibration.judge import LEAST, Judge, features_of
from bioclip_search.encoder import same_space
from bioclip_search.errors import IndexDamagedError, IndexMismatchError, TableError
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED
from bioclip_search.fallback import Weighing
from bioclip_search.index import Index
from bioclip_search.index.card import CALIBRATION_PREFIX, Calibration, Card, change_card, note_file
from bioclip_search.index.replacing import alone_in, writing

METADATA = b"bioclip_search"
FORMAT, FORMAT_WITH_HEAD = 1, 2
"""The second is that of a calibration of an index with a head, which a program that knows none would take for that of the bare index."""

MAX_PICTURES = 5_000_000

LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.01, 100.0
MOST_WEIGHT = 1e6
"""No calibration of ours comes near these; numbers beyond them would overflow in a question."""

COLUMNS = {"probability": pa.float32(), "leaves": pa.int32(), "verdicts": pa.int8()}


@dataclass(frozen=True)
class Origin:
    """What a calibration belongs to: an index, by its taxa, its encoder and its head (`HeadNote.mark`, None without); and the pictures, in words."""

    index: str
    taxonomy: str
    encoder: str
    ranks: tuple[str, ...]
    fitted_on: str
    head: str | None = None


@dataclass(frozen=True, eq=False)
class CalibrationRecord:
    """A temperature, a judge, and the evidence, as the judge sees it, for how bold the fallback may be."""

    temperature: float
    judge: Judge
    evidence: Evidence
    origin: Origin

    def rules(self, target: float, depths: Sequence[int] | None = None) -> Weighing:
        """The rules that keep a target accuracy over these ranks.

        Raises:
            NotCalibratedError: The evidence is not enough.
        """
        return Weighing(self.evidence.setting(target, depths=depths).caution, target, self.judge)

    def stop_if_foreign(self, card: Card) -> None:
        """Makes sure that this belongs to an index.

        Raises:
            IndexMismatchError: It was fitted on other taxa, with another encoder, or with another head or none.
        """
        if (self.origin.taxonomy, self.origin.ranks) != (card.taxonomy.content_hash, card.taxonomy.ranks):
            raise IndexMismatchError(
                f"The calibration was fitted on other taxa, those of the index {self.origin.index}, not on those of {card.name}. Calibrate this one."
            )
        if not same_space(self.origin.encoder, card.encoder.fingerprint):
            raise IndexMismatchError(
                f"The calibration was fitted with the encoder {self.origin.encoder}, the index {card.name} is made with {card.encoder.fingerprint}. Calibrate it."
            )
        if self.origin.head != (card.head.mark if card.head else None):
            raise IndexMismatchError(
                f"The calibration was fitted with {_in_words(self.origin.head)}, the index {card.name} has {_in_words(card.head and card.head.mark)}. Calibrate this one."
            )

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            TableError: It cannot be written.
        """
        evidence, ranks = self.evidence, self.origin.ranks
        columns = {"best_score": pa.array(evidence.best_score, pa.float32())}
        for name, kind in COLUMNS.items():
            columns |= {f"{name}_{rank}": pa.array(getattr(evidence, name)[:, depth], kind) for depth, rank in enumerate(ranks)}
        judge = {name: array.tolist() for name, array in vars(self.judge).items()}
        told = {"format": FORMAT, "temperature": self.temperature, "judge": judge, "leaves_in_all": evidence.leaves_in_all, **asdict(self.origin)}
        told |= {"format": FORMAT_WITH_HEAD} if self.origin.head else {}
        table = pa.table(columns).replace_schema_metadata({METADATA: json.dumps(told, ensure_ascii=False)})
        try:
            with tempfile.TemporaryDirectory(dir=path.absolute().parent) as scratch:
                part = Path(scratch, path.name)
                parquet.write_table(table, part, compression="zstd")
                os.replace(part, path)
        except OSError as error:
            raise TableError(f"{path}: cannot be written ({error}). Make room there, or choose a folder that you may write to.") from error

    @classmethod
    def read(cls, path: Path) -> CalibrationRecord:
        """The calibration in a file.

        Raises:
            TableError: There is no such file, or it is none of ours or damaged.
        """
        if not path.is_file():
            raise TableError(f"{path}: no such file. A calibration is what `bioclip-search calibrate --out {path.name}` writes.")
        try:
            with parquet.ParquetFile(path) as file:
                if not 0 < file.metadata.num_rows <= MAX_PICTURES:
                    raise ValueError(f"it holds {file.metadata.num_rows:,} pictures")
                table, told = file.read(), _told(file.schema_arrow.metadata or {})
            return _from_table(table, told)
        except (OSError, ValueError, KeyError, TypeError, OverflowError, pa.ArrowException) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0][:200]
            raise TableError(f"{path}: is no calibration ({reason}). Make one with `bioclip-search calibrate`.") from error


def record_of(index: Index) -> CalibrationRecord | None:
    """The calibration that an index carries, None where it carries none that says more than a temperature.

    Raises:
        IndexDamagedError: Its file is none.
        IndexMismatchError: The index was calibrated anew after it was opened.
    """
    note = index.card.calibration
    if note is None or note.evidence is None:
        return None
    try:
        return CalibrationRecord.read(index.folder / note.evidence)
    except TableError as error:
        if Card.read(index.folder).calibration != note:
            raise IndexMismatchError(f"{index.folder}: was calibrated anew after it was opened. Open it again.") from error
        raise IndexDamagedError(f"{error} `bioclip-search index check --repair` leaves it out.") from error


def keep(index: Index, record: CalibrationRecord) -> Index:
    """Writes a calibration into the folder of its index, in place of the one it had; gives the index back, opened anew.

    It counts from the moment that the card names it.

    Raises:
        IndexMismatchError: It belongs to another index.
        IndexFolderError: The folder may not be written.
    """
    with alone_in(index.folder), writing(index.folder):
        card = Card.read(index.folder)  # as it is by now
        record.stop_if_foreign(card)
        before = card.calibration.evidence if card.calibration else None
        number = int(Path(before).stem.removeprefix(CALIBRATION_PREFIX)) + 1 if before else 1
        path = index.folder / f"{CALIBRATION_PREFIX}{number}.parquet"
        record.write(path)
        files = {name: note for name, note in card.files.items() if name != before} | {path.name: note_file(path)}
        note = Calibration(temperature=record.temperature, fitted_on=record.origin.fitted_on, evidence=path.name)
        change_card(index.folder, calibration=note, files=files)
        if before:
            (index.folder / before).unlink(missing_ok=True)
    return Index(index.folder)


def _in_words(head: str | None) -> str:
    return f"the head {head}" if head else "no head"


def _told(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """What a file says of itself; raises ValueError where that is nothing, or nothing of ours."""
    if METADATA not in metadata:
        raise ValueError("it is a table of another kind")
    try:
        told = json.loads(metadata[METADATA])
    except RecursionError:
        told = None
    if not isinstance(told, dict):
        raise ValueError("what it says of itself is damaged")
    return told


def _from_table(table: pa.Table, told: dict[str, Any]) -> CalibrationRecord:
    """Raises ValueError, KeyError, TypeError or OverflowError where anything is amiss."""
    head = told.get("head")
    if told["format"] != (FORMAT_WITH_HEAD if head else FORMAT):
        raise ValueError(f"it has format {told['format']}, this program reads {FORMAT}, and {FORMAT_WITH_HEAD} with a head")
    origin = Origin(*(str(told[name]) for name in ("index", "taxonomy", "encoder")), tuple(map(str, told["ranks"])), str(told["fitted_on"]), head and str(head))
    probability, leaves, verdicts = (_matrix(table, name, origin.ranks) for name in COLUMNS)
    leaves_in_all, temperature, best = int(told["leaves_in_all"]), float(told["temperature"]), table["best_score"].to_numpy().astype(np.float64)
    if not (np.isfinite(best).all() and ((probability >= 0) & (probability <= 1)).all()):
        raise ValueError("a score or probability is no number, or out of range")
    if not ((leaves >= 1) & (leaves <= leaves_in_all)).all() or not ((verdicts >= UNDECIDED) & (verdicts <= RIGHT)).all():
        raise ValueError("a count of leaves or a verdict is out of range")
    if not LEAST_TEMPERATURE <= temperature <= MOST_TEMPERATURE:
        raise ValueError(f"the temperature is no number from {LEAST_TEMPERATURE:g} to {MOST_TEMPERATURE:g}")
    judge = _judge(told["judge"], len(origin.ranks))
    return CalibrationRecord(temperature, judge, Evidence(probability, leaves, verdicts, best, leaves_in_all).judged(judge), origin)


def _judge(told: dict[str, Any], ranks: int) -> Judge:
    weights, mean, spread = (np.array(told[name], np.float64) for name in ("weights", "mean", "spread"))
    if weights.shape != (ranks, features_of(ranks) + 1) or mean.shape != spread.shape or mean.shape != (features_of(ranks),):
        raise ValueError("the judge has another shape")
    if not all((np.abs(array) <= MOST_WEIGHT).all() for array in (weights, mean, spread)) or not (spread >= LEAST).all():
        raise ValueError("a number of the judge is none, or out of range")
    return Judge(weights, mean, spread)


def _matrix(table: pa.Table, name: str, ranks: Sequence[str]) -> np.ndarray:
    """The columns of all ranks, (n, ranks)."""
    columns = [table[f"{name}_{rank}"] for rank in ranks]
    if any(column.null_count or column.type != COLUMNS[name] for column in columns):
        raise ValueError(f"{name} has gaps or another type")
    matrix = np.stack([column.to_numpy() for column in columns], axis=1)
    return matrix.astype(np.float64) if name == "probability" else matrix
