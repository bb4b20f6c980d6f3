"""What no person need look at: by a fair draw, and never by the doubtful crops alone."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.errors import RunError
from bioclip_search.review.deciding import decide
from bioclip_search.review.spared import draw, holds, mixed, spared
from tests.standards.runs import answer, crop, picture, small_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """400 crops: three of four are named with .97, the others with .6."""
    pictures = [picture(f"{number}.jpg", crop(0, probability=0.6 if number % 4 == 0 else 0.97)) for number in range(400)]
    return small_run(tmp_path_factory.mktemp("spared") / "run", pictures, rows_a_part=200)


def decided(run, tmp_path, doubts, right) -> object:
    """A copy of the run in which these crops were decided: accepted where `right` says so, else blank."""
    import shutil

    from bioclip_search.runs.folder import Run

    copy = Run.open(shutil.copytree(run.folder, tmp_path / "copy"))
    rows = [{"media_id": doubt.media_id, "crop": doubt.crop, "verdict": "accepted" if right(doubt) else "blank"} for doubt in doubts]
    assert not decide(copy.folder, rows, "Ana").errors
    return copy


def test_a_draw_is_fair_the_same_each_time_and_goes_on_from_where_it_was(run):
    first = [doubt.image for doubt in draw(run, 100)]
    assert first == [doubt.image for doubt in draw(run, 150)][:100]
    assert len(set(first)) == 100
    doubtful = sum(int(image.removesuffix(".jpg")) % 4 == 0 for image in first)
    assert 10 <= doubtful <= 40  # of 100 drawn from 400, a quarter of them doubtful: 25, give or take 4


def test_the_order_of_a_draw_has_nothing_to_do_with_the_names():
    keys = mixed(np.arange(10_000, dtype=np.uint64), np.zeros(10_000, np.int32))
    assert len(np.unique(keys)) == 10_000
    above = (keys > np.uint64(2**63)).reshape(100, 100).mean(axis=1)
    assert abs(above.mean() - 0.5) < 0.02
    assert np.corrcoef(np.arange(10_000), np.argsort(np.argsort(keys)))[0, 1] == pytest.approx(0, abs=0.05)


def test_what_a_draw_shows_is_promised(run, tmp_path):
    """120 crops drawn, all of the sure ones right, no doubtful one: the sure three quarters of the run are spared."""
    told = spared(decided(run, tmp_path, draw(run, 120), lambda doubt: doubt.answer.probability > 0.9), 0.95)
    assert (told.crops, told.drawn, told.threshold) == (400, 120, 0.61)  # the first setting that the doubtful ones are not among
    assert told.spared == 0.75
    assert told.accuracy == 1.0
    assert told.accuracy_low == pytest.approx(0.025 ** (1 / told.answers), abs=1e-4)  # Clopper and Pearson
    assert told.believed == pytest.approx((300 + 17) / 400)  # (300 × .97 + k × .6) / (300 + k) ≥ .95 up to k = 17.1
    assert next(told.lines()) == "75\N{NO-BREAK SPACE}% of the 400 crops need no person: those named with a chance of 0.61 or more."


def test_too_few_decisions_promise_nothing_and_say_how_many_would(run, tmp_path):
    told = spared(decided(run, tmp_path, draw(run, 20), lambda doubt: True), 0.95)
    assert (told.threshold, told.spared, told.drawn) == (None, None, 20)
    assert "80 sure names are the least" in told.why
    assert "--sample 80 --template sample.csv" in told.why
    assert next(told.lines()) == told.why


def test_nothing_decided_promises_nothing(run):
    told = spared(run, 0.95)
    assert (told.threshold, told.drawn) == (None, 0)
    assert "The 0 crops drawn and decided do not show" in told.why


def test_decisions_on_doubtful_crops_alone_are_no_draw(run, tmp_path):
    from bioclip_search.review.queue import queue

    told = spared(decided(run, tmp_path, queue(run, 0.9), lambda doubt: True), 0.8)
    assert told.drawn < 15
    assert told.threshold is None


def test_a_run_too_small_to_show_anything_says_so(tmp_path):
    run = small_run(tmp_path / "run", [picture(f"{number}.jpg", crop(0)) for number in range(30)])
    assert "takes about 80 crops, and the run has 30: let people look at all of them" in spared(run, 0.95).why


def test_names_that_are_often_wrong_promise_nothing(run, tmp_path):
    told = spared(decided(run, tmp_path, draw(run, 200), lambda doubt: int(doubt.image.removesuffix(".jpg")) % 2 == 0), 0.95)
    assert told.threshold is None
    assert "Ask for less" in told.why


def test_a_correction_on_one_line_with_the_answer_is_right_and_unsure_is_not(tmp_path):
    from bioclip_search.media import media_id
    from bioclip_search.review.decisions import ReviewDecision, append
    from bioclip_search.review.spared import _Crops, _judged

    run = small_run(tmp_path / "run", [picture(f"{number}.jpg", crop(0, rank="genus")) for number in range(4)])
    from datetime import UTC, datetime

    lineages = ("Animalia Chordata Mammalia Carnivora Felidae Panthera", "Animalia Chordata Mammalia Carnivora Felidae Felis", "Animalia Chordata Mammalia")
    ranks = ("kingdom", "phylum", "class", "order", "family", "genus")
    when = datetime(2024, 5, 1, tzinfo=UTC)
    taken = [
        ReviewDecision(media_id(f"{number}.jpg"), 0, "corrected", "Ana", when, "x", "genus", dict(zip(ranks, words.split(), strict=False)))
        for number, words in enumerate(lineages)
    ]
    append(run.folder, [*taken, ReviewDecision(media_id("3.jpg"), 0, "unsure", "Ana", when)])
    assert _judged(run, _Crops(run)).tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("rank", "decided", "is_right"),
    [
        pytest.param("species", {"family": "Felidae", "genus": "Panthera", "species": "Panthera leo"}, True, id="the same, told without a class"),
        pytest.param("family", {"family": "Felidae", "species": "Panthera uncia"}, True, id="above what it is"),
        pytest.param("species", {"kingdom": "Animalia", "family": "Felidae"}, True, id="below what is said of it"),
        pytest.param("species", {"family": "Felidae", "species": "Panthera uncia"}, False, id="another species"),
        pytest.param("family", {"family": "Canidae", "species": "Vulpes vulpes"}, False, id="another family"),
        pytest.param("genus", {"species": "Panthera leo"}, False, id="nothing that could show it"),
        pytest.param("species", {}, False, id="nothing said"),
        pytest.param(None, {"species": "Panthera leo"}, False, id="no answer"),
    ],
)
def test_an_answer_holds_if_what_was_decided_lies_in_it_or_it_in_that(rank, decided, is_right):
    assert holds(answer(rank=rank), decided) is is_right


def test_a_target_is_a_share(run):
    with pytest.raises(RunError, match="between 0 and 1"):
        spared(run, 1)
