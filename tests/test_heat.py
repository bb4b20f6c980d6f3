from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from bioclip_search.errors import TableError
from bioclip_search.heat import LONGEST_LABEL, MOST_LABELS, heat, label_vector, labels_in
from bioclip_search.labelling import label_stream
from tests.conftest import ColourEncoder, picture_of


def test_a_row_is_the_softmax_over_the_labels():
    """Cosines 1 and 0, factor ln 3: 3 : 1."""
    table = heat(["a.jpg", "b.jpg"], np.array([[1, 0], [0, 1]], np.float32), ["fox", "deer"], np.eye(2, dtype=np.float32), np.log(3))
    np.testing.assert_allclose(table.probabilities, [[0.75, 0.25], [0.25, 0.75]], atol=1e-6)
    assert [table.best(row) for row in (0, 1)] == [0, 1]


def test_the_table_says_what_label_of_the_command_line_says():
    encoder, labels = ColourEncoder(["a photo of many fox.", "deer"]), ["fox", "deer"]
    pictures = [picture_of(0), picture_of(1)]
    texts = np.stack([label_vector(encoder, label) for label in labels])
    table = heat(["0", "1"], encoder.encode_images(pictures), labels, texts, encoder.logit_scale)
    for row, answer in zip(table.probabilities, label_stream(pictures, labels, encoder=encoder), strict=True):
        assert dict(zip(labels, row.tolist(), strict=True)) == pytest.approx(dict(answer.labels), abs=1e-6)


def test_labels_stand_one_a_line_and_each_once():
    assert labels_in(" red fox\r\n\n roe   deer\nred fox\n") == ["red fox", "roe deer"]
    assert labels_in(" \n ") == []


def test_too_many_or_too_long_labels_are_refused_in_words():
    with pytest.raises(TableError, match="up to 40 are compared"):
        labels_in("\n".join(map(str, range(MOST_LABELS + 1))))
    with pytest.raises(TableError, match="has 201 letters"):
        labels_in("x" * (LONGEST_LABEL + 1))
    with pytest.raises(TableError, match="list of labels is empty"):
        heat([], np.empty((0, 2), np.float32), [], np.empty((0, 2), np.float32), 1.0)


def test_no_picture_gives_a_table_without_rows():
    table = heat([], np.empty((0, 2), np.float32), ["fox"], np.ones((1, 2), np.float32), 1.0)
    assert list(csv.reader(io.StringIO(table.to_csv()))) == [["image", "best", "fox"]]


def test_the_csv_holds_no_formula():
    table = heat(["=cmd.jpg"], np.array([[1.0]], np.float32), ["+1"], np.array([[1.0]], np.float32), 1.0)
    assert list(csv.reader(io.StringIO(table.to_csv()))) == [["image", "best", "'+1"], ["'=cmd.jpg", "'+1", "1.000000"]]
