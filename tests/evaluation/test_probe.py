from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.errors import MissingExtraError, TableError
from bioclip_search.evaluation.probe import STRENGTHS, linear_probe
from bioclip_search.prompts import RANKS
from tests.evaluation.test_few_shot import clouds, embedded_set


def test_clouds_apart_are_told_apart_and_every_picture_is_asked_once():
    found = linear_probe(clouds(6, 10, spread=0.05), RANKS)
    assert found.metrics["probe"] == found.metrics["probe_genus"] == 1.0
    assert (found.metrics["probe_classes"], found.metrics["probe_asked"]) == (6, 60)
    assert len(found.strengths) == 5
    assert set(found.strengths) <= set(STRENGTHS)


def test_labels_drawn_by_lot_cannot_be_told_from_the_vectors():
    figures = linear_probe(clouds(4, 25, spread=100), RANKS).metrics
    assert figures["probe_low"] <= 0.25 + 0.05  # a quarter is luck
    assert figures["probe"] < 0.45


def test_a_line_tells_what_the_nearest_mean_cannot():
    # Two classes whose means differ little along one axis, while the other axes are wide: a line finds the axis.
    random = np.random.default_rng(0)
    vectors = random.standard_normal((200, 8)) + 10
    vectors[:, 0] = np.where(np.arange(200) < 100, -0.2, 0.2) + 0.02 * random.standard_normal(200)
    rows = [{"species": "Felis catus"}] * 100 + [{"species": "Lynx lynx"}] * 100
    assert linear_probe(embedded_set(vectors, rows), RANKS).metrics["probe"] > 0.97


def test_a_part_can_be_taught_and_all_others_are_asked_once():
    embedded = clouds(4, 12, spread=0.3)
    parts = np.where(np.arange(48) % 2 == 0, "train", "val").astype(object)
    found = linear_probe(replace(embedded, parts=parts), RANKS, teach="train")
    assert found.metrics["probe_asked"] == 24
    assert len(found.strengths) == 1
    with pytest.raises(TableError, match="has no part 'test'; it has train, val"):
        linear_probe(replace(embedded, parts=parts), RANKS, teach="test")
    with pytest.raises(TableError, match="and 0 pictures of them are not taught"):
        linear_probe(embedded, RANKS, teach="all")


def test_classes_with_too_few_pictures_are_left_out_and_told():
    embedded = clouds(3, 6, spread=0.1)
    found = linear_probe(embedded.take(np.r_[0:12, 12:16]), RANKS)
    assert found.metrics["probe_classes"] == 2
    assert found.too_few == ("Genus0 species2",)
    with pytest.raises(TableError, match="1 of 2 classes have 5 pictures to teach or more"):
        linear_probe(embedded.take(np.r_[0:6, 12:16]), RANKS)


def test_pictures_without_a_label_are_no_class():
    embedded = clouds(2, 6, spread=0.1)
    nameless = replace(embedded, taxa=pa.table({name: pa.nulls(12, pa.string()) for name in embedded.taxa.column_names}))
    with pytest.raises(TableError, match="0 of 0 classes have 5 pictures to teach or more"):
        linear_probe(nameless, RANKS)


def test_the_same_question_has_the_same_answer():
    embedded = clouds(5, 8, spread=1.5)
    assert linear_probe(embedded, RANKS) == linear_probe(embedded, RANKS)


def test_no_burst_is_taught_and_asked():
    """Each class is one cloud of noise without any centre, seen in ten bursts of three equal pictures: only who was taught the burst could tell."""
    random = np.random.default_rng(1)
    vectors = np.repeat(random.standard_normal((40, 16)), 3, axis=0) + 0.01 * random.standard_normal((120, 16))
    embedded = embedded_set(vectors, [{"species": f"Felis nr{row // 30}"} for row in range(120)])
    bursts = np.array([f"burst {row // 3}" for row in range(120)], object)
    assert linear_probe(embedded, RANKS).metrics["probe"] > 0.9
    whole = linear_probe(replace(embedded, bursts=bursts), RANKS).metrics
    assert whole["probe"] < 0.5  # a quarter is luck
    assert whole["probe_asked"] == 120
    assert whole["probe_high"] - whole["probe_low"] > 0.2  # forty bursts, not 120 pictures


def test_a_class_of_fewer_bursts_than_are_needed_is_left_out():
    embedded = clouds(3, 8, spread=0.1)
    bursts = np.array([f"burst {row // 2 if row < 8 else row}" for row in range(24)], object)  # the first class: eight pictures in four bursts
    found = linear_probe(replace(embedded, bursts=bursts), RANKS)
    assert found.too_few == ("Genus0 species0",)


def test_without_scikit_learn_the_line_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bioclip-search\[evaluate\]'"):
        linear_probe(clouds(3, 6, spread=1), RANKS)
