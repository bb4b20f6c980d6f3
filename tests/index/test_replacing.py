from __future__ import annotations

import os
import sqlite3

import pytest

from bioclip_search.errors import IndexFolderError
from bioclip_search.index import replacing
from bioclip_search.index.replacing import alone_in, new_contents, new_folder


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(IndexFolderError, match="cannot be written"), new_folder(tmp_path / "in" / "out") as scratch:
        (scratch / "none" / "a").write_text("half")
    assert list((tmp_path / "in").iterdir()) == []
    with new_folder(tmp_path / "in" / "out") as scratch:
        (scratch / "a").write_text("all")
        assert not (tmp_path / "in" / "out").exists()
    assert (tmp_path / "in" / "out" / "a").read_text() == "all"
    with pytest.raises(IndexFolderError, match="exists already"), new_folder(tmp_path / "in" / "out"):
        pass


def test_the_old_folder_goes_only_when_the_new_one_is_whole(tmp_path):
    folder = tmp_path / "it"
    folder.mkdir()
    (folder / "a").write_text("old")
    with pytest.raises(IndexFolderError, match="cannot be written"), new_contents(folder) as scratch:
        (scratch / "none" / "a").write_text("half")
    assert (folder / "a").read_text() == "old"
    with new_contents(folder) as scratch:
        (scratch / "b").write_text("new")
        assert (folder / "a").read_text() == "old"
    assert [path.name for path in folder.iterdir()] == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_what_an_interrupted_exchange_left_is_not_overwritten(tmp_path):
    for name in ("it", ".it-old"):
        (tmp_path / name).mkdir()
    with pytest.raises(IndexFolderError, match=r"\.it-old exists already"), new_contents(tmp_path / "it"):
        pass


def test_what_a_killed_program_left_is_cleared_away_after_a_day(tmp_path):
    old, fresh, other = (tmp_path / name for name in (".it-unfinished-abcdefgh", ".it-unfinished-abcdefgi", ".bit-unfinished-abcdefgh"))
    for folder in (old, fresh, other):
        folder.mkdir()
        (folder / "a").write_text("half")
    for folder in (old, other):
        os.utime(folder, (0, 0))
    with new_folder(tmp_path / "it"):
        pass
    assert [folder.exists() for folder in (old, fresh, other)] == [False, True, True]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), sqlite3.OperationalError("database or disk is full")])
def test_a_full_disk_is_told_in_words_and_leaves_nothing(tmp_path, error):
    with pytest.raises(IndexFolderError, match="out: cannot be written .*Make room there"), new_folder(tmp_path / "out"):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_no_folder_is_made_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexFolderError, match="cannot be written"), new_folder(tmp_path / "file" / "out"):
        pass


def test_of_two_programs_that_make_one_folder_the_slower_is_told(tmp_path):
    with pytest.raises(IndexFolderError, match="exists already"), new_folder(tmp_path / "out"), new_folder(tmp_path / "out") as quicker:
        (quicker / "a").write_text("first")
    assert (tmp_path / "out" / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_one_program_at_a_time_changes_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(replacing, "PATIENCE_S", 0.05)
    with alone_in(tmp_path), pytest.raises(IndexFolderError, match="Another program is changing it"), alone_in(tmp_path):
        pytest.fail("two at once")
    with alone_in(tmp_path):
        pass
    with pytest.raises(IndexFolderError, match="may write to"), alone_in(tmp_path / "nowhere"):
        pass
