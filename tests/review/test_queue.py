"""What needs a person, in which order, and why."""

from __future__ import annotations

from datetime import datetime

import pytest
from pyarrow import parquet

from bioclip_search.bursts.folder import SEQUENCES_FILE, SequenceAnswer, write_sequences
from bioclip_search.bursts.sequences import find_sequences
from bioclip_search.errors import RunError
from bioclip_search.media import media_id
from bioclip_search.review.deciding import decide, read_rows
from bioclip_search.review.queue import count, queue
from bioclip_search.review.template import write_template
from tests.standards.runs import answer, crop, picture, small_run

NOON = datetime(2024, 5, 1, 12)


def sure(image: str, probability: float = 0.99, **told):
    return picture(image, crop(0, probability=probability, **told))


def listed(run, target=0.9, **asked) -> list[tuple[str, float]]:
    return [(doubt.image, round(doubt.doubt, 3)) for doubt in queue(run, target, **asked)]


def test_the_largest_doubt_comes_first_and_what_is_sure_is_left_out(tmp_path):
    run = small_run(tmp_path / "run", [sure("a.jpg"), sure("b.jpg", 0.8), sure("c.jpg", 0.4), picture("d.jpg", crop(0, answer=answer(rank=None)))])
    assert listed(run) == [("d.jpg", 1.0), ("c.jpg", 0.6), ("b.jpg", 0.2)]
    assert listed(run, limit=1) == [("d.jpg", 1.0)]
    assert listed(run, target=0.5) == [("d.jpg", 1.0), ("c.jpg", 0.6)]
    assert count(run) == (3, 4)


def test_equal_doubts_keep_the_order_of_the_run(tmp_path):
    run = small_run(tmp_path / "run", [sure(f"{number}.jpg", 0.5) for number in (3, 1, 2)])
    assert [image for image, _ in listed(run)] == ["3.jpg", "1.jpg", "2.jpg"]


def test_where_a_chance_was_learned_it_counts_and_not_the_probability(tmp_path):
    run = small_run(tmp_path / "run", [sure("a.jpg", 0.99, chance=0.7), sure("b.jpg", 0.3, chance=0.95)])
    (doubt,) = queue(run)
    assert (doubt.image, round(doubt.doubt, 3)) == ("a.jpg", 0.3)
    assert doubt.reasons == ("the chance of being right, 70\N{NO-BREAK SPACE}%, is below 90\N{NO-BREAK SPACE}%",)


def test_what_is_not_expected_there_needs_a_person_however_sure(tmp_path):
    run = small_run(tmp_path / "run", [sure("a.jpg", 0.98, out_of_range=True, place="Peru"), sure("b.jpg", out_of_range=False)])
    (doubt,) = queue(run)
    assert (doubt.image, round(doubt.doubt, 3), doubt.reasons) == ("a.jpg", 0.51, ("not expected there (Peru)",))


def test_what_lies_beyond_the_calibration_needs_a_person(tmp_path):
    run = small_run(tmp_path / "run", [sure("a.jpg", beyond_calibration=("fitted on other pictures",))])
    (doubt,) = queue(run)
    assert doubt.reasons == ("beyond the calibration: fitted on other pictures",)


def test_a_burst_that_disagrees_needs_a_person(tmp_path):
    shots = [("a.jpg", "Panthera leo"), ("b.jpg", "Panthera leo"), ("c.jpg", "Vulpes vulpes")]
    run = small_run(tmp_path / "run", [picture(image, crop(0, species=species, probability=1.0), timestamp=NOON) for image, species in shots])
    grouping = find_sequences(run)
    write_sequences(
        run.folder, grouping, [SequenceAnswer(grouping.name(0), pictures=3, crops=3, method="vote", agreement=2 / 3, answer=answer("Panthera leo"))]
    )
    doubts = list(queue(run))
    assert [(doubt.image, round(doubt.doubt, 3)) for doubt in doubts] == [("a.jpg", 0.333), ("b.jpg", 0.333), ("c.jpg", 0.333)]
    assert doubts[0].reasons == ("the burst disagrees: it is named Panthera leo, and 67\N{NO-BREAK SPACE}% of its crops agree",)
    assert doubts[2].reasons == ("the burst disagrees: not this crop but the burst is named Panthera leo, and 67\N{NO-BREAK SPACE}% of its crops agree",)
    assert doubts[0].sequence == f"s{media_id('a.jpg')}"
    assert parquet.read_metadata(run.folder / SEQUENCES_FILE).num_rows == 1


def test_what_was_decided_is_not_asked_again_unless_wanted(tmp_path):
    run = small_run(tmp_path / "run", [sure("a.jpg", 0.5), picture("b.jpg", crop(0, probability=0.5), crop(1, probability=0.6)), sure("c.jpg", 0.7)])
    decide(run.folder, [{"image": "a.jpg", "crop": 0, "verdict": "blank"}, {"image": "b.jpg", "crop": -1, "verdict": "unsure"}], "Ana")
    assert listed(run) == [("c.jpg", 0.3)]
    assert len(listed(run, again=True)) == 4


def test_repeats_persons_blank_and_failed_pictures_are_not_asked_about(tmp_path):
    import pyarrow as pa

    from bioclip_search.detectors.repeats import REPEATS_FILE

    pictures = [sure("a.jpg", 0.5), picture("b.jpg"), picture("c.jpg", error="truncated"), picture("d.jpg", crop(0, category="person"))]
    run = small_run(tmp_path / "run", pictures)
    parquet.write_table(pa.table({"media_id": [media_id("a.jpg")], "crop": pa.array([0], pa.int32())}), run.folder / REPEATS_FILE)
    assert listed(run) == []


def test_a_target_is_a_share(tmp_path):
    with pytest.raises(RunError, match="share from 0 to 1"):
        list(queue(small_run(tmp_path / "run", []), 95))


def test_a_template_comes_back_as_decisions_once_it_is_filled_in(tmp_path):
    run = small_run(tmp_path / "run", [sure("=1+2.jpg", 0.5), sure("b.jpg", 0.6)])
    out = tmp_path / "decisions.csv"
    assert write_template(queue(run), out) == 2
    assert b"\n=1" not in out.read_bytes()  # a spreadsheet must not take a name for a formula
    rows = [row for _, row in read_rows(out)]
    assert [(row["image"], row["answer"], row["chance"], row["verdict"]) for row in rows] == [
        ("=1+2.jpg", "Panthera leo", "0.500", ""),
        ("b.jpg", "Panthera leo", "0.600", ""),
    ]
    assert decide(run.folder, out, "Ana").left_open == 2
    filled = [row | {"verdict": "accepted"} for row in rows]
    assert [one.media_id for one in decide(run.folder, filled, "Ana").decisions] == [media_id("=1+2.jpg"), media_id("b.jpg")]


def test_a_template_that_may_be_filled_in_is_never_written_over(tmp_path):
    run = small_run(tmp_path / "run", [sure("a.jpg", 0.5)])
    out = tmp_path / "decisions.csv"
    write_template(queue(run), out)
    with pytest.raises(RunError, match="is there already"):
        write_template(queue(run), out)


def test_a_doubt_tells_only_json(tmp_path):
    import json

    (doubt,) = queue(small_run(tmp_path / "run", [sure("a.jpg", 0.5)]))
    told = json.loads(json.dumps(doubt.to_dict()))
    assert (told["image"], told["crop"], told["taxon"], told["doubt"]) == ("a.jpg", 0, "Panthera leo", 0.5)
