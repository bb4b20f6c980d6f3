from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from bioclip_search.errors import ExportError, SourceError
from bioclip_search.runs.table import to_table
from bioclip_search.standards import export
from bioclip_search.standards.csv_table import safe, unsafe
from bioclip_search.standards.reading import read_export
from tests.standards.random_runs import runs
from tests.standards.runs import crop, picture, small_run


@settings(max_examples=40)
@given(runs())
def test_all_rows_come_back(pictures):
    with tempfile.TemporaryDirectory() as name:
        run = small_run(Path(name, "run"), pictures)
        report = export(run, "csv", Path(name, "out.csv"))
        assert report.pictures == len(pictures)
        back = read_export(Path(name, "out.csv"))
        assert to_table(back.pictures(), None).equals(to_table(run.pictures(), None))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "'=1", "''=1", "'x", "plain", "'"])
def test_a_text_that_looks_like_a_formula_is_kept_from_being_one_and_comes_back(text):
    written = safe({"a": text})["a"]
    assert written[0] not in "=+-@\t\r"
    assert unsafe(written) == text


def test_a_picture_named_like_a_formula_is_no_formula_in_the_file(tmp_path):
    export(small_run(tmp_path / "run", [picture("=cmd.jpg", crop())]), "csv", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["image"] == "'=cmd.jpg"
    assert (row["stands_taxon"], row["family"], row["left"]) == ("Panthera leo", "Felidae", "80.0")


def test_a_file_that_is_there_stays_unless_it_may_go(tmp_path):
    run, out = small_run(tmp_path / "run", [picture()]), tmp_path / "out.csv"
    out.write_text("mine")
    with pytest.raises(ExportError, match="--overwrite"):
        export(run, "csv", out)
    assert out.read_text() == "mine"
    export(run, "csv", out, overwrite=True)
    assert out.read_text().startswith("media_id,")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "run"]


def test_a_folder_that_is_not_there_is_an_error_that_says_so(tmp_path):
    with pytest.raises(ExportError, match="cannot be written"):
        export(small_run(tmp_path / "run", [picture()]), "csv", tmp_path / "none" / "out.csv")


def test_an_unknown_format_is_told_with_those_that_there_are(tmp_path):
    with pytest.raises(ExportError, match="camtrap-dp"):
        export(small_run(tmp_path / "run", []), "camtrap", tmp_path / "out")


def test_another_csv_is_not_taken_for_an_export(tmp_path):
    (tmp_path / "list.csv").write_text("image,species\na.jpg,b\n")
    with pytest.raises(SourceError, match="lacks media_id"):
        read_export(tmp_path / "list.csv")
