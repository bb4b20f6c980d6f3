"""Sequences and their answers over a whole run, written and read again."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from bioclip_search.bursts import fuse, read_sequences
from bioclip_search.bursts.folder import MEMBERS_FILE, SEQUENCES_FILE
from bioclip_search.bursts.fusion import AVERAGE, EMBEDDINGS, METHODS, VOTE
from bioclip_search.errors import RunError
from bioclip_search.index import Index
from bioclip_search.media import media_id
from bioclip_search.question import Asked
from bioclip_search.runs.record import TaggedCrop, TaggedPicture
from bioclip_search.searcher import Searcher
from tests.standards.runs import crop, picture, small_run

NOON = datetime(2024, 5, 1, 12, 0, 0)


@pytest.fixture(scope="module")
def searcher(small_index, encoder) -> Searcher:
    return Searcher(Index(small_index), encoder)


def shot(searcher: Searcher, second: float | None, image: str, *leaves: int, **told) -> TaggedPicture:
    """A picture with one crop for each leaf, answered by the searcher and taken so many seconds after noon."""
    vectors = searcher.encoder.encode_prepared(leaves)
    answers = searcher.question().answers(vectors, [Asked(image)] * len(leaves))
    boxes = [(0.0, 0.0, 10.0, 10.0)] * len(leaves)
    crops = [
        TaggedCrop(number, "animal", 0.9, box, answer, vector.astype(np.float16))
        for number, (box, answer, vector) in enumerate(zip(boxes, answers, vectors, strict=True))
    ]
    stamp = {} if second is None else {"timestamp": NOON + timedelta(seconds=second)}
    return picture(image, *crops, **({"deployment": "A"} | stamp | told))


def test_a_burst_gets_one_answer_and_each_picture_keeps_its_own(searcher, tmp_path):
    run = small_run(
        tmp_path / "run", [shot(searcher, 0, "1.jpg", 1), shot(searcher, 1, "2.jpg", 1), shot(searcher, 2, "3.jpg"), shot(searcher, 500, "4.jpg", 4)], dim=32
    )
    before = run.parts[0].read_bytes()
    report = fuse(run, searcher)
    assert (report.sequences, report.bursts, report.fused) == (2, 1, 1)
    found = read_sequences(run.folder)
    assert [found.of(media_id(f"{number}.jpg")) for number in (1, 2, 3)] == [f"s{media_id('1.jpg')}"] * 3
    told = found.answers[found.of(media_id("3.jpg"))]
    assert (told.pictures, told.crops, told.method, told.agreement, told.deployment) == (3, 2, EMBEDDINGS, 1.0, "A")
    assert (told.start, told.end) == (NOON, NOON + timedelta(seconds=2))
    assert told.answer.taxon == searcher.taxonomy.leaves["species"][1].as_py()
    assert told.answer.rule.endswith("fused over 2 crops by embeddings")
    assert run.parts[0].read_bytes() == before


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_written_and_read_as_it_was(method, searcher, tmp_path):
    run = small_run(tmp_path / "run", [shot(searcher, second, f"{second}.jpg", second % 9) for second in range(6)], dim=32)
    fuse(run, searcher, method=method, gap_s=0.5)
    found = read_sequences(run.folder)
    own = {one.media_id: one.crops[0].answer for one in run.pictures()}
    assert len(found) == 6
    assert found.gap_s == 0.5
    for told in found.answers.values():
        answer = own[told.sequence_id[1:]]
        assert (told.answer.taxon, told.answer.lineage, told.method) == (answer.taxon, answer.lineage, method)
        assert told.answer.probability == pytest.approx(answer.probability, abs=1e-3)


def test_blank_sequences_and_persons_have_no_answer(searcher, tmp_path):
    run = small_run(tmp_path / "run", [shot(searcher, 0, "1.jpg"), picture("2.jpg", crop(0, category="person"), timestamp=NOON + timedelta(days=1))], dim=None)
    fuse(run, searcher, method=VOTE)
    told = list(read_sequences(run.folder).answers.values())
    assert [(one.answer, one.method, one.agreement, one.crops) for one in told] == [(None, None, None, 0)] * 2


def test_crops_set_aside_are_not_fused(searcher, tmp_path):
    run = small_run(tmp_path / "run", [shot(searcher, 0, "1.jpg", 1, 7), shot(searcher, 1, "2.jpg", 1)], dim=32)
    fuse(run, searcher, method=AVERAGE, set_aside={(media_id("1.jpg"), 1)})
    (told,) = read_sequences(run.folder).answers.values()
    assert (told.crops, told.agreement) == (2, 1.0)


def test_a_run_in_any_order_gives_the_same_answers_however_little_is_held(searcher, tmp_path):
    shots = [shot(searcher, 1000 * burst + second, f"{burst}-{second}.jpg", (burst + second) % 9) for second in range(3) for burst in range(7)]
    ordered = small_run(tmp_path / "ordered", sorted(shots, key=lambda one: one.facts.timestamp), dim=32)
    torn = small_run(tmp_path / "torn", shots, dim=32)
    fuse(ordered, searcher)
    expected = {one.sequence_id: (one.answer.taxon, one.crops, one.pictures) for one in read_sequences(ordered.folder).answers.values()}
    fuse(torn, searcher, held_crops=2)
    assert {one.sequence_id: (one.answer.taxon, one.crops, one.pictures) for one in read_sequences(torn.folder).answers.values()} == expected
    assert len(expected) == 7


def test_times_keep_their_zone(searcher, tmp_path):
    zone = timezone(timedelta(hours=-5))
    run = small_run(
        tmp_path / "run",
        [picture("1.jpg", timestamp=NOON.replace(tzinfo=zone)), picture("2.jpg", timestamp=datetime(2024, 5, 1, 17, 0, 30, tzinfo=UTC))],
        dim=None,
    )
    fuse(run, searcher, method=VOTE)
    (told,) = read_sequences(run.folder).answers.values()
    assert told.start.utcoffset() == timedelta(hours=-5)
    assert (told.start, told.end) == (NOON.replace(tzinfo=zone), NOON.replace(tzinfo=zone, second=30))


def test_a_run_without_sequences_has_none(tmp_path):
    found = read_sequences(small_run(tmp_path / "run", [picture()]).folder)
    assert (len(found), found.of(media_id("a/1.jpg")), dict(found.answers)) == (0, None, {})


def test_what_is_asked_for_and_not_there_is_none(searcher, tmp_path):
    run = small_run(tmp_path / "run", [picture("1.jpg")], dim=None)
    fuse(run, searcher, method=VOTE)
    found = read_sequences(run.folder)
    assert [found.of(name) for name in ("", "nonsense", "f" * 16, "f" * 40)] == [None] * 4
    for name in ("nonsense", "s" + "f" * 16, ""):
        with pytest.raises(KeyError):
            found.answers[name]


def test_an_empty_run_has_no_sequence(searcher, tmp_path):
    run = small_run(tmp_path / "run", [], dim=None)
    assert fuse(run, searcher, method=VOTE).sequences == 0
    assert len(read_sequences(run.folder)) == 0


def test_without_embeddings_crops_can_only_vote(searcher, tmp_path):
    with pytest.raises(RunError, match="can only vote"):
        fuse(small_run(tmp_path / "run", [picture()], dim=None), searcher)


def test_embeddings_of_another_length_stop(searcher, tmp_path):
    with pytest.raises(RunError, match="have 4 numbers"):
        fuse(small_run(tmp_path / "run", [picture()], dim=4), searcher)


def test_an_unknown_method_stops(searcher, tmp_path):
    with pytest.raises(RunError, match="there are probabilities, embeddings, average, vote"):
        fuse(small_run(tmp_path / "run", []), searcher, method="median")


def test_damaged_files_are_told(tmp_path):
    run = small_run(tmp_path / "run", [])
    for name in (MEMBERS_FILE, SEQUENCES_FILE):
        (run.folder / name).write_bytes(b"no parquet")
    with pytest.raises(RunError, match=r"members\.parquet: cannot be read"):
        read_sequences(run.folder)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="a folder that may not be written to is no hindrance here")
def test_a_folder_that_cannot_be_written_to_is_told(searcher, tmp_path):
    run = small_run(tmp_path / "run", [], dim=None)
    Path(run.folder).chmod(0o500)
    try:
        with pytest.raises(RunError, match="cannot be written"):
            fuse(run, searcher, method=VOTE)
    finally:
        Path(run.folder).chmod(0o700)


def test_pandas_and_pyarrow_alone_read_both_files(searcher, tmp_path):
    run = small_run(tmp_path / "run", [shot(searcher, 0, "1.jpg", 1)], dim=32)
    fuse(run, searcher)
    (row,) = parquet.read_table(run.folder / SEQUENCES_FILE).to_pylist()
    (member,) = parquet.read_table(run.folder / MEMBERS_FILE).to_pylist()
    assert member == {"media_id": media_id("1.jpg"), "sequence_id": row["sequence_id"]}
    assert row["species"] == row["taxon"]
    assert sorted(path.name for path in run.folder.iterdir()) == [MEMBERS_FILE, "rows", "run.json", SEQUENCES_FILE]
