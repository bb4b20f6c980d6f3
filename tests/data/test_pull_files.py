"""Plain files and archives of a data set from a server on this machine."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from bioclip_search.data.manifest import find_manifest, read_manifest
from bioclip_search.data.pull import pull_set
from bioclip_search.data.unpacking import unpack_tar
from bioclip_search.data.wish import Wish
from bioclip_search.errors import FetchError, TableError
from bioclip_search.evaluation.labelled import find_sets
from tests.evaluation.test_labelled import png

LION = "val/00042_Animalia_Chordata_Mammalia_Carnivora_Felidae_Panthera_leo"


def tar_of(files, kind="w:gz"):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=kind) as archive:
        for name, data in files.items():
            told = tarfile.TarInfo(name)
            told.size = len(data)
            archive.addfile(told, io.BytesIO(data))
    return held.getvalue()


@pytest.fixture
def felines(home, site):
    site.files = {"val.tar.gz": tar_of({f"{LION}/1.png": png(1), f"{LION}/2.png": png(2)}), "notes.txt": b"notes"}
    (home / "felines.toml").write_text(
        f"""
kind = "files"
what = "cats"
licence = "their own terms"
citation = "Cat et al."
consent = "You pass nothing on."
[[files]]
url = "{site.address}val.tar.gz"
md5 = "{hashlib.md5(site.files["val.tar.gz"]).hexdigest()}"
split = "val"
unpack = true
[[files]]
url = "{site.address}notes.txt"
sha256 = "{hashlib.sha256(b"notes").hexdigest()}"
size_bytes = 5
"""
    )
    return read_manifest(home / "felines.toml")


def pulled(manifest, **asked):
    return pull_set(manifest, Wish(**asked), accepts_licence=True, first_wait_s=0.0)


def test_archives_are_unpacked_and_measured_by_the_name_of_the_set(felines, site, home):
    found = pulled(felines)
    assert (found.count, found.fetched, found.unit) == (2, 2, "files")
    assert sorted(path.name for path in found.folder.iterdir()) == ["notes.txt", "notes.txt.sha256", "pulled.json", "val", "val.tar.gz.unpacked"]
    (labelled,) = find_sets([home / "felines.toml"])
    assert (labelled.name, set(labelled.parts), labelled.taxa["species"].to_pylist()) == ("felines", {"val"}, ["Panthera leo"] * 2)
    assert pulled(felines).fetched == 0
    assert site.asked == {"val.tar.gz": 1, "notes.txt": 1}


def test_nothing_is_fetched_before_its_terms_are_agreed_to(felines, site):
    with pytest.raises(FetchError, match=r"agree to this: You pass nothing on\. .*--accept-licence"):
        pull_set(felines)
    assert not site.asked


def test_one_split_comes_alone_and_what_is_none_is_told(felines, site):
    assert pulled(felines, split="val").count == 1
    assert "notes.txt" not in site.asked
    with pytest.raises(TableError, match="Its splits are: val; its files: val.tar.gz, notes.txt"):
        pulled(felines, split="test")


def test_a_file_that_is_another_than_published_is_refused(felines, site):
    site.files["notes.txt"] = b"NOTES"
    with pytest.raises(FetchError, match="not the file that its authors publish"):
        pulled(felines)
    assert not (felines.local / "notes.txt").exists()


def test_a_file_that_ends_early_time_after_time_is_gone_on_with_later(felines, site):
    site.files["notes.txt"] = bytes(500)
    site.lengths["notes.txt"] = 900
    with pytest.raises(FetchError, match="broke after"):
        pulled(felines)
    site.files["notes.txt"], site.lengths = b"notes", {}
    assert pulled(felines).fetched == 1


def test_what_only_people_can_get_is_told_step_by_step(home):
    with pytest.raises(FetchError, match=r"cannot be fetched by a program.* 1\. Open https://aihub\.or\.kr, register .* 2\. "):
        pull_set(find_manifest("ai-hub-livestock"))
    with pytest.raises(TableError, match=r"ai-hub-livestock is not here\. To get it by hand: 1\. Open"):
        find_sets(["ai-hub-livestock"])


@pytest.mark.parametrize("name", ["../outside.png", "/etc/outside.png", "a/../../outside.png", "C:/outside.png"])
def test_an_archive_that_leads_out_of_its_folder_is_not_unpacked(tmp_path, name):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.tar").write_bytes(tar_of({name: b"x"}, "w"))
    with pytest.raises(FetchError, match="leads out of"):
        unpack_tar(tmp_path / "set/a.tar", tmp_path / "set")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.tar"]


def test_links_and_devices_of_an_archive_are_passed_over(tmp_path):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("device", tarfile.CHRTYPE)):
            told = tarfile.TarInfo(name)
            told.type, told.linkname = kind, "/etc/passwd"
            archive.addfile(told)
    (tmp_path / "a.tar").write_bytes(held.getvalue())
    assert unpack_tar(tmp_path / "a.tar", tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_an_archive_that_was_half_unpacked_is_finished(tmp_path):
    content = tar_of({"a.png": png(1), "b.png": png(2)})
    (tmp_path / "a.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(FetchError, match="cannot be unpacked"):
        unpack_tar(tmp_path / "a.tar.gz", tmp_path)
    (tmp_path / "a.tar.gz").write_bytes(content)
    assert unpack_tar(tmp_path / "a.tar.gz", tmp_path) == 2
    assert (tmp_path / "b.png").read_bytes() == png(2)
