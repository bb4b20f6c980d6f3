"""A decision that is taken for a whole burst."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bioclip_search.bursts.folder import frame_of, write_sequences
from bioclip_search.bursts.sequences import find_sequences
from bioclip_search.catalogue import Catalogue
from bioclip_search.media import media_id
from bioclip_search.review import decide, standing_decisions
from bioclip_search.review.queue import queue
from tests.standards.runs import crop, picture, small_run

NOON = datetime(2024, 5, 1, 12)


@pytest.fixture(scope="module")
def names(small_index):
    return Catalogue.open(small_index).names


@pytest.fixture
def run(tmp_path):
    """A burst of three pictures, the second with two crops and the third with a person; and one picture an hour later."""
    crops = {"1.jpg": [crop(0, probability=0.7)], "2.jpg": [crop(0, probability=0.5), crop(1, species="Vulpes vulpes", probability=0.6)]}
    crops |= {"3.jpg": [crop(0, category="person")], "4.jpg": [crop(0, probability=0.4)]}
    pictures = [picture(name, *found, timestamp=NOON + timedelta(seconds=3600 if name == "4.jpg" else 0)) for name, found in crops.items()]
    run = small_run(tmp_path / "run", pictures)
    grouping = find_sequences(run)
    write_sequences(run.folder, grouping, [frame_of(grouping, number) for number in range(len(grouping))])
    return run


def verdicts(run) -> dict[tuple[str, int], tuple[str, str | None]]:
    names = {media_id(f"{number}.jpg"): f"{number}.jpg" for number in range(1, 5)}
    return {(names[media], number): (decision.verdict, decision.taxon) for (media, number), decision in standing_decisions(run.folder).items()}


def test_one_crop_of_each_burst_is_asked_about(run):
    assert [(doubt.image, doubt.crop) for doubt in queue(run, bursts=True)] == [("4.jpg", 0), ("2.jpg", 0)]
    assert len(list(queue(run))) == 4


def test_the_other_crops_of_the_burst_are_named_alike_and_persons_left_alone(run):
    decide(run.folder, [{"image": "1.jpg", "verdict": "accepted"}], "Ana", whole_bursts=True)
    lion = "Panthera leo"
    assert verdicts(run) == {("1.jpg", 0): ("accepted", lion), ("2.jpg", 0): ("accepted", lion), ("2.jpg", 1): ("corrected", lion)}
    assert [doubt.image for doubt in queue(run)] == ["4.jpg"]


def test_what_somebody_decided_before_is_left_alone(run, names):
    decide(run.folder, [{"image": "2.jpg", "crop": 1, "taxon": "Red fox"}], "Ana", names=names)
    decide(run.folder, [{"image": "1.jpg", "verdict": "blank"}], "Ben", whole_bursts=True)
    assert verdicts(run) == {("2.jpg", 1): ("accepted", "Vulpes vulpes"), ("1.jpg", 0): ("blank", None), ("2.jpg", 0): ("blank", None)}


def test_a_burst_that_is_decided_in_two_ways_is_not_filled_in(run, names):
    rows = [{"image": "1.jpg", "verdict": "accepted"}, {"image": "2.jpg", "crop": 1, "verdict": "accepted"}]
    decide(run.folder, rows, "Ana", names=names, whole_bursts=True)
    assert set(verdicts(run)) == {("1.jpg", 0), ("2.jpg", 1)}


def test_without_asking_nothing_is_spread(run):
    decide(run.folder, [{"image": "1.jpg", "verdict": "accepted"}], "Ana")
    assert set(verdicts(run)) == {("1.jpg", 0)}


def test_a_run_without_sequences_has_only_single_pictures(tmp_path):
    run = small_run(tmp_path / "run", [picture(f"{number}.jpg", crop(0, probability=0.5)) for number in range(2)])
    assert len(list(queue(run, bursts=True))) == 2
    assert len(decide(run.folder, [{"image": "0.jpg", "verdict": "blank"}], "Ana", whole_bursts=True).decisions) == 1
