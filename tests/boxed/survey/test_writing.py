from __future__ import annotations

import csv
import json

import numpy as np
import PIL.Image
import pytest

from bioclip_search.boxed.boxed_set import kept
from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.sets import find_boxed_sets
from bioclip_search.boxed.survey.figures import survey_of
from bioclip_search.boxed.survey.suspects import UNLABELLED, in_order, suspects_in, unlabelled_in
from bioclip_search.boxed.survey.writing import write_survey
from tests.boxed.small_boxes import boxes, small_set
from tests.boxed.survey.test_suspects import RedFinder

pytest.importorskip("matplotlib")


def written(told, out, detector=None):
    sets, report = examine(told)
    suspects = in_order([*suspects_in(sets), *(unlabelled_in(sets, detector) if detector else [])])
    return write_survey(sets, survey_of(sets), report, suspects, out, detector=detector and detector.name)


def test_a_folder_with_report_metrics_drawings_and_sheets_is_written(tmp_path):
    several = [boxes((5, 5, 20, 20), (5, 5, 20, 19.5)), boxes((0, 0, 9, 9), category="Lynx | $lynx$")] + [()] * 8
    out = written([small_set(tmp_path / "a", several, deployments=np.array(["north"] * 10, object))], tmp_path / "out", RedFinder())
    names = {"report.md", "metrics.json", "suspects.csv", "survey.png", "categories.png", "deployments.png"}
    assert {path.name for path in out.iterdir()} == names | {f"suspects-{kind}.png" for kind in (UNLABELLED, "doubled", "cut")}
    report = (out / "report.md").read_text()
    assert "- 10 pictures with 3 boxes of 2 categories; 8 pictures have none" in report
    assert "- unlabelled: 5; a detector is sure of an organism where no box is (red) ([sheet](suspects-unlabelled.png))" in report
    assert "| Lynx \\| \\$lynx\\$ | 1 | 1 | 1 | 1 |" in report
    told = json.loads((out / "metrics.json").read_text())
    assert (told["metrics"]["boxes"], told["metrics"]["suspects_unlabelled"], told["categories"]["Puma concolor"]["boxes"]) == (3, 5, 2)
    rows = list(csv.DictReader((out / "suspects.csv").read_text().splitlines()))
    assert [row["kind"] for row in rows] == [UNLABELLED] * 5 + ["doubled", "cut"]
    assert (rows[0]["picture"], rows[0]["boxes_xyxy"]) == ("small/9.png", "10.00 10.00 20.00 20.00")
    for name in names:
        if name.endswith(".png"):
            with PIL.Image.open(out / name) as drawn:
                assert len(drawn.convert("RGB").getcolors(1 << 24)) > 10


@pytest.mark.parametrize("several", [pytest.param([()], id="no box"), pytest.param([], id="no picture"), pytest.param([boxes((5, 5, 20, 20))], id="one box")])
def test_little_is_surveyed_too(tmp_path, several):
    report = (written([small_set(tmp_path / "a", several)], tmp_path / "out") / "report.md").read_text()
    assert "Nobody looked for organisms without a box" in report
    assert "unlabelled" not in report


def test_the_starter_detector_finds_raccoons_whose_boxes_were_taken_away(shared):
    from dataclasses import replace

    from bioclip_search.detect import load_detector

    (told,) = find_boxed_sets([shared / "boxes/raccoon-val.parquet"])
    some = kept(told, np.arange(len(told)) < 6)
    sets, _ = examine([replace(some, boxes=((),) * 6)])
    found = unlabelled_in(sets, load_detector("starter"), 0.3)
    assert len({one.row for one in found}) >= 4
    assert all(one.worth > 1 for one in found)
