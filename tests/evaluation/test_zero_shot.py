"""Four lions and a plant, shown to an encoder that reads their answer from the colour."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pyarrow as pa
import pytest

from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.evaluation.labels import UNMATCHED, LabelReport, ResolvedLabel
from bioclip_search.evaluation.zero_shot import evaluate
from bioclip_search.fallback import Climbing
from bioclip_search.index import Index
from bioclip_search.index.card import Calibration, change_card
from bioclip_search.prompts import RANKS
from bioclip_search.searcher import Searcher
from tests.conftest import small_table
from tests.evaluation.test_labelled import write_parquet

SPECIES = [name or "" for name in small_table()["species"].to_pylist()]


@pytest.fixture
def searcher(small_index, encoder):
    return Searcher(Index(small_index), encoder)


@pytest.fixture
def leaf(taxonomy):
    """The colour of a picture that the encoder sees as this taxon."""
    names = [row["species"] or row["family"] for row in taxonomy.leaves.to_pylist()]
    return names.index


def write_set(path, shown, labelled, leaf, splits=None):
    """Pictures of what is shown, labelled with rows of the small table by species (None: Apiaceae)."""
    rows = {row["species"]: row for row in small_table().to_pylist()}
    columns = {name: pa.array([rows[label][name] for label in labelled], pa.string()) for name in (*RANKS, "common_name")}
    return write_parquet(path, [leaf(name) for name in shown], **columns, split=splits or ["val"] * len(shown))


@pytest.fixture
def cats(tmp_path, leaf):
    """A lion taken for itself twice, once for a snow leopard, once for a fox; the trained one is a carp."""
    shown = ["Panthera leo", "Panthera leo", "Panthera uncia", "Vulpes vulpes", "Cyprinus carpio"]
    labelled = ["Panthera leo"] * 4 + ["Panthera uncia"]
    write_set(tmp_path / "cats/a.parquet", shown, labelled, leaf, ["val", "test", "val", "val", "train"])
    return tmp_path / "cats"


def test_the_figures_of_four_lions(searcher, cats):
    found = evaluate(searcher, find_sets([cats]), labels=["index"])
    scores = {(score.part, score.labels): score.metrics for score in found.scores}
    assert list(scores) == [("test", "index"), ("val", "index")]
    assert found.skipped == {"train": 1}
    val = scores["val", "index"]
    # one lion right; one in its genus; the fox shares the order Carnivora
    assert (val["n"], val["candidates"], val["unlisted"]) == (3, 9, 0)
    assert val["top1"] == val["best_species"] == val["rolled_species"] == 0.3333
    assert val["best_genus"] == val["best_family"] == 0.6667
    assert val["best_order"] == val["best_kingdom"] == 1
    assert (val["answer_coverage"], val["answered_species"], val["answer_accuracy"], val["answer_depth"]) == (1, 1, 0.3333, 7)
    assert found.metrics()["cats/test/index/top1"] == 1
    assert found.to_dict()["primary_metric"] == "top1"


def test_all_rows_give_labels_but_only_the_parts_asked_for_are_measured(searcher, cats):
    sets = find_sets([cats])
    own = evaluate(searcher, sets)
    assert {score.metrics["candidates"] for score in own.scores} == {2}  # the lion, and the snow leopard of the training part
    assert [(score.part, score.metrics["n"]) for score in evaluate(searcher, sets, parts=["all"]).scores] == [("test", 1), ("train", 1), ("val", 3)]
    trained = evaluate(searcher, sets, parts=["train"])
    assert trained.skipped == {"test": 1, "val": 3}
    assert [(score.part, score.metrics["n"]) for score in trained.scores] == [("train", 1)]


def test_the_mixed_list_holds_the_labels_of_all_sets_and_the_distractors(searcher, cats, tmp_path, leaf):
    write_set(tmp_path / "plants/a.parquet", ["Apiaceae"], [None], leaf)
    found = evaluate(searcher, find_sets([cats, tmp_path / "plants"]), distractors=small_table().slice(3, 2), parts=["val"])
    told = {(score.set_name, score.labels): score.metrics for score in found.scores}
    assert {name: figures["candidates"] for name, figures in told.items()} == {
        ("cats", "own"): 2,
        ("cats", "mixed"): 5,
        ("plants", "own"): 1,
        ("plants", "mixed"): 5,
    }
    assert told["plants", "mixed"]["top1"] == 1
    assert "best_species" not in told["plants", "mixed"]


def test_labels_that_are_no_candidates_are_counted_and_wrong(searcher, cats):
    found = evaluate(searcher, find_sets([cats]), labels=[small_table().filter(pa.array([name != "Panthera leo" for name in SPECIES]))])
    val = next(score for score in found.scores if score.part == "val")
    assert (val.labels, val.metrics["unlisted"], val.metrics["top1"], val.metrics["top5"]) == ("checklist", 3, 0, 0)
    assert val.metrics["best_genus"] > 0


def test_broken_pictures_and_rows_without_a_taxon_are_counted_and_the_rest_is_measured(searcher, tmp_path, leaf):
    image = [{"bytes": b"broken", "path": None}, {"bytes": b"", "path": None}]
    lion = {name: pa.array([small_table()[name][0].as_py()] * 2, pa.string()) for name in RANKS}
    write_parquet(tmp_path / "cats/broken.parquet", [0, 0], image=image, **lion, source_id=["a.jpg", "b.jpg"])
    write_set(tmp_path / "cats/good.parquet", ["Panthera leo"], ["Panthera leo"], leaf)
    write_parquet(tmp_path / "cats/unnamed.parquet", [0], species=pa.array([None], pa.string()))
    ticks = []
    found = evaluate(searcher, find_sets([tmp_path / "cats"]), progress=lambda done, total: ticks.append((done, total)))
    assert [failure.image for failure in found.failures] == ["cats/a.jpg", "cats/b.jpg"]
    assert "0 bytes" in found.failures[1].error
    assert (found.unlabelled, found.nameless) == (1, 1)
    assert replace(found, labels=LabelReport((ResolvedLabel("quux", UNMATCHED, None, None, 1),))).nameless == 0  # its label is told by the report
    assert [(score.part, score.metrics["n"], score.metrics["top1"]) for score in found.scores] == [("val", 1, 1)]
    assert ticks[-1] == (3, 3)


def test_only_broken_pictures_give_failures_and_no_score(searcher, tmp_path):
    write_parquet(tmp_path / "cats/broken.parquet", [0], image=[{"bytes": b"x", "path": None}])
    found = evaluate(searcher, find_sets([tmp_path / "cats"]), labels=["index"])
    assert (found.scores, len(found.failures)) == ((), 1)


def test_nothing_to_measure_is_refused(searcher, tmp_path, leaf):
    write_set(tmp_path / "cats/a.parquet", ["Panthera leo"], ["Panthera leo"], leaf, ["train"])
    with pytest.raises(TableError, match="No labelled picture is left to measure .passed over: 1 in part train"):
        evaluate(searcher, find_sets([tmp_path / "cats"]))
    write_parquet(tmp_path / "none/a.parquet", [0], species=pa.array([None], pa.string()))
    with pytest.raises(TableError, match=r"passed over: 1 that name no taxon\)\.$"):
        evaluate(searcher, find_sets([tmp_path / "none"]))
    with pytest.raises(TableError, match="no list of labels"):
        evaluate(searcher, find_sets([tmp_path / "cats"]), parts=["all"], labels=[])


def test_the_fallback_uses_the_temperature_of_the_card_and_says_that_nothing_is_promised(small_index, encoder, tmp_path, cats):
    folder = shutil.copytree(small_index, tmp_path / "calibrated")
    change_card(folder, calibration=Calibration(temperature=20.0, fitted_on="a test"))
    searcher = Searcher(Index(folder), encoder)
    found = evaluate(searcher, find_sets([cats]), labels=["index"])
    assert (found.ruling.temperature, found.ruling.rules) == (20.0, Climbing())
    assert "the index promises nothing at 0.9" in found.ruling.rules_from
    assert found.to_dict()["rule"] == "climbing"
    assert found.to_dict()["threshold"] == 0.65


def test_taxa_that_were_seen_and_those_that_were_not_are_told_apart(searcher, cats, tmp_path, leaf):
    write_set(tmp_path / "cats/b.parquet", ["Felis catus"], ["Felis catus"], leaf)
    found = evaluate(searcher, find_sets([cats]), labels=["index"], parts=["val"], seen=small_table().slice(2, 1))
    told = {score.part: (score.metrics["n"], score.metrics["top1"]) for score in found.scores}
    assert told == {"val": (4, 0.5), "val seen": (1, 1), "val unseen": (3, 0.3333)}  # the cat; the three lions


def test_every_picture_keeps_its_name_and_the_sisters_taken_for_one_another_are_named(searcher, cats):
    found = evaluate(searcher, find_sets([cats]), labels=["index"], parts=["val"])
    (score,) = found.scores
    assert len(score.pictures) == len(score.marks) == 3
    (pair,) = found.to_dict()["mixed_up"]["cats · val · index"]
    assert (pair["one"], pair["other"], pair["one_as_other"], pair["pictures"]) == ("Panthera leo", "Panthera uncia", 1, 3)
    assert score.metrics["species_mistakes_in_genus"] == 0.5


def test_the_starter_is_measured_as_its_training_measured_it(shared):
    """The butterflies kept back: the card says how often the encoder itself was right about them."""
    (path,) = (shared / "butterflies").glob("*-val-*.parquet")
    searcher = Searcher.open("starter", device="cpu")
    found = evaluate(searcher, find_sets([path]), labels=["index"])
    assert found.metrics()["butterflies/val/index/n"] == 490
    assert found.metrics()["butterflies/val/index/best_order"] > 0.8
