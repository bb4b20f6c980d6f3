from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from bioclip_search.boxed.sets import find_boxed_sets
from bioclip_search.detectors.boxes import Detection
from bioclip_search.errors import RunError, TableError
from bioclip_search.silver.judging import NOTHING_SURE, TAKEN, SilverRule
from bioclip_search.silver.pictures import cautions
from bioclip_search.silver.writing import FILM, REPEATED, UNREADABLE, Looks, hashes_of, write_silver
from tests.standards.runs import crop, picture, small_run


class BrightFinder:
    """Finds what is brighter than 200, as sure as it is red; stops where it is told to, as a machine does that loses its power."""

    name, fingerprint = "bright", "b1"

    def __init__(self, stops_after=None):
        self.looked, self.stops_after = 0, stops_after

    def detect(self, pictures, min_confidence):
        found = []
        for pixels in map(np.asarray, pictures):
            if self.looked == self.stops_after:
                raise KeyboardInterrupt
            self.looked += 1
            rows, columns = np.nonzero(pixels[..., 1] > 200)
            if len(rows) == 0:
                found.append([])
                continue
            confidence = pixels[rows[0], columns[0], 0] / 255
            box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
            found.append([Detection(box, float(confidence), "organism")] if confidence >= min_confidence else [])
        return found


def write_photo(path, confidence=0.9, at=(20, 10, 60, 50), size=(100, 80), **options):
    picture = Image.new("RGB", size, (0, 0, 60))
    picture.paste((round(confidence * 255), 255, 255), at)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=100, subsampling=0, **options)
    return path


@pytest.fixture
def photos(tmp_path):
    """Twelve pictures: nine with one bright thing each, one without, one doubled, one broken."""
    folder = tmp_path / "photos"
    for number in range(9):
        write_photo(folder / f"{number}.jpg", at=(10 + number, 10, 60, 50))
    Image.new("RGB", (100, 80)).save(folder / "empty.jpg")
    (folder / "again.jpg").write_bytes((folder / "3.jpg").read_bytes())
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return folder


def test_the_set_reads_back_as_pictures_with_boxes_and_says_where_each_came_from(photos, tmp_path):
    out = tmp_path / "silver.parquet"
    report = write_silver([str(photos)], out, Looks(BrightFinder()))
    assert report.counts == dict.fromkeys(report.counts, 0) | {TAKEN: 9, NOTHING_SURE: 1, REPEATED: 1, UNREADABLE: 1}
    assert "broken.jpg" in report.failures[0]
    assert report.lines()[0] == "12 pictures: 9 taken, with 9 boxes"
    (boxed,) = find_boxed_sets([out])
    assert len(boxed) == 9
    assert set(boxed.parts) == {"train"}
    assert boxed.silver.all()
    row = parquet.read_table(out).to_pylist()[-1]
    assert (row["detector"], row["detector_fingerprint"], row["source_id"], row["width"], row["height"]) == ("bright", "b1", "8.jpg", 100, 80)
    assert row["objects"]["confidence"] == [pytest.approx(0.9, abs=0.02)]
    assert np.allclose(row["objects"]["bbox"], [[18, 10, 42, 40]], atol=1.5)
    assert row["image"]["bytes"] == (photos / "8.jpg").read_bytes()
    assert not list(tmp_path.glob("*.pieces"))


@pytest.mark.parametrize("stops_after", [4, 8])
def test_who_is_stopped_goes_on_and_comes_to_the_same_set(photos, tmp_path, stops_after):
    whole, out = tmp_path / "whole.parquet", tmp_path / "silver.parquet"
    told = write_silver([str(photos)], whole, Looks(BrightFinder()))
    with pytest.raises(KeyboardInterrupt):
        write_silver([str(photos)], out, Looks(BrightFinder(stops_after)), piece_pictures=2)
    assert not out.exists()
    with pytest.raises(RunError, match="--resume"):
        write_silver([str(photos)], out, Looks(BrightFinder()))
    second = BrightFinder()
    assert write_silver([str(photos)], out, Looks(second), is_resumed=True) == told
    assert parquet.read_table(out) == parquet.read_table(whole)
    assert second.looked < 10


def test_who_is_killed_goes_on_too(photos, tmp_path):
    out = tmp_path / "silver.parquet"
    code = f"""
import os
from pathlib import Path
from bioclip_search.silver.writing import Looks, write_silver
from tests.silver.test_writing import BrightFinder

class Killed(BrightFinder):
    def detect(self, pictures, min_confidence):
        if self.looked == 6:
            os._exit(9)
        return super().detect(pictures, min_confidence)

write_silver([{str(photos)!r}], Path({str(out)!r}), Looks(Killed()), piece_pictures=2)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 9
    finder = BrightFinder()
    assert write_silver([str(photos)], out, Looks(finder), is_resumed=True).counts[TAKEN] == 9
    assert finder.looked == 4  # its six looks are kept, in three pieces of two; three pictures and the empty one are left


def test_pieces_of_other_settings_are_not_gone_on_with(photos, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_silver([str(photos)], tmp_path / "silver.parquet", Looks(BrightFinder(5)), piece_pictures=2)
    with pytest.raises(RunError, match="other pictures or settings"):
        write_silver([str(photos)], tmp_path / "silver.parquet", Looks(BrightFinder(), rule=SilverRule(0.7)), is_resumed=True)


def test_pictures_that_came_in_between_are_told(photos, tmp_path):
    out = tmp_path / "silver.parquet"
    with pytest.raises(KeyboardInterrupt):
        write_silver([str(photos)], out, Looks(BrightFinder(5)), piece_pictures=2)
    write_photo(photos / "00.jpg")
    with pytest.raises(RunError, match="the pictures have changed"):
        write_silver([str(photos)], out, Looks(BrightFinder()), is_resumed=True)


def test_the_file_of_an_earlier_call_is_left_alone(photos, tmp_path):
    out = tmp_path / "silver.parquet"
    out.write_bytes(b"gold")
    with pytest.raises(RunError, match="there already"):
        write_silver([str(photos)], out, Looks(BrightFinder()))
    assert out.read_bytes() == b"gold"


def test_pictures_of_the_gold_set_never_come_in(photos, tmp_path):
    known = frozenset(hashes_of([photos / "0.jpg", (photos / "1.jpg").read_bytes(), photos / "missing.jpg"]))
    assert len(known) == 2
    report = write_silver([str(photos)], tmp_path / "silver.parquet", Looks(BrightFinder(), known=known))
    assert (report.counts[TAKEN], report.counts[REPEATED]) == (7, 3)


def test_where_nothing_is_sure_there_is_no_set_but_a_reason(photos, tmp_path):
    with pytest.raises(TableError, match="No picture was taken.*nothing sure.*--min-confidence"):
        write_silver([str(photos)], tmp_path / "silver.parquet", Looks(BrightFinder(), rule=SilverRule(0.99)))
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_turned_picture_is_kept_upright_as_its_boxes_are(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    write_photo(tmp_path / "photos" / "turned.jpg", at=(0, 0, 40, 30), exif=exif)
    write_silver([str(tmp_path / "photos")], tmp_path / "silver.parquet", Looks(BrightFinder()))
    (row,) = parquet.read_table(tmp_path / "silver.parquet").to_pylist()
    kept = Image.open(io.BytesIO(row["image"]["bytes"]))
    assert kept.size == (row["width"], row["height"]) == (80, 100)
    assert not kept.getexif().get(0x0112)
    assert np.allclose(row["objects"]["bbox"], [[50, 0, 30, 40]], atol=1.5)


def test_the_boxes_that_a_run_found_are_taken_and_no_detector_looks_again(photos, tmp_path):
    class Never:
        name, fingerprint = "never", "n"

        def detect(self, pictures, min_confidence):
            raise AssertionError("the run has its boxes")

    pictures = [
        picture("0.jpg", crop(box=(20, 10, 60, 50), confidence=0.8), crop(1, box=(0, 0, 9, 9), category="person")),
        picture("1.jpg"),
        picture("gone.jpg", crop()),
    ]
    note = {"settings": {"encoder": {"dim": 4}, "detector": {"name": "finder of the run", "fingerprint": "f00"}, "looking": {"min_confidence": 0.3}}}
    run = small_run(tmp_path / "run", pictures, root=photos, note=note).folder
    assert "0.25 to 0.3" in cautions([str(run), str(photos)], 0.25)[0]
    assert cautions([str(run)], 0.3) == []
    report = write_silver([str(run)], tmp_path / "silver.parquet", Looks(Never()))
    assert report.counts == dict.fromkeys(report.counts, 0) | {TAKEN: 1, NOTHING_SURE: 1, UNREADABLE: 1}
    (row,) = parquet.read_table(tmp_path / "silver.parquet").to_pylist()
    assert (row["detector"], row["detector_fingerprint"]) == ("finder of the run", "f00")
    assert row["objects"]["bbox"] == [[20.0, 10.0, 40.0, 40.0]]


def test_a_film_is_counted_and_passed_over(photos, tmp_path):
    (photos / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    assert write_silver([str(photos)], tmp_path / "silver.parquet", Looks(BrightFinder())).counts[FILM] == 1


def test_real_pictures_whose_boxes_are_hidden(shared, tmp_path):
    """Of the starter's sure finds in pictures it was not taught, nearly all are organisms that people drew."""
    from bioclip_search.detect import load_detector
    from bioclip_search.detectors.boxes import box_iou

    file = shared / "boxes" / "raccoon-val.parquet"
    out = tmp_path / "silver.parquet"
    report = write_silver([str(file)], out, Looks(load_detector("starter", device="cpu")))
    assert report.counts[TAKEN] >= 10
    (gold,), (silver,) = find_boxed_sets([file]), find_boxed_sets([out])
    true = dict(zip(hashes_of(gold.pictures(np.ones(len(gold), bool))), gold.boxes, strict=True))
    names = parquet.read_table(out, columns=["content_sha256"])[0].to_pylist()
    pairs = [(box, true[name]) for name, boxes in zip(names, silver.boxes, strict=True) for box in boxes]
    right = [any(box_iou(box.box_xyxy, other.box_xyxy) >= 0.5 for other in others) for box, others in pairs]
    assert np.mean(right) > 0.9
