"""Decisions that are kept for good: what stands, what was, and what a crash leaves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from bioclip_search.errors import RunError
from bioclip_search.review import standing_decisions, undo
from bioclip_search.review.decisions import DECISIONS_FILE, ReviewDecision, append, history

NINE = datetime(2024, 5, 1, 9, 0, tzinfo=UTC)
LINEAGE = {"kingdom": "Animalia", "species": "Panthera leo"}


def lion(crop: int = 0, media: str = "a" * 16, **told) -> ReviewDecision:
    told = {"verdict": "corrected", "taxon": "Panthera leo", "rank": "species", "lineage": LINEAGE} | told
    return ReviewDecision(media, crop, who="Ana", when=NINE, **told)


def test_what_is_kept_is_read_again(tmp_path):
    taken = [lion(0, note="with cubs"), lion(1, verdict="blank", taxon=None, rank=None, lineage={})]
    append(tmp_path, taken)
    assert list(standing_decisions(tmp_path).values()) == taken
    assert set(standing_decisions(tmp_path)) == {("a" * 16, 0), ("a" * 16, 1)}


def test_the_last_decision_stands_and_the_others_are_kept(tmp_path):
    append(tmp_path, [lion()])
    later = lion(verdict="unsure", taxon=None, rank=None, lineage={})
    append(tmp_path, [later])
    assert standing_decisions(tmp_path) == {("a" * 16, 0): later}
    assert history(tmp_path, "a" * 16, 0) == [lion(), later]


def test_undoing_brings_back_what_stood_before_batch_by_batch(tmp_path):
    append(tmp_path, [lion()])
    append(tmp_path, [lion(verdict="accepted"), lion(1)])
    before = (tmp_path / DECISIONS_FILE).read_bytes()
    assert len(undo(tmp_path, "Ben").decisions) == 2
    assert standing_decisions(tmp_path) == {("a" * 16, 0): lion()}
    assert undo(tmp_path, "Ben").decisions == (lion(),)
    assert standing_decisions(tmp_path) == {}
    assert undo(tmp_path, "Ben") is None
    assert (tmp_path / DECISIONS_FILE).read_bytes().startswith(before)  # nothing was taken out
    assert len(history(tmp_path, "a" * 16, 0)) == 2


def test_a_line_that_was_cut_off_is_passed_over_and_the_next_one_stands_by_itself(tmp_path, caplog):
    append(tmp_path, [lion()])
    with (tmp_path / DECISIONS_FILE).open("ab") as file:
        file.write(b'{"batch": "x", "media_id": "aaaa", "lineage": {"kingdom": "Anim')
    append(tmp_path, [lion(1)])
    assert set(standing_decisions(tmp_path)) == {("a" * 16, 0), ("a" * 16, 1)}
    assert "line 2: was not written to its end" in caplog.text


@pytest.mark.parametrize("spoilt", [{"verdict": "perhaps"}, {"when": "yesterday"}, {"when": "2024-05-01T09:00:00"}, {"crop": "0"}, {"lineage": 5}])
def test_a_line_that_is_no_decision_stops(tmp_path, spoilt):
    append(tmp_path, [lion()])
    path = tmp_path / DECISIONS_FILE
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | spoilt) + "\n", encoding="utf-8")
    with pytest.raises(RunError, match="line 1: is no decision"):
        standing_decisions(tmp_path)


def test_a_link_is_not_written_through(tmp_path):
    (tmp_path / "elsewhere").write_text("", encoding="utf-8")
    try:
        (tmp_path / DECISIONS_FILE).symlink_to(tmp_path / "elsewhere")
    except OSError:
        pytest.skip("links cannot be made here")
    with pytest.raises(RunError, match="link to somewhere else"):
        append(tmp_path, [lion()])


def test_nothing_decided_is_nothing_kept(tmp_path):
    assert append(tmp_path, []) is None
    assert standing_decisions(tmp_path) == {}
    assert not (tmp_path / DECISIONS_FILE).exists()


def test_times_keep_their_zone_and_odd_names_their_letters(tmp_path):
    from datetime import timezone

    odd = ReviewDecision("b" * 16, -1, "unsure", "Añ\N{SNOWMAN}", NINE.astimezone(timezone(timedelta(hours=-5))), note='a "note"\nof two lines')
    append(tmp_path, [odd])
    (found,) = standing_decisions(tmp_path).values()
    assert found == odd
    assert found.when.utcoffset() == timedelta(hours=-5)


def test_a_stray_byte_in_a_note_loses_no_decision(tmp_path):
    told = ReviewDecision("0" * 16, 0, "blank", "Ann", datetime(2024, 5, 1, 9, tzinfo=UTC), note="F\udcfcchsin, Füchsin")
    append(tmp_path, [told])
    assert standing_decisions(tmp_path) == {told.key: told}
