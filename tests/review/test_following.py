"""Decisions followed while several people decide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bioclip_search.errors import RunError
from bioclip_search.review.decisions import DECISIONS_FILE, append, standing_decisions, undo
from bioclip_search.review.following import Following
from tests.review.test_decisions import lion


def test_what_others_add_is_seen_at_the_next_look(tmp_path):
    here, there = Following(tmp_path), Following(tmp_path)
    assert here.standing() == {}
    there.add([lion(0)])
    append(tmp_path, [lion(1)])
    assert set(here.standing()) == {lion(0).key, lion(1).key}
    undo(tmp_path, "Ben")
    assert here.standing() == there.standing() == standing_decisions(tmp_path) == {lion(0).key: lion(0)}


def test_only_what_is_new_is_read(tmp_path):
    following = Following(tmp_path)
    following.add([lion(0)])
    following.standing()
    path = tmp_path / DECISIONS_FILE
    first = path.read_bytes()
    with path.open("rb+") as file:  # what was read before is not looked at again
        file.write(b"#" * (len(first) - 1))
    append(tmp_path, [lion(1)])
    assert set(following.standing()) == {lion(0).key, lion(1).key}


def test_a_file_that_was_put_in_place_of_the_old_one_is_read_anew(tmp_path):
    following = Following(tmp_path)
    following.add([lion(0), lion(1)])
    assert len(following.standing()) == 2
    (tmp_path / DECISIONS_FILE).unlink()
    assert following.standing() == {}
    append(tmp_path, [lion(2)])
    assert set(following.standing()) == {lion(2).key}


def test_a_line_still_being_written_is_read_when_it_is_whole(tmp_path):
    following = Following(tmp_path)
    following.add([lion(0)])
    following.add([lion(1)])
    path = tmp_path / DECISIONS_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    late = Following(tmp_path)
    assert set(late.standing()) == {lion(0).key}
    with path.open("ab") as file:
        file.write(whole[-40:])
    assert set(late.standing()) == {lion(0).key, lion(1).key}


def test_two_people_about_one_crop_lose_nothing_and_are_told(tmp_path):
    following = Following(tmp_path)
    ben = replace(lion(), who="Ben", verdict="blank", taxon=None, rank=None, lineage={})
    assert following.add([lion()]) == []
    assert following.add([lion(note="again")]) == []
    assert [one.who for one in following.add([ben])] == ["Ana"]
    assert following.standing()[lion().key] == ben
    assert [(one.who, is_undone) for one, is_undone in following.history(lion().key)] == [("Ana", False), ("Ana", False), ("Ben", False)]


def test_undoing_takes_back_ones_own_and_not_what_another_decided_since(tmp_path):
    following = Following(tmp_path)
    following.add([lion(0)])
    following.add([lion(1)])
    following.add([replace(lion(2), who="Ben")])
    assert following.undo("Ana").decisions == (lion(1),)
    assert following.undo("Ana").decisions == (lion(0),)
    assert following.undo("Ana") is None  # which reads on, and what stands is another thereafter
    assert [one.who for one in following.standing().values()] == ["Ben"]
    assert [is_undone for _, is_undone in following.history(lion(0).key)] == [True]
    assert [one.who for one in following.standing().values()] == ["Ben"]


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / DECISIONS_FILE).write_text('{"batch": "x"}\n')
    with pytest.raises(RunError, match="is no decision"):
        Following(tmp_path).standing()
