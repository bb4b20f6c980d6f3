from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bioclip_search.train.batches import BatchSource
from bioclip_search.train.pictures import TRAIN, read_pictures
from bioclip_search.train.texts import build_text_bank, distinct_labels


@pytest.fixture
def source(tiny_config):
    pictures = read_pictures(Path(tiny_config.data_root), tiny_config.sets)
    # Of the third species only one picture is left to teach with.
    kept = [p for p in pictures if p.part == TRAIN][:15]
    labels, ids = distinct_labels([p.taxon for p in kept])
    bank = build_text_bank(labels, lambda texts: torch.arange(len(texts)).repeat(4, 1).T)
    return BatchSource(replace(tiny_config, batch_size=64), kept, torch.from_numpy(ids), bank)


def test_a_batch_is_a_function_of_its_number(source):
    one, same, other = source.draw(5, 32), source.draw(5, 32), source.draw(6, 32)
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0], other[0])


def test_shapes_agree_and_every_picture_and_sentence_has_a_true_partner(source):
    batch = source.draw(0, 32)
    assert batch.images.shape == (64, 3, 32, 32)
    assert batch.is_true.shape == batch.is_open.shape == (3, len(batch.tokens))
    is_true = batch.is_true[batch.label_ids]  # (b, t)
    assert is_true.any(dim=1).all()
    assert is_true.any(dim=0).all()
    assert len(batch.tokens.unique(dim=0)) == len(batch.tokens)


def test_a_label_is_drawn_by_the_square_root_of_its_pictures(source):
    # 7, 7 and 1 pictures: the labels weigh sqrt(7), sqrt(7) and 1.
    assert source.n_pictures == 15
    by_label = torch.zeros(3).index_add(0, source.label_ids, source.weights)
    assert by_label.tolist() == pytest.approx([7**0.5, 7**0.5, 1.0])
