from __future__ import annotations

import os
import sys
from datetime import datetime

import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.errors import SourceError
from bioclip_search.media import Facts, Video
from bioclip_search.sources import open_source
from tests.sources.memory import most_held


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_a_list_names_files_from_its_own_folder_and_tells_of_them(tmp_path):
    table = write(
        tmp_path / "list.csv",
        'File Path,DateTimeOriginal,Latitude,Longitude,Station,Camera ID\na/1.jpg,2020:05:30 04:57:37,51.5,"4,75",North,C1\n./a/../b.mp4,,,,,\n',
    )
    first, second = open_source(table).media()
    assert (first.image, first.file) == ("a/1.jpg", tmp_path / "a/1.jpg")
    assert first.facts == Facts(datetime(2020, 5, 30, 4, 57, 37), 51.5, 4.75, "C1", "North")
    assert (second.image, type(second), second.facts.timestamp) == ("b.mp4", Video, None)


@pytest.mark.parametrize("text", ["image;n\na.jpg;1\n", "sep=;\nimage;n\na.jpg;1\n", "image\tn\r\na.jpg\t1\r\n", '"image","n"\n"a.jpg","1"\n', "image\na.jpg"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_quotes_hints_and_encodings_of_all_kinds_are_read(tmp_path, text, encoding):
    assert [one.image for one in open_source(write(tmp_path / "list.txt", text, encoding)).media()] == ["a.jpg"]


def test_a_plain_list_of_paths_needs_no_header(tmp_path):
    assert [one.image for one in open_source(write(tmp_path / "list.txt", "a.jpg\nb c.jpg\n\n")).media()] == ["a.jpg", "b c.jpg"]


def test_backslashes_part_folders_unless_a_file_is_called_so(tmp_path):
    write(tmp_path / "odd\\name.jpg", "")
    table = write(tmp_path / "list.csv", "path\nSite 1\\DCIM\\a.jpg\nodd\\name.jpg\n")
    assert [one.image for one in open_source(table).media()] == ["Site 1/DCIM/a.jpg", "odd\\name.jpg"]


def test_tables_in_windows_letters_lead_to_the_files_that_are_meant(tmp_path):
    (tmp_path / "Pré").mkdir()
    write(tmp_path / "Pré" / "Gänse.jpg", "")
    (one,) = open_source(write(tmp_path / "list.csv", "Fichier;path;Station\n1;Pré\\Gänse.jpg;Pré\n", "cp1252")).media()
    assert (one.image, one.file.exists(), one.facts.deployment) == ("Pré/Gänse.jpg", True, "Pré")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_list_can_name_files_whose_names_are_no_unicode(tmp_path):
    with open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", "wb"):
        pass
    (tmp_path / "list.csv").write_bytes(b"path\ncaf\xe9.jpg\n")
    (one,) = open_source(tmp_path / "list.csv").media()
    assert (one.image, one.file.exists()) == ("caf\\udce9.jpg", True)


def test_absolute_paths_within_the_root_are_told_from_it(tmp_path):
    table = write(tmp_path / "list.csv", f"path\n{tmp_path}/a/b.jpg\n/elsewhere/c.jpg\n../up.jpg\n")
    assert [(one.image, one.file) for one in open_source(table).media()] == [
        ("a/b.jpg", tmp_path / "a/b.jpg"),
        ("/elsewhere/c.jpg", tmp_path.__class__("/elsewhere/c.jpg")),
        ("../up.jpg", tmp_path / "../up.jpg"),
    ]


def test_a_root_can_be_given_and_must_be_there(tmp_path):
    table = write(tmp_path / "list.csv", "path\na.jpg\n")
    (tmp_path / "photos").mkdir()
    (one,) = open_source(table, root=tmp_path / "photos").media()
    assert one.file == tmp_path / "photos/a.jpg"
    with pytest.raises(SourceError, match="is no folder"):
        open_source(table, root=tmp_path / "nowhere")


def test_the_folder_of_timelapse_and_camtrapr_tables_stands_before_the_file(tmp_path):
    table = write(
        tmp_path / "TimelapseData.csv", "RootFolder,File,RelativePath,DateTime\nphotos,IMG_1.JPG,Site1\\Cam2,2021-03-01 10:00:00\nphotos,IMG_2.JPG,,\n"
    )
    assert [one.image for one in open_source(table).media()] == ["Site1/Cam2/IMG_1.JPG", "IMG_2.JPG"]


def test_a_picture_with_a_row_for_each_animal_is_given_once(tmp_path):
    source = open_source(write(tmp_path / "list.csv", "image,species\na.jpg,deer\na.jpg,fox\n./a.jpg,fox\nb.jpg,\n,\n,deer\n"))
    assert [one.image for one in source.media()] == ["a.jpg", "b.jpg"]
    assert source.notes == (
        "rows that name a picture named before, passed over: 2, the first a.jpg",
        "rows that name no picture, passed over: 1, the first row 5",
    )
    assert source.count() == 2


def test_columns_can_be_named(tmp_path):
    table = write(tmp_path / "list.csv", "Photo,Bild,Plot\na.jpg,b.jpg,7\n")
    (one,) = open_source(table, columns={"image": "Bild", "deployment": "Plot"}).media()
    assert (one.image, one.facts.deployment) == ("b.jpg", "7")
    with pytest.raises(SourceError, match="no column Foto; it has Photo, Bild, Plot"):
        open_source(table, columns={"image": "Foto"})
    with pytest.raises(SourceError, match="not for picture"):
        open_source(table, columns={"picture": "Bild"})


def test_a_table_without_pictures_says_what_it_has(tmp_path):
    with pytest.raises(SourceError, match="(?s)no column names the pictures. It has genus, species; expected sourcefile"):
        open_source(write(tmp_path / "taxa.csv", "genus,species\nPica,pica\n"))


def test_times_that_can_be_read_in_two_ways_are_not_guessed(tmp_path):
    source = open_source(write(tmp_path / "list.csv", "image,datetime\na.jpg,05/06/2020 10:00\n"))
    (one,) = source.media()
    assert one.facts.timestamp is None
    assert "05/06/2020 10:00" in source.notes[0]


def test_the_whole_table_shows_which_is_the_day(tmp_path):
    source = open_source(write(tmp_path / "list.csv", "image,Date,Time\na.jpg,05/06/2020,4:07 PM\nb.jpg,13/06/2020,10:00\n"))
    assert [one.facts.timestamp for one in source.media()] == [datetime(2020, 6, 5, 16, 7), datetime(2020, 6, 13, 10)]


def test_addresses_and_broken_paths_are_errors_of_one_picture(tmp_path):
    found = list(open_source(write(tmp_path / "list.csv", "image\nhttps://a.org/b.jpg\na\0b.jpg\nc.jpg\n")).media())
    assert [one.error and one.error.split(",")[0] for one in found] == ["lies on a network", "is no path of a file", None]
    assert "\0" not in found[1].image


def test_parquet_with_pictures_in_it_gives_their_bytes(tmp_path):
    images = [{"bytes": b"one", "path": "x/1.jpg"}, {"bytes": None, "path": "2.jpg"}, {"bytes": None, "path": None}]
    parquet.write_table(pa.table({"image": images, "timestamp": [datetime(2020, 1, 1, 10), None, None]}), tmp_path / "shard.parquet")
    source = open_source(tmp_path / "shard.parquet")
    first, second, third = source.media()
    assert (first.image, first.data, first.facts.timestamp) == ("shard.parquet!0000001-1.jpg", b"one", datetime(2020, 1, 1, 10))
    assert (second.image, second.file) == ("2.jpg", tmp_path / "2.jpg")
    assert "no picture" in third.error
    assert source.count() == 3


def test_shards_of_parquet_are_taken_by_a_pattern(shared):
    source = open_source(str(shared / "birds" / "*.parquet"))
    first = next(source.media())
    assert first.data.startswith(b"\xff\xd8\xff")
    assert source.count() == 604


def list_of(path, rows):
    return open_source(write(path, "image\n" + "".join(f"folder/{number:06d}.jpg\n" for number in range(rows))))


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path):
    few, many = most_held(list_of(tmp_path / "few.csv", 1_000), 1_000), most_held(list_of(tmp_path / "many.csv", 20_000), 20_000)
    assert many < 2 * few, f"{few:,} bytes for 1,000 rows, {many:,} for 20,000"
