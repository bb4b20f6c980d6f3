"""Copies of pictures: upright, shrunk and readable, made once; what cannot be read is passed over and told."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import TRAIN, find_sets
from bioclip_search.train.config import PictureSetConfig
from bioclip_search.train.pictures import SEEN, read_pictures
from bioclip_search.train.regional.gathering import CHOOSE, NOWHERE
from bioclip_search.train.regional.staging import SHORT_SIDE_PX, stage
from tests.train.regional.conftest import write_pictures


@pytest.fixture
def region(tmp_path):
    (labelled,) = find_sets([write_pictures(tmp_path / "region", each=3)])
    return replace(labelled, parts=np.array([TRAIN, CHOOSE, NOWHERE] * 3, object))


def test_what_is_staged_is_read_as_the_training_reads_it(region, tmp_path):
    staged = stage([region], tmp_path / "run")
    assert (staged.taught, staged.failures) == (3, ())
    pictures = read_pictures(tmp_path / "run", [PictureSetConfig(name, file) for name, file in staged.files.items()])
    assert [picture.part for picture in pictures] == [TRAIN, SEEN] * 3
    assert [picture.source_id for picture in pictures][:2] == list(region.names[:2])
    assert [picture.taxon["species"] for picture in pictures] == [name for row, name in enumerate(region.taxa["species"].to_pylist()) if row % 3 < 2]


def test_a_corrupt_picture_is_passed_over_and_told(region, tmp_path):
    broken, empty = region.paths()[0], region.paths()[1]
    broken.write_bytes(broken.read_bytes()[:300])
    empty.write_bytes(b"")
    seen = []
    staged = stage([region], tmp_path / "run", lambda done, total: seen.append((done, total)))
    assert [failure.image for failure in staged.failures] == [region.names[0], region.names[1]]
    assert "empty" in staged.failures[1].error
    assert staged.taught == 2
    assert seen[-1] == (6, 6)


def test_pictures_are_turned_upright_and_shrunk(region, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.new("RGB", (3000, 1500), (9, 9, 9)).save(region.paths()[0], exif=exif)
    staged = stage([region], tmp_path / "run")
    (first, *_) = parquet.read_table(tmp_path / "run" / next(iter(staged.files.values())))["image"].to_pylist()
    assert Image.open(io.BytesIO(first["bytes"])).size == (SHORT_SIDE_PX, 2 * SHORT_SIDE_PX)


def test_copies_are_kept_until_a_picture_or_a_label_is_another(region, tmp_path):
    staged = stage([region], tmp_path / "run")
    file = tmp_path / "run" / next(iter(staged.files.values()))
    made = file.stat().st_mtime_ns
    assert stage([region], tmp_path / "run") == staged
    assert file.stat().st_mtime_ns == made
    stage([replace(region, parts=np.array([TRAIN, CHOOSE, CHOOSE] * 3, object))], tmp_path / "run")
    assert file.stat().st_mtime_ns > made
    assert parquet.read_metadata(file).num_rows == 9


def test_copies_that_are_not_whole_are_made_anew(region, tmp_path):
    staged = stage([region], tmp_path / "run")
    file = tmp_path / "run" / next(iter(staged.files.values()))
    file.unlink()
    assert stage([region], tmp_path / "run") == staged
    assert file.is_file()


def test_pictures_none_of_which_can_be_read_are_told(region, tmp_path):
    for path in region.paths():
        path.write_bytes(b"no picture")
    with pytest.raises(TableError, match="None of the 6 pictures to learn from can be read, such as region/"):
        stage([region], tmp_path / "run")
