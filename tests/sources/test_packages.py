"""What other programs made: MegaDetector, SpeciesNet, COCO Camera Traps, Camtrap DP."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from datetime import datetime, timedelta, timezone

import pytest

from bioclip_search.errors import SourceError
from bioclip_search.media import GivenBox, Media, Video
from bioclip_search.sources import open_source
from tests.sources.memory import most_held

CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}


def written(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def megadetector(path, *images, **others):
    return open_source(written(path, {"images": list(images), "detection_categories": CATEGORIES, "info": {"format_version": "1.6"}} | others))


def box(*xywhn, category="1", conf=0.9, **others):
    return {"category": category, "conf": conf, "bbox": list(xywhn)} | others


def test_megadetector_boxes_are_taken_over(tmp_path):
    source = megadetector(
        tmp_path / "md.json",
        {"file": "Site 1\\DCIM\\a.jpg", "max_detection_conf": 0.9, "detections": [box(0.1, 0.2, 0.3, 0.4), box(0, 0, 1, 0.5, category="2", conf=0.2)]},
        {"file": "b.jpg", "detections": [], "datetime": "2020:05:30 04:57:37"},
        {"file": "c.jpg", "detections": None, "failure": "Failure image access"},
        {"file": "d.jpg"},
    )
    one, blank, failed, unseen = source.media()
    assert source.kind == "megadetector"
    assert (one.image, one.file) == ("Site 1/DCIM/a.jpg", tmp_path / "Site 1/DCIM/a.jpg")
    assert one.boxes == (GivenBox((0.1, 0.2, 0.3, 0.4), 0.9, "animal"), GivenBox((0.0, 0.0, 1.0, 0.5), 0.2, "person"))
    assert (blank.boxes, blank.facts.timestamp) == ((), datetime(2020, 5, 30, 4, 57, 37))
    assert failed.error == "could not be read by the detector that ran before (Failure image access)"
    assert (unseen.boxes, unseen.error) == (None, None)
    assert source.count() == 4


def test_boxes_that_say_nothing_are_passed_over_and_those_beyond_the_edge_cut_off(tmp_path):
    wrong = [box(0.5, 0.5, 0, 0.1), box(2, 2, 1, 1), box(0.1, 0.1, 0.1), box("a", 0, 1, 1), box(0, 0, 1, 1, conf=7), box(0, 0, 1, 1, category="9")]
    source = megadetector(tmp_path / "md.json", {"file": "a.jpg", "detections": [*wrong, None, box(0.9, 0.9, 0.2, 0.2)]})
    (media,) = source.media()
    (kept,) = media.boxes
    assert kept.box_xywhn == pytest.approx((0.9, 0.9, 0.1, 0.1))
    assert [note.rsplit(": ", 1)[1].split(",")[0] for note in source.notes[1:]] == ["5", "1"]


def test_numbers_that_are_none_do_no_harm(tmp_path):
    text = (
        '{"images": [{"file": "a.jpg", "detections": [{"category": "1", "conf": NaN, "bbox": [NaN, 0, 1e999, 1]}]}], "detection_categories": {"1": "animal"}}'
    )
    (tmp_path / "md.json").write_text(text)
    (media,) = open_source(tmp_path / "md.json").media()
    assert media.boxes == ()


def test_boxes_of_videos_stand_by_their_frame(tmp_path):
    source = megadetector(
        tmp_path / "md.json",
        {
            "file": "a.mp4",
            "frame_rate": 20,
            "frames_processed": [0, 20, 40],
            "detections": [box(0, 0, 1, 1, frame_number=20), box(0, 0, 0.5, 1, frame_number=20)],
        },
        {"file": "old.mp4", "detections": [box(0, 0, 1, 1, frame_number=3)]},
        {"file": "none.mp4", "detections": []},
    )
    new, old, none = source.media()
    assert isinstance(new, Video)
    assert {frame: len(boxes) for frame, boxes in new.boxes.items()} == {0: 0, 20: 2, 40: 0}
    assert {frame: len(boxes) for frame, boxes in old.boxes.items()} == {3: 1}
    assert none.boxes is None


def test_the_root_of_a_json_can_be_given_and_a_wrong_one_is_told(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    source = megadetector(tmp_path / "md.json", {"file": "a.jpg", "detections": []})
    assert source.notes == (f"a.jpg is not below {tmp_path}; if no picture is, give the folder that the paths start from",)
    source = open_source(tmp_path / "md.json", root=tmp_path / "photos")
    assert (source.notes, next(source.media()).file) == ((), tmp_path / "photos" / "a.jpg")


def test_a_picture_that_stands_twice_in_a_json_is_given_once(tmp_path):
    source = megadetector(tmp_path / "md.json", {"file": "a.jpg", "detections": []}, {"file": "./a.jpg", "detections": []}, {"file": 7}, "b.jpg", {})
    assert [one.image for one in source.media()] == ["a.jpg"]
    assert [note.split(":")[0] for note in source.notes[1:]] == ["rows that name a picture named before, passed over", "rows that name no picture, passed over"]


def test_speciesnet_predictions_are_taken_over(tmp_path):
    predictions = [
        {
            "filepath": str(tmp_path / "a.jpg"),
            "detections": [box(0.1, 0.2, 0.3, 0.4, label="animal")],
            "prediction": "…;felidae;;;cat",
            "prediction_score": 0.8,
        },
        {"filepath": "b.jpg", "failures": ["DETECTOR"]},
    ]
    one, failed = open_source(written(tmp_path / "sn.json", {"predictions": predictions})).media()
    assert (one.image, one.boxes) == ("a.jpg", (GivenBox((0.1, 0.2, 0.3, 0.4), 0.9, "animal"),))
    assert "DETECTOR" in failed.error


def test_memory_does_not_grow_with_the_pictures_of_a_json(tmp_path):
    def source(count):
        images = [{"file": f"{number:06d}.jpg", "detections": [box(0.1, 0.2, 0.3, 0.4)]} for number in range(count)]
        return megadetector(tmp_path / f"{count}.json", *images)

    few, many = most_held(source(4_000), 4_000), most_held(source(40_000), 40_000)
    assert many < 2 * few, f"{few:,} bytes for 4,000 pictures, {many:,} for 40,000"


COCO = {
    "info": {"version": "1.0"},
    "images": [
        {"id": "x", "file_name": "a\\1.jpg", "width": 200, "height": 100, "location": 7, "datetime": "2018-05-30 10:00:00", "seq_id": "s"},
        {"id": "y", "file_name": "a/2.jpg"},
        {"id": "z", "file_name": "a/3.jpg", "location": "B"},
    ],
    "categories": [{"id": 0, "name": "empty"}, {"id": 1, "name": "deer"}, {"id": 2, "name": "Human"}],
    "annotations": [
        {"id": 1, "image_id": "x", "category_id": 2, "bbox": [20, 10, 100, 50]},
        {"id": 2, "image_id": "x", "category_id": 1, "bbox": [0, 0, 20, 10]},
        {"id": 3, "image_id": "x", "category_id": 1, "bbox": [0, 0, 0, 0]},
        {"id": 4, "image_id": "y", "category_id": 1, "bbox": [0, 0, 20, 10]},
        {"id": 5, "image_id": "z", "category_id": 0},
    ],
}


def test_coco_camera_traps_give_time_location_and_boxes(tmp_path):
    source = open_source(written(tmp_path / "cct.json", COCO))
    one, sizeless, empty = source.media()
    assert (source.kind, source.count(), one.image) == ("coco", 3, "a/1.jpg")
    assert (one.facts.timestamp, one.facts.deployment) == (datetime(2018, 5, 30, 10), "7")
    assert one.boxes == (GivenBox((0.1, 0.1, 0.5, 0.5), 1.0, "person"), GivenBox((0.0, 0.0, 0.1, 0.1), 1.0, "animal"))
    assert (sizeless.boxes, sizeless.facts.deployment) == (None, "a")
    assert (empty.boxes, empty.facts.deployment) == (None, "B")
    assert [note.split(",")[0] for note in source.notes[1:]] == [
        "boxes without an extent within their picture",
        "pictures with boxes in pixels but without width and height",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param('{"cats": [], "dogs": 1}', "it holds cats, dogs", id="other keys"),
        pytest.param("{}", "it holds nothing", id="no keys"),
        pytest.param('[{"file": "a.jpg"}]', "is not a JSON object as expected", id="a list"),
        pytest.param('{"images": [{"file": "a.jpg"', "is not a JSON object as expected", id="cut off"),
        pytest.param('{"resources": [{"name": "media", "path": "m.csv"}]}', "without the tables media and deployments", id="another package"),
        pytest.param('{"a":' + "[" * 100_000, "is not a JSON object as expected", id="nested without end"),
    ],
)
def test_json_of_other_kinds_says_what_it_holds(tmp_path, content, said):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(SourceError, match=said):
        open_source(tmp_path / "x.json")


def test_json_is_known_by_its_content_not_its_name(tmp_path):
    assert open_source(written(tmp_path / "x.jpg", COCO)).kind == "coco"
    assert open_source(written(tmp_path / "noname", COCO)).kind == "coco"


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_camtrap_dp_example_gives_its_pictures_times_places_and_boxes(shared):
    folder = shared / "bursts" / "camtrap-dp-example"
    for place in (folder, folder / "datapackage.json"):
        source = open_source(place)
        media = list(source.media())
        assert (source.kind, len(media), source.count(), len(source.deployments)) == ("camtrap-dp", 423, 423, 4)
    here = [one for one in media if one.error is None]
    assert len(here) == 10
    assert all(one.file.is_file() for one in here)
    assert here[0].image == "media/20210531082538-RCNX0031.JPG"
    assert here[0].facts.timestamp == datetime(2021, 4, 11, 20, 43, 9, tzinfo=timezone(timedelta(hours=1)))
    assert (here[0].facts.latitude, here[0].facts.longitude, here[0].facts.camera, here[0].facts.deployment) == (50.699, 4.013, "315", "62c200a9")
    assert source.deployments[3].place == "B_DM_val 4_'t WAD"
    away = next(one for one in media if one.error is not None)
    assert away.error.startswith("its media are not here, only their address; download the file 20200709093328-RCNX0001.JPG")


def test_boxes_of_camtrap_dp_observations_are_taken_over(shared, tmp_path):
    folder = tmp_path / "package"
    shutil.copytree(shared / "bursts" / "camtrap-dp-example", folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    boxed = {row["mediaID"] for row in rows_of(folder / "observations.csv") if row["bboxX"]}
    names = {row["fileName"]: row["mediaID"] for row in rows_of(folder / "media.csv")}
    for name in [name for name, media in names.items() if media in boxed]:  # as if they had been downloaded
        (tmp_path / "package" / name).touch()
    found = {names[one.image.rsplit("/", 1)[-1]]: one.boxes for one in open_source(folder).media() if one.error is None and one.boxes is not None}
    assert found.keys() == boxed
    assert found["0e98b93e"] == (GivenBox((0.32325, 0.46962, 0.2744, 0.25189), 1.0, "animal"),)


def package(folder, media, deployments="deploymentID,latitude,longitude\nd1,1.5,2.5\n", observations="observationID,mediaID\n"):
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"deployments": deployments, "media": media, "observations": observations}
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    written(folder / "datapackage.json", {"resources": [{"name": name, "path": f"{name}.csv"} for name in tables], "profile": "…camtrap-dp…"})
    return folder


def test_nothing_outside_a_package_is_opened(tmp_path):
    (tmp_path / "secret.jpg").touch()
    folder = package(
        tmp_path / "p",
        "mediaID,deploymentID,timestamp,filePath\n1,d1,,../secret.jpg\n2,d1,,/etc/secret.jpg\n3,d1,,link.jpg\n4,d1,,\\\\server\\share\\x.jpg\n5,d1,,C:\\x.jpg\n6,d1,,a.jpg\n",
    )
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    found = list(open_source(folder).media())
    assert [one.file for one in found] == [None] * 5 + [folder / "a.jpg"]
    assert all("leads out of the package" in one.error or "link that leads out" in one.error for one in found[:5])


def test_tables_outside_the_package_or_on_a_network_are_refused(tmp_path):
    for path, said in (
        ("../media.csv", "leads out of the package"),
        ("https://a.org/media.csv", "lies on a network"),
        ("gone.csv", "cannot be read as a table"),
    ):
        folder = package(tmp_path / "p", "mediaID,deploymentID,timestamp,filePath\n")
        written(folder / "datapackage.json", {"resources": [{"name": "deployments", "path": "deployments.csv"}, {"name": "media", "path": path}]})
        with pytest.raises(SourceError, match=said):
            list(open_source(folder).media())


def test_names_that_are_found_twice_beside_a_package_are_not_guessed(tmp_path):
    folder = package(
        tmp_path / "p", "mediaID,deploymentID,timestamp,filePath,fileName\n1,d1,,https://a.org/1,IMG_1.JPG\n2,d1,,https://a.org/2/img_2.jpg?x=1,\n"
    )
    for name in ("a/IMG_1.JPG", "b/IMG_1.JPG", "b/IMG_2.JPG"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    twice, once = open_source(folder).media()
    assert twice.error.startswith("it is one of 2 files called IMG_1.JPG")
    assert (once.image, once.facts.latitude) == ("b/IMG_2.JPG", 1.5)


def test_the_older_names_of_columns_are_known(tmp_path):
    folder = package(
        tmp_path / "p",
        "media_id,deployment_id,timestamp,file_path\nm,d1,2020-05-30T04:57:37+0200,a.jpg\n",
        "deployment_id,latitude,longitude,location_name\nd1,1,2,North\n",
    )
    source = open_source(folder)
    (one,) = source.media()
    assert (one.facts.deployment, one.facts.latitude, source.deployments[0].place) == ("d1", 1.0, "North")
    assert one.facts.timestamp.utcoffset() == timedelta(hours=2)


def test_a_package_in_a_zip_is_read_without_unpacking(tmp_path):
    folder = package(
        tmp_path / "p",
        "mediaID,deploymentID,timestamp,filePath\n1,d1,2020-05-30T04:57:37Z,media/a.jpg\n2,d1,,../evil.jpg\n3,d1,,media/b.mp4\n",
        observations="observationID,mediaID,observationType,bboxX,bboxY,bboxWidth,bboxHeight\no,1,human,0.1,0.2,0.3,0.4\n",
    )
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as file:
        for path in folder.iterdir():
            file.write(path, f"inner/{path.name}")
        file.writestr("inner/media/a.jpg", b"here")
        file.writestr("inner/media/b.mp4", b"film")
    source = open_source(tmp_path / "p.zip")
    one, evil, film = source.media()
    assert source.count() == 3
    assert (source.kind, one.image, one.data, one.facts.latitude) == ("camtrap-dp", "p.zip!media/a.jpg", b"here", 1.5)
    assert one.boxes == (GivenBox((0.1, 0.2, 0.3, 0.4), 1.0, "person"),)
    assert "leads out of the package" in evil.error
    assert film.error.startswith("is a video in an archive")


def test_a_folder_with_another_data_package_is_a_folder(tmp_path):
    written(tmp_path / "datapackage.json", {"resources": []})
    (tmp_path / "a.jpg").touch()
    source = open_source(tmp_path)
    assert (source.kind, [type(one) for one in source.media()]) == ("folder", [Media])
    assert source.notes == ("datapackage.json is of no Camtrap DP package, so the folder is taken as it is",)
