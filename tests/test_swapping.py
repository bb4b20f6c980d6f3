from __future__ import annotations

import pytest

from bioclip_search.swapping import whole_file


def test_a_file_has_its_name_when_it_is_whole_and_not_before(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with whole_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "new")]


def fail_half_way(path):
    with whole_file(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt


def test_of_a_failure_nothing_is_left(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        fail_half_way(path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "old")]
    with pytest.raises(FileNotFoundError):
        fail_half_way(tmp_path / "nowhere" / "a.txt")
