"""A head taught by MLlib beside the one that is taught on one machine, on the same pictures with the same split."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bioclip_search.errors import SparkError
from bioclip_search.heads.fitting import balanced_weights, fit_head
from bioclip_search.heads.head import log_softmax

pytestmark = pytest.mark.spark

TOLERANCE, EXACT = 0.02, 5e-4
"""Of a probability, beside one machine's head, which stops where the slope is 1e-4, and beside scikit-learn made to go on to the end."""


def blobs(k, per_class, dim=16, spread=0.6, seed=0):
    """Unit vectors around k directions, not all easily told apart, and the class of each."""
    random = np.random.default_rng(seed)
    of = np.repeat(np.arange(k), per_class)
    vectors = random.standard_normal((k, dim))[of] + spread * 2 * random.standard_normal((len(of), dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), of


def to_the_end(vectors, of, strength, asked):
    """What scikit-learn says of other vectors where it seeks the same and stops later."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    model = LogisticRegression(C=strength, max_iter=20_000, tol=1e-10).fit(vectors - mean, of)
    return model.predict_proba(asked - mean)


@pytest.fixture
def taught(spark, tmp_path):
    from bioclip_search.spark.classifying import regressing_on

    return partial(fit_head, "logistic", regress=regressing_on(spark, tmp_path / "my staging [2]"))


@pytest.mark.parametrize("k", [2, 5])
def test_the_same_pictures_teach_the_same_head(taught, k):
    vectors, of = blobs(k, 60)
    asked, _ = blobs(k, 40)
    here, there = fit_head("logistic", vectors, of, k, strength=10.0), taught(vectors, of, k, strength=10.0)
    assert np.abs(np.exp(here.scores(asked)) - np.exp(there.scores(asked))).max() <= TOLERANCE
    assert (here.arrays["gate"] == there.arrays["gate"]).all()
    assert (here.scores(asked).argmax(1) == there.scores(asked).argmax(1)).mean() > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 5])
def test_a_high_strength_at_which_one_machine_stops_early_is_sought_to_the_end(taught, k):
    vectors, of = blobs(k, 60)
    asked, _ = blobs(k, 40)
    there = taught(vectors, of, k, strength=100.0)
    assert np.abs(to_the_end(vectors, of, 100.0, asked) - np.exp(log_softmax(there.logits(asked)))).max() <= EXACT


@pytest.mark.slow
def test_the_same_pictures_choose_the_same_strength(taught, tmp_path):
    vectors, of = blobs(4, 50, spread=0.9)
    here, there = fit_head("logistic", vectors, of, 4, seed=1), taught(vectors, of, 4, seed=1)
    assert here.about["strength"] == there.about["strength"]
    assert list((tmp_path / "my staging [2]").iterdir()) == []


def test_weights_count_as_they_do_on_one_machine(taught):
    vectors, of = blobs(3, 40)
    rare = np.concatenate([np.flatnonzero(of == 0)[:5], np.flatnonzero(of > 0)])
    weights = balanced_weights(of[rare], 3)
    here, there = (
        fit_head("logistic", vectors[rare], of[rare], 3, weights=weights, strength=10.0),
        taught(vectors[rare], of[rare], 3, weights=weights, strength=10.0),
    )
    plain = fit_head("logistic", vectors[rare], of[rare], 3, strength=10.0)
    said = [np.exp(head.scores(vectors)) for head in (here, there, plain)]
    assert np.abs(said[0] - said[1]).max() <= TOLERANCE
    assert np.abs(said[2] - said[1]).max() > 5 * TOLERANCE


def test_a_spark_that_gives_up_says_why(spark, tmp_path):
    from bioclip_search.spark.classifying import regressing_on

    (tmp_path / "staging").write_text("a file where a folder was expected")
    with pytest.raises(SparkError, match="vectors cannot be handed to Spark"):
        regressing_on(spark, tmp_path / "staging")(*blobs(2, 5), 2, np.ones(10), 1.0)
