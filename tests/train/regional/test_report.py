"""The difference between two encoders is drawn in pairs, and told with what it stands on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bioclip_search.evaluation.verdicts import UNDECIDED
from bioclip_search.train.regional.gain import Gain, paired
from bioclip_search.train.regional.report import NOT_ASKED, RegionalReport, rows_of, tried_table


def test_a_picture_that_both_know_says_nothing_of_the_gain():
    """Of twenty pictures both know ten, and two are gained. Drawn apart, the interval would reach far below 0; in pairs it cannot."""
    was = np.array([1] * 10 + [0] * 10, np.int8)
    now = np.array([1] * 12 + [0] * 8, np.int8)
    told = paired(was, now, np.arange(20))
    assert (told["before"], told["after"], told["gain"]) == (0.5, 0.6, 0.1)
    assert told["gain_low"] == 0.0
    assert told["after_high"] - told["after_low"] > 1.4 * (told["gain_high"] - told["gain_low"])


def test_an_undecided_picture_does_not_count():
    """Of three decided, one was right before and two are now."""
    was, now = (np.array([*side, UNDECIDED], np.int8) for side in ([1, 0, 0], [1, 1, 0]))
    told = paired(was, now, np.arange(4))
    assert (told["before"], told["after"], told["gain"]) == (0.3333, 0.6667, 0.3333)


def test_ten_frames_of_a_burst_are_no_more_certain_than_one():
    was, now = np.zeros(40, np.int8), np.repeat([1, 0, 1, 0], 10).astype(np.int8)
    whole, apart = paired(was, now, np.repeat(np.arange(4), 10)), paired(was, now, np.arange(40))
    assert whole["gain"] == apart["gain"] == 0.5
    assert whole["gain_high"] - whole["gain_low"] > 2 * (apart["gain_high"] - apart["gain_low"])


def test_the_same_answers_gain_nothing():
    side = np.array([1, 0, 1], np.int8)
    told = paired(side, side, np.arange(3))
    assert (told["gain"], told["gain_low"], told["gain_high"]) == (0.0, 0.0, 0.0)


FIGURES = {
    "n": 20,
    "candidates": 3,
    **dict(zip(["before", "after", "gain", "gain_low", "gain_high"], [0.8, 0.9, 0.1, 0.0, 0.25], strict=True)),
}
TRIED = ({"keep_start": 0.0, "px": 64, "metric": 0.5, "01-region/seen": 0.5}, {"keep_start": 0.5, "px": 64, "metric": 0.75, "01-region/seen": 0.75})


def report(*pictures):
    gains = tuple(Gain(one, "index", "species", FIGURES) for one in pictures)
    return RegionalReport("starter", "lora", "mine", "mine-index", 14, 0.5, TRIED, gains, ("a note",))


def test_the_table_tells_shares_with_intervals_and_the_gain_with_its_sign():
    assert rows_of([Gain("region", "index", "species", FIGURES)]) == [
        ["the region's taxa", "3 taxa of the index", "species", "20", "0.800", "0.900", "+0.100 [+0.000, +0.250]"]
    ]


def test_what_was_tried_is_a_row_for_each_share():
    assert tried_table(TRIED) == (["kept of the start", "mean", "01-region/seen"], [["0%", "0.500", "0.500"], ["50%", "0.750", "0.750"]])


@pytest.mark.parametrize(("pictures", "is_told"), [(("region",), True), (("region", "others"), False)])
def test_a_report_without_other_taxa_says_that_the_loss_is_unknown(pictures, is_told, tmp_path):
    report(*pictures).write(tmp_path)
    text = (tmp_path / "regional.md").read_text(encoding="utf-8")
    assert (NOT_ASKED in text) is is_told
    assert "| the region's taxa | 3 taxa of the index | species | 20 | 0.800 | 0.900 | +0.100 [+0.000, +0.250] |" in text
    assert "- a note" in text


def test_names_that_mean_something_to_markdown_are_names_in_the_page(tmp_path):
    tried = tuple(row | {"01-a|b/seen": 0.25} for row in TRIED)
    named = replace(report("region"), start="<b>|\n# start", model="a`b", notes=("walk: <img src=x>\n- Puma | Lynx",), tried=tried)
    named.write(tmp_path)
    lines = (tmp_path / "regional.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == r"# &lt;b&gt;\| # start, adapted (lora)"
    assert r"- walk: &lt;img src=x&gt; - Puma \| Lynx" in lines
    assert r"| kept of the start | mean | 01-region/seen | 01-a\|b/seen |" in lines
    assert any("The result is `` a`b ``, the index `mine-index`." in line for line in lines)


def test_the_file_holds_every_figure(tmp_path):
    report("region", "others").write(tmp_path)
    told = json.loads((tmp_path / "regional.json").read_text(encoding="utf-8"))
    assert told["gains"][1] == {"pictures": "others", "among": "index", "rank": "species", **FIGURES}
    assert told["tried"] == list(TRIED)
