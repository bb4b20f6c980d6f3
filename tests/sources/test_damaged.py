"""Whatever is done to a collection's bytes: it is refused in our own words, or listed with a name for each picture."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from bioclip_search.errors import SourceError
from bioclip_search.media import Media
from bioclip_search.sources import open_source


def zip_bytes(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members:
            opened.writestr(name, data)
    return file.getvalue()


def tar_bytes(mode):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as opened:
        for number in range(3):
            info = tarfile.TarInfo(f"d/{number}.jpg")
            info.size = 700
            opened.addfile(info, io.BytesIO(b"z" * 700))
    return file.getvalue()


def parquet_bytes():
    file = io.BytesIO()
    parquet.write_table(pa.table({"image": [{"bytes": b"a", "path": "x.jpg"}, {"bytes": None, "path": "y.jpg"}], "lat": [1.0, None]}), file)
    return file.getvalue()


DETECTIONS = [{"category": "1", "conf": 0.5, "bbox": [0, 0, 0.5, 0.5], "frame_number": 20}]
PACKAGE = json.dumps({"resources": [{"name": name, "path": f"{name}.csv"} for name in ("media", "deployments", "observations")]})
WHOLE = {
    "list.csv": b'image,datetime,lat,lon,station\na.jpg,2020:01:01 10:00:00,1,2,A\n"b\n.jpg",05/13/2020 10:00,"1,5",2,"B"\n',
    "md.json": json.dumps(
        {"detection_categories": {"1": "animal"}, "images": [{"file": "a\\b.mp4", "frames_processed": [0], "detections": DETECTIONS}]}
    ).encode(),
    "coco.json": json.dumps(
        {
            "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9, "datetime": "2020-01-01 10:00:00", "location": "x"}],
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5]}],
            "categories": [{"id": 1, "name": "deer"}],
        }
    ).encode(),
    "photos.zip": zip_bytes(("a/1.jpg", b"one" * 100), ("a/2.jpg", b"two" * 100)),
    "package.zip": zip_bytes(
        ("datapackage.json", PACKAGE),
        ("media.csv", "mediaID,deploymentID,timestamp,filePath\n1,d,2020-01-01T10:00:00Z,a.jpg\n2,d,,https://x/y.jpg\n"),
        ("deployments.csv", "deploymentID,latitude,longitude,deploymentStart\nd,1,2,2020-01-01\n"),
        ("observations.csv", "observationID,mediaID,bboxX,bboxY,bboxWidth,bboxHeight\no,1,0,0,.5,.5\n"),
        ("a.jpg", b"one"),
    ),
    "photos.tar": tar_bytes("w"),
    "photos.tar.gz": tar_bytes("w:gz"),
    "photos.parquet": parquet_bytes(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=40)
@given(data=st.data())
def test_damage_is_refused_or_told_and_never_more(folder, name, data):
    content = bytearray(WHOLE[name])
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    place = folder / name
    place.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        source = open_source(place)
        media = list(source.media())
    except SourceError:
        return
    assert len({one.image for one in media}) == len(media)
    assert all(one.image.encode("utf-8") for one in media)
    assert all(one.error or one.data is not None or one.file is not None for one in media if isinstance(one, Media))
    assert all(note.encode("utf-8") for note in source.notes)
