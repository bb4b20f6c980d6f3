from __future__ import annotations

import csv
import shutil
import weakref
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from bioclip_search.boxed.sets import BoxedSet, TrueBox
from bioclip_search.detectors.boxes import Detection
from bioclip_search.errors import TableError
from bioclip_search.evaluation.box_errors.kinds import BACKGROUND, MISSED
from bioclip_search.evaluation.box_errors.sheets import COLUMNS, FIND_COLOUR, MOST_TILES, TILE_PX, TRUE_COLOUR, Mark, Tile, contact_sheet
from bioclip_search.evaluation.box_errors.writing import error_report, write_errors
from bioclip_search.evaluation.detection import look

GREY = Image.new("RGB", (200, 100), "#808080")
LEFT, RIGHT = (10.0, 10.0, 60.0, 60.0), (120.0, 20.0, 180.0, 80.0)


class Always:
    """Finds the same in every picture."""

    name = fingerprint = "always"

    def __init__(self, *finds):
        self.finds = list(finds)

    def detect(self, pictures, min_confidence):
        return [[one for one in self.finds if one.confidence >= min_confidence] for _ in pictures]


def boxed_set(*boxes, broken=()):
    pictures = [b"broken" if row in broken else np.asarray(GREY) for row in range(len(boxes))]
    return BoxedSet(
        name="walk",
        boxes=tuple(tuple(TrueBox(box, "fox") for box in several) for several in boxes),
        parts=np.array(["val"] * len(boxes), object),
        names=tuple(f"walk/{row}.jpg" for row in range(len(boxes))),
        pictures=lambda wanted: iter([pictures[row] for row in np.flatnonzero(wanted)]),
    )


def report_of(boxed, detector):
    return error_report(boxed, look(detector, boxed, np.ones(len(boxed), bool)), detector.name)


def test_the_folder_holds_the_report_the_rows_worst_first_and_a_sheet_a_class(tmp_path):
    boxed = boxed_set([LEFT], [LEFT, RIGHT], [])
    written = write_errors(tmp_path / "deep" / "walk", report_of(boxed, Always(Detection(LEFT, 0.9, "fox"), Detection((90.0, 0.0, 110.0, 20.0), 0.3, "fox"))))
    assert [path.name for path in written] == ["report.md", "errors.csv", "background.png", "missed.png"]
    with written[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["kind"], row["confidence"]) for row in rows] == [
        ("walk/2.jpg", BACKGROUND, "0.9000"),
        ("walk/0.jpg", BACKGROUND, "0.3000"),
        ("walk/1.jpg", BACKGROUND, "0.3000"),
        ("walk/2.jpg", BACKGROUND, "0.3000"),
        ("walk/1.jpg", MISSED, ""),
    ]
    text = written[0].read_text(encoding="utf-8")
    assert "3 pictures." in text
    assert "2 finds are right; 1 organism has no find" in text
    assert "| background | 4 |" in text
    assert "![missed](missed.png)" in text


def test_a_category_that_means_something_to_markdown_is_a_name_in_the_page(tmp_path):
    name = "<b>|\nfox"
    boxed, detector = replace(boxed_set([LEFT]), boxes=((TrueBox(LEFT, name),),)), Always(Detection(LEFT, 0.9, name))
    report = error_report(boxed, look(detector, boxed, np.ones(1, bool)), "my_detector", by_category=True)
    text = write_errors(tmp_path, report)[0].read_text(encoding="utf-8")
    assert text.startswith("# What is wrong: my\\_detector on walk\n")
    assert "| &lt;b&gt;\\| fox | 1 |" in text


def test_a_picture_that_cannot_be_read_does_not_shift_the_others(tmp_path):
    report = report_of(boxed_set([LEFT], [RIGHT], [RIGHT], broken=[0]), Always())
    assert report.looked.rows == (1, 2)
    rows = write_errors(tmp_path, report)[1].read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["walk/1.jpg", "walk/2.jpg"]


def test_without_an_error_there_is_no_sheet(tmp_path):
    written = write_errors(tmp_path, report_of(boxed_set([LEFT]), Always(Detection(LEFT, 0.9, "fox"))))
    assert [path.name for path in written] == ["report.md", "errors.csv"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TableError, match="cannot be written"):
        write_errors(tmp_path / "file", report_of(boxed_set([LEFT]), Always()))


def colours_of(sheet):
    return {colour for _, colour in sheet.getcolors(maxcolors=1 << 24)}


def test_a_sheet_shows_the_boxes_in_their_colours_and_no_more_tiles_than_it_holds():
    tile = Tile(GREY, [Mark(LEFT, TRUE_COLOUR), Mark(RIGHT, FIND_COLOUR)], "0.9 sure", "a.jpg")
    plain = contact_sheet("Nothing", [], [Tile(GREY, [], "", "")])
    sheet = contact_sheet("Missed", [(TRUE_COLOUR, "there")], [tile] * (MOST_TILES + 7))
    green, vermilion = ((0, 0x9E, 0x73), (0xD5, 0x5E, 0))
    assert {green, vermilion} <= colours_of(sheet)
    assert not {green, vermilion} & colours_of(plain)
    assert sheet.size[0] > COLUMNS * TILE_PX
    assert sheet.size[1] < (MOST_TILES // COLUMNS + 1) * 1.3 * TILE_PX


def test_a_sheet_holds_no_more_pictures_at_once_than_it_draws():
    alive = []

    def tiles():
        for number in range(8):
            picture = Image.new("RGB", (40, 30))
            alive.append(weakref.ref(picture))
            assert sum(one() is not None for one in alive) <= 2, "this one, and the one before"
            yield Tile(picture, [], f"{number}")

    contact_sheet("All", [], tiles())
    assert len(alive) == 8


def test_a_small_box_is_shown_with_its_surroundings_not_the_whole_picture():
    picture = Image.new("RGB", (2000, 1000), "white")
    picture.paste("#123456", (1000, 500, 1020, 520))
    sheet = contact_sheet("Small", [], [Tile(picture, [], "", "", [(1000.0, 500.0, 1020.0, 520.0)])])
    counts = {colour: count for count, colour in sheet.getcolors(maxcolors=1 << 24)}
    assert (
        counts[(0x12, 0x34, 0x56)] > (TILE_PX / 4) ** 2 / 2
    )  # a quarter of the tile each way, blurred at its edge; in the whole picture it would be 3 px wide


@pytest.mark.parametrize("box", [(-50.0, -50.0, 20.0, 20.0), (500.0, 500.0, 600.0, 600.0), (10.0, 10.0, 10.5, 10.5)])
def test_a_box_beside_the_picture_or_without_a_pixel_is_no_reason_to_stop(box):
    assert contact_sheet("Odd", [], [Tile(GREY, [Mark(box, TRUE_COLOUR), Mark(box, FIND_COLOUR, is_dashed=True)], "", "", [box])]).size[0] > 0


def test_the_command_writes_a_folder_a_set(shared, tmp_path):
    from bioclip_search.cli import root

    file, out = shared / "boxes" / "raccoon-val.parquet", tmp_path / "errors"
    copy = shutil.copy(file, tmp_path / file.name)  # another set of the same name
    told = CliRunner().invoke(root, ["evaluate", "detector", str(file), str(copy), "--errors", str(out)])
    assert told.exit_code == 0, told.output
    assert sorted(path.name for path in out.iterdir()) == ["raccoon-val", "raccoon-val-2"]
    assert {path.name for path in (out / "raccoon-val").iterdir()} >= {"report.md", "errors.csv", "misplaced.png"}
    assert "| large |" in (out / "raccoon-val" / "report.md").read_text(encoding="utf-8")
