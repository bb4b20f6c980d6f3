from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.errors import IndexDamagedError
from bioclip_search.index import search as module
from bioclip_search.index import sketching
from bioclip_search.index.search import best_rows, search, search_all
from bioclip_search.index.sketch import NEIGHBOURS, Sketch, means_of_parts
from bioclip_search.index.sketching import write_sketches
from bioclip_search.index.vectors import Vectors, write_vectors
from bioclip_search.intervals import LeafSet
from bioclip_search.posterior import leaf_probabilities

COUNT, DIM, SHARPNESS = 6_010, 64, 60.0  # the last neighbours are fewer than the others


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered() -> np.ndarray:
    """Families of forty relatives, whose differences lie mostly along eight directions, around a mean common to all."""
    random = np.random.default_rng(0)
    families = np.repeat(random.standard_normal((-(-COUNT // 40), DIM)), 40, axis=0)[:COUNT]
    own = random.standard_normal((COUNT, 8)) @ random.standard_normal((8, DIM)) / 3 + 0.05 * random.standard_normal((COUNT, DIM))
    return unit(random.standard_normal(DIM) + families + 0.5 * own)


def structureless() -> np.ndarray:
    return unit(np.random.default_rng(1).standard_normal((COUNT, DIM)))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a sketch be made of few rows, and be used for few."""
    monkeypatch.setattr(sketching, "FROM_NUMBERS", 1)
    monkeypatch.setattr(sketching, "DIRECTIONS", (4, 8, 16))
    monkeypatch.setattr(module, "FEW_ROWS", 100)


def vectors_of(folder: Path, rows: np.ndarray) -> Vectors:
    write_vectors(folder / "v.faiss", [rows], rows.shape[1])
    return Vectors(folder / "v.faiss")


@pytest.fixture
def world(tmp_path, small):
    rows = clustered()
    vectors = vectors_of(tmp_path, rows)
    speeds = write_sketches(tmp_path, vectors, SHARPNESS)
    note = speeds["balanced"]
    queries = unit(rows[[5, 2000, 6009, 3999]] + 0.1 * np.random.default_rng(2).standard_normal((4, DIM)))
    return vectors, Sketch(tmp_path / note.sketch, COUNT, DIM), note, queries


def probabilities(near, count: int = COUNT) -> np.ndarray:
    row = np.full((1, count), -np.inf, np.float32)
    row[0, near.rows] = near.scores
    return leaf_probabilities(row, SHARPNESS)[0]


def test_a_sketch_gives_the_probability_of_every_run_of_rows_as_closely_as_it_promises(world):
    vectors, sketch, note, queries = world
    found, _ = search(vectors, sketch, note, queries, SHARPNESS)
    for near, exact in zip(found, vectors.scores(queries), strict=True):
        off = np.cumsum(probabilities(near) - leaf_probabilities(exact[None].copy(), SHARPNESS)[0], dtype=np.float64)
        assert np.ptp(np.append(off, 0)) <= note.error_allowed


def test_a_sketch_finds_the_ten_best(world):
    vectors, sketch, note, queries = world
    found, _ = search(vectors, sketch, note, queries, SHARPNESS)
    for near, exact in zip(found, vectors.scores(queries), strict=True):
        assert set(near.rows[np.argsort(-near.scores)[:10]]) == set(np.argsort(-exact)[:10])


def test_a_filter_goes_into_the_search_of_a_sketch(world):
    vectors, sketch, note, queries = world
    among = LeafSet.of([(3, 1000), (1990, 2100), (COUNT - 5, COUNT)], COUNT)
    found, _ = search(vectors, sketch, note, queries, SHARPNESS, among)
    exact = vectors.scores(queries, among)
    for near, row in zip(found, exact, strict=True):
        assert among.mask[near.rows[near.scores > -np.inf]].all()
        assert near.rows[np.argmax(near.scores)] == np.argmax(row)


def test_a_silent_row_is_never_found(world):
    vectors, sketch, note, queries = world
    best = np.unique(vectors.scores(queries).argmax(axis=1))
    for found in (search(vectors, sketch, note, queries, SHARPNESS, silent=best)[0], search_all(vectors, queries, SHARPNESS, silent=best)):
        assert not any(np.isin(best, near.rows[near.scores > -np.inf]).any() for near in found)


@pytest.mark.parametrize("sharpness", [1e-3, 1.0, 1e4])
def test_any_sharpness_is_searched_without_a_word(world, sharpness):
    vectors, sketch, note, queries = world
    for near, exact in zip(search(vectors, sketch, note, queries, sharpness)[0], vectors.scores(queries), strict=True):
        assert int(near.rows[np.argmax(near.scores)]) == int(np.argmax(exact))


def test_where_every_row_is_silent_or_a_query_is_no_number_that_is_handed_on_without_a_word(world):
    vectors, sketch, note, queries = world
    found, tails = search(vectors, sketch, note, queries, SHARPNESS, silent=np.arange(COUNT))
    assert all((near.scores == -np.inf).all() for near in found)
    assert not tails.any()
    found, _ = search(vectors, sketch, note, queries * np.float32("nan"), SHARPNESS)
    with pytest.raises(ValueError, match="hold NaN"):
        leaf_probabilities(found[0].scores[None], SHARPNESS)


def test_queries_that_cannot_be_told_closely_enough_are_searched_exactly(world):
    vectors, sketch, note, queries = world
    strict = note.__class__(**{**note.__dict__, "error_of_tail": np.inf})
    found, tails = search(vectors, sketch, strict, queries, 1.0)  # so blunt that all rows are about equally probable
    assert tails.tolist() == [0] * 4
    for near, exact in zip(found, vectors.scores(queries), strict=True):
        np.testing.assert_allclose(near.scores, exact[near.rows], atol=1e-6)


def test_vectors_without_structure_get_no_sketch(tmp_path):
    assert write_sketches(tmp_path, vectors_of(tmp_path, structureless()), SHARPNESS) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["v.faiss"]


def test_few_vectors_get_no_sketch(tmp_path, monkeypatch):
    monkeypatch.setattr(sketching, "FROM_NUMBERS", COUNT * DIM + 1)
    assert write_sketches(tmp_path, vectors_of(tmp_path, clustered()), SHARPNESS) == {}


def test_the_same_vectors_give_the_same_sketch(tmp_path):
    bytes_of = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (note, *_) = write_sketches(tmp_path / name, vectors_of(tmp_path / name, clustered()), SHARPNESS).values()
        bytes_of.append((note, [path.read_bytes() for path in sorted((tmp_path / name / note.sketch).iterdir())]))
    assert bytes_of[0] == bytes_of[1]


@pytest.mark.parametrize("spoil", ["cut", "other", "gone"])
def test_a_sketch_that_is_damaged_or_of_other_vectors_is_refused(world, tmp_path, spoil):
    note = world[2]
    places = tmp_path / note.sketch / "places.npy"
    if spoil == "cut":
        places.write_bytes(places.read_bytes()[:1000])
    elif spoil == "gone":
        places.unlink()
    with pytest.raises(IndexDamagedError, match="sketch-"):
        Sketch(tmp_path / note.sketch, COUNT + (NEIGHBOURS if spoil == "other" else 0), DIM)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_file_of_a_sketch_that_is_no_array_is_told(world, content):
    sketch = world[1]
    folder = Path(sketch.places.filename).parent
    (folder / "left_out.npy").write_bytes(content)
    with pytest.raises(IndexDamagedError, match="is no sketch of vectors"):
        Sketch(folder, COUNT, DIM)


@pytest.mark.parametrize("array", [np.array(1.0, np.float32), np.zeros((2, 2), [("a", "f4")]), np.array([{}], object)])
def test_an_array_of_another_shape_or_kind_is_no_part_of_a_sketch(world, array):
    folder = Path(world[1].places.filename).parent
    for name in ("directions.npy", "left_out.npy"):
        np.save(folder / name, array, allow_pickle=True)
        with pytest.raises(IndexDamagedError):
            Sketch(folder, COUNT, DIM)


def test_a_sketch_that_holds_nan_is_refused(world):
    folder = Path(world[1].places.filename).parent
    np.save(folder / "left_out.npy", np.full(COUNT, np.nan, np.float32))
    with pytest.raises(IndexDamagedError, match="holds NaN"):
        Sketch(folder, COUNT, DIM)


def test_an_exact_search_leaves_out_only_what_is_negligible(world, monkeypatch):
    monkeypatch.setattr(module, "MANY", 1)
    vectors, _, _, queries = world
    for near, exact in zip(search_all(vectors, queries, SHARPNESS), vectors.scores(queries), strict=True):
        assert leaf_probabilities(exact[None].copy(), SHARPNESS)[0][near.rows].sum() >= 1 - 2e-6
        assert len(near.rows) < COUNT


def test_where_many_rows_are_near_all_are_given(world):
    vectors, _, _, queries = world
    (near, *_) = search_all(vectors, queries, 1.0)
    np.testing.assert_array_equal(near.rows, np.arange(COUNT))
    np.testing.assert_array_equal(near.scores, vectors.scores(queries)[0])


def test_neighbours_are_cut_where_one_family_ends():
    one, other = np.eye(DIM, dtype=np.float32)[:2]
    means, sizes = means_of_parts(np.stack([one] * 20 + [other] * 44 + [other] * 3 + [one] * 2))
    assert sizes.tolist() == [20, 44, 3, 2]
    np.testing.assert_array_equal(means, [one, other, other, one])
    assert means_of_parts(one[None])[1].tolist() == [1, 0]


def test_of_few_rows_all_are_found(tmp_path):
    rows = unit(np.random.default_rng(3).standard_normal((50, DIM)))
    (near,) = search_all(vectors_of(tmp_path, rows), rows[:1], 1000.0)
    assert near.rows.tolist() == list(range(50))


@given(st.lists(st.sampled_from([-np.inf, -0.5, 0.0, 0.25, 0.5]), min_size=1, max_size=300), st.integers(1, 20))
def test_the_best_rows_are_those_of_a_full_sort(scores, count):
    row = np.array(scores, np.float32)
    found = best_rows(row, count)
    assert sorted(row[found].tolist()) == sorted(np.sort(row[row > -np.inf])[-count:].tolist())
    assert (np.diff(found) > 0).all()
