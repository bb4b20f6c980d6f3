from __future__ import annotations

import csv

import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image
from pyarrow import parquet

from bioclip_search.cli import root
from bioclip_search.errors import TableError
from bioclip_search.silver.checking import CheckResult, draw_boxes, read_check, wilson_interval, write_check
from bioclip_search.silver.writing import SCHEMA


def write_set(path, boxes_per_picture):
    import io

    rows = []
    for number, count in enumerate(boxes_per_picture):
        data = io.BytesIO()
        Image.new("RGB", (100, 80), "#405060").save(data, "JPEG")
        bbox = [[10.0 * place, 10.0, 8.0, 20.0] for place in range(count)]
        objects = {"bbox": bbox, "category": ["organism"] * count, "confidence": [0.9] * count}
        rows.append({"image": {"bytes": data.getvalue(), "path": None}, "width": 100, "height": 80, "objects": objects, "source_id": f"{number}.jpg"})
    parquet.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return path


def answer(table, words):
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows([row | {"right": word} for row, word in zip(rows, words, strict=False)])


def test_wilson_worked_by_hand_and_at_the_ends():
    # 8 of 10: centre (0.8 + 1.9207/10) / 1.38415 = 0.7167, half 1.96 · sqrt(0.016 + 0.0096036) / 1.38415 = 0.2266
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    low, high = CheckResult(8, 2, 5).interval
    assert low < CheckResult(8, 2, 5).precision == 0.8 < high


def test_each_box_is_drawn_as_often_as_any_other(tmp_path):
    silver = write_set(tmp_path / "silver.parquet", [1, 0, 3, 1])
    drawn = [pair for seed in range(400) for pair in draw_boxes(silver, 2, seed)]
    boxes = [(0, 0), (2, 0), (2, 1), (2, 2), (3, 0)]
    counts = [drawn.count(box) for box in boxes]
    assert sum(counts) == len(drawn) == 800
    assert min(counts) > 120 < max(counts) < 200  # 160 each, ± 4 standard deviations of 9.8
    assert draw_boxes(silver, 99) == boxes
    assert draw_boxes(silver, 3, 7) == draw_boxes(silver, 3, 7)


def test_answers_are_counted_and_unsure_is_no_proof(tmp_path):
    silver = write_set(tmp_path / "silver.parquet", [2] * 25)
    table, *sheets = write_check(silver, 45, tmp_path / "check.csv")
    assert [sheet.name for sheet in sheets] == ["check-1.png", "check-2.png"]  # 40 on a sheet
    answer(table, ["yes"] * 30 + ["Y"] * 5 + ["no"] * 3 + ["?"] + [""] * 6)
    assert read_check(table, silver) == CheckResult(right=35, wrong=4, open=6)


def test_a_new_draw_takes_the_place_of_a_draw_but_never_of_answers(tmp_path):
    silver = write_set(tmp_path / "silver.parquet", [3, 3])
    table, *_ = write_check(silver, 4, tmp_path / "check.csv")
    write_check(silver, 3, table)
    answer(table, ["yes", "", ""])
    before = table.read_bytes()
    with pytest.raises(TableError, match="have answered here already"):
        write_check(silver, 4, table)
    assert table.read_bytes() == before


def test_a_spreadsheet_with_semicolons_and_a_mark_at_its_start_is_read(tmp_path):
    silver = write_set(tmp_path / "silver.parquet", [1, 1])
    table = write_check(silver, 2, tmp_path / "check.csv")[0]
    answer(table, ["yes", "yes"])
    table.write_text("\ufeff" + table.read_text().replace(",", ";"), encoding="utf-8")
    assert read_check(table, silver).right == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [(["maybe"], "expected yes or no"), ([""], "nobody has answered")],
)
def test_what_is_no_answer_is_told(tmp_path, words, message):
    silver = write_set(tmp_path / "silver.parquet", [1])
    table = write_check(silver, 1, tmp_path / "check.csv")[0]
    answer(table, words)
    with pytest.raises(TableError, match=message):
        read_check(table, silver)


def test_answers_about_another_set_and_other_files_are_refused(tmp_path):
    silver, other = write_set(tmp_path / "silver.parquet", [1]), write_set(tmp_path / "other.parquet", [2])
    table = write_check(silver, 1, tmp_path / "check.csv")[0]
    answer(table, ["yes"])
    with pytest.raises(TableError, match="another set"):
        read_check(table, other)
    (tmp_path / "plain.csv").write_text("image,box\na,b\n")
    with pytest.raises(TableError, match="no table of a check"):
        read_check(tmp_path / "plain.csv", silver)
    (tmp_path / "bytes.csv").write_bytes(bytes([0xFF, 0xFE, 0x00]) * 9)
    with pytest.raises(TableError, match="UTF-8"):
        read_check(tmp_path / "bytes.csv", silver)
    with pytest.raises(TableError, match="no silver set"):
        write_check(tmp_path / "plain.csv", 1, tmp_path / "x.csv")


@pytest.mark.parametrize(("right", "status", "words"), [(40, 0, "1.000"), (37, 0, "may be less"), (20, 1, "less than 0.9")])
def test_the_command_refuses_a_set_that_is_not_right_enough(tmp_path, right, status, words):
    silver = write_set(tmp_path / "silver.parquet", [1] * 40)
    runner = CliRunner()
    assert runner.invoke(root, ["train", "silver-check", str(silver), "--draw", "40"]).exit_code == 0
    table = tmp_path / "silver.check.csv"
    answer(table, ["yes"] * right + ["no"] * (40 - right))
    told = runner.invoke(root, ["train", "silver-check", str(silver), str(table), "--least-precision", "0.9"])
    assert told.exit_code == status
    assert words in told.output + str(told.exception or "")


def test_the_command_draws_boxes_into_real_pictures_and_a_check(shared, tmp_path):
    out = tmp_path / "silver.parquet"
    train, val = (str(shared / "boxes" / f"raccoon-{part}.parquet") for part in ("train", "val"))
    words = [
        "train",
        "silver",
        val,
        "--agree",
        "mirrored",
        "--not-in",
        train,
        "--category",
        "Procyon lotor",
        "--check",
        "5",
        "--out",
        str(out),
        "--device",
        "cpu",
    ]
    told = CliRunner().invoke(root, words)
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("32 pictures: ")
    assert {category for row in parquet.read_table(out)["objects"].to_pylist() for category in row["category"]} == {"Procyon lotor"}
    assert (tmp_path / "silver.check-1.png").exists()
    assert len(draw_boxes(out, 5)) == 5
    assert {tuple(agreed) for agreed in parquet.read_table(out)["agreed"].to_pylist()} == {("starter, mirrored",)}


@pytest.mark.parametrize("words", [["--min-confidence", "0.3", "--doubtful", "0.5"], []])
def test_numbers_that_do_not_fit_and_missing_options_are_wrong_usage(tmp_path, words):
    told = CliRunner().invoke(root, ["train", "silver", str(tmp_path), *words, *(["--out", str(tmp_path / "s.parquet")] if words else [])])
    assert told.exit_code == 2
