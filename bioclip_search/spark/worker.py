"""What a worker does with a piece: the very stages of a run on one machine, over the pictures of the piece, into a file of rows.

Models are opened once a Python process and kept for all its tasks. Who hands out pieces and takes the files is `pieces`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from bioclip_search.errors import SparkError
from bioclip_search.media import Facts, Media, Video
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.runs.settings import settings_hash
from bioclip_search.runs.table import schema, to_table
from bioclip_search.sources import Source
from bioclip_search.sources.source import Placing, Tally
from bioclip_search.spark.addresses import Remote, fetched
from bioclip_search.spark.plan import piece_media

if TYPE_CHECKING:
    from bioclip_search.decoding.pool import Decoders
    from bioclip_search.runs.tagging import Equipment

TOLD_KEY = b"bioclip-search"
"""Of a piece's file: what is told beside its rows, as JSON {"videos": media ids, "tally": what was passed over}."""

_at_hand: dict[str, _Opened] = {}
"""What this process has opened, by the options: one at a time."""


@dataclass(frozen=True)
class Tagging:
    """Tags a piece; sent to the workers by pickle.

    Attributes:
        plan: Where the pieces stand; see `plan`.
        options: As `equipment_for` takes them.
        settings: The hash of the settings that the run is made with; a worker that has other models stops.
        placing: The source's own; see `Source`.
    """

    plan: Path
    options: Mapping[str, Any]
    settings: str
    placing: Placing

    def __call__(self, number: int, path: Path) -> None:
        """Raises: SparkError: the plan cannot be read here, or the models here are others."""
        journal, tally = tag_piece(piece_media(self.plan, number), self.options, self.settings, self.placing)
        journal.write(path, tally)


def tag_piece(media: Sequence[Media | Video | Remote], options: Mapping[str, Any], settings: str, placing: Placing) -> tuple[PieceJournal, Tally]:
    """The rows of some pictures, and what was passed over; arguments as of `Tagging`.

    Raises:
        SparkError: The models here are others than those the run is made with.
    """
    from bioclip_search.runs.tagging import tag_into

    opened = equipment_for(options, settings)
    if settings_hash(opened.settings) != settings:
        raise SparkError(
            "A worker has another index, encoder or detector than the one that answered first, under the same name. "
            "Give all machines the same files, or name them by a path on shared storage; --precision fp32 and --device cpu make unlike machines alike."
        )
    journal = PieceJournal(opened.equipment.deciding.searcher.encoder.dim)
    source = Source("piece", None, lambda _tally: fetched(media), placing=_Late(placing))
    tag_into(journal, source, opened.equipment, opened.decoders)
    return journal, source.tally


class PieceJournal:
    """What `tag_into` asks a journal, for one piece: nothing was done before, and all stays in memory until it is written."""

    def __init__(self, dim: int | None):
        self.dim, self._tables, self._videos = dim, [schema(dim).empty_table()], []
        self._first: dict[tuple[str | None, int | None], TaggedPicture] = {}

    def has(self, media_id: str) -> bool:
        return False

    def mark(self, media_id: str) -> None:
        self._videos.append(media_id)

    def knows(self, content_hash: str, frame_number: int | None = None) -> bool:
        return (content_hash, frame_number) in self._first

    def recall(self, content_hash: str, frame_number: int | None = None) -> TaggedPicture | None:
        return self._first.get((content_hash, frame_number))

    def add(self, pictures: Sequence[TaggedPicture]) -> None:
        self._tables.append(to_table(pictures, self.dim))
        for one in pictures:
            if one.content_hash is not None:
                self._first.setdefault((one.content_hash, one.frame_number), one)

    def rows(self) -> pa.Table:
        return pa.concat_tables(self._tables)

    def write(self, path: Path, tally: Tally) -> None:
        """The rows, and beside them which videos are done and what was passed over."""
        told = {"videos": self._videos, "tally": tally.counts()}
        rows = self.rows().replace_schema_metadata({TOLD_KEY: json.dumps(told).encode()})
        parquet.write_table(rows, path, compression="zstd")


@dataclass(frozen=True)
class _Late:
    """A placing for pictures that were placed early where they were listed."""

    placing: Placing

    def __call__(self, image: str, facts: Facts, tally: Tally, is_late: bool) -> Facts:
        return self.placing(image, facts, tally, True) if is_late else facts


@dataclass(frozen=True)
class _Opened:
    """What pictures are looked at with, and the settings that this makes for, as they were when it was opened."""

    equipment: Equipment
    decoders: Decoders
    settings: dict[str, Any]


def equipment_for(options: Mapping[str, Any], settings: str | None = None) -> _Opened:
    """What pictures are looked at with on this worker, opened at the first call: on the cores and the card that Spark gave the task.

    Args:
        options: Those of `open_deciding`, of `open_equipment`, and filters and rules.
        settings: The hash of the settings that the run is made with. What was opened with others is opened anew, and everything where
            none is told: Python processes of Spark outlive a run, and files may be others by the next.
    """
    cores, card = given()
    key = repr((sorted(options.items()), cores, card))
    opened = _at_hand.get(key)
    if opened is None or settings_hash(opened.settings) != settings:
        for one in _at_hand.values():
            one.decoders.close()
        _at_hand.clear()
        _at_hand[key] = opened = _open(options, cores, card)
    return opened


def _open(options: Mapping[str, Any], cores: int, card: str | None) -> _Opened:
    import torch

    from bioclip_search.decoding.pool import Decoders
    from bioclip_search.runs.equipping import OF_DECIDING, OF_LOOKING, open_deciding, open_equipment

    torch.set_num_threads(cores)
    told = dict(options) | ({"device": card} if card and options.get("device", "auto") == "auto" else {})
    looking = {"workers": cores} | {name: told[name] for name in OF_LOOKING if name in told}
    deciding = open_deciding(**{name: value for name, value in told.items() if name in OF_DECIDING or name not in OF_LOOKING})
    equipment = open_equipment(deciding, **looking)
    return _Opened(equipment, Decoders(equipment.workers, **equipment.limits), equipment.settings())


def given() -> tuple[int, str | None]:
    """The cores of this task, and the device of the card that was given to it (spark.task.resource.gpu.amount)."""
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is None:
        return 1, None
    gpu = context.resources().get("gpu")
    return context.cpus(), card_of(gpu.addresses, os.environ.get("CUDA_VISIBLE_DEVICES")) if gpu and gpu.addresses else None


def card_of(addresses: Sequence[str], visible: str | None) -> str:
    """The device of the first card given, as torch counts those that this process can see.

    >>> card_of(["1"], None), card_of(["3"], "2,3"), card_of(["3"], "3")
    ('cuda:1', 'cuda:1', 'cuda:0')
    """
    seen = [one.strip() for one in (visible or "").split(",") if one.strip()]
    first = addresses[0].strip()
    return f"cuda:{seen.index(first) if first in seen else first}"


def settings_there(spark: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run as a worker has them: which encoder in which precision, which index, which detector.

    Raises:
        SparkError: The models cannot be opened there.
    """
    import warnings

    from bioclip_search.spark.session import told_as_spark_error

    def tell(batches: Any) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            yield pa.RecordBatch.from_pydict({"settings": [json.dumps(equipment_for(options).settings)]})

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of pandas 3, which mapInArrow asks for and never uses
            told = spark.range(0, 1, 1, 1).mapInArrow(tell, "settings string").collect()  # Subtle: `first` would end the worker, and its models with it
            return json.loads(told[0]["settings"])
    except Exception as error:  # py4j and pyspark each raise types of their own
        raise told_as_spark_error(error) from error
