"""A set of camera traps from a server on this machine: all of it, or by species, place, split and number."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from bioclip_search import places
from bioclip_search.data.crowd import FAILED_IN_A_ROW
from bioclip_search.data.manifest import find_manifest, read_manifest
from bioclip_search.data.pull import MISSING, pull_set
from bioclip_search.data.pulled import boxes_of_set
from bioclip_search.data.wish import Wish, marked
from bioclip_search.errors import FetchError, TableError
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.pulling import OFFLINE_VARIABLE
from bioclip_search.sources import open_source
from tests.evaluation.test_labelled import png

TAXONOMY = """dataset_name,query,taxonomy_level,scientific_name,common_name,family,species
Ridge Cameras,snow_leopard,species,panthera uncia,snow leopard,felidae,panthera uncia
Ridge Cameras,lynx,species,lynx lynx,eurasian lynx,felidae,lynx lynx
Other Cameras,ibex,species,capra ibex,alpine ibex,bovidae,capra ibex
"""

CATEGORIES = [(0, "empty"), (1, "snow_leopard"), (2, "lynx"), (3, "ibex"), (4, "human")]

IMAGES = [  # id, location, split, categories
    ("a", "north", "train", [1]),
    ("b", "north", "train", [1]),
    ("c", "south", "test", [2]),
    ("d", "south", "test", [3]),
    ("e", "south", "test", [0]),
    ("f", "east", "train", [1, 3]),
    ("g", "east", "train", [4]),
]


def labels(images=IMAGES, boxed=()):
    annotations = [
        {"id": f"{name}{number}", "image_id": name, "category_id": number} | ({"bbox": [1, 2, 3, 4]} if name in boxed else {})
        for name, _, _, numbers in images
        for number in numbers
    ]
    told = [
        {"id": name, "file_name": f"{place}/{name}.png", "location": place, "split": split, "seq_id": f"s{place}", "datetime": "2020-01-01 00:00:00"}
        for name, place, split, _ in images
    ]
    categories = [{"id": number, "name": name} for number, name in CATEGORIES]
    return json.dumps({"info": {"version": "1"}, "images": told, "annotations": annotations, "categories": categories}).encode()


def zipped(content, name="labels.json"):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return held.getvalue()


@pytest.fixture
def ridge(home, site):
    """The manifest of a set of seven pictures, of which the server withholds that of a person."""
    site.files = {f"pictures/{place}/{name}.png": png(number) for number, (name, place, _, _) in enumerate(IMAGES) if name != "g"}
    site.files |= {"labels.json.zip": zipped(labels()), "taxa.csv": TAXONOMY.encode(), "boxes.json": labels(IMAGES[:2], boxed="ab")}
    (home / "ridge.toml").write_text(
        f"""
kind = "camera traps"
what = "cats on a ridge"
labels = "{site.address}labels.json.zip"
boxes = "{site.address}boxes.json"
pictures = "{site.address}pictures/"
taxonomy = "{site.address}taxa.csv"
name_in_taxonomy = "Ridge Cameras"
licence = "CC0-1.0"
citation = "Cat et al."
""",
        encoding="utf-8",
    )
    return read_manifest(home / "ridge.toml")


def pulled(manifest, **asked):
    return pull_set(manifest, Wish(**asked), first_wait_s=0.0)


def names_of(found):
    content = json.loads((found.folder / "ridge.json").read_bytes())
    assert {one["image_id"] for one in content["annotations"]} <= {one["id"] for one in content["images"]}
    assert all((found.folder / one["file_name"]).is_file() for one in content["images"])
    return "".join(one["id"] for one in content["images"])


def table_of(found):
    with (found.folder / "ridge.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_of_it_comes_but_for_people_with_labels_and_a_table_beside(ridge):
    found = pulled(ridge)
    assert (found.count, found.fetched, found.missing) == (6, 6, 0)
    assert names_of(found) == "abcdef"
    assert [(row["path"], row["label"], row["sequence_id"], row["split"]) for row in table_of(found)] == [
        ("pictures/north/a.png", "Panthera uncia", "snorth", "train"),
        ("pictures/north/b.png", "Panthera uncia", "snorth", "train"),
        ("pictures/south/c.png", "Lynx lynx", "ssouth", "test"),
        ("pictures/south/d.png", "ibex", "ssouth", "test"),  # of which the table tells nothing in this set
    ]
    told = " ".join(found.notes)
    assert "1 pictures show people" in told
    assert "1 pictures show several taxa" in told
    assert "1 pictures show no organism" in told
    assert marked(found.folder)["state"] == "whole"


def test_a_second_pull_fetches_nothing_and_a_later_one_what_is_lacking(ridge, site):
    pulled(ridge)
    site.asked.clear()
    assert pulled(ridge).fetched == 0
    assert not site.asked
    (pulled(ridge).folder / "pictures/south/c.png").unlink()
    assert pulled(ridge).fetched == 1
    assert dict(site.asked) == {"pictures/south/c.png": 1}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"species": ("Snow_Leopard",)}, "abf"),
        ({"species": ("Panthera uncia",)}, "abf"),
        ({"species": ("Felidae",)}, "abcf"),
        ({"species": ("lynx", "ibex")}, "cdf"),
        ({"locations": ("south",)}, "cde"),
        ({"locations": ("south",), "species": ("Felidae",)}, "c"),
        ({"split": "test"}, "cde"),
        ({"boxes": True}, "ab"),
    ],
)
def test_a_part_comes_alone(ridge, site, asked, names):
    assert names_of(pulled(ridge, **asked)) == names
    assert sum(path.startswith("pictures/") for path in site.asked) == len(names)


def test_a_limit_takes_the_same_pictures_each_time_and_fewer_of_them_for_less(ridge):
    of_four, of_two = (set(names_of(pulled(ridge, limit=limit))) for limit in (4, 2))
    assert (len(of_four), len(of_two)) == (4, 2)
    assert of_two < of_four
    assert set(names_of(pulled(ridge, limit=4))) == of_four


def test_boxes_become_rows_of_the_table(ridge):
    assert [(row["path"], row["box_xyxy"]) for row in table_of(pulled(ridge, boxes=True))] == [
        ("pictures/north/a.png", "1 2 4 6"),
        ("pictures/north/b.png", "1 2 4 6"),
    ]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"species": ("snow leopart",)}, "no category for snow leopart. Did you mean snow leopard"),
        ({"species": ("qqqq",)}, "It has 5: empty, human, ibex"),
        ({"locations": ("west",)}, "knows no location west. It has 3: east, north, south"),
        ({"split": "validation"}, "knows no split validation. It has 2: test, train"),
        ({"only": ("*.json",)}, "cannot be parted by --only; it can by --species"),
    ],
)
def test_what_the_set_has_not_is_told_with_what_it_has(ridge, asked, message):
    with pytest.raises(TableError, match=message):
        pulled(ridge, **asked)


def test_the_set_is_found_by_its_name_by_those_who_measure_and_by_those_who_tag(ridge, home, monkeypatch):
    with pytest.raises(TableError, match="not here. Fetch it, or a part of it, with: bioclip-search data pull ridge"):
        find_sets([home / "ridge.toml"])
    pulled(ridge)
    (found,) = find_sets([home / "ridge.toml"])
    assert (found.name, len(found), set(found.parts)) == ("ridge", 4, {"train", "test"})
    assert found.written.to_pylist() == ["Panthera uncia", "Panthera uncia", "Lynx lynx", "ibex"]
    assert len(set(found.bursts)) == 2
    assert [path.read_bytes() for path in found.pictures(np.array([False, False, True, False]))] == [png(2)]
    assert [media.image for media in open_source(home / "ridge.toml").media()] == [f"pictures/{place}/{name}.png" for name, place, _, _ in IMAGES[:6]]
    assert boxes_of_set(home / "ridge.toml").name == "ridge.json"
    assert boxes_of_set("no such name at all") is None


def test_pictures_that_are_gone_are_told_and_tried_again(ridge, site):
    kept = site.files.pop("pictures/north/b.png")
    found = pulled(ridge)
    assert (found.count, found.missing, names_of(found)) == (5, 1, "acdef")
    assert "b.png,b.png: the server answers 404" in (found.folder / MISSING).read_text()
    site.files["pictures/north/b.png"] = kept
    assert (pulled(ridge).missing, (found.folder / MISSING).exists()) == (0, False)


def test_a_cut_line_costs_nothing_that_came(ridge, site):
    site.files["pictures/north/a.png"] = big = png(0) + bytes(100_000)
    site.cuts["pictures/north/a.png"] = [60_000]
    found = pulled(ridge)
    assert (found.folder / "pictures/north/a.png").read_bytes() == big
    assert site.sent["pictures/north/a.png"] == len(big)


def test_a_server_that_is_down_is_not_asked_a_million_times(home, site, ridge):
    images = [(f"p{number}", "north", "train", [1]) for number in range(20 * FAILED_IN_A_ROW)]
    site.files["labels.json.zip"] = zipped(labels(images))
    site.statuses = {f"pictures/north/{name}.png": 503 for name, *_ in images}
    with pytest.raises(FetchError, match=rf"{FAILED_IN_A_ROW} files in a row cannot be fetched"):
        pulled(ridge)
    assert sum(path.startswith("pictures/") for path in site.asked) < 10 * FAILED_IN_A_ROW


def test_several_pictures_come_at_once_and_never_more_than_asked(ridge, site):
    site.files["labels.json.zip"] = zipped(labels([(f"p{number}", "north", "train", [1]) for number in range(40)]))
    site.files |= {f"pictures/north/p{number}.png": png(number) for number in range(40)}
    site.wait_s = 0.02
    pull_set(ridge, at_once=3, first_wait_s=0.0)
    assert 2 <= site.busiest <= 3


def test_offline_what_is_here_is_enough_and_the_rest_is_told_with_the_way_by_hand(ridge, monkeypatch):
    pulled(ridge, species=("lynx",))
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    assert pulled(ridge, species=("lynx",)).count == 1
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE is set. To get it by hand: download"):
        pulled(ridge)


def test_without_the_table_of_taxa_the_sets_own_names_do(ridge, site):
    del site.files["taxa.csv"]
    found = pulled(ridge, species=("snow leopard",))
    assert {row["label"] for row in table_of(found)} == {"snow leopard"}
    assert "table of taxa cannot be had" in found.notes[0]
    with pytest.raises(TableError, match="no category for Felidae"):
        pulled(ridge, species=("Felidae",))


HOSTILE = [
    "../../outside.png",
    "/etc/outside.png",
    "C:\\outside.png",
    "..\\..\\outside.png",
    "a\0b.png",
    "",
    None,
    7,
    "run.exe",
    "a/../../../outside.png",
    "x" * 300 + ".png",
    "/".join(["y" * 200] * 6) + ".png",
]


def test_names_that_lead_out_of_the_folder_are_never_written(ridge, site, home):
    told = [{"id": f"h{number}", "file_name": name} for number, name in enumerate(HOSTILE)]
    told += [{"id": "good", "file_name": "north/a.png"}, {"id": "twice", "file_name": "NORTH/a.png"}, "no object", {}]
    content = {
        "images": told,
        "annotations": [{"image_id": one["id"], "category_id": 1} for one in told[:-2]] + ["x", None],
        "categories": [{"id": 1, "name": "lynx"}, 5],
    }
    site.files["labels.json.zip"] = zipped(json.dumps(content))
    found = pulled(ridge)
    assert names_of(found) == "good"
    assert [path.name for path in home.rglob("*.png")] == ["a.png"]
    assert any("leads out of the folder" in note for note in found.notes)


def test_an_empty_file_is_no_picture_and_is_asked_for_again(ridge, site):
    site.files["pictures/north/a.png"], whole = b"", site.files["pictures/north/a.png"]
    assert pulled(ridge).missing == 1
    site.files["pictures/north/a.png"] = whole
    assert pulled(ridge).fetched == 1


@pytest.mark.parametrize("page", [b"\xef\xbb\xbf\n<!DOCTYPE html><p>Log in", b'<?xml version="1.0"?><Error/>', b'{"error": "moved"}'])
def test_a_page_that_comes_in_the_place_of_a_picture_is_not_kept(ridge, site, page):
    site.files["pictures/north/a.png"], whole = page, site.files["pictures/north/a.png"]
    found = pulled(ridge)
    assert (found.missing, names_of(found)) == (1, "bcdef")
    assert "a page, and no picture" in (found.folder / "missing.csv").read_text(encoding="utf-8")
    site.files["pictures/north/a.png"] = whole
    assert pulled(ridge).fetched == 1


def test_a_place_that_is_null_is_no_place(ridge, site):
    content = {"images": [{"id": "a", "file_name": "north/a.png", "location": None, "split": None}], "annotations": [], "categories": []}
    site.files["labels.json.zip"] = zipped(json.dumps(content))
    with pytest.raises(TableError, match="knows no location None. It has 0: none"):
        pulled(ridge, locations=("None",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"no zip", "is no sound zip", id="no zip"),
        pytest.param(zipped("x", "labels.txt"), "holds 0 JSON files", id="no JSON"),
        pytest.param(zipped("[1, 2]"), "Expected COCO Camera Traps JSON", id="a list"),
        pytest.param(zipped('{"images": [{"id": 1'), "Expected COCO Camera Traps JSON", id="cut"),
        pytest.param(zipped('{"images": []}'), "no picture of what is asked for", id="no picture"),
        pytest.param(zipped("0" * (1 << 27)), "would unpack to 134,217,728 bytes", id="a bomb"),
    ],
)
def test_labels_that_are_none_are_refused(ridge, site, content, message):
    site.files["labels.json.zip"] = content
    with pytest.raises((FetchError, TableError), match=message):
        pulled(ridge)


def test_a_set_that_does_not_fit_on_the_disk_is_refused_before_it_comes(ridge, home):
    (home / "ridge.toml").write_text((home / "ridge.toml").read_text() + "size_bytes = 9_000_000_000_000_000_000\nn_pictures = 7\n")
    with pytest.raises(FetchError, match="GB are to come, and the disk of .* has"):
        pulled(find_manifest(home / "ridge.toml"))


def test_a_pull_that_is_killed_goes_on_where_it_stopped(ridge, site, home):
    site.files["labels.json.zip"] = zipped(labels([(f"p{number}", "north", "train", [1]) for number in range(60)]))
    site.files |= {f"pictures/north/p{number}.png": png(number) for number in range(60)}
    site.wait_s = 0.1
    command = [sys.executable, "-m", "bioclip_search", "data", "pull", str(home / "ridge.toml"), "--at-once", "4"]
    pictures = places.user_datasets() / "ridge/pictures/north"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while len(list(pictures.glob("*.png")) if pictures.is_dir() else []) < 10 and running.poll() is None:
            time.sleep(0.02)
        running.kill()
    came = {path.name for path in pictures.glob("*.png")}
    assert 10 <= len(came) < 60
    assert marked(places.user_datasets() / "ridge")["state"] == "begun"
    site.wait_s = 0.0
    found = pulled(ridge)
    assert (found.count, found.fetched) == (60, 60 - len(came))
    assert all(site.asked[f"pictures/north/{name}"] == 1 for name in came)
    assert [path.name for path in pictures.iterdir() if not path.name.endswith(".png")] == []
