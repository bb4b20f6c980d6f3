"""Squares in a file are those in memory, whatever was stopped on the way."""

from __future__ import annotations

import os
import pickle
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from bioclip_search.errors import PictureError, RunError
from bioclip_search.train.pictures import LabelledPicture, decode_pictures, fingerprint_of, read_pictures
from bioclip_search.train.squares import decode_into, squares_at
from tests.train.conftest import jpeg

PX = 20


def pictures_of(n: int, first: int = 0) -> list[LabelledPicture]:
    return [LabelledPicture(jpeg((200, 40, 20), first + k), {}, f"p{first + k}", "set", "train") for k in range(n)]


class StoppedError(Exception):
    """The plug is pulled."""


def test_rows_are_read_as_from_an_array_in_memory(tmp_path):
    pictures = pictures_of(10)
    file = squares_at(tmp_path, pictures, PX)
    decode_into(file, pictures, threads=2)
    wanted = decode_pictures(pictures, PX)
    rows = np.array([9, 0, 3, 3])
    assert len(file) == 10
    assert (file[rows] == wanted[rows]).all()
    assert file[np.zeros(0, np.int64)].shape == (0, PX, PX, 3)
    assert (pickle.loads(pickle.dumps(file))[rows] == wanted[rows]).all()  # a worker process is sent where they stand, not the squares


def test_who_is_stopped_goes_on_where_it_was_and_half_a_picture_counts_for_none(tmp_path):
    pictures, told = pictures_of(10), []
    file = squares_at(tmp_path, pictures, PX)

    def stop(row):
        raise StoppedError

    with pytest.raises(StoppedError):
        decode_into(file, pictures, 1, stop, chunk=4)
    assert not file.path.exists()
    part = file.path.with_suffix(".part")
    assert part.stat().st_size == 4 * PX * PX * 3
    with part.open("ab") as torn:
        torn.write(b"half a picture")
    decode_into(file, pictures, 1, told.append, chunk=4)
    assert [row["decoded"] for row in told] == [8, 10]
    assert told[-1]["bytes"] == file.path.stat().st_size == 10 * PX * PX * 3
    assert (file[np.arange(10)] == decode_pictures(pictures, PX)).all()
    decode_into(file, pictures, 1, stop)  # they are there: nothing is decoded


def test_squares_of_other_pictures_go(tmp_path):
    first, second = pictures_of(5), pictures_of(5, first=1)
    for pictures in (first, second):
        decode_into(squares_at(tmp_path, pictures, PX), pictures, 1)
    assert list(tmp_path.iterdir()) == [squares_at(tmp_path, second, PX).path]


def test_a_disk_without_room_is_told_before_anything_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: namedtuple("Usage", "free")(3_000))
    pictures = pictures_of(5)
    with pytest.raises(RunError, match=r"the 5 pictures take 0\.0 GB .* Make room"):
        decode_into(squares_at(tmp_path, pictures, PX), pictures, 1)


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path):
    pictures = [*pictures_of(2), LabelledPicture(b"no picture", {}, "torn.jpg", "set", "train")]
    with pytest.raises(PictureError, match=r"torn\.jpg"):
        decode_into(squares_at(tmp_path, pictures, PX), pictures, 1)


def test_a_file_that_is_gone_or_cut_off_is_told(tmp_path):
    pictures = pictures_of(3)
    file = squares_at(tmp_path, pictures, PX)
    with pytest.raises(RunError, match="cannot be read"):
        file[np.array([0])]
    decode_into(file, pictures, 1)
    with file.path.open("r+b") as torn:
        torn.truncate(2 * PX * PX * 3 + 5)
    assert (file[np.array([1])] == decode_pictures(pictures[1:2], PX)).all()
    with pytest.raises(RunError, match=r"ends before picture 3.*--resume"):
        file[np.array([2])]


def test_the_fingerprint_tells_pictures_their_order_and_their_cut_outs_apart(tiny_config):
    pictures = read_pictures(Path(tiny_config.data_root), tiny_config.sets)
    again = read_pictures(Path(tiny_config.data_root), tiny_config.sets)
    assert fingerprint_of(pictures) == fingerprint_of(again)
    bare = pictures_of(3)
    others = [pictures[::-1], pictures[1:], bare, bare[:2], [*bare[:2], LabelledPicture(bare[2].data, {}, "p2", "set", "train", crop_xyxy=(0, 0, 9, 9))]]
    assert len({fingerprint_of(one) for one in [pictures, *others]}) == 6
    (table,) = Path(tiny_config.data_root).glob("*/*.parquet")
    before = fingerprint_of(pictures)
    os.utime(table, ns=(0, 0))  # as if it was written anew
    assert fingerprint_of(pictures) != before
