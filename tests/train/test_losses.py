import math

import pytest
import torch

from bioclip_search.train.losses import contrastive_loss


def test_loss_of_one_true_pair_per_row_is_infonce():
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, 0.0], [-0.5, 0.3, 0.9]])
    truth = torch.eye(3, dtype=torch.bool)
    cross_entropy = torch.nn.functional.cross_entropy
    expected = (cross_entropy(logits, torch.arange(3)) + cross_entropy(logits.T, torch.arange(3))) / 2
    assert contrastive_loss(logits, truth, truth).item() == pytest.approx(expected.item(), rel=1e-6)


def test_loss_leaves_open_pairs_out():
    # Row 0: true s=1, open 5, false 0 -> log(1 + e^-1). Row 1: true s=2 and s=0, false 1 -> mean of log(1 + e^-1), log(1 + e).
    # Columns: (true 1 | true 2), (open 5 | true 0) with no false, (false 0 | false 1) are padded to have a true one each.
    logits = torch.tensor([[1.0, 5.0, 0.0], [2.0, 0.0, 1.0], [-9.0, -9.0, 9.0]])
    is_true = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    is_open = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    soft = lambda x: math.log1p(math.exp(x))  # noqa: E731
    last = soft(math.log(2) - 18)
    rows = (soft(-1) + (soft(-1) + soft(1)) / 2 + last) / 3
    columns = ((soft(-10) + soft(-11)) / 2 + soft(-9) + soft(math.log(1 + math.e) - 9)) / 3
    assert contrastive_loss(logits, is_true, is_open).item() == pytest.approx((rows + columns) / 2, rel=1e-5)


def test_names_without_pictures_are_false_answers_but_no_questions():
    # One picture, one true sentence of logit 1, one further name of logit 0: the row gives log(1 + e^-1), the column nothing.
    truth = torch.ones(1, 1, dtype=torch.bool)
    loss = contrastive_loss(torch.ones(1, 1), truth, truth, torch.zeros(1, 1))
    assert loss.item() == pytest.approx(math.log1p(math.exp(-1)) / 2, rel=1e-5)
