"""Species folders: what goes where, as what, and what may not leave the run with a face on it."""

from __future__ import annotations

import csv
import os

import pytest

from bioclip_search.errors import ExportError
from bioclip_search.standards import export
from bioclip_search.standards.collection import Standing
from bioclip_search.standards.species_folders import LIST_FILE, folder_of
from tests.standards.photos import look, photo, roughness
from tests.standards.runs import answer, crop, picture, small_run
from tests.standards.test_annotated import SEES_PEOPLE

FELIDAE = "Animalia/Chordata/Mammalia/Carnivora/Felidae"
LEFT, RIGHT = (80, 60, 400, 300), (500, 300, 700, 560)


@pytest.fixture
def photos(tmp_path):
    return tmp_path / "photos"


def sorted_files(tmp_path, pictures, **options):
    run = small_run(tmp_path / "run", pictures, root=tmp_path / "photos", note=SEES_PEOPLE)
    report = export(run, "species-folders", tmp_path / "out", **options)
    return report, {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if not path.is_dir()} - {LIST_FILE}


def some(photos):
    return [
        photo(photos, "s 1/lion.jpg", crop(0, LEFT)),
        photo(photos, "s 1/cat.jpg", crop(0, LEFT, answer=answer(rank="family"))),
        photo(photos, "two.jpg", crop(0, LEFT, answer=answer("Vulpes vulpes")), crop(1, RIGHT, 0.5), crop(2, (0, 0, 9, 9), 0.4)),
        photo(photos, "nothing.jpg"),
        photo(photos, "who.jpg", crop(0, LEFT, answer=answer(rank=None))),
        photo(photos, "people.jpg", crop(0, LEFT, category="person"), crop(1, RIGHT, category="vehicle")),
    ]


def test_every_picture_stands_under_all_that_is_seen_in_it(tmp_path, photos):
    report, files = sorted_files(tmp_path, some(photos))
    assert files == {
        f"{FELIDAE}/Panthera/Panthera leo/s 1-lion.jpg",
        f"{FELIDAE}/s 1-cat.jpg",
        "Animalia/Chordata/Mammalia/Carnivora/Canidae/Vulpes/Vulpes vulpes/two.jpg",
        f"{FELIDAE}/Panthera/Panthera leo/two.jpg",
        "blank/nothing.jpg",
        "unsure/who.jpg",
        "person/people.jpg",
        "vehicle/people.jpg",
    }
    assert (report.pictures, report.observations) == (6, 8)
    assert (tmp_path / "out/blank/nothing.jpg").read_bytes() == (photos / "nothing.jpg").read_bytes()


def test_the_list_tells_which_file_is_which_picture(tmp_path, photos):
    _, files = sorted_files(tmp_path, some(photos))
    with (tmp_path / "out" / LIST_FILE).open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == files
    assert [(row["image"], row["taxon"], row["rank"], row["crop"]) for row in rows][:2] == [
        ("s 1/lion.jpg", "Panthera leo", "species", "0"),
        ("s 1/cat.jpg", "Felidae", "family", "0"),
    ]


def test_the_list_is_safe_in_a_spreadsheet(tmp_path, photos):
    sorted_files(tmp_path, [photo(photos, "=1+1.jpg", crop(0, LEFT))])
    with (tmp_path / "out" / LIST_FILE).open(newline="", encoding="utf-8-sig") as file:
        assert [row["image"] for row in csv.DictReader(file)] == ["'=1+1.jpg"]


def test_flat_folders_are_named_by_the_taxon_alone(tmp_path, photos):
    _, files = sorted_files(tmp_path, some(photos), layout="flat")
    assert {"Panthera leo/s 1-lion.jpg", "Felidae/s 1-cat.jpg", "Vulpes vulpes/two.jpg", "blank/nothing.jpg"} < files


@pytest.mark.parametrize("how", ["symlink", "hardlink"])
def test_links_take_no_room_and_lead_to_the_pictures(tmp_path, photos, how):
    _, files = sorted_files(tmp_path, some(photos), how=how)
    for name in files:
        linked = tmp_path / "out" / name
        assert linked.is_symlink() is (how == "symlink")
        assert os.path.samefile(linked, photos / linked.name.replace("s 1-", "s 1/"))


def test_where_links_cannot_be_made_it_says_what_to_do(tmp_path, photos):
    nowhere = tmp_path / "no such source.jpg"
    from bioclip_search.standards.species_folders import _put

    with pytest.raises(ExportError, match="leave the option out to write copies"):
        _put(nowhere, "hardlink", tmp_path / "x.jpg")


def test_crops_are_cut_out_of_the_pictures_and_blanks_have_none(tmp_path, photos):
    report, files = sorted_files(tmp_path, some(photos), crops=True)
    assert "Animalia/Chordata/Mammalia/Carnivora/Canidae/Vulpes/Vulpes vulpes/two-0.jpg" in files
    assert {f"{FELIDAE}/Panthera/Panthera leo/two-1.jpg", f"{FELIDAE}/Panthera/Panthera leo/two-2.jpg"} < files
    assert not any(name.startswith("blank") for name in files)
    size_wh = look(tmp_path / "out" / f"{FELIDAE}/Panthera/Panthera leo/s 1-lion-0.jpg").size
    assert size_wh == (352, 272), "320 by 240 px and 16 on every side, a twentieth of the longer one"
    assert report.observations == len(files) == 8


def test_blurred_people_are_copies_even_among_links(tmp_path, photos):
    report, files = sorted_files(tmp_path, some(photos), how="symlink", blur_people=True)
    for name in ("person/people.jpg", "vehicle/people.jpg"):
        shown = tmp_path / "out" / name
        assert not shown.is_symlink()
        assert roughness(look(shown), (100, 80, 380, 280)) < 5 < 50 < roughness(look(shown), (450, 20, 780, 250))
    assert (tmp_path / "out/blank/nothing.jpg").is_symlink()
    assert len(files) == 8
    assert any("blurred and without EXIF" in note for note in report.notes)


def test_the_crop_of_a_person_is_blurred_too_and_that_of_an_animal_beside_it_shows_no_face(tmp_path, photos):
    pictures = [photo(photos, "x.jpg", crop(0, LEFT), crop(1, (80, 60, 300, 300), category="person"))]
    _, files = sorted_files(tmp_path, pictures, crops=True, blur_people=True)
    assert len(files) == 2
    for name in files:
        assert roughness(look(tmp_path / "out" / name), (30, 30, 200, 200)) < 5


def test_pictures_that_are_gone_are_counted(tmp_path, photos):
    pictures = some(photos)
    (photos / "nothing.jpg").unlink()
    report, files = sorted_files(tmp_path, [*pictures, picture("broken.jpg", error="is empty")])
    assert not any("nothing" in name for name in files)
    assert report.left_out == {"pictures that are not where they were, or lie in an archive": 1, "pictures that could not be read when they were tagged": 1}


def test_names_from_elsewhere_stay_within_the_folder(tmp_path, photos):
    photo(photos, "in.jpg")
    outside = photo(tmp_path, "outside.jpg", crop(0, LEFT))
    hostile = picture("../outside.jpg", *outside.crops, content_hash=outside.content_hash)
    _, files = sorted_files(tmp_path, [hostile], layout="flat")
    assert files == {"Panthera leo/outside.jpg"}


def test_two_pictures_of_one_name_both_stay(tmp_path, photos):
    pictures = [photo(photos, "a-b.jpg", crop(0, LEFT)), photo(photos, "a/b.jpg", crop(0, LEFT), seed=1)]
    _, files = sorted_files(tmp_path, pictures, layout="flat")
    assert files == {"Panthera leo/a-b.jpg", f"Panthera leo/a-b [{pictures[1].media_id}].jpg"}


@pytest.mark.parametrize(
    ("stands", "layout", "expected"),
    [
        (Standing("identified", "Felidae", "family", lineage={"kingdom": "Animalia", "family": "Felidae"}), "lineage", ["Animalia", "Felidae"]),
        (Standing("identified", "Canis lupus dingo", "subspecies", lineage={"genus": "Canis"}), "lineage", ["Canis", "Canis lupus dingo"]),
        (Standing("identified", "Felis"), "lineage", ["Felis"]),
        (Standing("identified", "CON", "genus"), "flat", ["CON_"]),
        (Standing("identified"), "lineage", ["unsure"]),
        (Standing("blank"), "flat", ["blank"]),
    ],
)
def test_folders(stands, layout, expected):
    assert folder_of(stands, layout) == expected
