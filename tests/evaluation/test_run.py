"""Pictures answered by the colour encoder, written as a run, and measured beside a table of truth."""

from __future__ import annotations

import csv
from dataclasses import replace

import PIL.Image
import pytest

from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import IndexMismatchError, TableError
from bioclip_search.evaluation.answers import read_answers
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.evaluation.report.page import html_of
from bioclip_search.evaluation.report.subject import subject_of_answers
from bioclip_search.evaluation.run import NO_LADDERS, evaluate_run
from bioclip_search.evaluation.truth import read_truth
from bioclip_search.evaluation.zero_shot import evaluate
from bioclip_search.index import Index
from bioclip_search.results import Answer, Failure, Rung
from bioclip_search.searcher import Searcher
from tests.conftest import picture_of, small_table
from tests.evaluation.test_answers import written

SHOWN = ["Panthera leo", "Panthera uncia", "Vulpes vulpes", "Turdus merula", "Cyprinus carpio"]
TRUE = ["Panthera leo", "Panthera leo", "Panthera leo", "Turdus merula", "Oenanthe oenanthe"]


@pytest.fixture
def catalogue(small_index):
    return Catalogue(Index(small_index))


@pytest.fixture
def searcher(small_index, encoder):
    return Searcher(Index(small_index), encoder)


@pytest.fixture
def photos(tmp_path, taxonomy):
    """Five pictures, of what is shown."""
    species = taxonomy.leaves["species"].to_pylist()
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(SHOWN):
        picture_of(species.index(name)).save(folder / f"{number}.png")
    return folder


def truth_of(path, rows, header="path,species"):
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return read_truth(path)


@pytest.fixture
def truth(tmp_path, photos):
    return read_truth(written_list(tmp_path / "truth.csv"))


def written_list(path):
    """The pictures with their whole lineages."""
    rows = {row["species"]: row for row in small_table().to_pylist()}
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, ["path", *small_table().column_names])
        writer.writeheader()
        writer.writerows({"path": f"photos/{number}.png", **rows[name]} for number, name in enumerate(TRUE))
    return path


def test_a_run_has_the_figures_that_its_pictures_would_have(searcher, photos, truth, catalogue, tmp_path):
    (seen_now,) = evaluate(searcher, find_sets([written_list(tmp_path / "list.csv")]), labels=["index"]).scores
    (given,) = evaluate_run(searcher.identify(sorted(photos.iterdir())), truth, catalogue).scores
    same = [name for name in seen_now.metrics if name.startswith(("answer", "species_mistakes", "genus_mistakes")) or name == "n"]
    assert len(same) > 40
    assert {name: given.metrics[name] for name in same} == {name: seen_now.metrics[name] for name in same}


def test_the_figures_of_five_answers_worked_by_hand(searcher, photos, truth, catalogue):
    """Lion and blackbird right; a leopard for a lion (height 1), a fox for a lion (3), a fish for a bird (5)."""
    found = evaluate_run(searcher.identify(sorted(photos.iterdir())), truth, catalogue, name="photos")
    (score,) = found.scores
    assert (score.set_name, score.part, score.metrics["n"]) == ("photos", "all", 5)
    assert (score.metrics["answer_accuracy"], score.metrics["answer_coverage"], score.metrics["answer_severity"]) == (0.4, 1, 3)
    assert score.metrics["answer_information"] == 0.4  # two species, each all that can be told
    assert "top1" not in score.metrics
    (pair,) = found.to_dict()["mixed_up"][score.title]
    assert (pair["one"], pair["other"], pair["one_as_other"]) == ("Panthera leo", "Panthera uncia", 1)
    assert found.metrics()["photos/all/as answered/answer_accuracy"] == 0.4


def test_what_has_no_partner_is_counted_and_told(searcher, photos, catalogue, tmp_path):
    rows = [("0.png", "Panthera leo"), ("gone.png", "Panthera leo"), ("1.png", "Nessiteras rhombopteryx"), ("broken.png", "Panthera leo")]
    truth = truth_of(tmp_path / "truth.csv", rows, "image,taxon")
    records = [*searcher.identify(sorted(photos.iterdir())), Failure(str(photos / "broken.png"), "truncated")]
    found = evaluate_run(records, truth, catalogue)
    assert found.counts == {"pictures": 1, "other_crops": 0, "unread": 1, "without_truth": 3, "without_answer": 1, "unlabelled": 1}
    assert [failure.error for failure in found.failures] == ["truncated"]
    notes = "\n".join(found.notes)
    assert "3 pictures answered but not in the truth" in notes
    assert "1 picture in the truth but not answered: gone.png" in notes
    assert "1 picture with a truth that names no taxon" in notes
    assert found.to_dict()["unmatched"] == ["Nessiteras rhombopteryx"]


def test_a_name_that_is_misspelt_or_common_is_looked_up_and_told(searcher, photos, catalogue, tmp_path):
    truth = truth_of(tmp_path / "truth.csv", [("0.png", "Panthera leoo"), ("3.png", "Blackbird")], "image,taxon")
    found = evaluate_run(searcher.identify(sorted(photos.iterdir())), truth, catalogue)
    assert found.scores[0].metrics["answer_accuracy"] == 1
    assert found.to_dict()["labels_corrected"] == 1


def test_parts_and_seen_taxa_are_told_apart(searcher, photos, catalogue, tmp_path):
    rows = [(f"{number}.png", name, "day" if number < 3 else "night") for number, name in enumerate(TRUE)]
    truth = truth_of(tmp_path / "truth.csv", rows, "image,species,split")
    found = evaluate_run(searcher.identify(sorted(photos.iterdir())), truth, catalogue, seen=small_table().slice(0, 1))
    told = {score.part: (score.metrics["n"], score.metrics["answer_accuracy"]) for score in found.scores}
    assert told == {"day": (3, 0.3333), "day seen": (3, 0.3333), "night": (2, 0.5), "night unseen": (2, 0.5)}


def test_one_crop_stands_for_a_picture_unless_every_crop_is_asked_for(searcher, photos, truth, catalogue):
    whole = searcher.identify(photos / "0.png")[0]
    wrong = replace(searcher.identify(photos / "2.png")[0], image=whole.image)
    crops = [replace(whole, detector_confidence=0.9), replace(wrong, detector_confidence=0.5)]
    one = evaluate_run(crops, truth, catalogue)
    every = evaluate_run(crops, truth, catalogue, every_crop=True)
    assert (one.scores[0].metrics["n"], one.scores[0].metrics["answer_accuracy"], one.counts["other_crops"]) == (1, 1, 1)
    assert (every.scores[0].metrics["n"], every.scores[0].metrics["answer_accuracy"], every.counts["pictures"]) == (2, 0.5, 1)
    assert "answer_accuracy_low" not in every.scores[0].metrics  # one picture is one picture, however many crops it has


def test_a_blank_has_no_answer(truth, photos, catalogue, searcher):
    blank = Answer(image=str(photos / "1.png"), rule="rule 0: no organism", probability=None, index="small", encoder="c")
    found = evaluate_run([*searcher.identify(photos / "0.png"), blank], truth, catalogue)
    assert (found.scores[0].metrics["n"], found.scores[0].metrics["answer_coverage"]) == (2, 0.5)


def test_where_there_is_no_answer_the_rungs_may_lie_in_several_kingdoms(truth, photos, catalogue):
    """The most probable kingdom is that of the animals, the most probable family one of plants."""
    rungs = (Rung("kingdom", "Animalia", 0.6), Rung("family", "Apiaceae", 0.3), Rung("species", "Panthera leo", 0.2))
    unsure = Answer(image=str(photos / "0.png"), rule="rule 4: no answer", probability=1.0, ladder=rungs, index="small", encoder="c")
    (score,) = evaluate_run([unsure], truth, catalogue).scores
    assert (score.metrics["answer_coverage"], score.metrics["rolled_kingdom"], score.metrics["rolled_family"], score.metrics["rolled_species"]) == (0, 1, 0, 1)


def test_a_table_of_answers_tells_nothing_of_ranks_that_were_not_answered(searcher, photos, truth, catalogue, tmp_path):
    path = written(tmp_path / "run.csv", "csv", searcher.identify(sorted(photos.iterdir())))
    found = evaluate_run(read_answers(path), truth, catalogue)
    assert found.scores[0].metrics["answer_accuracy"] == 0.4
    assert not [name for name in found.scores[0].metrics if name.startswith(("rolled", "ece", "haurc", "information_at"))]
    assert (found.to_dict()["curves"], found.notes) == ({}, (NO_LADDERS,))
    page = html_of(subject_of_answers(found, truth))
    assert 'id="curves"' not in page
    assert "Most probable" not in page


def test_answers_of_another_index_are_refused(searcher, photos, truth, catalogue):
    (answer,) = searcher.identify(photos / "0.png")
    foreign = replace(answer, taxon="Panthera onca", lineage={**answer.lineage, "species": "Panthera onca"})
    with pytest.raises(IndexMismatchError, match="answered with the species Panthera onca, which the index small does not hold"):
        evaluate_run([foreign], truth, catalogue)
    with pytest.raises(IndexMismatchError, match="at the rank tribe"):
        evaluate_run([replace(answer, rank="tribe")], truth, catalogue)
    with pytest.raises(IndexMismatchError, match="of 2 indexes .other, small"):
        evaluate_run([answer, replace(answer, index="other")], truth, catalogue)


def test_a_run_and_a_truth_of_other_pictures_are_refused(searcher, photos, catalogue, tmp_path):
    truth = truth_of(tmp_path / "truth.csv", [("elsewhere.png", "Panthera leo")])
    with pytest.raises(TableError, match="No picture has both an answer and a truth.*0.png.*elsewhere.png"):
        evaluate_run(searcher.identify(photos / "0.png"), truth, catalogue)
    with pytest.raises(TableError, match="No picture has both"):
        evaluate_run([], truth, catalogue)


def test_a_run_that_is_all_wrong_is_told_as_such(searcher, photos, truth, catalogue):
    """All wrong: every picture is shown as a fox."""
    for path in photos.iterdir():
        PIL.Image.open(photos / "2.png").save(path)
    (score,) = evaluate_run(searcher.identify(sorted(photos.iterdir())), truth, catalogue).scores
    assert (score.metrics["answer_accuracy"], score.metrics["answer_information"], score.metrics["information_at_95"]) == (0, 0, 0.0)
