from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.boxed.boxed_set import TrueBox
from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.survey.figures import HEAT_CELLS, Kind, metrics_of, survey_of
from tests.boxed.small_boxes import boxes, small_set


@pytest.fixture
def sets(tmp_path):
    """Of 40 x 30 = 1,200 px²: boxes of 20 x 15 (a quarter) and 8 x 30 (a fifth), a lynx of 40 x 30 (the whole), a crowd, and nothing."""
    several = [
        boxes((0, 0, 20, 15), (0, 0, 8, 30)),
        (*boxes((0, 0, 40, 30), category="Lynx lynx"), TrueBox((0, 0, 5, 5), "Puma concolor", True)),
        (),
    ]
    told = small_set(tmp_path, several, bursts=np.array(["a", "a", None], object), deployments=np.array(["north", "south", None], object))
    return examine([told])[0]


def test_the_figures_are_those_counted_by_hand(sets):
    survey = survey_of(sets)
    assert survey.per_picture.tolist() == [2, 1, 0]
    assert survey.shares.tolist() == pytest.approx([0.25, 0.2, 1.0])
    assert survey.ratios.tolist() == pytest.approx([20 / 15, 8 / 30, 40 / 30])
    assert survey.categories == {"Puma concolor": Kind(2, 1, 1, 1), "Lynx lynx": Kind(1, 1, 1, 1)}
    assert survey.deployments == {"north": Kind(2, 1, 1, 1), "not told": Kind(0, 1, 1, 0), "south": Kind(1, 1, 1, 1)}
    # the middles are (10, 7.5), (4, 15) and (20, 15): shares (0.25, 0.25), (0.1, 0.5), (0.5, 0.5), rows from the top
    cells = {(HEAT_CELLS // 4, HEAT_CELLS // 4), (HEAT_CELLS // 2, int(0.1 * HEAT_CELLS)), (HEAT_CELLS // 2, HEAT_CELLS // 2)}
    assert set(zip(*map(np.ndarray.tolist, np.nonzero(survey.heat)), strict=True)) == cells


def test_the_metrics_are_flat(sets):
    metrics = metrics_of(survey_of(sets))
    assert [metrics[name] for name in ("pictures", "boxes", "background", "categories", "most_boxes_in_a_picture", "imbalance")] == [3, 3, 1, 2, 2, 2.0]
    assert metrics["box_share_median"] == 0.25
    assert [metrics[f"share_{name}"] for name in ("small", "medium", "large")] == [0.6667, 0.3333, 0.0]  # 300 and 240 px² are below 32², 1,200 above
    assert [metrics[f"share_{name}"] for name in ("tall", "squarish", "wide")] == [0.3333, 0.6667, 0.0]


def test_nothing_has_no_figures(tmp_path):
    assert metrics_of(survey_of([])) == {"pictures": 0, "boxes": 0, "background": 0, "categories": 0, "deployments": 0, "most_boxes_in_a_picture": 0}
    assert metrics_of(survey_of(examine([small_set(tmp_path, [()])])[0]))["background"] == 1
