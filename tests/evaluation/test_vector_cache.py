from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.evaluation.picture_vectors import vectors_of
from bioclip_search.evaluation.vector_cache import CHUNK_PICTURES, Batch, joined, read_whole, write
from bioclip_search.results import Failure
from tests.evaluation.test_labelled import write_tree
from tests.evaluation.test_picture_vectors import CountingEncoder

PICTURES = 2 * CHUNK_PICTURES + 40


class PowerCut(Exception):
    pass


class StoppedEncoder(CountingEncoder):
    """Stops for good once it was shown so many pictures."""

    def __init__(self, after: int):
        super().__init__()
        self.after = after

    def encode_prepared(self, prepared):
        if self.shown + len(prepared) > self.after:
            raise PowerCut
        return super().encode_prepared(prepared)


@pytest.fixture
def many(tmp_path):
    root = write_tree(tmp_path / "cats", *(f"Felis catus/{number:04}.png" for number in range(PICTURES)))
    (root / "Felis catus/0005.png").write_bytes(b"broken")
    (found,) = find_sets([root])
    return found


def test_who_is_stopped_loses_no_more_than_a_chunk_and_ends_with_the_very_same_vectors(many, tmp_path):
    every, home = np.ones(PICTURES, bool), tmp_path / "cache"
    stopped, again = StoppedEncoder(after=CHUNK_PICTURES + 100), CountingEncoder()
    with pytest.raises(PowerCut):
        vectors_of(stopped, many, every, home=home)
    told = []
    found = vectors_of(again, many, every, home=home, progress=lambda done, total: told.append((done, total)))
    # One chunk was whole; its 256 pictures are not looked at again, one of which is broken.
    assert again.shown == PICTURES - CHUNK_PICTURES
    assert told[0] == (CHUNK_PICTURES + 32, PICTURES)
    straight = vectors_of(CountingEncoder(), many, every, home=tmp_path / "another")
    np.testing.assert_array_equal(found.vectors, straight.vectors)
    assert (found.names, found.failures) == (straight.names, straight.failures)
    assert [path.suffix for path in home.iterdir()] == [".npz"]  # the chunks went


def test_a_damaged_chunk_is_made_again_with_all_after_it(many, tmp_path, caplog):
    every, home = np.ones(PICTURES, bool), tmp_path / "cache"
    with pytest.raises(PowerCut):
        vectors_of(StoppedEncoder(after=2 * CHUNK_PICTURES + 10), many, every, home=home)
    first, second = sorted(home.glob("*/*.npz"))
    first.write_bytes(first.read_bytes()[:100])
    again = CountingEncoder()
    assert len(vectors_of(again, many, every, home=home)) == PICTURES - 1
    assert "is damaged" in caplog.text
    assert again.shown == PICTURES - 1
    assert not second.exists()


def test_a_batch_is_read_as_it_was_written_and_joins_in_order(tmp_path):
    one = Batch(np.array([0, 2]), np.eye(2, 3, dtype=np.float32), (Failure("b", "no picture"),))
    other = Batch(np.array([3]), np.full((1, 3), 0.5, np.float32), ())
    both = joined([one, other], 3)
    assert write(tmp_path / "x.npz", both)
    read = read_whole(tmp_path / "x.npz", 3, 4)
    assert (read.rows.tolist(), read.failures, read.looked_at) == ([0, 2, 3], one.failures, 4)
    np.testing.assert_array_equal(read.vectors, np.concatenate([one.vectors, other.vectors]))
    assert joined([], 3).vectors.shape == (0, 3)


def test_vectors_of_another_length_or_of_rows_that_the_set_lacks_are_not_taken(tmp_path):
    write(tmp_path / "x.npz", Batch(np.array([0, 7]), np.eye(2, 3, dtype=np.float32), ()))
    assert read_whole(tmp_path / "x.npz", 4, 8) is None
    assert read_whole(tmp_path / "x.npz", 3, 7) is None
    assert read_whole(tmp_path / "y.npz", 3, 7) is None
