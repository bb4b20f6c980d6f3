import math

import numpy as np
import pytest
import torch

from bioclip_search.train.distil import FeatureMap, LessonBook, TeacherKnowledge, class_loss, feature_maps
from tests.train.conftest import TAXA

REDSTART, OAK, BLUE = (taxon for taxon, _ in TAXA)
PROBABILITIES = np.array([[0.9, 0.05, 0.0, 0.05], [0.0, 0.2, 0.7, 0.1], [1.0, 0.0, 0.0, 0.0]], np.float16)
"""Of three pictures; class 0 is the background."""

KNOWLEDGE = TeacherKnowledge("t", np.arange(6, dtype=np.float16).reshape(3, 2), PROBABILITIES, (None, REDSTART, OAK, BLUE))


def number_of(texts) -> torch.Tensor:
    return torch.tensor([[len(text)] for text in texts]).reshape(-1, 1)


def draw(knowledge=KNOWLEDGE, n: int = 2, has_texts: bool = True):
    return LessonBook(knowledge, number_of, n).draw(torch.tensor([1, 0]), has_texts, torch.Generator().manual_seed(0))


def test_a_lesson_is_on_the_classes_that_the_teacher_thinks_of_most_and_on_no_background():
    lesson = draw()
    assert lesson.features.tolist() == [[2.0, 3.0], [0.0, 1.0]]
    assert lesson.probabilities.tolist() == [pytest.approx([0.2, 0.7], abs=1e-3), pytest.approx([0.05, 0.0], abs=1e-3)]  # redstart and oak
    assert lesson.tokens.shape == (2, 1)


def test_a_step_without_texts_has_features_only():
    lesson = draw(has_texts=False)
    assert lesson.features.shape == (2, 2)
    assert lesson.probabilities.shape == (2, 0)
    assert len(lesson.tokens) == 0


def test_what_has_no_weight_is_not_drawn():
    lesson = draw(TeacherKnowledge("t", KNOWLEDGE.features, PROBABILITIES, KNOWLEDGE.taxa, feature_weight=0.0, class_weight=0.0))
    assert (lesson.features.shape[1], lesson.probabilities.shape[1]) == (0, 0)
    only = draw(TeacherKnowledge("t", None, None))
    assert (only.features.shape[1], only.probabilities.shape[1]) == (0, 0)


def test_the_feature_loss_is_nought_for_what_a_straight_line_can_give():
    made = FeatureMap(2, 3, seed=0)
    vectors = torch.randn(4, 2)
    with torch.no_grad():
        features = vectors @ made.weight.T * 5  # any length will do
    assert made(vectors, features).item() == pytest.approx(0.0, abs=1e-6)
    assert made(vectors, -features).item() == pytest.approx(2.0, abs=1e-6)


def test_a_map_learns_the_features():
    made = feature_maps([KNOWLEDGE, TeacherKnowledge("none", None, None)], 4, seed=0)
    noise = torch.Generator().manual_seed(0)
    vectors = torch.randn(8, 4, generator=noise)
    features = vectors[:, :2] * 3 + 1
    optimiser = torch.optim.SGD(made.parameters(), lr=0.5)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = made[0](vectors, features)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_class_loss_by_hand():
    # Picture 1: sure of class 0, student even: -log(1/2). Picture 2: the teacher gives 1/2 to a class that was not drawn,
    # 1/4 to each that was: 1/2 * -log(1/2). Weighted by what was drawn: (1 + 1/2) log 2 / (1 + 1/2).
    probabilities = torch.tensor([[1.0, 0.0], [0.25, 0.25]])
    assert class_loss(torch.zeros(2, 2), probabilities).item() == pytest.approx(math.log(2))


def test_a_teacher_that_knows_nothing_of_a_batch_says_next_to_nothing():
    assert class_loss(torch.randn(5, 3), torch.full((5, 3), 1e-7)).item() < 0.01
