"""A head taught by MLlib beside the one that is taught on one machine, on the same pictures with the same split."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.errors import TableError
from bioclip_search.heads.fitting import balanced_weights, fit_head

pytestmark = pytest.mark.spark

TOLERANCE = 5e-3
"""Of a probability: scikit-learn stops where the slope is 1e-4, MLlib where the objective no longer changes."""


def blobs(k, per_class, dim=16, spread=0.6, seed=0):
    """Unit vectors around k directions, not all easily told apart, and the class of each."""
    random = np.random.default_rng(seed)
    of = np.repeat(np.arange(k), per_class)
    vectors = random.standard_normal((k, dim))[of] + spread * 2 * random.standard_normal((len(of), dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), of


@pytest.fixture
def taught(spark, tmp_path):
    from bioclip_search.spark.classifying import fit_head_on

    return lambda *arguments, **options: fit_head_on(spark, tmp_path / "staging", "logistic", *arguments, **options)


@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("strength", [1.0, 100.0])
def test_the_same_pictures_teach_the_same_head(taught, k, strength):
    vectors, of = blobs(k, 60)
    asked, _ = blobs(k, 40, seed=0)
    here, there = (teach(vectors, of, k, strength=strength) for teach in (lambda *a, **o: fit_head("logistic", *a, **o), taught))
    assert np.allclose(np.exp(here.scores(asked)), np.exp(there.scores(asked)), atol=TOLERANCE)
    assert (here.scores(asked).argmax(1) == there.scores(asked).argmax(1)).mean() > 0.995


def test_the_same_pictures_choose_the_same_strength(taught, tmp_path):
    vectors, of = blobs(4, 50, spread=0.9)
    for seed in (0, 1):
        here, there = fit_head("logistic", vectors, of, 4, seed=seed), taught(vectors, of, 4, seed=seed)
        assert here.about["strength"] == there.about["strength"]
        assert there.about["engine"] == "spark"
    assert list((tmp_path / "staging").iterdir()) == []


def test_weights_count_as_they_do_on_one_machine(taught):
    vectors, of = blobs(3, 40)
    rare = np.concatenate([np.flatnonzero(of == 0)[:5], np.flatnonzero(of > 0)])
    weights = balanced_weights(of[rare], 3)
    here, there = (
        fit_head("logistic", vectors[rare], of[rare], 3, weights=weights, strength=10.0),
        taught(vectors[rare], of[rare], 3, weights=weights, strength=10.0),
    )
    plain = fit_head("logistic", vectors[rare], of[rare], 3, strength=10.0)
    assert np.allclose(np.exp(here.scores(vectors)), np.exp(there.scores(vectors)), atol=TOLERANCE)
    assert not np.allclose(np.exp(plain.scores(vectors)), np.exp(there.scores(vectors)), atol=10 * TOLERANCE)


def test_what_cannot_teach_is_refused_before_spark_is_asked(taught, spark, tmp_path):
    from bioclip_search.spark.classifying import fit_head_on

    vectors, of = blobs(2, 5)
    with pytest.raises(TableError, match="1 of 3 classes have no picture"):
        taught(vectors, of, 3)
    with pytest.raises(TableError, match="On Spark the head logistic is taught, not 'ridge'"):
        fit_head_on(spark, tmp_path, "ridge", vectors, of, 2)
