"""Rows of Parquet files give the same bytes in whatever order, groups and threads they are asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bioclip_search.errors import PictureError
from bioclip_search.train.picture_rows import BATCH_ROWS, KEPT_BATCHES, PictureRow, PictureRows

N = 5 * BATCH_ROWS + 7


def content(file: str, row: int) -> bytes:
    return f"{file} {row}".encode() * (1 + row % 3)


@pytest.fixture(params=[N, 10, 3 * BATCH_ROWS], ids=["one group of rows", "many small ones", "two"])
def files(request, tmp_path):
    """Two files of N rows each, in groups of so many rows."""
    for name in ("a", "b"):
        rows = [{"image": {"bytes": content(name, row), "path": "x.jpg"}, "source_id": str(row)} for row in range(N)]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet", row_group_size=request.param)
    return tmp_path


@pytest.mark.parametrize("order", ["forward", "backward", "every third", "by lot"])
def test_each_row_gives_its_own_bytes_in_any_order(files, order):
    asked = {"forward": range(N), "backward": range(N - 1, -1, -40), "every third": range(0, N, 3), "by lot": np.random.default_rng(0).integers(0, N, 40)}
    rows = PictureRows()
    for row in map(int, asked[order]):
        for name in ("a", "b") if order == "by lot" else ("a",):
            assert PictureRow(rows, files / f"{name}.parquet", row).read() == content(name, row)


def test_several_threads_get_what_they_ask_for(files):
    rows = PictureRows()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: rows.read(files / "a.parquet", row), range(N)))
    assert found == [content("a", row) for row in range(N)]


def test_no_more_than_two_batches_are_in_memory(files):
    rows = PictureRows()
    for row in range(N):
        rows.read(files / "a.parquet", row)
        assert sum(len(pictures) for _, pictures in rows._window) <= KEPT_BATCHES * BATCH_ROWS


def test_what_cannot_be_read_is_told_by_file_and_row_and_the_next_is_read_all_the_same(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([{"image": {"bytes": b"one"}}, {"image": {"bytes": None}}, {"image": None}, {"image": {"bytes": b"four"}}]), path)
    rows = PictureRows()
    for row in (1, 2):
        with pytest.raises(PictureError, match=rf"a\.parquet, row {row + 1}: holds no bytes"):
            rows.read(path, row)
    with pytest.raises(PictureError, match=r"row 5: cannot be read \(it has 4 rows\)"):
        rows.read(path, 4)
    with pytest.raises(PictureError, match=r"gone\.parquet, row 1: cannot be read"):
        rows.read(tmp_path / "gone.parquet", 0)
    assert [rows.read(path, row) for row in (3, 0)] == [b"four", b"one"]
