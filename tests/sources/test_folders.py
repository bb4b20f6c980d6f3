from __future__ import annotations

import os
import socket
import sys

import pytest

from bioclip_search.errors import SourceError
from bioclip_search.media import Media, Video
from bioclip_search.sources import open_source
from tests.sources.memory import most_held


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def images(source):
    return [one.image for one in source.media()]


def test_a_folder_gives_pictures_and_videos_in_order_of_path_without_hidden_ones_and_litter(tmp_path):
    touch(tmp_path, "b.JPG", "a/z.png", "a/b/y.MP4", "a/b/c.txt", ".hidden/x.jpg", ".x.jpg", "@eaDir/b.JPG/SYNOPHOTO_THUMB_XL.jpg")
    source = open_source(tmp_path)
    found = list(source.media())
    assert [(one.image, type(one)) for one in found] == [("b.JPG", Media), ("a/z.png", Media), ("a/b/y.MP4", Video)]
    assert [one.file for one in found] == [tmp_path / "b.JPG", tmp_path / "a/z.png", tmp_path / "a/b/y.MP4"]
    assert source.count() == 3
    assert images(source) == images(source)


def test_an_empty_folder_gives_nothing(tmp_path):
    assert images(open_source(tmp_path)) == []
    assert open_source(tmp_path).count() == 0


def test_links_within_the_root_are_followed_and_those_that_leave_or_circle_are_told(tmp_path):
    root = tmp_path / "root"
    touch(tmp_path, "outside/secret.jpg", "root/a/real.jpg")
    (root / "inside.jpg").symlink_to(root / "a/real.jpg")
    (root / "leaves.jpg").symlink_to(tmp_path / "outside/secret.jpg")
    (root / "leaving_folder").symlink_to(tmp_path / "outside", target_is_directory=True)
    (root / "a/loop").symlink_to(root, target_is_directory=True)
    (root / "circle.jpg").symlink_to(root / "circle.jpg")
    (root / "lost.jpg").symlink_to(root / "gone.jpg")
    source = open_source(root)
    assert images(source) == ["inside.jpg", "lost.jpg", "a/real.jpg"]
    notes = " | ".join(source.notes)
    assert "links that lead out of the folder, passed over; give the folder that they lead to: 2, the first" in notes
    assert "links to folders, passed over: what lies there is met in its own place: 1, the first a/loop" in notes
    assert "links that lead in a circle, passed over: 1, the first circle.jpg" in notes


def test_a_root_that_is_itself_a_link_is_gone_into(tmp_path):
    touch(tmp_path, "true/a.jpg")
    (tmp_path / "true/b.jpg").symlink_to(tmp_path / "true/a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "true", target_is_directory=True)
    assert images(open_source(tmp_path / "link")) == ["a.jpg", "b.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes and no odd bytes in names there")
def test_folders_and_pipes_that_bear_a_pictures_name_are_given_once_each(tmp_path):
    (tmp_path / "x.jpg").mkdir()
    os.mkfifo(tmp_path / "y.jpg")
    os.mkfifo(tmp_path / "y.mp4")
    found = list(open_source(tmp_path).media())
    assert [(one.image, one.error is None) for one in found] == [("x.jpg", True), ("y.jpg", True), ("y.mp4", False)]
    assert "pipe" in found[2].error


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_name_that_is_no_unicode_can_be_told_and_opened(tmp_path):
    with open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", "wb") as file:
        file.write(b"here")
    (found,) = open_source(tmp_path).media()
    assert found.image == "caf\\udce9.jpg"
    assert found.image.encode("utf-8")
    assert found.file.read_bytes() == b"here"


@pytest.mark.skipif(sys.platform == "win32", reason="the test makes a path too long to be made there")
def test_a_folder_that_cannot_be_listed_is_one_error_and_the_rest_goes_on(tmp_path):
    touch(tmp_path, "a/1.jpg", "c.jpg")
    long = "d" * 200
    here = os.getcwd()
    os.chdir(tmp_path)
    try:  # a path longer than the operating system takes in one piece can only be made step by step
        for _ in range(25):
            os.mkdir(long)
            os.chdir(long)
    finally:
        os.chdir(here)
    found = list(open_source(tmp_path).media())
    assert [one.image for one in found[:2]] == ["c.jpg", "a/1.jpg"]
    (broken,) = found[2:]
    assert "cannot be listed" in broken.error


def test_archives_in_a_folder_are_told(tmp_path):
    touch(tmp_path, "a.jpg", "old/2019.zip")
    source = open_source(tmp_path)
    assert images(source) == ["a.jpg"]
    assert any(note.startswith("archives, passed over") and note.endswith("1, the first old/2019.zip") for note in source.notes)


def test_a_place_that_is_not_there_says_what_is_taken(tmp_path):
    with pytest.raises(SourceError, match="(?s)no such file.*Camtrap DP"):
        open_source(tmp_path / "nowhere")


@pytest.mark.skipif(sys.platform == "win32", reason="no such sockets there")
def test_a_socket_with_a_pictures_name_does_not_stop_the_listing(tmp_path):
    touch(tmp_path, "b.jpg")
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.bind(str(tmp_path / "a.jpg"))
        except OSError:
            pytest.skip("the path is too long for a socket")
        assert images(open_source(tmp_path)) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("**/*.JPG", ["a.JPG", "s/b.JPG", "s/t/c.JPG"], id="any depth, none included"),
        pytest.param("*/*.JPG", ["s/b.JPG"], id="a star is one folder"),
        pytest.param("s/**", ["s/b.JPG", "s/d.jpg", "s/t/c.JPG"], id="all below"),
        pytest.param("s/?.[jJ]*", ["s/b.JPG", "s/d.jpg"], id="a set of letters"),
        pytest.param("**/t/**/*.JPG", ["s/t/c.JPG"], id="a folder anywhere"),
        pytest.param("{s,x}/{b,d}.*", ["s/b.JPG", "s/d.jpg"], id="words in braces"),
        pytest.param("s/[!b]*", ["s/d.jpg"], id="all but a letter"),
    ],
)
def test_a_pattern_means_what_it_says(tmp_path, pattern, expected):
    touch(tmp_path, "a.JPG", "s/b.JPG", "s/d.jpg", "s/t/c.JPG", "s/notes.txt")
    source = open_source(tmp_path / pattern)
    below = source.root.relative_to(tmp_path).as_posix()
    assert [image if below == "." else f"{below}/{image}" for image in images(source)] == expected
    assert source.count() == len(expected)


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    touch(tmp_path, "a[1].jpg", "a1.jpg")
    source = open_source(tmp_path / "a[1].jpg")
    assert (source.kind, images(source)) == ("picture", ["a[1].jpg"])


def test_what_fits_a_pattern_and_is_no_picture_is_told(tmp_path):
    touch(tmp_path, "a.jpg", "a.txt")
    source = open_source(tmp_path / "*")
    assert images(source) == ["a.jpg"]
    assert any("files that fit the pattern but are neither" in note for note in source.notes)


def folders_of_pictures(root, folders, per_folder=100):
    for folder in range(folders):
        (root / f"{folder:03d}").mkdir(parents=True)
        for number in range(per_folder):
            (root / f"{folder:03d}" / f"{number:04d}.jpg").touch()
    return open_source(root)


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path):
    few = most_held(folders_of_pictures(tmp_path / "few", 10), 1_000)
    many = most_held(folders_of_pictures(tmp_path / "many", 200), 20_000)
    assert many < 2 * few, f"{few:,} bytes for 1,000 pictures, {many:,} for 20,000"
