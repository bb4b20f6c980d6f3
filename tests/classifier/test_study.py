from __future__ import annotations

from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from bioclip_search.classifier.examples import find_examples
from bioclip_search.classifier.study import PIXELS, PixelEncoder, study_of
from bioclip_search.errors import TableError, UnknownTaxonError
from bioclip_search.evaluation.labelled import find_sets
from tests.classifier.speckled import write_pictures


@pytest.fixture
def examples(searcher, photos):
    return find_examples(searcher, find_sets([photos]))


def test_pixels_are_the_picture_made_small_and_of_length_one():
    picture = PIL.Image.new("RGB", (64, 40), (255, 0, 0))
    (row,) = PixelEncoder().encode_images([picture])
    assert row.shape == (3 * PIXELS**2,)
    assert np.linalg.norm(row) == pytest.approx(1)
    assert set(row.round(5).tolist()) == {0.0, round(1 / PIXELS, 5)}  # red in PIXELS² places: each one over PIXELS


def test_the_table_has_a_row_a_step_with_intervals_and_the_gain_of_each(searcher, examples):
    (labelled,) = examples.sets
    bursts = np.array([f"burst {row // 3}" for row in range(len(labelled))], object)
    found = study_of(searcher, replace(examples, sets=(replace(labelled, bursts=bursts),)), "Felidae")
    assert [row.name for row in found.rows] == ["pixels", "features", "mirrored", "bursts"]
    assert int(found.is_taxon.sum()) == 36  # lion, snow leopard and cat
    for row in found.rows:
        low, value, high = (found.metrics[f"{row.name}_auc{end}"] for end in ("_low", "", "_high"))
        assert 0 <= low <= value <= high <= 1
    gain = found.metrics["features_average_precision"] - found.metrics["pixels_average_precision"]
    assert found.metrics["features_average_precision_gain"] == pytest.approx(gain, abs=2e-4)
    assert "pixels_auc_gain" not in found.metrics
    lines = found.lines()
    assert lines[0] == "Felidae AGAINST THE REST: 36 of 96 pictures"
    assert len(lines) == 2 + 4 + 3
    averaged = found.rows[3].odds.reshape(-1, 3)
    np.testing.assert_allclose(averaged, found.rows[2].odds.reshape(-1, 3).mean(axis=1, keepdims=True).repeat(3, axis=1))


def test_without_bursts_there_is_no_row_of_them(searcher, examples):
    assert [row.name for row in study_of(searcher, examples, "Vulpes vulpes").rows] == ["pixels", "features", "mirrored"]


def test_pictures_of_a_taxon_above_are_of_neither_side(searcher, tmp_path, taxonomy):
    root = write_pictures(tmp_path / "x", taxonomy, 6, ["Felis catus", "Turdus merula"])
    (root / "Felis catus").rename(root / "Felidae")
    write_pictures(root, taxonomy, 6, ["Vulpes vulpes"])
    examples = find_examples(searcher, find_sets([root]))
    with pytest.raises(TableError, match="of 3 taxa with pictures 0 are within it and 2 outside"):
        study_of(searcher, examples, "Felis catus")


def test_a_taxon_that_the_index_lacks_or_that_is_everything_is_told(searcher, examples, tmp_path, taxonomy):
    with pytest.raises(UnknownTaxonError, match="'Gorilla'"):
        study_of(searcher, examples, "Gorilla")
    cats = write_pictures(tmp_path / "cats", taxonomy, 1, ["Felis catus", "Panthera leo"])
    with pytest.raises(TableError, match="of 2 taxa with pictures 2 are within it and 0 outside"):
        study_of(searcher, find_examples(searcher, find_sets([cats])), "Felidae")
