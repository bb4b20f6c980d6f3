"""A head says how likely each class is, and lets nothing odd in."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.errors import ModelError
from bioclip_search.heads.head import Head

LYNX = {"family": "Felidae", "genus": "Lynx", "species": "Lynx lynx"}
WOLF = {"family": "Canidae", "genus": "Canis", "species": "Canis lupus"}


def plain(kind: str = "logistic", **changes) -> Head:
    arrays = {"mean": np.zeros(2), "weight": np.array([[2.0, 0.0], [0.0, 2.0]]), "bias": np.array([0.0, 1.0])}
    return Head(kind, {name: np.asarray(changes.get(name, array), np.float32) for name, array in arrays.items()}, taxa=changes.get("taxa", (LYNX, WOLF)))


def test_scores_are_logarithms_of_probabilities():
    """(1, 0): logits 2 and 1, so 1 / (1 + e**-1) = .731; (0, 1): logits 0 and 3, so 1 / (1 + e**3) = .047."""
    scores = plain().scores(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))
    assert np.exp(scores) == pytest.approx(np.array([[0.731059, 0.268941], [0.047426, 0.952574]]), abs=1e-6)


def test_vectors_are_centred_and_prototypes_bring_them_back_to_length_one():
    """(.6, .8) less (.6, 0) is (0, .8): logits 0 and 2.6; brought to length one (0, 1): 0 and 3."""
    row = np.array([[0.6, 0.8]], np.float32)
    assert plain(mean=[0.6, 0.0]).logits(row) == pytest.approx(np.array([[0.0, 2.6]]), abs=1e-6)
    assert plain("prototypes", mean=[0.6, 0.0]).logits(row) == pytest.approx(np.array([[0.0, 3.0]]), abs=1e-6)


def test_hidden_units_below_nought_are_silent():
    """Units (1, -1) · x: 1 and -1, of which the second is silent: logits 1·1 + .5 and 0."""
    arrays = {"mean": [0, 0], "hidden_weight": [[1, 0], [-1, 0]], "hidden_bias": [0, 0], "weight": [[1, 9], [0, 9]], "bias": [0.5, 0]}
    head = Head("mlp", {name: np.array(array, np.float32) for name, array in arrays.items()})
    assert head.logits(np.array([[1.0, 0.0]], np.float32)) == pytest.approx(np.array([[1.5, 0.0]]))


def test_the_gate_takes_the_same_from_all_classes_of_a_picture_that_is_far_from_what_was_taught():
    """(1, 0) is itself a centre, nearness 1: 1 / (1 + e**-(4 (1 - .5))) = .8808; (-.8, .6) lies .6 from (0, 1): 1 / (1 + e**-.4) = .5987."""
    arrays = {**plain().arrays, "centres": np.eye(2, dtype=np.float32), "gate": np.array([4.0, 0.5], np.float32)}
    vectors = np.array([[1.0, 0.0], [-0.8, 0.6]], np.float32)
    lost = Head("logistic", arrays).scores(vectors) - plain().scores(vectors)
    assert np.exp(lost) == pytest.approx(np.array([[0.8808, 0.8808], [0.5987, 0.5987]]), abs=1e-4)


def test_no_pictures_give_no_rows():
    assert plain().scores(np.empty((0, 2), np.float32)).shape == (0, 2)


def test_logits_of_any_size_stay_finite():
    assert np.isfinite(plain(weight=[[1e6, 0], [0, -1e6]]).scores(np.array([[1.0, 0.0]], np.float32))).all()


def test_the_fingerprint_follows_the_numbers_and_the_taxa():
    assert plain().fingerprint == plain().fingerprint
    assert plain().fingerprint != plain(bias=[0, 1.001]).fingerprint
    assert plain().fingerprint != plain(taxa=(WOLF, LYNX)).fingerprint


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"bias": [0.0]}, "weight of a head is k×w, here \\(1, 2\\)", id="a class short"),
        pytest.param({"mean": [0.0, 0.0, 0.0]}, "here \\(2, 3\\)", id="vectors of another length"),
        pytest.param({"mean": [[0.0, 0.0]]}, "mean of a head is d", id="an axis too many"),
        pytest.param({"bias": [np.nan, 0.0]}, "bias of a head holds what is no number", id="NaN"),
        pytest.param({"weight": [[np.inf, 0], [0, 1]]}, "weight of a head holds", id="infinite"),
        pytest.param({"taxa": (LYNX,)}, "2 classes, and 1 taxa", id="a taxon short"),
        pytest.param({"taxa": (LYNX, LYNX)}, "Two classes of the head are Felidae > Lynx > Lynx lynx", id="a taxon twice"),
        pytest.param({"taxa": (LYNX, {"genus": ""})}, "empty name", id="an empty name"),
        pytest.param({"taxa": (LYNX, {})}, "no lineage", id="no lineage"),
    ],
)
def test_what_is_odd_is_refused(changes, told):
    with pytest.raises(ModelError, match=told):
        plain(**changes)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        pytest.param({"gate": [1.0, 0.5]}, "arrays mean, weight, bias, centres, gate, not bias, gate, mean", id="no centres"),
        pytest.param({"centres": np.eye(2)}, "arrays mean, weight, bias, centres, gate, not bias, centres", id="no gate"),
        pytest.param({"gate": [1.0], "centres": np.eye(2)}, "gate of a head is 2, here \\(2,\\)", id="a number short"),
        pytest.param({"gate": [1.0, 0.5], "centres": np.eye(3)}, "centres of a head is k×d, here \\(2, 2\\)", id="a centre too many"),
        pytest.param({"gate": [np.nan, 0.5], "centres": np.eye(2)}, "gate of a head holds what is no number", id="NaN"),
    ],
)
def test_an_odd_gate_is_refused(arrays, told):
    with pytest.raises(ModelError, match=told):
        Head("logistic", {**plain().arrays, **{name: np.asarray(array, np.float32) for name, array in arrays.items()}})


def test_a_head_of_another_kind_or_with_other_arrays_is_refused():
    with pytest.raises(ModelError, match="logistic, prototypes, ridge, mlp, not 'tree'"):
        plain("tree")
    with pytest.raises(ModelError, match="has the arrays mean, weight, bias, hidden_weight, hidden_bias, not bias, mean, weight"):
        plain("mlp")
