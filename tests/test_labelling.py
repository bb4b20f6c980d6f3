from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.errors import TableError
from bioclip_search.labelling import label
from bioclip_search.results import Failure
from tests.conftest import ColourEncoder, picture_of

LABELS = ["red fox", "roe deer", "an empty scene"]


def test_the_best_label_comes_first_and_the_probabilities_sum_to_one():
    (answer,) = label(picture_of(1), LABELS, model=ColourEncoder(LABELS), templates=("{}",))
    assert answer.labels[0][0] == "roe deer"
    assert sum(probability for _, probability in answer.labels) == pytest.approx(1)


def test_every_picture_gets_one_record_in_order_broken_ones_too():
    records = label([picture_of(0), b"broken", picture_of(2)] * 20, LABELS, model=ColourEncoder(LABELS), templates=("{}",))
    assert [isinstance(record, Failure) for record in records] == [False, True, False] * 20
    assert [record.labels[0][0] for record in records if not isinstance(record, Failure)] == ["red fox", "an empty scene"] * 20


def test_only_broken_pictures_and_no_pictures():
    assert [type(record) for record in label([b""], LABELS, model=ColourEncoder(LABELS))] == [Failure]
    assert label([], LABELS, model=ColourEncoder(LABELS)) == []


def test_one_label_alone_is_certain():
    assert label(picture_of(0), ["fox"], model=ColourEncoder(["fox"]))[0].labels == (("fox", 1.0),)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param([], "The list of labels is empty", id="none"),
        pytest.param([" ", ""], "The list of labels is empty", id="only blanks"),
        pytest.param(["fox", ""], "One of the labels is empty", id="a comma too many"),
        pytest.param(["fox", "owl", "fox ", "fox"], "'fox' stands 3 times", id="duplicates"),
    ],
)
def test_a_bad_list_of_labels_is_refused(labels, message):
    with pytest.raises(TableError, match=message):
        label(picture_of(0), labels, model=ColourEncoder(LABELS))


def test_equal_vectors_share_their_probability_in_the_order_given():
    class Same(ColourEncoder):
        def encode_texts(self, texts):
            return np.ones((len(texts), self.dim), np.float32) / np.sqrt(self.dim)

    (answer,) = label(picture_of(0), ["b", "a"], model=Same(["b"]), templates=("{}",))
    assert answer.labels == (("b", 0.5), ("a", 0.5))
