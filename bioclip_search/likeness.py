"""The crops of a run that are most like some words or like another crop, by the vectors that the run keeps; no picture is opened.

Memory is flat in the number of crops: vectors go by in batches, and only the best are kept. Making the vector of a text is left to
`encoder` and `species`, showing what was found to `thumbnails`.

A cosine of a picture with a text says which of many pictures fits the text best, and nothing of whether any fits: it lies in another
range for each text (Liang et al., "Mind the Gap", NeurIPS 2022). So an order is told, and no probability.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from bioclip_search.encoder import same_space
from bioclip_search.errors import IndexMismatchError, RunError
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import IDENTIFIED
from bioclip_search.runs.table import EMBEDDING

BATCH_CROPS = 4096
"""Vectors that are held at once: 12 MB of 768 numbers."""

SHOWN_COLUMNS = ("media_id", "crop", "image", "frame_number", "box_xyxy", "taxon", "rank", "common_name")


@dataclass(frozen=True)
class Found:
    """A crop of the run, with what it takes to show it, its name in the run, and its place in the order.

    Attributes:
        score: The cosine; comparable within one search only.
    """

    media_id: str
    crop: int
    image: str
    frame_number: int | None
    box_xyxy: tuple[float, ...] | None
    taxon: str | None
    rank: str | None
    common_name: str | None
    score: float


@dataclass(frozen=True)
class Likeness:
    """The crops most alike, best first, equals in the order of the run; and how many were compared."""

    found: tuple[Found, ...]
    compared: int


class _Place(NamedTuple):
    """Where a crop stands: the number of the part, and of the row in it."""

    score: float
    part: int
    row: int


def stop_if_foreign(run: Run, fingerprint: str) -> None:
    """Makes sure that vectors of an encoder can be compared with those of a run.

    Raises:
        RunError: The run keeps no vectors.
        IndexMismatchError: They are another encoder's.
    """
    if not run.dim:
        raise RunError(f"{run.folder}: keeps no vectors, so nothing can be looked for in it. Tag the pictures anew with embeddings kept, which is the default.")
    theirs = str(run.note["settings"]["encoder"].get("fingerprint"))
    if not same_space(theirs, fingerprint):
        raise IndexMismatchError(
            f"The vectors of the run {run.folder.name} were made by the encoder {theirs}, those to compare by {fingerprint}. Choose the index that the run was tagged with ({run.note['settings'].get('index', {}).get('name', 'see run.json')})."
        )


def most_alike(
    run: Run, query: np.ndarray, count: int, *, besides: tuple[str, int] | None = None, progress: Callable[[int, int], None] | None = None
) -> Likeness:
    """The crops of a run whose vectors are nearest to a query.

    Args:
        query: (d,) float32, a unit vector of the encoder that made the run; see `stop_if_foreign`.
        count: How many to give at most, one at least.
        besides: The media id and number of a crop to leave out: the one that the query is of.
        progress: Called with parts read and parts in all.

    Raises:
        RunError: The run keeps no vectors, they have another length, or a part is damaged.
    """
    if run.dim != len(query):
        raise RunError(f"{run.folder}: keeps vectors of {run.dim or 'no'} numbers, not {len(query)}, so nothing can be compared with it. Choose another run.")
    best: list[_Place] = []
    compared, parts, count = 0, run.parts, max(1, count)
    for number, part in enumerate(parts):
        for first, scores in _scores(part, query):
            compared += int((scores > -np.inf).sum())
            best = _merged(best, scores, number, first, count + (besides is not None))
        if progress:
            progress(number + 1, len(parts))
    found = [one for one in _told(parts, best) if (one.media_id, one.crop) != besides]
    return Likeness(tuple(found[:count]), compared)


def vector_of(run: Run, media_id: str, crop: int) -> np.ndarray:
    """The unit vector of one crop of the run, (d,) float32.

    Raises:
        RunError: There is no such crop, it keeps no vector, or a part is damaged.
    """
    if run.dim:
        for part in run.parts:
            with _reading(part):
                found = parquet.read_table(part, columns=[EMBEDDING], filters=[("media_id", "=", media_id), ("crop", "=", crop)], memory_map=False)
            if found.num_rows and found[EMBEDDING].null_count == 0:
                vector = _matrix(_vectors(found[EMBEDDING].combine_chunks(), run.dim))[0]  # (d,)
                return vector / max(float(np.linalg.norm(vector)), 1e-9)
    raise RunError(f"{run.folder}: keeps no vector of crop {crop} of {media_id}. Choose another picture.")


def _scores(part: Path, query: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The first row of each batch of a part, and the cosines of its rows; -inf for persons, vehicles and rows without a vector."""
    first = 0
    with _reading(part), parquet.ParquetFile(part) as file:
        for batch in file.iter_batches(BATCH_CROPS, columns=["status", EMBEDDING]):
            vectors = _vectors(batch.column(EMBEDDING), len(query))
            is_there = np.asarray(vectors.is_valid()) & np.asarray(pc.fill_null(pc.equal(batch.column("status"), IDENTIFIED), False))
            scores = np.full(len(batch), -np.inf, np.float32)
            if is_there.any():
                products = _matrix(vectors) @ query.astype(np.float32)  # (b,)
                scores[is_there] = np.nan_to_num(products[is_there], nan=-np.inf)
            yield first, scores
            first += len(batch)


def _vectors(column: pa.Array, dim: int) -> pa.FixedSizeListArray:
    """Raises: ValueError: the column does not hold vectors of that length, whatever the run says."""
    if not pa.types.is_fixed_size_list(column.type) or column.type.list_size != dim:
        raise ValueError(f"its vectors are {column.type}, not {dim} numbers each")
    return column


def _matrix(column: pa.Array) -> np.ndarray:
    """The vectors of a column, (b, d) float32; nonsense where there is none."""
    dim = column.type.list_size
    values = column.values.slice(column.offset * dim, len(column) * dim)
    return values.to_numpy(zero_copy_only=False).reshape(-1, dim).astype(np.float32)


def _merged(best: list[_Place], scores: np.ndarray, part: int, first: int, wanted: int) -> list[_Place]:
    """The best of those before and these, best first; of equals the earlier first."""
    floor = best[-1].score if len(best) >= wanted else -np.inf
    rows = np.flatnonzero(scores > floor)
    rows = rows[np.argsort(-scores[rows], kind="stable")][:wanted]
    fresh = [_Place(float(scores[row]), part, first + row) for row in rows.tolist()]
    return sorted([*best, *fresh], key=lambda place: (-place.score, place.part, place.row))[:wanted] if fresh else best


def _told(parts: Sequence[Path], best: Sequence[_Place]) -> list[Found]:
    """What the run tells of these crops, in their order."""
    told: dict[_Place, Found] = {}
    for number in sorted({place.part for place in best}):
        places = sorted((place for place in best if place.part == number), key=lambda place: place.row)
        with _reading(parts[number]), parquet.ParquetFile(parts[number]) as file:
            first = 0
            for batch in file.iter_batches(BATCH_CROPS, columns=list(SHOWN_COLUMNS)):
                here = [place for place in places if first <= place.row < first + len(batch)]
                rows = batch.take(pa.array([place.row - first for place in here], pa.int64())).to_pylist() if here else []
                told |= {place: _found(row, place.score) for place, row in zip(here, rows, strict=True)}
                first += len(batch)
    return [told[place] for place in best]


def _found(row: dict, score: float) -> Found:
    box = row.pop("box_xyxy")
    is_box = box is not None and len(box) == 4 and all(side is not None and math.isfinite(side) for side in box)
    return Found(**row, box_xyxy=tuple(box) if is_box else None, score=score)


@contextmanager
def _reading(part: Path) -> Iterator[None]:
    """Turns what a damaged part raises into a `RunError`."""
    try:
        yield
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise RunError(f"{part}: cannot be read ({str(error).splitlines()[0]}). Run `tag` anew into another folder.") from error
