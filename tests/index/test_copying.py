from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.index.copying import copy_rows
from bioclip_search.index.vectors import KINDS, Vectors, write_vectors


def unit(count: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((count, 24)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def written(path, rows, kind="flat") -> Vectors:
    write_vectors(path, [rows], rows.shape[1], kind, sample=rows)
    return Vectors(path)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_rows_are_copied_as_they_are_kept_in_the_order_asked(tmp_path, kind):
    old = written(tmp_path / "old", unit(50, 0), kind)
    copy_rows(tmp_path / "new", [old], np.array([7, 3, 3, 49]))
    np.testing.assert_array_equal(Vectors(tmp_path / "new").rows(0, 4), old.rows(0, 50)[[7, 3, 3, 49]])


@pytest.mark.parametrize(("kind", "tolerance"), [("flat", 0), ("fp16", 0), ("int8", 0.02)])
def test_rows_of_a_later_part_are_kept_as_those_of_the_first(tmp_path, kind, tolerance):
    base, added = unit(200, 0), unit(5, 1) * np.float32(0.7)  # within the range of the base
    parts = [written(tmp_path / "old", base, kind), written(tmp_path / "added", added, kind)]
    copy_rows(tmp_path / "new", parts, np.array([203, 1, 200]))
    expected = np.stack([parts[1].rows(3, 4)[0], parts[0].rows(1, 2)[0], parts[1].rows(0, 1)[0]])
    np.testing.assert_allclose(Vectors(tmp_path / "new").rows(0, 3), expected, atol=tolerance, rtol=0)


def test_parts_that_are_kept_in_different_ways_are_kept_as_the_first(tmp_path):
    parts = [written(tmp_path / "old", unit(20, 0), "fp16"), written(tmp_path / "added", unit(3, 1), "flat")]
    copy_rows(tmp_path / "new", parts, np.arange(23))
    np.testing.assert_allclose(Vectors(tmp_path / "new").rows(20, 23), unit(3, 1), atol=1e-3)


def test_some_rows_can_be_written_anew_and_no_rows_are_an_empty_file(tmp_path):
    old = written(tmp_path / "old", unit(20, 0))
    copy_rows(tmp_path / "new", [old], np.arange(20), {4: unit(1, 9)[0]})
    new = Vectors(tmp_path / "new").rows(0, 20)
    np.testing.assert_array_equal(new[4], unit(1, 9)[0])
    np.testing.assert_array_equal(np.delete(new, 4, axis=0), np.delete(old.rows(0, 20), 4, axis=0))
    copy_rows(tmp_path / "none", [old], np.array([], np.int64))
    assert len(Vectors(tmp_path / "none")) == 0
