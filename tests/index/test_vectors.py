from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bioclip_search.errors import IndexDamagedError, IndexFolderError
from bioclip_search.index import vectors as module
from bioclip_search.index.vectors import KINDS, Vectors, write_vectors
from bioclip_search.intervals import LeafSet

COUNT, DIM = 700, 48
TOLERANCE = {"flat": 1e-6, "fp16": 5e-4, "int8": 1e-2}


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    drawn = np.random.default_rng(0).standard_normal((COUNT, DIM)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture(params=sorted(KINDS))
def kind(request) -> str:
    return request.param


@pytest.fixture(params=["decoded once", "block by block"])
def vectors(request, tmp_path, rows, kind, monkeypatch) -> Vectors:
    if request.param == "block by block":
        monkeypatch.setattr(module, "DECODED_MAX_BYTES", 0)
        monkeypatch.setattr(module, "BLOCK_ROWS", 64)
    write_vectors(tmp_path / "v.faiss", [rows[:300], rows[300:]], DIM, kind, sample=rows)
    return Vectors(tmp_path / "v.faiss")


def test_scores_are_those_of_brute_force(vectors, rows, kind):
    queries = rows[[3, 699, 0]] * 1.0
    assert np.abs(vectors.scores(queries) - queries @ rows.T).max() <= TOLERANCE[kind]


def test_scores_outside_a_set_are_minus_infinity(vectors, rows):
    among = LeafSet.of([(10, 40), (600, 650)], COUNT)
    scores = vectors.scores(rows[:2], among)
    assert np.isneginf(scores[:, ~among.mask]).all()
    assert np.allclose(scores[:, among.mask], vectors.scores(rows[:2])[:, among.mask], rtol=0, atol=1e-6)  # the order of sums hangs on the number of cores


def test_the_nearest_rows_are_those_of_brute_force(vectors, rows):
    queries = rows[[3, 699, 0]]
    scores, numbers = vectors.search(queries, 5)
    stored = vectors.rows(0, COUNT)
    assert np.array_equal(numbers, np.argsort(-(queries @ stored.T), axis=1)[:, :5])
    assert np.allclose(scores, -np.sort(-(queries @ stored.T), axis=1)[:, :5], atol=1e-5)


def test_a_set_goes_into_the_search_and_what_is_lacking_is_marked(vectors, rows):
    among = LeafSet.of([(10, 12), (600, 601)], COUNT)
    scores, numbers = vectors.search(rows[:1], 5, among)
    assert set(numbers[0, :3]) == {10, 11, 600}
    assert numbers[0, 3:].tolist() == [-1, -1]
    assert np.isneginf(scores[0, 3:]).all()


def test_no_query_gives_no_row(vectors):
    assert vectors.scores(np.empty((0, DIM), np.float32)).shape == (0, COUNT)


def test_nan_vectors_and_unknown_kinds_are_refused(tmp_path, rows):
    with pytest.raises(IndexFolderError, match="NaN"):
        write_vectors(tmp_path / "v.faiss", [np.full((1, DIM), np.nan, np.float32)], DIM)
    with pytest.raises(IndexFolderError, match="Unknown kind"):
        write_vectors(tmp_path / "v.faiss", [rows], DIM, "int4")


def test_a_file_that_is_no_index_is_told(tmp_path):
    (tmp_path / "v.faiss").write_bytes(b"not an index")
    with pytest.raises(IndexDamagedError, match="is no FAISS index"):
        Vectors(tmp_path / "v.faiss")


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files there")
def test_a_file_that_ends_too_early_is_told_even_where_faiss_says_nothing(tmp_path, rows):
    """Run apart, for the limit holds for the whole process: one page too few, which shows only when the file is closed."""
    program = (
        "import resource, signal, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from bioclip_search.index.vectors import write_vectors\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    write_vectors(Path(sys.argv[1]), [np.eye(8, dtype=np.float32)], 8)\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", program, str(tmp_path / "v")], capture_output=True, text=True, check=True).stdout
    assert "vectors cannot be written" in told
