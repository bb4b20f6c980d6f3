"""What people decided, as pictures that `train encoder` reads."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from pyarrow import parquet

from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.review.deciding import decide
from bioclip_search.review.training import write_training
from tests.standards.runs import crop, picture, small_run


@pytest.fixture
def run(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    image = Image.new("RGB", (800, 600), (200, 30, 30))
    image.paste((30, 30, 200), (80, 60, 400, 300))
    for name in ("lion.jpg", "fox.jpg"):
        image.save(photos / name)
    (photos / "broken.jpg").write_bytes(b"no picture")
    pictures = [picture(name, crop(0)) for name in ("lion.jpg", "fox.jpg", "broken.jpg", "gone.jpg", "blank.jpg")]
    run = small_run(tmp_path / "run", [*pictures, picture("clip.mp4", crop(0), frame_number=3)], root=photos)
    rows = [{"image": name, "verdict": "accepted"} for name in ("lion.jpg", "fox.jpg", "broken.jpg", "gone.jpg", "clip.mp4")]
    assert not decide(run.folder, [*rows, {"image": "blank.jpg", "verdict": "blank"}], "Ana").errors
    return run


def test_the_crops_are_cut_out_and_what_cannot_be_is_counted(run, tmp_path):
    report = write_training(run, tmp_path / "reviewed.parquet")
    assert (report.rows, report.unread, report.of_videos, report.without_taxon) == (2, 2, 1, 1)
    first = parquet.read_table(tmp_path / "reviewed.parquet").to_pylist()[0]
    assert (first["species"], first["common_name"], first["label_rank"], first["split"], first["source_id"]) == (
        "Panthera leo",
        "Lion",
        "species",
        "train",
        "lion.jpg#0",
    )
    with Image.open(io.BytesIO(first["image"]["bytes"])) as cut:
        assert 320 <= cut.width < 500  # the box with its margin
        red, _, blue = cut.getpixel((cut.width // 2, cut.height // 2))
    assert blue > red


def test_training_and_measuring_read_them(run, tmp_path):
    pytest.importorskip("torchvision")
    from bioclip_search.train.config import PictureSetConfig
    from bioclip_search.train.pictures import open_picture, read_pictures

    write_training(run, tmp_path / "reviewed.parquet")
    found = read_pictures(tmp_path, [PictureSetConfig(name="reviewed", files="reviewed.parquet")])
    assert [one.taxon["species"] for one in found] == ["Panthera leo", "Panthera leo"]
    assert open_picture(found[0]).mode == "RGB"
    (labelled,) = find_sets([tmp_path / "reviewed.parquet"])
    assert labelled.taxa["genus"].to_pylist() == ["Panthera", "Panthera"]
