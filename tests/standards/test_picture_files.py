"""Pictures opened once more: the right frames of videos, and the boxes of all people."""

from __future__ import annotations

from hashlib import sha256

import pytest

from bioclip_search.decoding import Decoders
from bioclip_search.standards import export
from bioclip_search.standards.collection import Collection, SeenCrop, SeenPicture, Standing
from bioclip_search.standards.picture_files import CHANGED, UNREADABLE, opened, people_in, pictures_by_file
from bioclip_search.standards.report import Tally
from tests.standards.runs import crop, picture, small_run
from tests.standards.test_annotated import SEES_PEOPLE

BOX = (10, 10, 60, 60)


@pytest.fixture
def film(tmp_path):
    """A video of twelve frames, and a maker of records of its frames."""
    pytest.importorskip("av")
    from tests.decoding.filmed import SIZE_WH, write_video

    (tmp_path / "photos").mkdir()
    path = write_video(tmp_path / "photos" / "film.mp4", 12)
    told = {"content_hash": sha256(path.read_bytes()).hexdigest(), "size_wh": SIZE_WH, "frame_rate": 25.0}
    return lambda number, *crops, **more: picture("film.mp4", *crops, frame_number=number, **told | more)


def seen_frames(tmp_path, pictures):
    from tests.decoding.filmed import number_shown

    collection, tally = Collection.open(small_run(tmp_path / "run", pictures, root=tmp_path / "photos")), Tally()
    (of_one,) = pictures_by_file(collection.pictures())
    with Decoders(1) as decoders:
        shown = [(seen.picture.frame_number, number_shown(still)) for seen, still in opened(of_one, collection.run, decoders, tally, blurred=False)]
    return shown, dict(tally.left_out)


def test_the_frames_that_were_tagged_come_back(tmp_path, film):
    assert seen_frames(tmp_path, [film(number) for number in (0, 3, 4, 11)]) == ([(0, 0), (3, 3), (4, 4), (11, 11)], {})


def test_frames_that_a_video_no_longer_has_are_counted(tmp_path, film):
    assert seen_frames(tmp_path, [film(5), film(40), film(41)]) == ([(5, 5)], {UNREADABLE: 2})


def test_frames_of_a_video_that_has_changed_are_counted(tmp_path, film):
    assert seen_frames(tmp_path, [film(5, content_hash="1" * 64)]) == ([], {CHANGED: 1})


def test_a_video_stands_once_in_the_folder_of_each_species_and_its_crops_by_frame(tmp_path, film):
    pictures = [film(number, crop(0, BOX)) for number in (0, 5, 10)]
    run = small_run(tmp_path / "run", pictures, root=tmp_path / "photos", note=SEES_PEOPLE)
    report = export(run, "species-folders", tmp_path / "whole", layout="flat", blur_people=True)
    assert any("handed on whole" in note for note in report.notes)
    assert [path.name for path in (tmp_path / "whole" / "Panthera leo").iterdir()] == ["film.mp4"]
    export(run, "species-folders", tmp_path / "crops", layout="flat", crops=True)
    names = sorted(path.name for path in (tmp_path / "crops" / "Panthera leo").iterdir())
    assert names == ["film.mp4-frame000000-0.jpg", "film.mp4-frame000005-0.jpg", "film.mp4-frame000010-0.jpg"]


def test_a_video_with_people_is_not_handed_on_where_people_are_to_be_blurred(tmp_path, film):
    pictures = [film(0, crop(0, BOX)), film(5, crop(0, BOX, category="person"))]
    run = small_run(tmp_path / "run", pictures, root=tmp_path / "photos", note=SEES_PEOPLE)
    report = export(run, "species-folders", tmp_path / "out", blur_people=True)
    assert report.left_out == {"videos with people, which cannot be blurred": 2}
    assert not list((tmp_path / "out").rglob("*.mp4"))


# People


def seen(*crops, whole=None, all_crops=None):
    told = picture("x.jpg", *(one.crop for one in crops) if all_crops is None else all_crops)
    return SeenPicture(told, tuple(crops), whole)


@pytest.mark.parametrize(
    ("picture_seen", "expected", "case"),
    [
        (seen(SeenCrop(crop(0, BOX, category="person"), Standing("person"))), [BOX], "the detector saw a person"),
        (seen(SeenCrop(crop(0, BOX), Standing("person", verdict="person"))), [BOX], "somebody saw that the animal is a person"),
        (seen(SeenCrop(crop(0, BOX, category="person"), Standing("identified", "Papio", verdict="corrected"))), [], "somebody saw that it is none"),
        (seen(all_crops=[crop(0, BOX, category="person")]), [BOX], "a person whose box is left out as a repeat"),
        (seen(whole=Standing("person", verdict="person")), [(0.0, 0.0, 800.0, 600.0)], "somewhere in the picture"),
        (seen(SeenCrop(crop(0, BOX), Standing("identified"))), [], "an animal"),
    ],
)
def test_people(picture_seen, expected, case):
    assert people_in(picture_seen) == expected, case
