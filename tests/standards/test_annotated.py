"""Pictures with boxes and names: what is drawn where, what is left out, and that blurred people stay blurred."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import PIL.Image
import pytest

from bioclip_search.errors import ExportError
from bioclip_search.render import BOX_COLOURS
from bioclip_search.standards import export
from bioclip_search.standards.annotated import LIST_FILE, UNNAMED, draw_seen, name_of
from bioclip_search.standards.collection import Collection, Standing
from tests.standards.photos import look, photo, roughness
from tests.standards.runs import answer, crop, picture, small_run

LION, PERSON = (80, 60, 400, 300), (500, 300, 700, 560)
SEES_PEOPLE = {"settings": {"encoder": {"dim": 4}, "detector": {"name": "md", "categories": ["animal", "person", "vehicle"]}}}


@pytest.fixture
def photos(tmp_path):
    return tmp_path / "photos"


def annotated(tmp_path, pictures, note=SEES_PEOPLE, **options):
    run = small_run(tmp_path / "run", pictures, root=tmp_path / "photos", note=note)
    return export(run, "annotated", tmp_path / "out", **options)


def colours_in(path, box):
    pixels = np.asarray(look(path).convert("RGB").crop(box)).reshape(-1, 3).astype(int)
    wanted = [tuple(int(colour[n : n + 2], 16) for n in (1, 3, 5)) for colour in BOX_COLOURS]
    return [int((np.abs(pixels - rgb).max(axis=1) < 30).sum()) for rgb in wanted]


def test_each_picture_stands_in_its_folder_with_its_boxes(tmp_path, photos):
    pictures = [photo(photos, "a/1.jpg", crop(0, LION)), photo(photos, "b/c/2.JPG"), photo(photos, "3.png", crop(0, LION))]
    report = annotated(tmp_path, pictures)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert names == ["3.png.jpg", "a/1.jpg", LIST_FILE, "b/c/2.JPG"]
    assert (report.pictures, report.observations, report.left_out) == (3, 2, {})
    assert colours_in(tmp_path / "out/a/1.jpg", (70, 50, 410, 310))[0] > 400
    assert max(colours_in(tmp_path / "out/b/c/2.JPG", (0, 0, 800, 600))) < 50
    with (tmp_path / "out" / LIST_FILE).open(newline="", encoding="utf-8-sig") as file:
        assert [(row["file"], row["image"], row["boxes"]) for row in csv.DictReader(file)] == [
            ("a/1.jpg", "a/1.jpg", "1"),
            ("b/c/2.JPG", "b/c/2.JPG", "0"),
            ("3.png.jpg", "3.png", "1"),
        ]


def test_pictures_that_are_gone_changed_or_were_never_read_are_counted_and_told(tmp_path, photos):
    pictures = [photo(photos, f"{n}.jpg", crop(0, LION), seed=n) for n in range(4)]
    (photos / "1.jpg").unlink()
    shutil.copy(photos / "3.jpg", photos / "2.jpg")
    (photos / "3.jpg").write_bytes(b"")
    report = annotated(tmp_path, [*pictures, picture("4.jpg", error="is empty")])
    assert report.pictures == 1
    assert report.left_out == {
        "pictures that are not where they were, or lie in an archive": 1,
        "pictures that have changed since they were tagged": 1,
        "pictures that cannot be read any more": 1,
        "pictures that could not be read when they were tagged": 1,
    }
    assert any("1 pictures that have changed" in line for line in report.lines())


def test_people_are_blurred_and_called_person(tmp_path, photos):
    pictures = [photo(photos, "1.jpg", crop(0, LION), crop(1, PERSON, 0.7, category="person"))]
    annotated(tmp_path, pictures, blur_people=True)
    shown = look(tmp_path / "out/1.jpg")
    inner = (520, 330, 680, 540)
    assert roughness(shown, inner) < 5 < 50 < roughness(shown, (450, 30, 780, 250))
    assert dict(shown.getexif()) == {}


def test_people_are_not_blurred_unless_asked_for(tmp_path, photos):
    annotated(tmp_path, [photo(photos, "1.jpg", crop(0, PERSON, category="person"))])
    assert roughness(look(tmp_path / "out/1.jpg"), (520, 330, 680, 540)) > 50


@pytest.mark.parametrize(
    "detector",
    [
        pytest.param({"name": "starter", "categories": ["organism"]}, id="a detector of organisms"),
        pytest.param({"name": "none", "categories": None}, id="no detector"),
    ],
)
def test_where_nobody_looked_for_people_none_are_promised_to_be_blurred(tmp_path, photos, detector):
    note = {"settings": {"encoder": {"dim": 4}, "detector": detector}}
    box = LION if detector["categories"] else None
    with pytest.raises(ExportError, match=r"does not tell people from animals.*models list"):
        annotated(tmp_path, [photo(photos, "1.jpg", crop(0, box))], note, blur_people=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("detector", "words"),
    [
        pytest.param({"name": "none", "categories": None}, "this run does not say", id="boxes were given"),
        pytest.param({"name": "mine", "categories": None}, "this run does not say", id="a detector that tells no categories"),
        pytest.param({"name": "starter", "categories": ["organism"]}, "only where somebody else saw them", id="some boxes were given, others found"),
    ],
)
def test_where_people_may_have_been_missed_the_report_says_so(tmp_path, photos, detector, words):
    note = {"settings": {"encoder": {"dim": 4}, "detector": detector}}
    report = annotated(tmp_path, [photo(photos, "1.jpg", crop(0, LION), crop(1, PERSON, category="person"))], note, blur_people=True)
    assert words in report.notes[0]
    assert roughness(look(tmp_path / "out/1.jpg"), (520, 330, 680, 540)) < 5


def test_nothing_is_written_over_without_leave(tmp_path, photos):
    annotated(tmp_path, [photo(photos, "1.jpg")])
    run = small_run(tmp_path / "again", [photo(photos, "1.jpg")], root=photos)
    with pytest.raises(ExportError, match="is there already"):
        export(run, "annotated", tmp_path / "out")
    assert export(run, "annotated", tmp_path / "out", overwrite=True).pictures == 1


def test_two_pictures_whose_names_become_one_both_stay(tmp_path, photos):
    report = annotated(tmp_path, [photo(photos, "a.png"), photo(photos, "a.png.jpg", seed=1)])
    assert report.pictures == 2
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 2


@pytest.mark.parametrize(
    ("stands", "expected"),
    [
        (Standing("person"), ("person", "SemiBold")),
        (Standing("identified"), (UNNAMED, "Regular")),
        (Standing("identified", "Panthera leo", "species", "lion"), ("Lion", "SemiBold")),
        (Standing("identified", "Panthera leo", "species"), ("Panthera leo", "Italic")),
        (Standing("identified", "Felidae", "family"), ("Felidae", "SemiBold")),
        (Standing("identified", "Panthera leo", "species", "ライオン"), ("Panthera leo", "Italic")),
    ],
)
def test_names_are_those_people_use_where_the_letters_are_there(stands, expected):
    assert name_of(stands) == expected


@pytest.mark.parametrize("size_wh", [(1, 1), (40, 2000), (3000, 30), (64, 64)])
def test_odd_pictures_take_their_labels_too(tmp_path, size_wh):
    odd = picture("x.jpg", crop(0, (0, 0, *size_wh)), crop(1, (0, 0, 1, 1)), crop(2, None, answer=answer(rank=None)), size_wh=size_wh)
    (seen,) = Collection.open(small_run(tmp_path / "run", [odd])).pictures()
    assert draw_seen(PIL.Image.new("RGB", size_wh), seen).size == size_wh
