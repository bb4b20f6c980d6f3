"""How often the machine was found right."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bioclip_search.bursts.folder import SequenceAnswer, write_sequences
from bioclip_search.bursts.sequences import find_sequences
from bioclip_search.review.agreement import agreement
from bioclip_search.review.deciding import decide
from tests.standards.runs import answer, crop, picture, small_run

NOON = datetime(2024, 5, 1, 12)


def decided(run, *rows: dict):
    found = decide(run.folder, [{"crop": 0} | row for row in rows], "Ana")
    assert not found.errors
    return {one.rank: one for one in agreement(run)}


def test_nothing_decided_tells_nothing(tmp_path):
    assert agreement(small_run(tmp_path / "run", [picture("a.jpg", crop(0))])) == []


def test_what_lies_on_one_line_agrees_and_what_is_no_organism_does_not(tmp_path):
    """Of five names four count, for of one nobody can tell; two hold: the accepted one and the genus. Of species one of two holds."""
    named = [crop(0), crop(0, rank="genus"), crop(0), crop(0, rank="genus"), crop(0)]
    run = small_run(tmp_path / "run", [picture(f"{number}.jpg", one) for number, one in enumerate(named)])
    told = decided(
        run,
        {"image": "0.jpg", "verdict": "accepted"},
        {"image": "1.jpg", "verdict": "accepted"},
        {"image": "2.jpg", "verdict": "blank"},
        {"image": "3.jpg", "verdict": "vehicle"},
        {"image": "4.jpg", "verdict": "unsure"},
    )
    assert list(told) == [None, "genus", "species"]
    assert {rank: (one.decided, one.right) for rank, one in told.items()} == {None: (4, 2), "genus": (2, 1), "species": (2, 1)}
    assert told[None].low < told[None].share == 0.5 < told[None].high


def test_a_crop_without_an_answer_says_nothing_of_the_machine(tmp_path):
    run = small_run(tmp_path / "run", [picture("a.jpg", crop(0, answer=answer(rank=None)))])
    assert decided(run, {"image": "a.jpg", "verdict": "blank"}) == {}


def test_a_decision_on_the_whole_picture_is_one_on_each_of_its_crops(tmp_path):
    run = small_run(tmp_path / "run", [picture("a.jpg", crop(0), crop(1))])
    assert decided(run, {"image": "a.jpg", "crop": -1, "verdict": "blank"})[None].decided == 2


def test_the_pictures_of_a_burst_are_evidence_of_one(tmp_path):
    """Twenty right of a burst tell no more than one, which has no interval; twenty apart leave at least 83 % right (Clopper and Pearson)."""
    for name, pause in (("burst", timedelta(seconds=1)), ("apart", timedelta(hours=1))):
        run = small_run(tmp_path / name, [picture(f"{number}.jpg", crop(0), timestamp=NOON + number * pause) for number in range(20)])
        grouping = find_sequences(run)
        write_sequences(run.folder, grouping, [SequenceAnswer(grouping.name(number)) for number in range(1 if name == "burst" else 20)])
        told = decided(run, *({"image": f"{number}.jpg", "verdict": "accepted"} for number in range(20)))[None]
        assert (told.decided, told.share) == (20, 1.0)
        assert told.low == (None if name == "burst" else pytest.approx(0.8316, abs=1e-3))
