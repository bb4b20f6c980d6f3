from __future__ import annotations

import os
import sys

import PIL.Image
import pytest

from bioclip_search.errors import SourceError
from bioclip_search.sources import open_source


@pytest.mark.parametrize(
    ("name", "start", "kind"),
    [
        ("a.csv", b"\xff\xd8\xff\xe0", "picture"),
        ("a", b"\x89PNG\r\n\x1a\n", "picture"),
        ("a.avi", b"RIFF\0\0\0\0WEBPVP8 ", "picture"),
        ("a", b"RIFF\0\0\0\0AVI LIST", "video"),
        ("a.jpg", b"\0\0\0\x18ftypmp42\0\0\0\0", "video"),
        ("a.txt", b"\x1a\x45\xdf\xa3", "video"),
        ("a.jpg", b"", "picture"),
        ("a.JPG", b"no picture at all", "picture"),
        ("a.mp4", b"no video at all", "video"),
        ("a.dat", b"image\na.jpg\n", "list"),
    ],
)
def test_the_kind_of_a_file_shows_in_its_content_and_in_its_name_where_that_says_nothing(tmp_path, name, start, kind):
    (tmp_path / name).write_bytes(start)
    source = open_source(tmp_path / name)
    assert source.kind == kind
    assert (source.count(), source.root) == (1, tmp_path)


@pytest.mark.parametrize("start", [b"\x7fELF\0\0\1", b"\0\0\0\x18ftypheic\0\0\0\0", b"PK\3\4 cut off", b"PAR1 cut off"])
def test_files_of_no_known_kind_are_refused(tmp_path, start):
    (tmp_path / "a").write_bytes(start)
    with pytest.raises(SourceError):
        open_source(tmp_path / "a")


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes there")
def test_a_pipe_is_no_collection(tmp_path):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(SourceError, match="a pipe or a device"):
        open_source(tmp_path / "a")


def test_a_folder_of_parquet_shards_is_taken_for_pictures(shared):
    source = open_source(shared / "monkeys")
    assert source.count() == 1033
    first = next(source.media())
    assert first.image.startswith("monkeys")
    assert "!0000001" in first.image
    assert first.data.startswith(b"\xff\xd8\xff")
    assert source.notes[0].startswith("holds no pictures but Parquet files")


def test_real_collections_are_listed_whole(shared):
    assert open_source(shared / "bursts" / "animl-peru-SDZG_1").count() == 60
    assert open_source(shared / "hostile").count() == 7


def test_a_data_set_by_its_manifest_is_streamed(tmp_path):
    pytest.importorskip("datasets")
    from tests.data.test_hub import write_set

    manifest = write_set(tmp_path)
    source = open_source(manifest)
    media = list(source.media())
    assert (source.kind, source.count()) == ("data set", len(media))
    assert [one.image for one in media[:2]] == ["felines/row 1", "felines/row 2"]
    assert media[0].data.startswith(b"\x89PNG")


def test_pictures_of_a_data_set_that_bear_one_name_are_told_apart(tmp_path):
    pytest.importorskip("datasets")
    from tests.data.test_hub import write_set

    source = open_source(write_set(tmp_path, 'source_id = "sciName"'))
    assert [one.image for one in source.media()][2:4] == ["felines/row 3", "felines/Panthera leo (row 4)"]


def test_a_name_that_is_nearly_a_data_set_says_so():
    with pytest.raises(SourceError, match="Did you mean"):
        open_source("bird-snap")


def test_one_picture_alone_can_be_opened(tmp_path):
    PIL.Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (media,) = open_source(str(tmp_path / "a.png")).media()
    assert (media.image, media.file) == ("a.png", tmp_path / "a.png")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        pytest.param({"columns": {"image": "Photo"}}, "Columns .* leave it out", id="columns of no table"),
        pytest.param({"root": "."}, "A root .* leave it out", id="the root of no paths"),
    ],
)
def test_what_means_nothing_for_a_folder_is_an_error(tmp_path, told, words):
    with pytest.raises(SourceError, match=words):
        open_source(tmp_path, **told)


def test_an_empty_name_is_not_the_folder_where_one_stands():
    with pytest.raises(SourceError, match="the name is empty"):
        open_source("")
