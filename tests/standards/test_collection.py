"""What stands for a picture, once people, bursts and repeats are known; with the files that their own rooms write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bioclip_search.bursts import SequenceAnswer, find_sequences
from bioclip_search.bursts.folder import write_sequences
from bioclip_search.detectors.repeats import RepeatRules, find_repeats
from bioclip_search.media import Deployment
from bioclip_search.review import ReviewDecision
from bioclip_search.review.decisions import append
from bioclip_search.runs.folder import Run
from bioclip_search.standards import export
from bioclip_search.standards.camtrap_rules import package_faults
from bioclip_search.standards.collection import WHOLE, Collection, SeenPicture
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.reading import read_export
from tests.standards.runs import answer, crop, picture, small_run
from tests.standards.test_camtrap_dp import FACTS, NORTH, seen, tables, validate

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
FOX = {"taxon": "Vulpes vulpes", "rank": "species", "lineage": {"kingdom": "Animalia", "genus": "Vulpes", "species": "Vulpes vulpes"}}


def decided(run: Run, *decisions: tuple[int, str, dict[str, Any]]) -> SeenPicture:
    """The first picture of a run after these decisions: (crop, verdict, what else), a minute after each other."""
    (media_id, *_) = (one.media_id for one in run.pictures())
    for minute, (number, verdict, told) in enumerate(decisions):
        append(run.folder, [ReviewDecision(media_id, number, verdict, "Ann", NOON + timedelta(minutes=minute), **told)])
    return next(Collection.open(run).pictures())


def run_of(tmp_path: Path, *crops: Any, **told: Any) -> Run:
    return small_run(tmp_path / "run", [picture("1.jpg", *crops, **told)])


def test_without_any_file_the_machine_stands(tmp_path):
    told = next(Collection.open(run_of(tmp_path, crop())).pictures())
    (one,) = told.crops
    assert (one.stands.taxon, one.stands.probability, one.stands.is_decided, one.is_repeat) == ("Panthera leo", 0.9, False, False)
    assert (told.status, told.sequence, told.whole) == ("identified", None, None)


def test_a_correction_stands_over_the_machine_whose_answer_is_kept(tmp_path):
    (one, other) = decided(run_of(tmp_path, crop(), crop(1)), (0, "corrected", FOX)).crops
    assert (one.stands.taxon, one.stands.who, one.stands.when, one.stands.probability, one.stands.common_name) == ("Vulpes vulpes", "Ann", NOON, None, None)
    assert one.crop.answer.taxon == "Panthera leo"
    assert not other.stands.is_decided


def test_an_accepted_answer_is_the_machines_with_a_name_under_it(tmp_path):
    (one,) = decided(run_of(tmp_path, crop()), (0, "accepted", {})).crops
    assert (one.stands.taxon, one.stands.common_name, one.stands.verdict, one.stands.probability) == ("Panthera leo", "Lion", "accepted", None)


def test_the_later_of_two_decisions_stands_be_it_on_the_box_or_the_picture(tmp_path):
    (one,) = decided(run_of(tmp_path, crop()), (0, "corrected", FOX), (WHOLE, "blank", {})).crops
    assert one.stands.status == "blank"
    (one,) = decided(small_run(tmp_path / "other", [picture("1.jpg", crop())]), (WHOLE, "blank", {}), (0, "corrected", FOX)).crops
    assert one.stands.taxon == "Vulpes vulpes"


def test_a_taxon_said_of_the_picture_is_not_said_of_the_people_in_it(tmp_path):
    told = decided(run_of(tmp_path, crop(), crop(1, category="person")), (WHOLE, "corrected", FOX))
    assert [one.stands.taxon or one.stands.status for one in told.crops] == ["Vulpes vulpes", "person"]


def test_an_animal_that_the_machine_missed_is_observed_without_a_box(tmp_path):
    told = decided(run_of(tmp_path), (WHOLE, "corrected", FOX))
    ((box, stands),) = told.observed
    assert (box, stands.taxon, told.status) == (None, "Vulpes vulpes", "identified")


def test_boxes_that_a_person_called_blank_leave_a_blank_that_a_person_saw(tmp_path):
    ((box, stands),) = decided(run_of(tmp_path, crop()), (0, "blank", {})).observed
    assert (box, stands.status, stands.who) == (None, "blank", "Ann")


def test_what_nobody_could_tell_has_no_name(tmp_path):
    ((box, stands),) = decided(run_of(tmp_path, crop()), (0, "unsure", {})).observed
    assert (box.crop.number, stands.status, stands.taxon, stands.is_decided) == (0, "identified", None, True)


def test_a_picture_that_failed_has_nothing_to_observe(tmp_path):
    told = next(Collection.open(run_of(tmp_path, error="cut")).pictures())
    assert (list(told.observed), told.status) == ([], "failed")


def test_boxes_set_aside_are_known_and_can_be_left_out(tmp_path):
    branch = (700, 500, 790, 590)
    run = small_run(tmp_path / "run", [picture(f"{number}.jpg", crop(0, branch), deployment="a") for number in range(5)])
    assert find_repeats(run, RepeatRules(min_pictures=3)) == 5
    assert all(one.crops[0].is_repeat for one in Collection.open(run).pictures())
    report = export(run, "csv", tmp_path / "out.csv", without_repeats=True)
    assert (report.pictures, report.observations, report.left_out) == (5, 0, {"boxes where nothing moves": 5})


@pytest.mark.filterwarnings("default")
def test_a_box_that_a_person_decided_about_is_no_longer_set_aside(tmp_path):
    run = run_of(tmp_path, crop(), crop(1, (1, 2, 9, 9)))
    (media_id,) = (one.media_id for one in run.pictures())
    decided(run, (0, "accepted", {}), (WHOLE, "unsure", {}))
    told = Collection.open(run)
    seen_now = next(Collection(run, told.decisions, frozenset([(media_id, 0), (media_id, 1)])).pictures())
    assert [one.is_repeat for one in seen_now.crops] == [False, True]


@pytest.mark.parametrize(("to", "is_in_it"), [("darwin-core", False), ("wildlife-insights", False), ("timelapse", True), ("megadetector", True)])
def test_a_box_set_aside_is_never_published_and_told_of_elsewhere(tmp_path, to, is_in_it):
    branch = (700, 500, 790, 590)
    pictures = [picture(f"{number}.jpg", crop(0, branch), deployment="a", timestamp=NOON) for number in range(5)]
    run = small_run(tmp_path / "run", pictures)
    find_repeats(run, RepeatRules(min_pictures=3))
    report = export(run, to, tmp_path / "out", project={"id": "1"})
    assert ("boxes where nothing moves" in report.left_out, any("nothing there moves" in words for words in report.notes)) == (not is_in_it, is_in_it)


def test_what_an_export_tells_of_a_deployment_goes_over_the_run_field_by_field(tmp_path):
    own = Deployment("a", 1.0, 2.0, NOON, NOON, "Waterhole")
    run = small_run(tmp_path / "run", [picture()], deployments=[own])
    moved = ExportOptions(deployments=(Deployment("a", 5.0, 6.0), Deployment("b")))
    assert Collection(run).places(moved) == {"a": Deployment("a", 5.0, 6.0, NOON, NOON, "Waterhole"), "b": Deployment("b")}


def test_a_run_with_bursts_decisions_and_repeats_is_a_valid_package(shared, tmp_path):
    start = datetime(2024, 3, 1, 5, tzinfo=UTC)
    shots = [seen(f"{number}.jpg", crop(), timestamp=start + timedelta(seconds=number if number < 3 else 900 + number)) for number in range(5)]
    run = small_run(tmp_path / "run", shots, deployments=[NORTH])
    grouping = find_sequences(run, 60.0)
    spans = [(0, 2), (903, 904)]
    answers = [
        SequenceAnswer(grouping.name(number), "north", *(start + timedelta(seconds=one) for one in span), pictures=3 - number, answer=answer(rank="genus"))
        for number, span in enumerate(spans)
    ]
    write_sequences(run.folder, grouping, answers)
    append(
        run.folder,
        [ReviewDecision(shots[3].media_id, 0, "corrected", "Ann", NOON, **FOX), ReviewDecision(shots[4].media_id, 0, "corrected", "Ann", NOON, **FOX)],
    )
    report = export(run, "camtrap-dp", tmp_path / "out", project=FACTS)
    assert list(package_faults(tmp_path / "out")) == []
    assert validate(shared, tmp_path / "out") == []
    assert (report.pictures, report.observations) == (5, 7)
    first, second = (row for row in tables(tmp_path / "out")["observations"] if row["observationLevel"] == "event")
    assert (first["scientificName"], first["classificationMethod"], first["eventEnd"]) == ("Panthera", "machine", "2024-03-01T05:00:02Z")
    assert (second["scientificName"], second["classificationMethod"], second["classifiedBy"]) == ("Vulpes vulpes", "human", "Ann")
    back = {(media, number): stands for media, number, stands in read_export(tmp_path / "out").decided()}
    assert {key: (stands.taxon, stands.who, stands.when) for key, stands in back.items()} == {
        (shots[n].media_id, 0): ("Vulpes vulpes", "Ann", NOON) for n in (3, 4)
    }


def test_decisions_come_back_from_a_table(tmp_path):
    run = small_run(tmp_path / "run", [picture("1.jpg", crop()), picture("2.jpg")])
    decided(run, (0, "corrected", FOX), (WHOLE, "accepted", {}))
    export(run, "csv", tmp_path / "out.csv")
    ((media_id, number, stands),) = read_export(tmp_path / "out.csv").decided()
    assert (media_id, number, stands.verdict, stands.who) == (next(run.pictures()).media_id, 0, "accepted", "Ann")


def test_a_correction_comes_back_with_its_lineage(tmp_path):
    run = small_run(tmp_path / "run", [picture("1.jpg", crop())])
    decided(run, (0, "corrected", FOX))
    export(run, "csv", tmp_path / "out.csv")
    ((_, _, stands),) = read_export(tmp_path / "out.csv").decided()
    assert (stands.taxon, stands.rank, stands.lineage) == (FOX["taxon"], FOX["rank"], FOX["lineage"])


def test_who_answered_is_told_as_far_as_it_is_known(tmp_path):
    run = run_of(tmp_path, crop())
    nameless = {"settings": {"encoder": {}, "index": {}, "detector": {"name": "none"}}}
    assert Collection(run).machine == "bioclip-search 0.6.0 (index small, encoder colours)"
    assert Collection(Run(run.folder, run.note | nameless)).machine == "bioclip-search 0.6.0"


@pytest.mark.parametrize(("asked", "option", "told"), [("de", None, "deu"), (None, None, "eng"), ("de", "pt_BR", "por")])
def test_common_names_are_told_in_the_language_that_they_are_in(tmp_path, asked, option, told):
    run = run_of(tmp_path, crop())
    question = {"settings": run.note["settings"] | {"question": {"language": asked}}}
    assert Collection(Run(run.folder, run.note | question)).language(ExportOptions(language=option)) == told


def test_the_folder_of_an_encoder_is_told_to_nobody(tmp_path):
    encoder = {"name": "local-dir:/home/ann/models/x", "fingerprint": "601897059da5806b+bf16", "dim": 4}
    run = small_run(tmp_path / "run", [], note={"settings": {"encoder": encoder, "index": {"name": "starter"}, "detector": {"name": "none"}}})
    assert Collection.open(run).machine == "bioclip-search 0.6.0 (index starter, encoder 601897059da5)"
    assert Collection.open(run).detector is None


def test_progress_is_told_once_for_each_picture_and_an_unfinished_run_is_called_so(tmp_path):
    run = small_run(tmp_path / "run", [picture("1.jpg", crop()), picture("2.jpg")], note={"is_finished": False})
    told: list[tuple[int, int]] = []
    report = export(run, "megadetector", tmp_path / "out.json", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    assert "not finished" in report.notes[0]
