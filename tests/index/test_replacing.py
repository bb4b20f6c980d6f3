from __future__ import annotations

import os

import pytest

from bioclip_search.errors import IndexFolderError
from bioclip_search.index.replacing import new_contents, new_folder


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "in" / "out") as scratch:
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
    with pytest.raises(FileNotFoundError), new_contents(folder) as scratch:
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
