"""Reads labelled pictures from Parquet into one array in memory and keeps some of them back for validation.

Turning taxa into sentences is left to `texts`, changing pictures at random to `augment`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from bioclip_search.errors import PictureError, TableError
from bioclip_search.prompts import RANKS
from bioclip_search.train.config import PictureSetConfig

TRAIN, SEEN, UNSEEN = "train", "seen", "unseen"
"""Parts: taught; kept back though its taxon is taught; kept back together with every picture of its species."""

STUDIO_MARK = "leafsnap"
"""Pictures whose source says so are cut-outs on a black table; the black must not come to mean "plant"."""

Taxon = dict[str, str | None]


@dataclass(frozen=True)
class LabelledPicture:
    """One row of a picture set: the encoded bytes, what the picture shows, and its part."""

    data: bytes
    taxon: Taxon
    source_id: str
    set_name: str
    split: str
    part: str = TRAIN

    @property
    def is_studio(self) -> bool:
        return STUDIO_MARK in self.source_id


def read_pictures(data_root: Path, sets: Sequence[PictureSetConfig]) -> list[LabelledPicture]:
    """Every picture of every set with its part, in the order of sets, file names and rows.

    Raises:
        TableError: A set has no files, or a file lacks one of the columns image, source_id, split or the ranks.
    """
    pictures = [picture for entry in sets for picture in _read_set(data_root, entry)]
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
    return [_with_part(p, _part(p, by_name[p.set_name], held)) for p in pictures]


def hash_fraction(key: str) -> float:
    """A number in [0, 1) that depends on the text alone: the same on every machine and in every run."""
    return int.from_bytes(sha256(key.encode()).digest()[:8], "big") / 2**64


def decode_pictures(pictures: Sequence[LabelledPicture], px: int, threads: int = 2) -> np.ndarray:
    """The pictures squashed to a square, aspect ratio given up so that no margin is lost: (n, px, px, 3) uint8 RGB.

    Raises:
        PictureError: A picture cannot be decoded; the message names it.
    """
    pixels = np.empty((len(pictures), px, px, 3), np.uint8)  # (n, px, px, 3)

    def decode(i: int) -> None:
        pixels[i] = _decode(pictures[i], px)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(decode, range(len(pictures))):
            pass
    return pixels


def _part(picture: LabelledPicture, entry: PictureSetConfig, held_species: set[str | None]) -> str:
    if picture.taxon["species"] in held_species:
        return UNSEEN
    is_drawn = hash_fraction(f"{picture.set_name}/{picture.source_id}") < entry.hold_pictures
    return SEEN if picture.split != TRAIN or is_drawn else TRAIN


def _with_part(picture: LabelledPicture, part: str) -> LabelledPicture:
    return LabelledPicture(picture.data, picture.taxon, picture.source_id, picture.set_name, picture.split, part)


def _read_set(data_root: Path, entry: PictureSetConfig) -> Iterable[LabelledPicture]:
    files = sorted(data_root.glob(entry.files))
    if not files:
        raise TableError(f"Picture set {entry.name!r}: nothing matches {entry.files!r} under {data_root}; check data_root.")
    for file in files:
        try:
            rows = pq.read_table(file, columns=["image", "source_id", *RANKS, "common_name", "split"]).to_pylist()
        except (OSError, ValueError) as error:
            raise TableError(f"Picture set {entry.name!r}: cannot read {file}: {error}") from error
        for row in rows:
            taxon = {rank: row[rank] for rank in (*RANKS, "common_name")}
            yield LabelledPicture(row["image"]["bytes"], taxon, row["source_id"], entry.name, row["split"])


def _decode(picture: LabelledPicture, px: int) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(picture.data)) as image:
            return np.asarray(image.convert("RGB").resize((px, px), Image.Resampling.BICUBIC))
    except (OSError, ValueError) as error:
        raise PictureError(f"Cannot decode {picture.source_id} of set {picture.set_name}: {error}") from error
