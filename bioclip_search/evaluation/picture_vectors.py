"""The vectors of labelled pictures: as a stream, or all of a set at once, kept on disk so that no picture is looked at twice.

Reading pictures is left to `labelled` and `crops`, keeping vectors to `vector_cache`, what the vectors are for to `few_shot`, `probe` and `prototype_ladder`.

A table may hold vectors instead of pictures: a column emb (or embedding, vector, features) beside the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search import places
from bioclip_search.crops import Crop, cut_crops
from bioclip_search.encoder import Encoder, same_space
from bioclip_search.errors import TableError
from bioclip_search.evaluation.burst_names import burst_names
from bioclip_search.evaluation.label_tables import PARQUET_SUFFIXES, label_columns, open_parquet
from bioclip_search.evaluation.labelled import NO_SPLIT, LabelledSet
from bioclip_search.evaluation.taken import taken_columns
from bioclip_search.evaluation.vector_cache import Batch, joined, keep_chunks, keep_whole, read_chunks, read_whole
from bioclip_search.results import Failure
from bioclip_search.searcher import BATCH_CROPS
from bioclip_search.tables import read_header, read_table, text_column

CACHE_FOLDER = "picture-vectors"
VECTOR_COLUMNS = ("emb", "embedding", "embeddings", "vector", "features")


Embed = Callable[[Encoder, LabelledSet, np.ndarray, int | None], Iterator[Batch]]
"""Looks at the wanted pictures of a set, in order."""


@dataclass(frozen=True, eq=False)
class EmbeddedSet:
    """n pictures of a set with a unit vector each, (n, dim) float32; the labels as `LabelledSet` has them.

    `labels` are those of all pictures of the set, whether they are among these or not; `picture_of_row` and `bursts` are as `LabelledSet` has them.
    `rows` are those of the set that the pictures stand in, (n,) int64; None where the set was not looked at.
    """

    name: str
    vectors: np.ndarray
    taxa: pa.Table
    parts: np.ndarray
    names: tuple[str, ...]
    labels: pa.Table
    failures: tuple[Failure, ...] = ()
    picture_of_row: np.ndarray | None = None
    rows: np.ndarray | None = None
    bursts: np.ndarray | None = None
    stations: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: np.ndarray) -> EmbeddedSet:
        told = {name: getattr(self, name) for name in ("vectors", "parts", "picture_of_row", "rows", "bursts", "stations")}
        taken = {name: values[rows] for name, values in told.items() if values is not None}
        return replace(self, taxa=self.taxa.take(pa.array(rows)), names=tuple(self.names[row] for row in rows.tolist()), **taken)

    def without_repeats(self, *, of_bursts: bool = False) -> EmbeddedSet:
        """The first row of every picture and label: another crop of a picture, or its copy, would teach the very thing that is asked.

        Args:
            of_bursts: The first row of every burst and label as well, for ten frames of an animal tell no more than one.
        """
        kept, seen = [], set()
        for row, label in enumerate(self.taxa.to_pylist()):
            told = tuple(label.values())
            keys = {(told, self.vectors[row].tobytes())}
            keys |= set() if self.picture_of_row is None else {(told, int(self.picture_of_row[row]))}
            keys |= {(told, "burst", self.bursts[row])} if of_bursts and self.bursts is not None and self.bursts[row] is not None else set()
            if not keys & seen:
                kept.append(row)
            seen |= keys
        return self.take(np.array(kept, np.int64))


def embedded(encoder: Encoder, labelled: LabelledSet, wanted: np.ndarray, workers: int | None = None) -> Iterator[Batch]:
    """The wanted pictures of a set, (n,) bool, in order, batch by batch; memory is flat in their number."""
    return embed_pictures(encoder, labelled.pictures(wanted), wanted, labelled.names, workers)


def embed_pictures(encoder: Encoder, pictures: Iterable[Any], wanted: np.ndarray, names: Sequence[str], workers: int | None = None) -> Iterator[Batch]:
    """The same of pictures that stand in the wanted rows, (n,) bool, of something that calls its rows by these names."""
    rows = np.flatnonzero(wanted)  # the row that each picture of the stream stands in
    cuts = chain.from_iterable(cut_crops(pictures, encoder, workers=workers))
    while batch := list(islice(cuts, BATCH_CROPS)):
        crops = [cut for cut in batch if isinstance(cut, Crop)]
        vectors = encoder.encode_prepared([crop.prepared for crop in crops]) if crops else np.empty((0, encoder.dim), np.float32)
        unread = tuple(Failure(names[rows[cut.picture]], cut.error) for cut in batch if not isinstance(cut, Crop))
        yield Batch(rows[[crop.picture for crop in crops]], vectors, unread)


def vectors_of(
    encoder: Encoder,
    labelled: LabelledSet,
    wanted: np.ndarray,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    home: Path | None = None,
    embed: Embed | None = None,
) -> EmbeddedSet:
    """The wanted pictures of a set, (n,) bool, embedded; those that cannot be read are left out and told.

    Taken from the set where this encoder made the vectors that it knows, else read from the user's cache if the same encoder
    has seen the same files before, or some of them when it was stopped. A set that does not say what files it stands on (`LabelledSet.state`) is looked at anew.

    Args:
        progress: Called with the pictures done and the pictures in all.
        home: Where vectors are kept; the user's cache unless given.
        embed: Looks at pictures elsewhere, as `embedded` does here.
    """
    known = _known(encoder, labelled, wanted)
    kept = None if known else _place(encoder, labelled, wanted, home or places.user_cache() / CACHE_FOLDER)
    found = known or (read_whole(kept, encoder.dim, len(labelled)) if kept else None)
    if found is None:
        found = _embed(encoder, labelled, wanted, kept, workers, progress, embed or embedded)
        if kept:
            keep_whole(kept, found)
    return EmbeddedSet(
        name=labelled.name,
        vectors=found.vectors,
        taxa=labelled.taxa.take(pa.array(found.rows)),
        parts=labelled.parts[found.rows],
        names=tuple(labelled.names[row] for row in found.rows.tolist()),
        labels=labelled.taxa,
        failures=found.failures,
        picture_of_row=None if labelled.picture_of_row is None else labelled.picture_of_row[found.rows],
        rows=found.rows,
        bursts=None if labelled.bursts is None else labelled.bursts[found.rows],
        stations=None if labelled.stations is None else labelled.stations[found.rows],
    )


def has_vectors(file: Path) -> bool:
    """Whether a file is a table of vectors and not of pictures."""
    if file.suffix.lower() not in PARQUET_SUFFIXES or not file.is_file():
        return False
    columns = read_header(file)
    return "image" not in columns and bool(set(VECTOR_COLUMNS) & set(columns))


def labels_with_vectors(file: Path, ranks: Sequence[str]) -> tuple[LabelledSet, np.ndarray]:
    """The labels of a table of vectors, as a set without pictures, and its vectors, (n, dim) float32, unit rows.

    Raises:
        TableError: The file cannot be read, has no vectors or labels, or the vectors are no numbers, zero, or of two lengths.
    """
    schema, columns = open_parquet(file).schema_arrow, read_header(file)
    column = next((field.name for name in VECTOR_COLUMNS for field, told in zip(schema, columns, strict=True) if told == name), None)
    if column is None:
        raise TableError(f"{file}: has no column {', '.join(VECTOR_COLUMNS)} of vectors; it has {', '.join(columns)}.")
    others = [field.name for field in schema if not pa.types.is_nested(field.type) and not pa.types.is_binary(field.type)]
    table = read_table(parquet.read_table(file, columns=others))
    labels = label_columns(table, ranks, file)
    taxa = pa.table({name: labels[name] for name in (*ranks, "common_name")})
    source = pa.chunked_array([pa.array([f"row {row + 1}" for row in range(len(table))])])
    for name in ("source_id", "uuid", "path", "image"):
        source = text_column(table, name) if name in table.column_names and not table[name].null_count else source
    found = LabelledSet(
        name=file.stem,
        taxa=taxa,
        parts=np.array([split or NO_SPLIT for split in text_column(table, "split").to_pylist()], object),
        names=tuple(f"{file.stem}/{one}" for one in source.to_pylist()),
        pictures=lambda wanted: iter(()),
        written=labels["written"],
        authorship=labels["authorship"],
        bursts=burst_names(*(told.to_pylist() for told in taken_columns(table).values()), source.to_pylist()),
    )
    return found, _unit_rows(parquet.read_table(file, columns=[column])[column], file)


def _unit_rows(column: pa.ChunkedArray, file: Path) -> np.ndarray:
    if not len(column):
        raise TableError(f"{file}: holds no row.")
    flat = column.combine_chunks()
    try:
        lengths = set(flat.value_lengths().to_pylist())
        numbers = np.asarray(flat.flatten(), np.float32)
    except (AttributeError, ValueError, pa.ArrowInvalid) as error:
        raise TableError(f"{file}: expected a list of numbers in every row of its vectors, found {column.type}.") from error
    if len(lengths) != 1 or None in lengths:
        raise TableError(f"{file}: its vectors are not all of one length ({', '.join(map(str, sorted(lengths, key=str)[:5]))}).")
    vectors = numbers.reshape(len(column), -1)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    wrong = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
    if len(wrong):
        raise TableError(f"{file}: the vector of row {wrong[0] + 1} is zero or no number ({len(wrong):,} such rows). Leave those rows out.")
    return vectors / norms


def _known(encoder: Encoder, labelled: LabelledSet, wanted: np.ndarray) -> Batch | None:
    """The vectors that the set knows, None where it knows none or another encoder made them."""
    known = labelled.known
    if known is None or not same_space(encoder.fingerprint, known.encoder) or known.vectors.shape[1] != encoder.dim:
        return None
    rows = np.flatnonzero(wanted)
    return Batch(rows, known.vectors[rows], ())


def _embed(
    encoder: Encoder,
    labelled: LabelledSet,
    wanted: np.ndarray,
    kept: Path | None,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
    embed: Embed,
) -> Batch:
    """Goes on where somebody was stopped who was asked the same: pictures come in order, so what is kept is the first of them."""
    chunks = read_chunks(kept, encoder.dim, len(labelled)) if kept else []
    done, total = sum(chunk.looked_at for chunk in chunks), int(wanted.sum())
    left = wanted.copy()
    left[np.flatnonzero(wanted)[:done]] = False
    batches = embed(encoder, labelled, left, workers)
    parts = list(chunks)
    for batch in keep_chunks(kept, batches, encoder.dim, len(chunks)) if kept else batches:
        parts.append(batch)
        done += batch.looked_at
        if progress:
            progress(done, total)
    return joined(parts, encoder.dim)


def _place(encoder: Encoder, labelled: LabelledSet, wanted: np.ndarray, home: Path) -> Path | None:
    if labelled.state is None:
        return None
    digest = blake2b(f"{encoder.fingerprint}\0{encoder.dim}\0{labelled.state()}\0".encode(), digest_size=16)
    digest.update(np.packbits(wanted).tobytes())
    return home / f"{digest.hexdigest()}.npz"
