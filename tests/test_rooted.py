from __future__ import annotations

import os

import pytest

from bioclip_search.errors import SourceError
from bioclip_search.rooted import below, folders_below, found_below, new_below


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root" / "photos").mkdir(parents=True)
    (tmp_path / "root-beside").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "root"


@pytest.mark.parametrize("asked", ["photos", "./photos/", " photos ", "photos/../photos"])
def test_what_lies_below_is_given_as_it_is(root, asked):
    assert below(root, asked) == (root / "photos").resolve()


def test_nothing_is_the_root_itself_and_a_whole_path_below_is_taken(root):
    assert below(root, "") == root.resolve()
    assert below(root, str(root / "photos")) == (root / "photos").resolve()


@pytest.mark.parametrize("asked", ["..", "../secret.txt", "photos/../../secret.txt", "../root-beside", "/", "../nothing"])
def test_what_lies_outside_is_refused_whether_it_is_there_or_not(root, asked):
    with pytest.raises(SourceError, match=r"is not below .*--root"):
        below(root, asked)


def test_a_link_that_leads_out_is_refused_and_one_that_stays_is_followed(root):
    try:
        os.symlink(root.parent, root / "out")
        os.symlink(root / "photos", root / "in")
    except OSError:
        pytest.skip("this system lets no links be made")
    assert below(root, "in") == (root / "photos").resolve()
    with pytest.raises(SourceError, match="is not below"):
        below(root, "out/secret.txt")


@pytest.mark.parametrize("asked", ["nothing", "photos/nothing.jpg"])
def test_what_is_not_there_is_told(root, asked):
    with pytest.raises(SourceError, match="is not there"):
        below(root, asked)


@pytest.mark.parametrize("asked", ["a\0b", "x" * 5000])
def test_what_is_no_path_is_told(root, asked):
    with pytest.raises(SourceError, match="is no path|is not there"):
        below(root, asked)


def test_folders_are_told_by_name_without_hidden_ones_and_links(tmp_path):
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "file").touch()
    assert folders_below(tmp_path) == ["a", "b"]
    assert folders_below(tmp_path / "gone") == []


def test_what_bears_a_mark_is_found_the_nearest_first_and_not_gone_into(tmp_path):
    for place in ("deep/er/run", "run", "run/inner", "1/2/3/4/5"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "run.json").touch()
    assert found_below(tmp_path, "run.json") == ["run", "deep/er/run"]


def test_a_new_folder_lies_below_the_root_whatever_was_asked(root):
    assert new_below(root, "runs/summer") == root / "runs" / "summer"
    (root / "out").symlink_to(root.parent)
    for wrong in ("", ".", "../root-beside/x", "/etc/x", "out/x", "a\0b"):
        with pytest.raises(SourceError):
            new_below(root, wrong)
