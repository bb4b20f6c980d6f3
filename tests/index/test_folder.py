from __future__ import annotations

import os

import pytest

from bioclip_search import places
from bioclip_search.errors import IndexDamagedError, IndexFolderError
from bioclip_search.index import Index, find_index, folder, list_indexes


def test_an_index_is_found_by_path_and_by_name(small_index):
    mine = places.user_indexes() / "mine"
    if not mine.exists():
        mine.parent.mkdir(parents=True)
        mine.symlink_to(small_index, target_is_directory=True)
    assert find_index(small_index) == small_index
    assert find_index("mine") == mine
    assert mine in list(list_indexes())
    with pytest.raises(IndexFolderError, match="No index 'yours'.*mine"):
        find_index("yours")


def test_opening_maps_the_vectors_and_checks_them_against_the_card(small_index):
    index = Index(small_index)
    assert (index.vectors.count, index.vectors.dim) == (9, 32)


def test_a_large_file_is_hashed_again_only_after_it_was_touched(small_index, monkeypatch):
    monkeypatch.setattr(folder, "ALWAYS_HASHED_BYTES", 0)
    hashed = []
    really = folder.note_file
    monkeypatch.setattr(folder, "note_file", lambda path: hashed.append(path.name) or really(path))
    Index(small_index)
    first, hashed[:] = list(hashed), []
    Index(small_index)
    assert (sorted(first), hashed) == (["names.sqlite", "taxa.parquet", "vectors.faiss"], [])
    os.utime(small_index / "taxa.parquet")
    Index(small_index)
    assert hashed == ["taxa.parquet"]


def test_a_thorough_look_trusts_no_note(small_index, monkeypatch):
    monkeypatch.setattr(folder, "ALWAYS_HASHED_BYTES", 0)
    index = Index(small_index)
    path = small_index / "taxa.parquet"
    data, times = path.read_bytes(), path.stat()
    try:
        path.write_bytes(data[:-9] + b"x" + data[-8:])
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        folder.verify_files(small_index, index.card)  # size and time are as they were
        with pytest.raises(IndexDamagedError, match="taxa.parquet"):
            folder.verify_files(small_index, index.card, thorough=True)
    finally:
        path.write_bytes(data)
