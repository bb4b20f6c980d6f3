"""Reads what is labelled in Parquet files, keeps some of it back for validation, and decodes pictures to squares.

The bytes of a picture are read when it is decoded, by `picture_rows`. Turning taxa into sentences is left to `texts`, changing pictures at
random to `augment`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from torchvision.transforms import functional as tv

from bioclip_search.errors import PictureError, TableError
from bioclip_search.prompts import RANKS
from bioclip_search.train.config import PictureSetConfig
from bioclip_search.train.picture_rows import PictureRow, PictureRows
from bioclip_search.train.taxa import Taxon, read_named_taxa

TRAIN, SEEN, UNSEEN = "train", "seen", "unseen"
"""Parts: taught; kept back though its taxon is taught; kept back together with every picture of its species."""

STUDIO_MARK = "leafsnap"
"""Pictures whose source says so are cut-outs on a black table; the black must not come to mean "plant"."""

BOX_MARGIN = 0.1
"""How much of a box's sides is added around it when it is cut out, so that no ear is lost."""

MIN_BOX_PX = 8
"""A box with a shorter side shows nothing and is passed over."""

SQUASH = "squash"
READ_ROWS = 1024
"""Rows whose labels are made Python's own at once."""


Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class LabelledPicture:
    """One picture of a set: the encoded bytes or where they stand, what it shows, and its part.

    Attributes:
        data: b"" for what is taught without a picture.
        crop_xyxy: The part of the image that the picture is, in pixels; None for all of it.
        box_xyxy: Where in the image the organism is, if known.
    """

    data: bytes | PictureRow
    taxon: Taxon
    source_id: str
    set_name: str
    split: str
    part: str = TRAIN
    crop_xyxy: Box | None = None
    box_xyxy: Box | None = None

    @property
    def is_studio(self) -> bool:
        return STUDIO_MARK in self.source_id

    def encoded(self) -> bytes:
        """The encoded bytes.

        Raises:
            PictureError: They cannot be read.
        """
        return self.data if isinstance(self.data, bytes) else self.data.read()


def read_pictures(data_root: Path, sets: Sequence[PictureSetConfig]) -> list[LabelledPicture]:
    """Every picture of every set with its part, in the order of sets, file names and rows.

    Raises:
        TableError: A set has no files, or a file lacks one of the columns image, source_id, split or the ranks.
    """
    rows = PictureRows()
    pictures = [picture for entry in sets for picture in _read_set(data_root, entry, rows)]
    return assign_parts(pictures, sets)


def assign_parts(pictures: Sequence[LabelledPicture], sets: Sequence[PictureSetConfig]) -> list[LabelledPicture]:
    """The same pictures, each with its part; the choice hangs on names alone, never on order or run.

    1. A species of a set with `hold_species` is held out of all such sets together, so that none teaches it.
    2. A species that also stands in a set without `hold_species` is not held out.
    3. Of the rest, a row with a split other than "train", or one drawn by `hold_pictures`, is kept back as seen.
    """
    by_name = {entry.name: entry for entry in sets}
    taught = {p.taxon["species"] for p in pictures if not by_name[p.set_name].hold_species}
    held = {
        species for p in pictures if (species := p.taxon["species"]) and species not in taught and hash_fraction(species) < by_name[p.set_name].hold_species
    }
    return [replace(p, part=_part(p, by_name[p.set_name], held)) for p in pictures]


def hash_fraction(key: str) -> float:
    """A number in [0, 1) that depends on the text alone: the same on every machine and in every run."""
    return int.from_bytes(sha256(key.encode()).digest()[:8], "big") / 2**64


def fingerprint_of(pictures: Sequence[LabelledPicture]) -> str:
    """Sixteen hex digits that differ when any picture, its place in the order, or what is cut out of it does.

    Subtle: of files the size and the time of the last change are asked, for reading all of them would take as long as decoding.
    """
    told = ([picture.set_name, picture.source_id, picture.crop_xyxy, picture.box_xyxy] for picture in pictures)
    return _hash_of(pictures, told, lambda data: sha256(data).hexdigest(), lambda path: (path.name, path.stat().st_size, path.stat().st_mtime_ns))


def lesson_of(pictures: Sequence[LabelledPicture]) -> str:
    """Sixteen hex digits that differ when other pictures are learned from or looked at, or the same by other names or in other parts.

    Subtle: of files the size is asked and not the time, for a training may go on where its pictures were copied to.
    """
    told = ([picture.set_name, picture.source_id, picture.part, picture.crop_xyxy, picture.box_xyxy, picture.taxon] for picture in pictures)
    return _hash_of(pictures, told, len, lambda path: (path.name, path.stat().st_size))


def _hash_of(pictures: Sequence[LabelledPicture], told: Iterable[list[Any]], of_bytes: Callable[[bytes], Any], of_file: Callable[[Path], tuple]) -> str:
    """A hash over what is told of each picture, and of where its bytes are: the bytes themselves, or the file and the row in it."""
    digest, files = sha256(), set()
    for picture, words in zip(pictures, told, strict=True):
        if isinstance(picture.data, bytes):
            words.append(of_bytes(picture.data))
        else:
            files.add(picture.data.path)
            words += [picture.data.path.name, picture.data.row]
        digest.update(json.dumps(words).encode())
    digest.update(json.dumps(sorted(map(of_file, files))).encode())
    return digest.hexdigest()[:16]


def decode_pictures(pictures: Sequence[LabelledPicture], px: int, threads: int = 2, resize_mode: str = SQUASH) -> np.ndarray:
    """The pictures as squares: (n, px, px, 3) uint8 RGB.

    Args:
        resize_mode: `squash` gives the aspect ratio up so that no margin is lost; any other cuts the middle out of the
            picture whose short side has been resized.

    Raises:
        PictureError: A picture cannot be decoded; the message names it.
    """
    pixels = np.empty((len(pictures), px, px, 3), np.uint8)  # (n, px, px, 3)

    def decode(i: int) -> None:
        pixels[i] = _square(open_picture(pictures[i]), px, resize_mode)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(decode, range(len(pictures))):
            pass
    return pixels


def open_picture(picture: LabelledPicture) -> Image.Image:
    """The picture in RGB, cut out of its image if it is a part of one.

    Raises:
        PictureError: It cannot be decoded; the message names it.
    """
    try:
        with Image.open(io.BytesIO(picture.encoded())) as image:
            whole = image.convert("RGB")
    except (OSError, ValueError, PictureError) as error:
        raise PictureError(f"Cannot decode {picture.source_id} of set {picture.set_name}: {error}") from error
    if picture.crop_xyxy is None:
        return whole
    left, top, right, bottom = picture.crop_xyxy
    return whole.crop((left, top, min(right, whole.width), min(bottom, whole.height)))


def _part(picture: LabelledPicture, entry: PictureSetConfig, held_species: set[str | None]) -> str:
    if picture.taxon["species"] in held_species:
        return UNSEEN
    is_drawn = hash_fraction(f"{picture.set_name}/{picture.source_id}") < entry.hold_pictures
    return SEEN if picture.split != TRAIN or is_drawn else TRAIN


def _read_set(data_root: Path, entry: PictureSetConfig, rows: PictureRows) -> Iterable[LabelledPicture]:
    files = sorted(data_root.glob(entry.files))
    if not files:
        raise TableError(f"Picture set {entry.name!r}: nothing matches {entry.files!r} under {data_root}; check data_root.")
    taxa = read_named_taxa(data_root, entry.taxa) if entry.boxes else {}
    for file in files:
        yield from _read_boxes(file, entry, taxa, rows) if entry.boxes else _read_rows(file, entry, rows)


def _read_rows(file: Path, entry: PictureSetConfig, rows: PictureRows) -> Iterable[LabelledPicture]:
    known: dict[tuple[str | None, ...], Taxon] = {}  # one for all pictures of a taxon
    for number, row in _rows(file, entry, ["source_id", *RANKS, "common_name", "split"], "box_xyxy"):
        taxon = {rank: row[rank] for rank in (*RANKS, "common_name")}
        taxon = known.setdefault(tuple(taxon.values()), taxon)
        box = _widened(row["box_xyxy"]) if row.get("box_xyxy") else None
        yield LabelledPicture(PictureRow(rows, file, number), taxon, row["source_id"], entry.name, row["split"], box_xyxy=box)


def _read_boxes(file: Path, entry: PictureSetConfig, taxa: dict[str, Taxon], rows: PictureRows) -> Iterable[LabelledPicture]:
    """Each box as a picture; all of one image carry its name, so that they fall into one part."""
    for number, row in _rows(file, entry, ["source_id", "objects", "split"]):
        for (x, y, width, height), category in zip(row["objects"]["bbox"], row["objects"]["category"], strict=True):
            if category not in taxa:
                raise TableError(f"Picture set {entry.name!r}: no taxon {category!r} in {entry.taxa}; set `taxa` to the tables that hold it.")
            crop = _widened((x, y, x + width, y + height))
            if crop:
                yield LabelledPicture(PictureRow(rows, file, number), taxa[category], row["source_id"], entry.name, row["split"], crop_xyxy=crop)


def _rows(file: Path, entry: PictureSetConfig, columns: list[str], *optional: str) -> Iterable[tuple[int, dict]]:
    """What the rows say, with their numbers; all but the pictures."""
    try:
        schema = pq.read_schema(file)
        if "image" not in schema.names or not pa.types.is_struct(kind := schema.field("image").type) or kind.get_field_index("bytes") < 0:
            raise TableError(f"Picture set {entry.name!r}: {file} has no column image with bytes.")
        table = pq.read_table(file, columns=[*columns, *(name for name in optional if name in schema.names)])
        return enumerate(row for batch in table.to_batches(READ_ROWS) for row in batch.to_pylist())
    except (OSError, ValueError) as error:
        raise TableError(f"Picture set {entry.name!r}: cannot read {file}: {error}") from error


def _widened(box_xyxy: Sequence[float]) -> Box | None:
    """The box with its margin, or None if it is too small to show anything."""
    left, top, right, bottom = box_xyxy
    width, height = right - left, bottom - top
    if min(width, height) < MIN_BOX_PX:
        return None
    dx, dy = width * BOX_MARGIN, height * BOX_MARGIN
    return max(0, round(left - dx)), max(0, round(top - dy)), round(right + dx), round(bottom + dy)


def _square(image: Image.Image, px: int, resize_mode: str) -> np.ndarray:
    if resize_mode != SQUASH:
        short = min(image.size)
        image = tv.center_crop(image, [short, short])
    return np.asarray(image.resize((px, px), Image.Resampling.BICUBIC))
