"""Decisions as labels: a table for others, and the run itself for `evaluate` and `calibrate`, no picture opened."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from bioclip_search.bursts.folder import write_sequences
from bioclip_search.bursts.sequences import COLUMNS, group, pictures_of
from bioclip_search.calibration.lesson import gather
from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import RunError
from bioclip_search.evaluation.answers import are_answers, read_answers
from bioclip_search.evaluation.labelled import find_sets, read_set
from bioclip_search.evaluation.picture_vectors import vectors_of
from bioclip_search.evaluation.run import evaluate_run
from bioclip_search.evaluation.run_sets import reviewed, set_of_answered, set_of_review
from bioclip_search.evaluation.truth import read_truth
from bioclip_search.index import Index
from bioclip_search.question import Asked
from bioclip_search.results import Answer, Failure
from bioclip_search.review.deciding import decide
from bioclip_search.review.labels import write_labels
from bioclip_search.runs.record import TaggedCrop
from bioclip_search.searcher import Searcher
from tests.standards.runs import crop, picture, small_run


@pytest.fixture(scope="module")
def searcher(small_index, encoder) -> Searcher:
    return Searcher(Index(small_index), encoder)


@pytest.fixture
def run(searcher, tmp_path):
    """Twelve pictures of the leaves in turn, one with a second crop and one that failed; no picture is there to be opened."""
    question, random = searcher.question(), np.random.default_rng(4)

    def crops(*leaves: int):
        vectors = searcher.encoder.encode_prepared(leaves) + np.float32(0.02) * random.standard_normal((len(leaves), 32), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        answers = question.answers(vectors, [Asked("")] * len(leaves))
        return [
            TaggedCrop(n, "animal", 0.9, (1.0, 2.0, 30.0, 40.0), answer, vector.astype(np.float16))
            for n, (answer, vector) in enumerate(zip(answers, vectors, strict=True))
        ]

    pictures = [picture(f"cam/{number}.jpg", *crops(number % 8)) for number in range(12)]
    pictures += [
        picture("cam/two.jpg", *crops(0, 3)),
        picture("cam/blank.jpg"),
        picture("cam/bad.jpg", error="truncated"),
        picture("clip.mp4", *crops(1), frame_number=30),
    ]
    return small_run(tmp_path / "run", pictures, root=tmp_path / "photos", dim=32)


def decide_all(run, searcher, **corrected: str):
    rows = [{"image": f"cam/{number}.jpg", "verdict": "accepted"} for number in range(12) if f"n{number}" not in corrected]
    rows += [{"image": f"cam/{name[1:]}.jpg", "taxon": taxon} for name, taxon in corrected.items()]
    rows += [
        {"image": "cam/two.jpg", "crop": 1, "taxon": "Felis catus"},
        {"image": "cam/blank.jpg", "verdict": "unsure"},
        {"image": "clip.mp4", "verdict": "accepted"},
    ]
    found = decide(run.folder, rows, "Ana", names=searcher.names)
    assert not found.errors
    return found


def test_labels_are_a_table_that_others_read(run, searcher, tmp_path):
    decide_all(run, searcher, n1="Panthera sp.")
    out = tmp_path / "labels.csv"
    report = write_labels(run, out)
    assert (report.rows, report.without_taxon, report.of_videos) == (13, 1, 1)
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[1]["genus"], rows[1]["species"], rows[1]["taxon_rank"], rows[1]["verdict"], rows[1]["who"]) == ("Panthera", "", "genus", "corrected", "Ana")
    assert rows[0]["image"] == "photos/cam/0.jpg"
    assert rows[0]["box_xyxy"] == "1 2 30 40"
    labelled = read_set("reviewed", [out])
    assert labelled.taxa["species"].to_pylist()[:3] == [rows[0]["species"], None, rows[2]["species"]]
    truth = read_truth(out)
    assert truth.rows_of(["cam/0.jpg"]).tolist() == [0]


def test_a_run_is_read_as_answers(run):
    assert are_answers(run.folder)
    records = list(read_answers(run.folder))
    assert [type(one) for one in records[-3:]] == [Answer, Failure, Answer]  # blank, bad, a frame
    assert len(records) == 12 + 2 + 3
    assert records[-3].rule == "rule 0: no organism: the detector saw nothing to name"
    assert records[-3].probability is None
    assert len(records[0].ladder) > 1


def test_a_reviewed_run_is_measured_by_what_was_decided_about_each_crop(run, searcher):
    """Fourteen crops were named; the machine was right but for cam/1.jpg, cam/3.jpg and the second crop of cam/two.jpg."""
    decide_all(run, searcher, n1="Turdus merula", n3="Carp")
    records, truth = reviewed(run.folder)
    found = evaluate_run(records, truth, Catalogue(searcher.index))
    assert found.counts["pictures"] == 14
    assert found.metrics()["run/all/as answered/answer_accuracy"] == pytest.approx(11 / 14, abs=1e-4)
    assert any("people decided about" in note for note in found.notes)
    assert any("1 more are blank" in note for note in found.notes)  # the unsure one: what the machine says of it is no mistake and no success


def test_several_crops_of_a_picture_are_measured_each_by_its_own_label(run, searcher):
    decide(
        run.folder,
        [{"image": "cam/two.jpg", "crop": 0, "verdict": "accepted"}, {"image": "cam/two.jpg", "crop": 1, "taxon": "Felis catus"}],
        "Ana",
        names=searcher.names,
    )
    records, truth = reviewed(run.folder)
    assert [one.image for one in records] == truth.images == ["cam/two.jpg, crop 0", "cam/two.jpg, crop 1"]


def test_calibrating_on_a_run_opens_no_picture(run, searcher):
    decide_all(run, searcher)
    (labelled,) = find_sets([run.folder])
    assert not (run.root / "cam/0.jpg").exists()
    lesson = gather(searcher, [labelled])
    assert len(lesson) == 14
    assert np.linalg.norm(lesson.vectors, axis=1) == pytest.approx(np.ones(len(lesson)), abs=1e-6)


def test_of_a_burst_one_picture_teaches(run, searcher):
    """All pictures of one minute: of each name the first crop is left, and the twelve pictures show eight leaves."""
    decide_all(run, searcher)
    grouping = group(replace(pictures_of(run.batches(COLUMNS)), times_ms=np.zeros(16, np.int64)))
    write_sequences(run.folder, grouping, [])
    labelled = set_of_review(run.folder)
    assert len(labelled) == 14
    kept = vectors_of(searcher.encoder, labelled, np.ones(14, bool)).without_repeats()
    assert len(kept) == len(set(labelled.taxa["species"].to_pylist()[:13])) + 1  # the frame of the video is no picture of the burst


def test_vectors_of_another_encoder_are_not_taken(run, searcher, encoder):
    class Other(type(encoder)):
        fingerprint = "0ther0+fp32"

    decide_all(run, searcher)
    labelled = set_of_review(run.folder)
    found = vectors_of(Other(encoder.texts), labelled, np.ones(len(labelled), bool))
    assert len(found) == 0
    assert len(found.failures) == len(labelled)  # the pictures were asked for, and none is there


def test_a_run_beside_a_truth_gives_its_crops_with_their_vectors(run, searcher, tmp_path):
    truth = tmp_path / "truth.csv"
    truth.write_text("image,species\ncam/0.jpg,Panthera leo\ncam/two.jpg,Felis catus\n", encoding="utf-8")
    labelled = set_of_answered(run.folder, truth)
    assert len(labelled) == 3
    assert labelled.taxa["species"].to_pylist() == ["Panthera leo", "Felis catus", "Felis catus"]
    assert vectors_of(searcher.encoder, labelled, np.ones(3, bool)).vectors.shape == (3, 32)


def test_without_a_decision_there_are_no_labels(run, tmp_path):
    with pytest.raises(RunError, match="nobody decided on a taxon yet"):
        find_sets([run.folder])
    assert write_labels(run, tmp_path / "labels.csv").rows == 0


def test_a_decision_on_the_whole_picture_labels_its_only_crop(searcher, tmp_path):
    run = small_run(tmp_path / "run", [picture("a.jpg", crop(0))], dim=None)
    decide(run.folder, [{"image": "a.jpg", "crop": -1, "taxon": "Red fox"}], "Ana", names=searcher.names)
    labelled = set_of_review(run.folder)
    assert labelled.taxa["species"].to_pylist() == ["Vulpes vulpes"]


def test_a_label_of_a_picture_in_which_nothing_was_found_is_left_out_of_what_vectors_teach(run, searcher):
    decide_all(run, searcher)
    decide(run.folder, [{"image": "cam/blank.jpg", "taxon": "Lion"}], "Ana", names=searcher.names)
    labelled = set_of_review(run.folder)
    assert len(labelled) == 14
    assert labelled.notes[-1] == "run: 1 decided on pictures as a whole, of which the run keeps no vector, are left out"
    records, truth = reviewed(run.folder)
    assert (len(records), len(truth)) == (14, 15)
