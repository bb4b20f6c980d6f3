from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from bioclip_search.errors import SourceError
from bioclip_search.sources import archives, open_source
from tests.sources.memory import most_held


def zipped(path, *members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def tarred(path, *members, mode="w"):
    with tarfile.open(path, mode) as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def told(source):
    return [(one.image, one.data, one.error and one.error.split(",")[0].split(";")[0]) for one in source.media()]


MEMBERS = [("StationA/1.jpg", b"one"), ("StationA/notes.txt", b"no picture"), ("./2.JPG", b"two"), ("__MACOSX/._2.JPG", b"litter"), (".hidden.jpg", b"")]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("p.zip", lambda path: zipped(path, *MEMBERS)),
        ("p.tar", lambda path: tarred(path, *MEMBERS)),
        ("p.tar.gz", lambda path: tarred(path, *MEMBERS, mode="w:gz")),
        ("p.tar.bz2", lambda path: tarred(path, *MEMBERS, mode="w:bz2")),
        ("p.tar.xz", lambda path: tarred(path, *MEMBERS, mode="w:xz")),
        ("named-otherwise", lambda path: zipped(path, *MEMBERS)),
        ("named.jpg", lambda path: tarred(path, *MEMBERS)),
    ],
)
def test_members_are_given_in_order_whatever_the_archive_is_called(tmp_path, name, make):
    source = open_source(make(tmp_path / name))
    assert source.kind == "archive"
    expected = [(f"{name}!StationA/1.jpg", b"one", None), (f"{name}!2.JPG", b"two", None)]
    assert told(source) == expected
    assert told(source) == expected
    assert source.count() == 2
    assert any(note.startswith("members of archives that are no pictures") for note in source.notes)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("member", ["../../evil.jpg", "/etc/evil.jpg", "a/../../evil.jpg", "C:/evil.jpg", "..\\evil.jpg", "\\\\server\\share\\evil.jpg"])
def test_a_name_that_leads_out_is_one_error_and_its_own_name_leads_nowhere(tmp_path, make, member):
    source = open_source(make(tmp_path / "bad", (member, b"evil"), ("good.jpg", b"good")))
    (image, data, error), good = told(source)
    assert data is None
    assert error.startswith("bears a name that leads out of the archive")
    assert ".." not in image.partition("!")[2].split("/")
    assert not image.partition("!")[2].startswith("/")
    assert good == ("bad!good.jpg", b"good", None)


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_of_one_name_the_first_is_taken_and_the_other_told(tmp_path, make):
    first, second, third = told(open_source(make(tmp_path / "p", ("a.jpg", b"1"), ("a.jpg", b"2"), ("./a.jpg", b"3"))))
    assert first == ("p!a.jpg", b"1", None)
    assert (second[0], third[0]) == ("p!a.jpg (2)", "p!a.jpg (3)")
    assert second[2] == third[2] == "bears the name of another picture in the archive"


def test_videos_in_archives_are_told_as_errors(tmp_path):
    ((image, _, error),) = told(open_source(zipped(tmp_path / "p.zip", ("a.mp4", b"film"))))
    assert (image, error) == ("p.zip!a.mp4", "is a video in an archive")


def test_a_zip_bomb_is_one_error_and_is_never_unpacked(tmp_path):
    zeros = bytes(archives.FREE_OF_RATIO_BYTES + 1)
    source = open_source(zipped(tmp_path / "bomb.zip", ("bomb.jpg", zeros), ("b.jpg", b"good"), compression=zipfile.ZIP_DEFLATED))
    bomb, good = told(source)
    assert "unpacks to more than 200 times its size" in bomb[2]
    assert good[1] == b"good"


def test_a_zip_whose_members_lie_over_one_another_is_refused(tmp_path):
    path = zipped(tmp_path / "p.zip", ("a.jpg", b"x" * 5000), ("b.jpg", b"y"))
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 20 : second + 24] = (5000).to_bytes(4, "little")  # the directory says that b.jpg has 5,000 bytes as well
    path.write_bytes(data)
    with pytest.raises(SourceError, match="lie over one another"):
        open_source(path)


def test_a_zip_member_that_is_encrypted_or_damaged_is_one_error(tmp_path):
    path = zipped(tmp_path / "p.zip", ("a.jpg", b"a" * 100), ("b.jpg", b"b" * 100), ("c.jpg", b"c"))
    data = bytearray(path.read_bytes())
    data[data.index(b"b" * 100)] = 0  # no longer as its checksum says
    for start in (data.index(b"PK\x01\x02"),):
        data[start + 8] |= 1  # the first is marked as encrypted
    path.write_bytes(data)
    first, second, third = told(open_source(path))
    assert first[2] == "is encrypted"
    assert "Bad CRC" in second[2]
    assert third[1] == b"c"


def test_a_zip_that_is_cut_off_is_refused_and_among_shards_one_error(tmp_path):
    whole = zipped(tmp_path / "a.zip", ("a.jpg", b"a" * 1000))
    (tmp_path / "b.zip").write_bytes(whole.read_bytes()[:500])
    with pytest.raises(SourceError, match="cut off"):
        open_source(tmp_path / "b.zip")
    first, second = told(open_source(tmp_path / "*.zip"))
    assert (first[0], first[1]) == ("a.zip!a.jpg", b"a" * 1000)
    assert second[0] == "b.zip"
    assert "cannot be opened as a zip" in second[2]


@pytest.mark.parametrize(
    "cut", [pytest.param(512 + 700, id="within a member"), pytest.param(512 + 1024, id="between members"), pytest.param(512 + 1024 + 100, id="within a header")]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_that_is_cut_off_gives_what_is_whole_and_one_error(tmp_path, cut, pack):
    data = tarred(tmp_path / "whole.tar", ("a.jpg", b"a" * 1000), ("b.jpg", b"b" * 1000)).read_bytes()
    (tmp_path / "cut").write_bytes(pack(data[:cut]))
    *found, last = told(open_source(tmp_path / "cut"))
    assert found == ([("cut!a.jpg", b"a" * 1000, None)] if cut >= 1536 else [])
    assert last[0] == "cut"
    assert "cannot be read to its end" in last[2]


def test_a_packed_tar_whose_stream_breaks_gives_what_came_before(tmp_path):
    noise = bytes(range(256)) * 400
    data = tarred(tmp_path / "whole.tar.gz", ("a.jpg", b"a"), ("b.jpg", noise), ("c.jpg", b"c"), mode="w:gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(data[:-200])
    *found, last = told(open_source(tmp_path / "cut.tar.gz"))
    assert found[0][1] == b"a"
    assert "cannot be read to its end" in last[2]


def test_a_damaged_header_amid_a_tar_is_not_taken_for_its_end(tmp_path):
    path = tarred(tmp_path / "p.tar", ("a.jpg", b"a"), ("b.jpg", b"b"))
    data = bytearray(path.read_bytes())
    data[1024 + 150] ^= 0xFF
    path.write_bytes(data)
    found, last = told(open_source(path))
    assert found[1] == b"a"
    assert "cannot be read to its end" in last[2]


def test_a_tar_bomb_is_stopped(tmp_path):
    path = tarred(tmp_path / "p.tar.gz", ("a.jpg", b"a"), ("zeros.bin", bytes(archives.FREE_OF_RATIO_BYTES + (1 << 20))), ("b.jpg", b"b"), mode="w:gz")
    found, last = told(open_source(path))
    assert found[1] == b"a"
    assert "decompression bomb" in last[2]


def test_a_tar_with_a_giant_header_is_stopped(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 1 << 33
    (tmp_path / "p.tar").write_bytes(info.tobuf() + bytes(1024))
    ((image, _, error),) = told(open_source(tmp_path / "p.tar"))
    assert (image, "it has a header of 8" in error) == ("p.tar", True) or "cannot be read" in error


def test_links_and_devices_in_a_tar_are_passed_over_and_told(tmp_path):
    with tarfile.open(tmp_path / "p.tar", "w") as file:
        for name, kind in (("link.jpg", tarfile.SYMTYPE), ("hard.jpg", tarfile.LNKTYPE), ("pipe.jpg", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            file.addfile(info)
    source = open_source(tmp_path / "p.tar")
    assert told(source) == []
    assert source.notes == ("links and devices in archives, passed over: 3, the first p.tar!link.jpg",)


def test_names_in_a_tar_that_are_no_unicode_can_be_told(tmp_path):
    ((image, data, _),) = told(open_source(tarred(tmp_path / "p.tar", ("caf\udce9.jpg", b"here"))))
    assert (image, data) == ("p.tar!caf\\udce9.jpg", b"here")


def test_shards_are_taken_by_a_pattern_each_under_its_own_path(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        tarred(tmp_path / folder / "000.tar", ("1.jpg", folder.encode()))
    assert open_source(tmp_path / "**" / "*.tar").count() == 2
    assert told(open_source(tmp_path / "**" / "*.tar")) == [("x/000.tar!1.jpg", b"x", None), ("y/000.tar!1.jpg", b"y", None)]


def test_shards_are_taken_by_their_numbers(tmp_path):
    for number in range(8, 13):
        tarred(tmp_path / f"s-{number:03d}.tar", ("1.jpg", b"x"))
    source = open_source(f"{tmp_path}/s-{{009..011}}.tar")
    assert [image for image, *_ in told(source)] == ["s-009.tar!1.jpg", "s-010.tar!1.jpg", "s-011.tar!1.jpg"]


def test_memory_does_not_grow_with_the_number_of_members(tmp_path):
    def shard(count):
        return open_source(tarred(tmp_path / f"{count}.tar", *((f"{number:06d}.jpg", b"x") for number in range(count))))

    few, many = most_held(shard(500), 500), most_held(shard(10_000), 10_000)
    assert many < 2 * few, f"{few:,} bytes for 500 members, {many:,} for 10,000"
