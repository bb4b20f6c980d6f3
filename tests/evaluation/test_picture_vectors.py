from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.evaluation.picture_vectors import embedded, has_vectors, labels_with_vectors, vectors_of
from bioclip_search.prompts import RANKS
from tests.evaluation.test_labelled import png, write_tree


class CountingEncoder:
    """A picture's vector is (red, 1, 0), brought to length one; remembers how many pictures it was shown."""

    name, fingerprint, dim, logit_scale, input_px = "red", "0ed+fp32", 3, 20.0, 8

    def __init__(self):
        self.shown = 0

    def prepare(self, picture):
        return picture.getpixel((0, 0))[0]

    def encode_prepared(self, prepared):
        self.shown += len(prepared)
        rows = np.array([[red, 1, 0] for red in prepared], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def cats(tmp_path):
    root = write_tree(tmp_path / "cats", *(f"Felis catus/{number:02}.png" for number in range(40)))
    (root / "Felis catus/05.png").write_bytes(b"broken")
    (found,) = find_sets([root])
    return found


def test_the_vectors_are_those_of_the_wanted_pictures_and_what_is_broken_is_told(cats, tmp_path):
    wanted = np.arange(40) % 2 == 1
    found = vectors_of(CountingEncoder(), cats, wanted, home=tmp_path / "cache")
    assert found.names == tuple(f"cats/Felis catus/{number:02}.png" for number in range(1, 40, 2) if number != 5)
    np.testing.assert_allclose(found.vectors[:, 0] / found.vectors[:, 1], [number for number in range(1, 40, 2) if number != 5], rtol=1e-5)
    assert [failure.image for failure in found.failures] == ["cats/Felis catus/05.png"]
    assert len(found.taxa) == len(found.parts) == 19
    assert found.rows.tolist() == [row for row in range(1, 40, 2) if row != 5]
    assert found.take(np.array([3, 0])).rows.tolist() == [9, 1]


def test_no_picture_is_looked_at_twice_until_a_file_or_the_question_changes(cats, tmp_path):
    encoder, every = CountingEncoder(), np.ones(40, bool)
    first = vectors_of(encoder, cats, every, home=tmp_path / "cache")
    again = vectors_of(encoder, cats, every, home=tmp_path / "cache")
    assert encoder.shown == 39
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert (first.names, first.failures) == (again.names, again.failures)
    vectors_of(encoder, cats, np.arange(40) < 10, home=tmp_path / "cache")
    assert encoder.shown == 48
    (tmp_path / "cats/Felis catus/05.png").write_bytes(png(5))
    assert len(vectors_of(encoder, cats, every, home=tmp_path / "cache")) == 40


def test_what_was_kept_and_is_damaged_is_made_again(cats, tmp_path, caplog):
    encoder, every = CountingEncoder(), np.ones(40, bool)
    vectors_of(encoder, cats, every, home=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:200])
    assert len(vectors_of(encoder, cats, every, home=tmp_path / "cache")) == 39
    assert "is damaged" in caplog.text
    assert encoder.shown == 78


def test_a_cache_that_cannot_be_written_is_done_without(cats, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    assert len(vectors_of(CountingEncoder(), cats, np.ones(40, bool), home=tmp_path / "file")) == 39
    assert "cannot be written" in caplog.text


def test_progress_counts_pictures_that_cannot_be_read_too(cats, tmp_path):
    told = []
    vectors_of(CountingEncoder(), cats, np.ones(40, bool), home=tmp_path / "cache", progress=lambda done, total: told.append((done, total)))
    assert told == [(32, 40), (40, 40)]


def test_copies_of_a_picture_and_further_crops_of_it_are_repeats_unless_they_bear_another_label(tmp_path):
    root = write_tree(tmp_path, *(f"{number}.png" for number in range(4)))
    (root / "3.png").write_bytes(png(1))  # a copy of 1
    rows = ['0.png,"0 0 4 4",Felis catus', '0.png,"2 2 7 7",Felis catus', '0.png,"0 0 3 3",Canis lupus', "1.png,,Felis catus", "2.png,,Felis catus"]
    (root / "list.csv").write_text("\n".join(["path,box_xyxy,species", *rows, "3.png,,Felis catus"]) + "\n")
    (found,) = find_sets([root / "list.csv"])
    every = vectors_of(CountingEncoder(), found, np.ones(6, bool), home=tmp_path / "cache")
    once = every.without_repeats()
    assert once.names == tuple(f"list/{name}.png" for name in (0, 0, 1, 2))
    assert once.taxa["species"].to_pylist() == ["Felis catus", "Canis lupus", "Felis catus", "Felis catus"]
    assert once.picture_of_row.tolist() == [0, 0, 1, 2]
    assert len(once.without_repeats()) == 4


def test_a_path_that_none_can_be_is_told_as_missing(tmp_path):
    (tmp_path / "list.csv").write_text("path,species\na\0b.png,Felis catus\n")
    (found,) = find_sets([tmp_path / "list.csv"])
    looked = vectors_of(CountingEncoder(), found, np.ones(1, bool), home=tmp_path / "cache")
    assert [failure.error for failure in looked.failures] == ["no such file"]


def test_no_wanted_picture_is_no_batch(cats):
    assert list(embedded(CountingEncoder(), cats, np.zeros(40, bool))) == []


def write_vectors(path, vectors, **columns):
    parquet.write_table(pa.table({"emb": vectors, **columns}), path)
    return path


def test_a_table_of_vectors_is_read_with_its_labels(tmp_path):
    path = write_vectors(tmp_path / "v.parquet", [[3.0, 4.0], [0.0, 2.0]], species=["Felis catus", None], uuid=["a", "b"], split=["val", None])
    assert has_vectors(path)
    labels, vectors = labels_with_vectors(path, RANKS)
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, 1]], rtol=1e-6)
    assert labels.taxa["genus"].to_pylist() == ["Felis", None]
    assert (labels.names, labels.parts.tolist()) == (("v/a", "v/b"), ["val", "all"])


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        pytest.param([[1.0, 0.0], [1.0]], "not all of one length", id="two lengths"),
        pytest.param([[1.0, 0.0], None], "not all of one length", id="a missing one"),
        pytest.param([[1.0, 0.0], [float("nan"), 0.0]], "the vector of row 2 is zero or no number", id="NaN"),
        pytest.param([[0.0, 0.0], [1.0, 0.0]], "the vector of row 1 is zero or no number", id="zero"),
        pytest.param(["a", "b"], "expected a list of numbers", id="texts"),
    ],
)
def test_vectors_that_are_none_are_refused(tmp_path, vectors, message):
    path = write_vectors(tmp_path / "v.parquet", vectors, species=["Felis catus", "Lynx lynx"])
    with pytest.raises(TableError, match=message):
        labels_with_vectors(path, RANKS)


def test_a_table_of_pictures_is_none_of_vectors(tmp_path):
    parquet.write_table(pa.table({"image": ["a.png"], "emb": [[1.0]], "species": ["Felis catus"]}), tmp_path / "a.parquet")
    assert not has_vectors(tmp_path / "a.parquet")
    parquet.write_table(pa.table({"species": ["Felis catus"]}), tmp_path / "b.parquet")
    assert not has_vectors(tmp_path / "b.parquet")
    assert not has_vectors(tmp_path)
    with pytest.raises(TableError, match="has no column emb"):
        labels_with_vectors(tmp_path / "b.parquet", RANKS)
