"""Archives that mean harm, or are merely broken: each ends in one clear error, and nothing is left behind."""

from __future__ import annotations

import io
import struct
import tarfile
import tempfile
import zipfile

import pytest

from bioclip_search.checklists import import_checklist, read_checklist
from bioclip_search.checklists.archive import Limits, open_archive
from bioclip_search.errors import TableError
from tests.checklists.making import DWC, META, backbone_files, checklist_archive, rows_of, table_xml, write_folder, write_zip

TERMS = ("taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName", "taxonRank", "taxonomicStatus")
SOUND = "1|||Felidae|family|accepted\n2|1||Felis catus|species|accepted"
CORE = table_xml("core", DWC + "Taxon", "taxon.txt", [DWC + term for term in TERMS])
META_OK = META.format(tables=CORE)
TAXA_OK = "\t".join(TERMS) + "\n" + rows_of(SOUND)


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Whatever happened, no scratch file is left."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())


def refused(source, *words):
    with pytest.raises(TableError) as found:
        read_checklist(source)
    message = str(found.value)
    assert all(word in message for word in words), message
    return message


# ── unpacking ──


def test_a_zip_bomb_is_stopped_by_the_bytes_it_really_gives(tmp_path):
    bomb = write_zip(tmp_path / "bomb.zip", {"meta.xml": META_OK, "taxon.txt": b"\0" * (200 << 20)})
    assert bomb.stat().st_size < 1 << 20
    refused(bomb, "unpacks to more than 100 times its size (at taxon.txt)", "zip bomb")


def test_a_zip_that_lies_about_its_sizes_is_damaged(tmp_path):
    path = write_zip(tmp_path / "liar.zip", {"meta.xml": META_OK, "taxon.txt": TAXA_OK * 50})
    content = path.read_bytes()
    true_size, told = struct.pack("<I", len(TAXA_OK.encode()) * 50), struct.pack("<I", 10)
    assert content.count(true_size) == 2
    path.write_bytes(content.replace(true_size, told))
    refused(path, "taxon.txt: is damaged", "Download it again")


def test_a_tar_bomb_is_stopped_while_it_is_unpacked(tmp_path):
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("taxon.txt")
        info.size = 100 << 20
        tar.addfile(info, io.BytesIO(b"\0" * info.size))
    refused(tmp_path / "bomb.tar.gz", "times its size", "zip bomb")


def test_a_packed_table_that_is_a_bomb_is_stopped(tmp_path):
    import gzip

    with gzip.open(tmp_path / "taxa.csv.gz", "wb") as file:
        file.write(b"species\n" + b"a" * (100 << 20))
    refused(tmp_path / "taxa.csv.gz", "times its size")


def test_the_sum_of_all_members_counts(tmp_path):
    path = write_zip(tmp_path / "many.zip", {f"{number}.txt": b"x" * 1000 for number in range(10)})
    with open_archive(path, tmp_path / "scratch", Limits(unpacked_bytes=4_500)) as archive:
        for member in archive.members[:4]:
            archive.file(member).unlink()
        with pytest.raises(TableError, match="unpacks to more than 4,500 bytes"):
            archive.file("4.txt")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../../etc/cron.d/taxon.txt", "would be unpacked outside of the folder"),
        ("data/../../taxon.txt", "would be unpacked outside of the folder"),
        ("/etc/passwd", "has an absolute path"),
        ("C:/windows/taxon.txt", "has an absolute path"),
        ("c:taxon.txt", "has an absolute path"),
        ("data\\taxon.txt", "has a backslash in its name"),
        ("..\\..\\taxon.txt", "has a backslash in its name"),
        ("taxon.txt\x00.png", "has a NUL in its name"),
    ],
)
def test_members_that_would_leave_the_folder_are_refused(tmp_path, name, words):
    placeholder = "N" * len(name)
    path = write_zip(tmp_path / "evil.zip", {"meta.xml": META_OK, "taxon.txt": TAXA_OK, placeholder: "x"})
    path.write_bytes(path.read_bytes().replace(placeholder.encode(), name.encode()))
    refused(path, words, "Do not unpack this archive")


def test_links_in_a_zip_are_refused(tmp_path):
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.xml", META_OK)
        info = zipfile.ZipInfo("taxon.txt")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    refused(path, "'taxon.txt' is a link or device")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        info = tarfile.TarInfo("taxon.txt")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    refused(tmp_path / "link.tar", "'taxon.txt' is a link or device")


def test_a_tar_with_a_path_out_of_the_folder_is_refused(tmp_path):
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../taxon.txt"))
    refused(tmp_path / "evil.tar", "would be unpacked outside")


def test_a_tar_with_a_header_that_fills_the_memory_is_refused(tmp_path):
    with tarfile.open(tmp_path / "fat.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("a.txt"))
        info = tarfile.TarInfo("taxon.txt")
        info.pax_headers = {"comment": "x" * (5 << 20)}
        tar.addfile(info)
    refused(tmp_path / "fat.tar", "has a header of 5,24")


def test_a_folder_with_a_link_out_of_it_is_refused(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text(TAXA_OK)
    folder = write_folder(tmp_path / "dwca", {"meta.xml": META_OK})
    (folder / "taxon.txt").symlink_to(secret)
    refused(folder, "is a link to a file outside the folder")


def test_a_hundred_thousand_members_are_refused(tmp_path):
    path = write_zip(tmp_path / "crowd.zip", {"meta.xml": META_OK} | {f"m/{number}": "" for number in range(100_000)})
    refused(path, "has more than 20,000 members")


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    path = write_zip(tmp_path / "twice.zip", {"meta.xml": META_OK, "taxon.txt": TAXA_OK, "taxon.tyt": "1"})
    path.write_bytes(path.read_bytes().replace(b"taxon.tyt", b"taxon.txt"))
    refused(path, "has the member 'taxon.txt' twice")


def test_a_locked_member_is_told(tmp_path):
    path = write_zip(tmp_path / "locked.zip", {"meta.xml": META_OK, "taxon.txt": TAXA_OK})
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(mark) + place] |= 1
    path.write_bytes(content)
    refused(path, "is locked with a password")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"not a zip at all", "is neither a folder nor a zip, tar or tar.gz"),
        (b"PK\x03\x04" + b"\0" * 100, "is neither a folder nor a zip, tar or tar.gz"),
        (b"\x1f\x8b\x08" + b"\0" * 50, "is damaged"),
        (b"PK\x05\x06" + b"\0" * 18, "is empty. Expected the files of a checklist"),
    ],
)
def test_what_is_no_archive_is_told(tmp_path, content, words):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    refused(path, words)


def test_a_zip_cut_short_is_told(tmp_path):
    path = write_zip(tmp_path / "cut.zip", backbone_files())
    path.write_bytes(path.read_bytes()[:-40])
    refused(path, "cut.zip: is neither a folder nor a zip")


def test_a_member_name_in_no_encoding_is_told(tmp_path):
    path = write_zip(tmp_path / "name.zip", {"meta.xml": META_OK, "täxon.txt": TAXA_OK})
    path.write_bytes(path.read_bytes().replace("tä".encode(), b"t\xe2x"))
    refused(path, "name.zip: is damaged")


def test_damaged_bytes_in_a_member_are_told(tmp_path):
    path = write_zip(tmp_path / "bad.zip", {"meta.xml": META_OK, "taxon.txt": TAXA_OK * 100})
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x03\x04") + 60
    content[start : start + 8] = b"\xff" * 8
    path.write_bytes(content)
    refused(path, "taxon.txt: is damaged")


def test_an_archive_of_something_else_says_what_was_expected(tmp_path):
    refused(write_zip(tmp_path / "photos.zip", {"a.jpg": "x", "b.jpg": "x"}), "is no checklist known here", "a.jpg, b.jpg", "Expected meta.xml")
    refused(tmp_path / "nowhere.zip", "no such file or folder")


# ── meta.xml ──

BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + META_OK.split("?>", 1)[1].replace("taxon.txt", "&b;")
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd">' + META_OK.split("?>", 1)[1]


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        (META_OK[:-30], "meta.xml: is broken"),
        ("", "meta.xml: is broken"),
        ("taxonID\tscientificName", "meta.xml: is broken"),
        (BOMB, "has a DOCTYPE"),
        (OUTSIDE, "has a DOCTYPE"),
        (META.format(tables=""), "describes no core tables"),
        (META.format(tables=CORE + CORE), "describes 2 core tables"),
        (META_OK.replace("<location>taxon.txt</location>", ""), "names no file"),
        (META_OK.replace("taxon.txt", "taxa.txt"), "names the file taxa.txt, which is not in the archive"),
        (META_OK.replace("taxon.txt", "../../../etc/passwd"), "which is not in the archive"),
        (META_OK.replace("taxon.txt", "/etc/passwd"), "which is not in the archive"),
        (META_OK.replace("taxon.txt", "http://example.org/taxon.txt"), "which is not in the archive"),
        (META_OK.replace('index="3"', 'index="40"'), "its first line has 6 columns, the description speaks of 41"),
        (META_OK.replace('index="3"', 'index="-1"'), "index='-1' is not a number"),
        (META_OK.replace('index="3"', 'index="99999999"'), "index='99999999' is not a number"),
        (META_OK.replace('index="3"', 'index="drei"'), "index='drei' is not a number"),
        (META_OK.replace('fieldsTerminatedBy="\\t"', 'fieldsTerminatedBy=";"'), "its first line has 1 columns"),
        (META_OK.replace('fieldsTerminatedBy="\\t"', 'fieldsTerminatedBy=""'), "do not separate fields"),
        (META_OK.replace('linesTerminatedBy="\\n"', 'linesTerminatedBy="|"'), "its lines end with '|'"),
        (META_OK.replace(f"{DWC}scientificName", f"{DWC}remarks"), "no column is described as scientificName"),
        (META_OK.replace('encoding="UTF-8" fields', 'encoding="klingon" fields'), "is no text encoding known here"),
        (META_OK.replace('encoding="UTF-8" fields', 'encoding="zip" fields'), "is no text encoding known here"),
    ],
)
def test_a_broken_meta_xml_is_told(tmp_path, meta, words):
    refused(write_zip(tmp_path / "a.zip", {"meta.xml": meta, "taxon.txt": TAXA_OK}), words)


def test_a_meta_xml_without_end_is_not_read(tmp_path):
    refused(write_zip(tmp_path / "a.zip", {"meta.xml": "<a>" + " " * (5 << 20), "taxon.txt": TAXA_OK}), "meta.xml: is larger than")


# ── encodings and rows ──


def test_bytes_of_another_encoding_are_told_with_their_place_and_what_to_do(tmp_path):
    wrong = "\t".join(TERMS).encode() + "\n1\t\t\tÄsculus flava\tspecies\taccepted\n".encode("latin-1")
    message = refused(write_zip(tmp_path / "a.zip", {"meta.xml": META_OK, "taxon.txt": wrong}), "taxon.txt: is not text in UTF-8", "stands 0xc4")
    assert f"about byte {wrong.index(0xC4):,}" in message
    assert 'encoding="ISO-8859-1"' in message


def test_utf_16_that_nobody_declared_is_told(tmp_path):
    files = {"meta.xml": META_OK, "taxon.txt": TAXA_OK.encode("utf-16-le")}
    refused(write_zip(tmp_path / "a.zip", files), "holds NUL characters", "may be UTF-16")


def test_a_file_that_ends_within_a_character_is_told(tmp_path):
    files = {"meta.xml": META_OK, "taxon.txt": (TAXA_OK + "3\t1\t\tFelis ü").encode()[:-1]}
    refused(write_zip(tmp_path / "a.zip", files), "is not text in UTF-8")


def test_an_empty_core_is_told(tmp_path):
    refused(write_zip(tmp_path / "a.zip", {"meta.xml": META_OK, "taxon.txt": ""}), "taxon.txt: has no rows")
    refused(write_zip(tmp_path / "b.zip", {"meta.xml": META_OK, "taxon.txt": "\t".join(TERMS) + "\n"}), "has no rows")


def test_a_quote_that_is_never_closed_loses_the_rows_after_it_and_is_told(tmp_path):
    meta = META.format(tables=table_xml("core", DWC + "Taxon", "taxon.txt", [DWC + term for term in TERMS], fieldsEnclosedBy="&quot;"))
    checklist = read_checklist(write_zip(tmp_path / "a.zip", {"meta.xml": meta, "taxon.txt": TAXA_OK + '3\t1\t\t"Felis lost\tspecies\taccepted\n'}))
    assert checklist.taxa.num_rows == 1
    assert [(note.what, note.count) for note in checklist.report.notes] == [("misshapen", 1)]


def test_names_and_paths_in_quotes_do_no_harm(tmp_path):
    folder = tmp_path / "it's; DROP TABLE usages; -- [x]*"
    folder.mkdir()
    checklist = read_checklist(checklist_archive(folder / "a'b.zip", SOUND + "\n3|1||Felis'); DROP TABLE usages; --|species|accepted", TERMS))
    assert checklist.taxa.num_rows == 2


# ── circles ──

CIRCLES = """
1|||Animalia|kingdom|accepted
2|1||Felidae|family|accepted
3|2||Felis|genus|accepted
4|3||Felis catus|species|accepted
5||5|Felis self|species|synonym
6||7|Felis ping|species|synonym
7||6|Felis pong|species|synonym
8||6|Felis into|species|synonym
9|10||Aidae|family|accepted
10|11||Bidae|family|accepted
11|9||Cidae|family|accepted
12|11||Aus|genus|accepted
13|12||Aus bus|species|accepted
14|14||Zus|genus|accepted
15||4|Felis domestica|species|synonym
"""


def test_circles_are_left_out_and_named_and_the_rest_is_written(tmp_path):
    checklist = read_checklist(checklist_archive(tmp_path / "a.zip", CIRCLES, TERMS))
    assert checklist.taxa["species"].to_pylist() == ["Felis catus", "Aus bus"]
    assert checklist.taxa["family"].to_pylist() == ["Felidae", None]
    assert [name["name"] for name in checklist.names.to_pylist() if name["kind"] == "synonym"] == ["Felis domestica"]
    assert [(fault.what, fault.keys) for fault in checklist.report.faults] == [
        ("synonyms in a circle", ("5",)),
        ("synonyms in a circle", ("6", "7")),
        ("parents in a circle", ("9", "10", "11")),
        ("parents in a circle", ("14",)),
    ]
    assert checklist.report.fault_count == 7
    assert {note.what: note.count for note in checklist.report.notes} == {"into_circle": 1, "synonym_circle": 3, "parent_circle": 4}
    assert "fault: parents in a circle: 9 → 10 → 11 → 9" in checklist.report.lines()


def test_nothing_but_circles_is_an_error(tmp_path):
    rows = "1|2||Felidae|family|accepted\n2|1||Felis|genus|accepted\n3||3|Felis catus|species|synonym"
    refused(checklist_archive(tmp_path / "a.zip", rows, TERMS), "none of its 3 rows is a taxon that can be placed", "their own parent")


def test_a_circle_of_thousands_does_not_flood_the_report(tmp_path):
    rows = "\n".join(f"{number}|{number % 5000 + 1}||Aus{number}|genus|accepted" for number in range(1, 5001)) + "\n9999|||Felis catus|species|accepted"
    report = import_checklist(checklist_archive(tmp_path / "a.zip", rows, TERMS), tmp_path / "out")
    assert report.fault_count == 5000
    assert len(report.faults[0].keys) <= 21
    assert str(report.faults[0]).endswith("… → 1")


def test_a_long_chain_of_synonyms_is_followed_to_its_end(tmp_path):
    rows = "1|||Felis catus|species|accepted\n" + "\n".join(f"{number}||{number - 1}|Felis s{number}|species|synonym" for number in range(2, 3000))
    checklist = read_checklist(checklist_archive(tmp_path / "a.zip", rows, TERMS))
    assert checklist.names.num_rows == 2998
    assert set(checklist.names["row"].to_pylist()) == {0}


# ── the way out ──


def test_a_failed_import_leaves_what_was_there(tmp_path):
    out = tmp_path / "out"
    import_checklist(checklist_archive(tmp_path / "a.zip", SOUND, TERMS), out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(TableError):
        import_checklist(write_zip(tmp_path / "b.zip", {"meta.xml": META_OK, "taxon.txt": b"\xff\xfe\xff"}), out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip", "out", "scratch"]


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    folder = write_folder(tmp_path / "thesis", {"chapter.txt": "years of work"})
    with pytest.raises(TableError, match="is there already and is no checklist folder"):
        import_checklist(checklist_archive(tmp_path / "a.zip", SOUND, TERMS), folder)
    assert (folder / "chapter.txt").read_text() == "years of work"
