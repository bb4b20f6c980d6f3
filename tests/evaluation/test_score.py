from __future__ import annotations

import json

import numpy as np

from bioclip_search.evaluation.measures import summarise
from bioclip_search.evaluation.score import LONG_COLUMNS, Score, details_of, figures_of, flat_metrics, grouped
from tests.evaluation.test_measures import RANKS, marks

FIGURES = {"n": 4, "top1": 0.5, "top1_low": 0.2, "top1_high": 0.8, "answers_high": 3}


def test_the_ends_of_an_interval_stand_beside_their_figure_and_are_none_themselves():
    assert figures_of(FIGURES) == {"n": 4, "top1": 0.5, "answers_high": 3}  # which is no end of anything
    rows = list(Score("birds", "val", "index", FIGURES).long_rows())
    assert [tuple(row) for row in rows] == [LONG_COLUMNS] * 3
    assert rows[1] == {"set": "birds", "part": "val", "labels": "index", "metric": "top1", "value": 0.5, "low": 0.2, "high": 0.8}
    assert (rows[0]["low"], rows[0]["high"]) == (None, None)


def test_figures_of_several_scores_are_told_apart_by_their_path():
    scores = [Score("birds", part, "index", {"n": number}) for number, part in enumerate(("a", "b"))]
    assert flat_metrics(scores) == {"birds/a/index/n": 0, "birds/b/index/n": 1}


def test_parts_are_grouped_by_name_and_halved_by_what_was_seen():
    parts, is_seen = np.array(["b", "a", "b"], object), np.array([True, True, False])
    assert [(group.name, group.members.tolist(), group.is_half) for group in grouped(parts, is_seen)] == [
        ("a", [False, True, False], False),
        ("a seen", [False, True, False], True),
        ("b", [True, False, True], False),
        ("b seen", [True, False, False], True),
        ("b unseen", [False, False, True], True),
    ]
    assert [group.name for group in grouped(parts)] == ["a", "b"]


def test_the_curves_and_sisters_of_a_score_are_written_as_json_and_those_of_none_are_left_out():
    names = {number: f"taxon {number}" for number in range(10)}
    figures = summarise(marks(), RANKS)
    told = details_of([Score("birds", "val", "index", figures, marks()), Score("birds", "test", "index", {})], RANKS, names)
    assert list(told["curves"]) == list(told["mixed_up"]) == ["birds · val · index"]
    curve = told["curves"]["birds · val · index"]
    assert curve["threshold"] == [None, 0.95, 0.9, 0.8, 0.7]
    assert curve["accuracy"] == [None, 1, 1, 1, 0.5]
    assert curve["coverage"] == [0, 0.15, 0.25, 0.3, 0.45]
    bins = told["reliability"]["birds · val · index"]
    assert bins["answers"] == {"pictures": [1, 1], "stated": [0.7, 0.9], "right": [0, 1]}  # the third cannot be judged, the fourth has none
    assert bins["species"] == {"pictures": [1, 1, 1], "stated": [0.2, 0.6, 0.9], "right": [0, 1, 1]}
    assert json.loads(json.dumps(told, allow_nan=False)) == told
