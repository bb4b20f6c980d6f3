from __future__ import annotations

import pytest

from bioclip_search import places
from bioclip_search.data.manifest import find_manifest, named_sets, read_manifest
from bioclip_search.errors import TableError
from bioclip_search.prompts import RANKS

SOUND = """
what = "cats"
hub = "someone/cats"
split = "test"
licence = "CC0-1.0"
citation = "Cat et al."
[columns]
image = ["image", "file_name"]
species = "sciName"
"""


def write(path, text=SOUND):
    path.write_text(text, encoding="utf-8")
    return path


def test_every_manifest_that_is_shipped_can_be_read_and_says_what_is_not_sure():
    found = {name: read_manifest(path) for name, path in named_sets().items()}
    assert {"rare-species", "cub-200-2011", "birdsnap"} <= set(found)
    for name, manifest in found.items():
        assert manifest.name == name
        assert manifest.part != "train"  # else it would be passed over
        assert set(manifest.columns) <= {"image", *RANKS, "scientific_name", "label", "common_name", "source_id"}
        assert manifest.verified
        assert manifest.unverified
        assert manifest.licence


def test_a_set_is_found_by_its_name_by_its_manifest_and_not_where_a_file_bears_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_manifest("rare-species").hub == "imageomics/rare-species"
    assert find_manifest(write(tmp_path / "cats.toml")).columns == {"image": ("image", "file_name"), "species": ("sciName",)}
    (tmp_path / "rare-species").mkdir()
    assert find_manifest("rare-species") is None
    assert find_manifest("pictures.csv") is None
    assert find_manifest("photos/*.parquet") is None


def test_a_misspelt_name_is_told_with_the_right_one():
    with pytest.raises(TableError, match="Did you mean rare-species"):
        find_manifest("rare-specis")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "lacks what, licence, citation, hub, split, columns", id="empty"),
        pytest.param(SOUND.replace('split = "test"', ""), "lacks split", id="no split"),
        pytest.param("colour = 'red'" + SOUND, "has colour, which mean nothing", id="an unknown entry"),
        pytest.param(SOUND.replace('image = ["image", "file_name"]', ""), "which column holds the image", id="no image"),
        pytest.param(SOUND.replace('"sciName"', "3"), "a column is told by its name", id="a column that is a number"),
        pytest.param(SOUND.replace('"test"', "3"), "split must be text", id="a split that is a number"),
        pytest.param("what = ", "cannot be read as TOML", id="no TOML"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        read_manifest(write(tmp_path / "cats.toml", text))


def test_a_copy_of_the_users_goes_before_the_hub(tmp_path):
    manifest = read_manifest(write(tmp_path / "cats.toml"))
    assert manifest.local is None
    (places.user_datasets() / "cats").mkdir(parents=True)
    assert manifest.local == places.user_datasets() / "cats"
    assert "hf download someone/cats --repo-type dataset --local-dir cats" in manifest.steps()
    assert str(places.user_datasets() / "cats") in manifest.steps()
    (places.user_datasets() / "cats").rmdir()


FILE = '[[files]]\nurl = "https://example.org/a.zip"\n'
PLAIN = 'kind = "files"\nwhat = "cats"\nlicence = "CC0-1.0"\ncitation = "Cat et al."\n'
TRAPS = PLAIN.replace('"files"', '"camera traps"') + 'labels = "https://example.org/a.json"\npictures = "https://example.org/"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(PLAIN.replace('"files"', '"torrent"'), "its kind 'torrent' is none of hub, repository", id="an unknown kind"),
        pytest.param(PLAIN, "lacks files", id="no files"),
        pytest.param(PLAIN + "files = []", r"must be tables \[\[files\]\]", id="an empty list of files"),
        pytest.param(PLAIN + FILE.replace("https", "http"), "must be addresses that begin with https://", id="no encryption"),
        pytest.param(PLAIN + FILE.replace("https://example.org", "file://"), "must be addresses that begin with https://", id="a file of this machine"),
        pytest.param(PLAIN + FILE.replace("example.org", "user:word@example.org"), "must be addresses that begin with https://", id="a password"),
        pytest.param(PLAIN + FILE + 'name = "../a.zip"', "is no name of a file", id="a name that leads out"),
        pytest.param(PLAIN + FILE + 'name = "a/b.zip"', "is no name of a file", id="a name with a folder"),
        pytest.param(PLAIN + FILE + FILE, "two of its files have one name", id="one name twice"),
        pytest.param(PLAIN + FILE + 'sha256 = "abc"', "sha256 must be 64 hexadecimal digits", id="half a checksum"),
        pytest.param(PLAIN + FILE + "size_bytes = -1", "must be whole numbers above zero", id="a negative size"),
        pytest.param(PLAIN + FILE + "colour = 1", "a file has colour", id="an unknown entry of a file"),
        pytest.param(TRAPS.replace("https://example.org/a.json", "a.json"), "labels must be addresses", id="labels without an address"),
        pytest.param(TRAPS + "n_pictures = true", "must be whole numbers above zero", id="a number that is none"),
        pytest.param(PLAIN.replace('"files"', '"manual"') + "steps = 'go'", "steps must be a list of texts", id="steps that are no list"),
    ],
)
def test_a_manifest_of_files_that_is_hostile_or_wrong_is_refused(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        read_manifest(write(tmp_path / "cats.toml", text))


def test_no_shipped_manifest_of_camera_traps_or_files_asks_an_unencrypted_server_or_tells_a_checksum_twice():
    found = [read_manifest(path) for path in named_sets().values()]
    checksums = [checksum for manifest in found for file in manifest.files for checksum in (file.md5, file.sha256) if checksum]
    assert len(checksums) == len(set(checksums)) == 3
    assert len([manifest for manifest in found if manifest.kind == "camera traps"]) >= 25
    assert all(address.startswith("https://") for manifest in found for address in (manifest.labels, manifest.pictures, manifest.boxes) if address)
    assert all(manifest.pictures.endswith("/") for manifest in found if manifest.pictures)
