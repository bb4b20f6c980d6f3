"""Sets of boxes from camera traps: COCO Camera Traps, Camtrap DP and reviewed runs, with their bursts and deployments."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest

from bioclip_search.boxed.boxed_set import TrueBox
from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.sets import find_boxed_sets
from bioclip_search.boxed.splitting import with_whole_parts
from bioclip_search.errors import RunError, TableError
from bioclip_search.review.deciding import decide
from tests.boxed.small_boxes import picture_bytes
from tests.sources.test_packages import package
from tests.standards.runs import crop, picture, small_run

CATEGORIES = [{"id": 0, "name": "empty"}, {"id": 1, "name": "Puma"}, {"id": 2, "name": "human"}]


def camera_traps(folder, images, annotations):
    content = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    (folder / "traps.json").write_text(json.dumps(content))
    return folder / "traps.json"


def test_coco_camera_traps_tell_bursts_and_deployments(tmp_path):
    images = [
        {"id": "a", "file_name": "a.jpg", "location": 7, "seq_id": "s1", "width": 40, "height": 30},
        {"id": "b", "file_name": "b.jpg", "location": 7, "datetime": "2024-05-01 06:00:00"},
        {"id": "c", "file_name": "c.jpg", "location": 7, "datetime": "2024-05-01 06:00:30"},
        {"id": "d", "file_name": "d.jpg", "location": 8, "datetime": "2024-05-01 06:00:30"},
    ]
    (found,) = find_boxed_sets([camera_traps(tmp_path, images, [{"image_id": "a", "category_id": 1, "bbox": [1, 2, 3, 4]}])])
    assert found.deployments.tolist() == ["7", "7", "7", "8"]
    assert found.bursts[1] == found.bursts[2]
    assert len(set(found.bursts.tolist())) == 3
    assert found.sizes_wh.tolist() == [[40, 30], [0, 0], [0, 0], [0, 0]]
    assert found.categories == ("Puma",)


def test_a_burst_that_stands_in_two_files_is_one(tmp_path):
    told = []
    for part, second in (("train", 0), ("val", 40)):
        images = [{"id": 1, "file_name": f"{part}.jpg", "location": "A", "datetime": f"2024-05-01 06:00:{second:02}"}]
        told.append(camera_traps(tmp_path, images, []).rename(tmp_path / f"{part}.json"))
    one, two = find_boxed_sets(told)
    assert one.bursts.tolist() == two.bursts.tolist()
    with pytest.raises(TableError, match="val/val.jpg of the same burst in val"):
        with_whole_parts([one, two])


def test_sequences_that_are_numbered_anew_at_every_place_are_told_apart(tmp_path):
    images = [{"id": name, "file_name": f"{name}.jpg", "location": name, "seq_id": 1} for name in "ab"]
    (found,) = find_boxed_sets([camera_traps(tmp_path, images, [])])
    assert found.bursts.tolist() == ["a: 1", "b: 1"]


def test_a_picture_in_which_an_organism_is_told_without_a_box_is_no_background(tmp_path):
    images = [{"id": name, "file_name": f"{name}.jpg"} for name in "abcd"]
    annotations = [{"image_id": "a", "category_id": 1}, {"image_id": "b", "category_id": 0}, {"image_id": "c", "category_id": 2}]
    (found,) = find_boxed_sets([camera_traps(tmp_path, images, annotations)])
    assert found.names == ("traps/b.jpg", "traps/c.jpg", "traps/d.jpg")
    assert "left out 1 picture, for" in found.notes[0]
    assert list(found.pictures(np.array([True, False, False]))) == [tmp_path / "b.jpg"]


def test_an_image_that_is_told_twice_is_one_with_the_boxes_of_both(tmp_path):
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.jpg"}]
    (found,) = find_boxed_sets([camera_traps(tmp_path, images, [{"image_id": one, "category_id": 1, "bbox": [one, 2, 3, 4]} for one in (1, 2)])])
    assert found.boxes == ((TrueBox((1, 2, 4, 6), "Puma"), TrueBox((2, 2, 5, 6), "Puma")),)
    assert "1 picture named twice" in found.notes[0]


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.jpg", "C:\\a.jpg", "x/../../a.jpg"])
def test_pictures_outside_the_folder_are_refused(tmp_path, name):
    with pytest.raises(TableError, match="leads out of"):
        find_boxed_sets([camera_traps(tmp_path, [{"id": 1, "file_name": name}], [])])


MEDIA = "mediaID,deploymentID,timestamp,filePath\n" + "".join(f"m{n},d1,2024-05-01T06:00:0{n}Z,{n}.png\n" for n in range(6))
OBSERVED = """observationID,mediaID,eventID,observationType,scientificName,bboxX,bboxY,bboxWidth,bboxHeight
o1,m0,e1,animal,Puma concolor,0.1,0.1,0.2,0.2
o2,m1,e1,blank,,,,,
o3,m2,,animal,Puma concolor,,,,
o4,m3,,human,,0.1,0.1,0.2,0.2
o5,m5,,animal,,0.5,0.5,0.5,0.5
"""


def test_a_camtrap_dp_package_gives_its_boxes(tmp_path):
    folder = package(tmp_path / "traps", MEDIA, observations=OBSERVED)
    for number in range(5):
        (folder / f"{number}.png").write_bytes(picture_bytes(number))
    with zipfile.ZipFile(tmp_path / "traps.zip", "w") as file:
        for one in folder.iterdir():
            file.write(one, one.name)
    for place in (folder, folder / "datapackage.json", tmp_path / "traps.zip"):
        (found,) = find_boxed_sets([place])
        # 2.png shows an animal without a box, of 4.png nothing is told, 5.png is not there, which is told when it is looked into
        assert [name[-5:] for name in found.names] in (["0.png", "1.png", "3.png", "5.png"], ["0.png", "1.png", "3.png"]), found.names
        assert found.boxes[:3] == ((TrueBox(pytest.approx((4, 3, 12, 9)), "Puma concolor"),), (), ())
        assert found.bursts[0] == found.bursts[1] != found.bursts[2]
        assert set(found.deployments) == {"d1"}
        assert [note for note in found.notes if "animal is told of without a box" in note]
        (sound,), report = examine([found])
        assert (len(sound), report.pictures, report.boxes) == (3, 3, 1)


def test_a_package_without_boxes_is_refused(tmp_path):
    with pytest.raises(TableError, match="no observation of this package has a box"):
        find_boxed_sets([package(tmp_path / "traps", MEDIA)])


def test_the_boxes_of_the_standards_own_example_are_read(shared, tmp_path):
    shutil.copytree(shared / "bursts/camtrap-dp-example", tmp_path / "example", copy_function=shutil.copyfile)
    (tmp_path / "example").chmod(0o755)
    (found,) = find_boxed_sets([tmp_path / "example"])
    assert all("left out" in note for note in found.notes)
    assert len(found) <= 10


def test_a_reviewed_run_gives_the_boxes_that_people_decided_about(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, name in enumerate(("lion.png", "two.png", "open.png", "blank.png", "person.png")):
        (photos / name).write_bytes(picture_bytes(number, (800, 600)))
    pictures = [
        picture("lion.png", crop(0, species="Panthera leo")),
        picture("two.png", crop(0), crop(1)),
        picture("open.png", crop(0), crop(1)),
        picture("blank.png", crop(0)),
        picture("person.png", crop(0), crop(1, category="person")),
        picture("clip.mp4", crop(0), frame_number=3),
        picture("never.png", crop(0)),
    ]
    run = small_run(tmp_path / "run", pictures, root=photos)
    with pytest.raises(RunError, match="nobody decided"):
        find_boxed_sets([run.folder])
    rows = [
        {"image": "lion.png", "verdict": "accepted"},
        {"image": "two.png", "crop": 0, "verdict": "accepted"},
        {"image": "two.png", "crop": 1, "verdict": "blank"},
        {"image": "open.png", "crop": 0, "verdict": "accepted"},
        {"image": "blank.png", "verdict": "blank"},
        {"image": "person.png", "crop": 0, "verdict": "accepted"},
        {"image": "clip.mp4", "verdict": "accepted"},
    ]
    assert not decide(run.folder, rows, "Ana").errors
    (found,) = find_boxed_sets([run.folder])
    assert found.names == ("run/lion.png", "run/two.png", "run/blank.png", "run/person.png")
    assert [len(several) for several in found.boxes] == [1, 1, 0, 1]
    assert found.boxes[0][0].category == "Panthera leo"
    assert "left out 2 pictures, for" in found.notes[0]
    assert list(found.pictures(np.array([True, False, False, False]))) == [photos / "lion.png"]
