from __future__ import annotations

import math

import torch

from bioclip_search.train.names import NameBank
from tests.train.conftest import TAXA

LABELS = [taxon for taxon, _ in TAXA]
REDSTART = LABELS[0]
FAMILY = REDSTART | {"genus": None, "species": None, "common_name": "flycatchers"}
SISTER = REDSTART | {"species": "Phoenicurus ochruros", "common_name": "Black Redstart"}
NAMELESS = dict.fromkeys(REDSTART)


def number_of(texts) -> torch.Tensor:
    """Tokens that give away which text stands where."""
    return torch.tensor([[sum(text.encode())] for text in texts])


def test_only_names_that_lie_within_one_another_are_related():
    checklist = [REDSTART, FAMILY, SISTER, LABELS[1], NAMELESS]
    bank = NameBank(checklist, [REDSTART, FAMILY], number_of, n_drawn=200)
    drawn = bank.draw(torch.tensor([0, 1]), torch.Generator().manual_seed(0))
    which = torch.randint(5, (200,), generator=torch.Generator().manual_seed(0))  # the first thing that is drawn
    told = [{bool(is_related) for is_related in drawn.is_related[label][which == name]} for label in (0, 1) for name in range(5)]
    assert told == [{True}, {True}, {False}, {False}, {False}, {True}, {True}, {True}, {False}, {False}]


def test_the_names_drawn_stand_for_the_whole_list():
    assert NameBank([SISTER] * 600, LABELS, number_of, n_drawn=200).log_weight == math.log(3)
    assert NameBank([SISTER], LABELS, number_of, n_drawn=200).log_weight == 0.0


def test_one_generator_state_draws_the_same_names_in_the_same_words():
    bank = NameBank(LABELS, LABELS, number_of, n_drawn=50)
    one, same, other = (bank.draw(torch.arange(3), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.tokens, same.tokens)
    assert not torch.equal(one.tokens, other.tokens)
    assert len(one.tokens.unique()) > len(LABELS)  # several text types
