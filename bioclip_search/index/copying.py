"""Takes some rows of vectors into a new file, byte for byte as they are kept.

The new index has the trained quantiser of the old one, so the rows are neither decoded nor rounded again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np

from bioclip_search.index.vectors import BLOCK_ROWS, Vectors, save


def copy_rows(path: Path, parts: Sequence[Vectors], rows: np.ndarray, instead: dict[int, np.ndarray] | None = None) -> None:
    """Writes rows, numbered through all parts, in the order given.

    Rows of a later part are encoded by the quantiser of the first, unless both keep their vectors in the same way.

    Args:
        instead: Unit vectors to write in the place of some of the rows, by row.
    """
    first = parts[0]._index
    new = _empty_like(first)
    new.codes.resize(len(rows) * new.sa_code_size())
    new.codes.resize(0)  # Subtle: the room that was made is kept.
    starts = np.cumsum([0, *(len(part) for part in parts)])
    for begin in range(0, len(rows), BLOCK_ROWS):
        block = rows[begin : begin + BLOCK_ROWS]
        codes = np.empty((len(block), new.sa_code_size()), np.uint8)
        for part, start, stop in zip(parts, starts[:-1], starts[1:], strict=True):
            here = (block >= start) & (block < stop)
            codes[here] = _codes_of(part, block[here] - start, new)
        for place in np.flatnonzero(np.isin(block, list(instead or ()))):
            codes[place] = new.sa_encode(np.ascontiguousarray(instead[int(block[place])][None], np.float32))[0]
        new.add_sa_codes(codes)
    save(new, path)


def _codes_of(part: Vectors, rows: np.ndarray, new: faiss.IndexFlatCodes) -> np.ndarray:
    if not len(rows):
        return np.empty((0, new.sa_code_size()), np.uint8)
    if _same_coding(part._index, new):
        return part._codes[rows]
    return new.sa_encode(part._index.sa_decode(part._codes[rows]))


def _same_coding(one: faiss.IndexFlatCodes, other: faiss.IndexFlatCodes) -> bool:
    if type(one) is not type(other):
        return False
    if not isinstance(one, faiss.IndexScalarQuantizer):
        return True
    trained = [faiss.vector_to_array(index.sq.trained) for index in (one, other)]
    return one.sq.qtype == other.sq.qtype and np.array_equal(*trained)


def _empty_like(index: faiss.IndexFlatCodes) -> faiss.IndexFlatCodes:
    if not isinstance(index, faiss.IndexScalarQuantizer):
        return faiss.IndexFlatIP(index.d)
    new = faiss.IndexScalarQuantizer(index.d, index.sq.qtype, index.metric_type)
    new.sq = index.sq
    new.is_trained = True
    return new
