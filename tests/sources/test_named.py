from __future__ import annotations

import io

from bioclip_search.sources import list_pictures, read_standard_input


def test_a_folder_gives_its_pictures_in_order_of_path_without_hidden_ones(tmp_path):
    for name in ("b.JPG", "a/z.png", "a/b/y.webp", ".hidden/x.jpg", ".x.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in list_pictures([tmp_path])] == ["b.JPG", "a/z.png", "a/b/y.webp"]


def test_named_files_are_taken_whatever_they_are_and_missing_ones_too(tmp_path):
    (tmp_path / "photo").touch()
    assert [path.name for path in list_pictures([tmp_path / "photo", tmp_path / "missing.jpg"])] == ["photo", "missing.jpg"]


def test_links_to_folders_are_not_followed(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "deep" / "a.jpg").touch()
    assert [path.name for path in list_pictures([tmp_path])] == ["a.jpg"]


def test_standard_input_is_a_picture_or_a_list_of_paths():
    assert read_standard_input(io.BytesIO(b"\xff\xd8\xff rest")) == b"\xff\xd8\xff rest"
    assert read_standard_input(io.BytesIO(b"a.jpg\n\nb c.jpg\r\n")) == ["a.jpg", "b c.jpg"]
