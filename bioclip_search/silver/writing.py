"""The silver set as Parquet: pictures with the boxes of a detector, in the schema of pictures with boxes, and where each came from.

Judging is left to `judging`, pictures to `pictures`. Written in pieces beside the file, each in one move and with how far it is, so that
who is stopped goes on behind the last piece; memory is flat in the number of pictures, but for 8 bytes of each that is taken.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from bioclip_search.boxed.boxed_set import SILVER_KEY
from bioclip_search.detect import Detector
from bioclip_search.detectors.boxes import Detection
from bioclip_search.errors import PictureError, RunError, TableError
from bioclip_search.silver.judging import REASONS, TAKEN, SilverRule, judge_picture
from bioclip_search.silver.pictures import Entry, Opened, brought_boxes, entries, open_upright
from bioclip_search.swapping import whole_file

UNREADABLE, REPEATED, FILM = "cannot be read", "a picture that is there already", "a film"
"""Why a picture is not looked at, besides the reasons of `judging`."""

PIECE_PICTURES, PIECE_LOOKS = 64, 256
"""A piece is written after so many pictures taken, or looked at, whichever comes first."""

FAILURES_TOLD = 20
"""Of pictures that cannot be read so many are told one by one."""

PIECES_SUFFIX, FORMAT = ".pieces", "bioclip-search silver 1"

SCHEMA = pa.schema(
    [
        pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field(
            "objects", pa.struct([("bbox", pa.list_(pa.list_(pa.float32()))), ("category", pa.list_(pa.string())), ("confidence", pa.list_(pa.float32()))])
        ),
        pa.field("source_id", pa.string()),
        pa.field("split", pa.string()),
        pa.field("content_sha256", pa.string()),
        pa.field("detector", pa.string()),
        pa.field("detector_fingerprint", pa.string()),
        pa.field("agreed", pa.list_(pa.string())),
    ]
)
"""`objects.bbox` is [left, top, width, height] in pixels, as in sets that people drew; `agreed` names the other looks."""


@dataclass
class SilverReport:
    """How many pictures were taken, and how many not, by the reason; what could not be read, as first examples."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((TAKEN, *REASONS, REPEATED, UNREADABLE, FILM), 0))
    boxes: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def looked_at(self) -> int:
        return sum(self.counts.values())

    def lines(self) -> list[str]:
        """What became of the pictures, in words."""
        told = f"{self.looked_at:,} pictures: {self.counts[TAKEN]:,} taken, with {self.boxes:,} boxes"
        return [told, *(f"{count:,} left out: {reason}" for reason, count in self.counts.items() if count and reason != TAKEN)]


@dataclass(frozen=True, eq=False)
class Looks:
    """Who looks at the pictures, and how strictly they are judged.

    Attributes:
        detector: Its boxes are taken. Pictures whose source brings boxes keep those.
        others: Must agree with it.
        known: SHA-256 of pictures that are never taken, as those of the gold set: a picture that a detector is measured on must not teach it.
        category: What all boxes are called, where the pictures are known to show nothing else; None: what their detector calls them.
    """

    detector: Detector
    others: tuple[Detector, ...] = ()
    rule: SilverRule = field(default_factory=SilverRule)
    known: frozenset[str] = frozenset()
    category: str | None = None

    def fingerprint(self, places: Sequence[str]) -> str:
        """Differs whenever the set could."""
        told = [
            list(map(str, places)),
            self.detector.fingerprint,
            [one.fingerprint for one in self.others],
            asdict(self.rule),
            sorted(self.known),
            self.category,
        ]
        return sha256(json.dumps(told).encode()).hexdigest()


def write_silver(
    places: Sequence[str],
    out: Path,
    looks: Looks,
    *,
    is_resumed: bool = False,
    piece_pictures: int = PIECE_PICTURES,
    progress: Callable[[int, int | None], None] | None = None,
) -> SilverReport:
    """Writes the set to `out`, whole or not at all, and tells what became of the pictures.

    Args:
        is_resumed: Go on with the pieces that an earlier call left beside `out`.
        piece_pictures: A piece is written after so many pictures taken, or `PIECE_LOOKS` looked at: what a stop may cost.

    Raises:
        RunError: `out` is there already, pieces are there and it is not resumed, or they were made with other settings.
        SourceError: A place cannot be opened.
        TableError: Nothing was taken, or the file cannot be written.
    """
    pieces = _Pieces(out, looks.fingerprint(places))
    report, kept = pieces.begin(is_resumed)
    done, waiting, since = report.looked_at, [], 0
    for number, entry in enumerate(entries(places)):
        name = entry.media.image if entry else FILM
        if number < done:
            pieces.stop_if_moved(number == done - 1, name)
            continue
        waiting += _taken(entry, looks, kept, report)
        pieces.last, since = name, since + 1
        if len(waiting) >= piece_pictures or since >= PIECE_LOOKS:
            pieces.write(waiting, report)
            waiting, since = [], 0
        if progress:
            progress(number + 1, None)
    pieces.write(waiting, report)
    if not report.counts[TAKEN]:
        pieces.remove()
        raise TableError("No picture was taken. " + "; ".join(report.lines()[1:]) + ". Be less strict (--min-confidence), or use a better detector.")
    pieces.join(report, looks)
    return report


def _taken(entry: Entry | None, looks: Looks, kept: set[bytes], report: SilverReport) -> Iterator[dict[str, Any]]:
    """The row of a picture that is taken, if it is; counted either way."""
    if entry is None:
        report.counts[FILM] += 1
        return
    try:
        opened = open_upright(entry.media)
    except PictureError as error:
        report.counts[UNREADABLE] += 1
        report.failures += [f"{entry.media.image}: {error}"] if len(report.failures) < FAILURES_TOLD else []
        return
    short = bytes.fromhex(opened.content_hash)[:8]
    if short in kept or opened.content_hash in looks.known:
        report.counts[REPEATED] += 1
        return
    brought = brought_boxes(entry, opened.picture.size, looks.rule.doubt)
    finds = brought if brought is not None else looks.detector.detect([opened.picture], looks.rule.doubt)[0]
    verdict, boxes = judge_picture(finds, (), looks.rule)
    if verdict == TAKEN and looks.others:  # a second look is asked for only where the first was sure
        verdict, boxes = judge_picture(finds, [other.detect([opened.picture], looks.rule.doubt)[0] for other in looks.others], looks.rule)
    report.counts[verdict] += 1
    if verdict == TAKEN:
        kept.add(short)
        report.boxes += len(boxes)
        yield _row(entry, opened, boxes, looks, brought is not None)


def _row(entry: Entry, opened: Opened, boxes: Sequence[Detection], looks: Looks, is_brought: bool) -> dict[str, Any]:
    finder = entry.finder if is_brought else (looks.detector.name, looks.detector.fingerprint)
    edges = [(left, top, right - left, bottom - top) for left, top, right, bottom in (one.box_xyxy for one in boxes)]
    return {
        "image": {"bytes": opened.data, "path": entry.media.image},
        "width": opened.picture.width,
        "height": opened.picture.height,
        "objects": {"bbox": edges, "category": [looks.category or one.category for one in boxes], "confidence": [one.confidence for one in boxes]},
        "source_id": entry.media.image,
        "split": "train",
        "content_sha256": opened.content_hash,
        "detector": finder[0] or None,
        "detector_fingerprint": finder[1] or None,
        "agreed": [one.name for one in looks.others],
    }


class _Pieces:
    """The pieces beside a silver set that is not finished; each holds rows and, in its metadata, how far it was."""

    def __init__(self, out: Path, key: str):
        self.out, self.key, self.folder = out, key, out.with_name(out.name + PIECES_SUFFIX)
        self.count, self.last = 0, ""

    def begin(self, is_resumed: bool) -> tuple[SilverReport, set[bytes]]:
        """How far it is, and the first 8 bytes of the hash of each picture that was taken."""
        if self.out.exists():
            raise RunError(f"{self.out}: is there already. Give another --out, or take it away first.")
        files = self._files()
        if files and not is_resumed:
            raise RunError(f"{self.folder}: an earlier call was stopped here. Go on with --resume, or take the folder away.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TableError(f"{self.folder}: cannot be made ({error.strerror or error}). Choose another --out.") from error
        if not files:
            return SilverReport(), set()
        note = self._note(files[-1])
        if note.get("key") != self.key:
            raise RunError(f"{self.folder}: was begun with other pictures or settings. Give those again, or take the folder away and begin anew.")
        self.count, self.last = len(files), note["last"]
        kept = {bytes.fromhex(name)[:8] for file in files for name in parquet.read_table(file, columns=["content_sha256"])[0].to_pylist()}
        return SilverReport(**note["report"]), kept

    def stop_if_moved(self, is_last: bool, name: str) -> None:
        """Raises: RunError: the last picture that was looked at is another one now, so pictures came or went in between."""
        if is_last and name != self.last:
            raise RunError(f"{self.folder}: the pictures have changed since ({self.last} was here, now it is {name}). Take the folder away and begin anew.")

    def write(self, rows: Sequence[Mapping[str, Any]], report: SilverReport) -> None:
        """One piece, in one move."""
        note = {"key": self.key, "last": self.last, "report": asdict(report)}
        table = pa.Table.from_pylist(list(rows), SCHEMA).replace_schema_metadata({SILVER_KEY: json.dumps(note)})
        try:
            with whole_file(self.folder / f"piece-{self.count:06d}.parquet") as part:
                parquet.write_table(table, part, compression="zstd")
        except OSError as error:
            raise RunError(f"{self.folder}: cannot be written ({error.strerror or error}). Make room, then go on with --resume.") from error
        self.count += 1

    def join(self, report: SilverReport, looks: Looks) -> None:
        """All pieces as one file, which says what made it; the pieces go then."""
        note = {"format": FORMAT, "detector": looks.detector.name, "detector_fingerprint": looks.detector.fingerprint}
        note |= {"agreed": [one.name for one in looks.others], "rule": asdict(looks.rule), "counts": report.counts, "boxes": report.boxes}
        schema = SCHEMA.with_metadata({SILVER_KEY: json.dumps(note)})
        try:
            with whole_file(self.out) as part, parquet.ParquetWriter(part, schema, compression="zstd") as writer:
                for table in map(parquet.read_table, self._files()):
                    if len(table):
                        writer.write_table(table.replace_schema_metadata(schema.metadata))
        except OSError as error:
            raise RunError(f"{self.out}: cannot be written ({error.strerror or error}). Make room, then go on with --resume.") from error
        self.remove()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("piece-*.parquet"))

    def _note(self, file: Path) -> dict[str, Any]:
        try:
            return json.loads((parquet.read_schema(file).metadata or {})[SILVER_KEY])
        except (OSError, KeyError, ValueError) as error:
            raise RunError(f"{file}: cannot be read ({error}). Take the folder away and begin anew.") from error


def hashes_of(pictures: Iterable[Any]) -> Iterator[str]:
    """SHA-256 of each picture of a set with boxes, given as files or bytes; those that cannot be read have none."""
    for picture in pictures:
        try:
            data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
        except OSError:
            continue
        yield sha256(data).hexdigest()
