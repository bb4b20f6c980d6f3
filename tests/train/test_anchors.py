import math

import pytest
import torch

from bioclip_search.prompts import RANKS
from bioclip_search.train.anchors import SCALE, TaxonAnchors


def taxon(*names: str, common_name: str | None = None) -> dict[str, str | None]:
    return dict.fromkeys((*RANKS, "common_name")) | dict(zip(RANKS, names, strict=False)) | {"common_name": common_name}


LION = taxon("Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera", "Panthera leo")
TIGER = taxon("Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera", "Panthera tigris")
FELID = taxon("Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae")
OAK = taxon("Plantae")


def anchors(*labels: dict[str, str | None]) -> TaxonAnchors:
    made = TaxonAnchors(labels, torch.ones(len(labels), dtype=torch.bool), dim=2, seed=0)
    torch.nn.init.zeros_(made.vectors)
    return made


def test_loss_by_hand_when_nothing_is_learned():
    # Three equal labels: P(Animalia) down to P(Panthera) is 2/3 at six ranks; P(Panthera leo) and P(label) are 1/3.
    loss = anchors(LION, TIGER, OAK).picture_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    assert loss.item() == pytest.approx(-(6 * math.log(2 / 3) + 2 * math.log(1 / 3)) / 8, rel=1e-5)


def test_a_label_above_or_below_is_left_out_of_the_sum():
    # The felid may be a lion: only the oak stands against it, so P is 1/2 at each of its five ranks and at the label.
    both = anchors(LION, FELID, OAK).picture_loss(torch.eye(2), torch.tensor([1, 0]))
    assert both.item() == pytest.approx(math.log(2), rel=1e-5)


def test_slug_and_snail_stand_against_each_other():
    snail, slug = (taxon("Animalia", "Mollusca", "Gastropoda", common_name=name) for name in ("Snail", "Slug"))
    # Alone with each other: P is 1 at three ranks and 1/2 at the label.
    assert anchors(snail, slug).picture_loss(torch.eye(2), torch.tensor([0, 1])).item() == pytest.approx(math.log(2) / 4, rel=1e-5)


def test_a_class_vector_is_the_sum_of_the_vectors_of_its_lineage():
    made = anchors(LION, OAK)
    with torch.no_grad():
        made.vectors[:8, 0] = 0.1  # 7 taxa of the lion and the kingdom of the oak; labels and padding stay nought
    # Logits: lion 16 * 0.7, oak 16 * 0.1; P(lion) = sigmoid(16 * 0.6) at each of 8 levels.
    loss = made.picture_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    assert loss.item() == pytest.approx(math.log1p(math.exp(-SCALE * 0.6)), rel=1e-3)


def test_a_label_that_nothing_teaches_stands_in_no_sum():
    made = TaxonAnchors([LION, TIGER, OAK], torch.tensor([True, False, True]), dim=2, seed=0)
    torch.nn.init.zeros_(made.vectors)
    # Lion or oak, an even chance at all eight levels.
    assert made.picture_loss(torch.eye(2)[:1], torch.tensor([0])).item() == pytest.approx(math.log(2), rel=1e-5)


def test_a_sentence_may_be_true_of_several_labels_and_open_for_others():
    made = anchors(LION, TIGER, FELID, OAK)
    # "Panthera": true of lion and tiger, open for the felid, false of the oak: P = 2/3. "Plantae": true of the oak, P = 1/4.
    is_true = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 1]], dtype=torch.bool)
    is_open = torch.tensor([[1, 1, 1, 0], [0, 0, 0, 1]], dtype=torch.bool)
    loss = made.sentence_loss(torch.eye(2), is_true, is_open)
    assert loss.item() == pytest.approx(-(math.log(2 / 3) + math.log(1 / 4)) / 2, rel=1e-5)


def test_sentences_move_no_anchor():
    made = TaxonAnchors([LION, OAK], torch.tensor([True, True]), dim=2, seed=0)
    vectors = torch.eye(2, requires_grad=True)
    made.sentence_loss(vectors, torch.eye(2, dtype=torch.bool), torch.eye(2, dtype=torch.bool)).backward()
    assert vectors.grad.abs().sum() > 0
    assert made.vectors.grad is None
