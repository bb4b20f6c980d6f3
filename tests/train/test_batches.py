from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bioclip_search.train.batches import BatchSource, PictureStore, Share, batches_of
from bioclip_search.train.pictures import TRAIN, read_pictures
from bioclip_search.train.texts import build_text_bank, distinct_labels


@pytest.fixture
def make(tiny_config):
    pictures = read_pictures(Path(tiny_config.data_root), tiny_config.sets)
    # Of the third species only one picture is left to teach with.
    kept = [p for p in pictures if p.part == TRAIN][:15]
    labels, ids = distinct_labels([p.taxon for p in kept])
    bank = build_text_bank(labels, lambda texts: torch.arange(len(texts)).repeat(4, 1).T)
    config = replace(tiny_config, schedule=replace(tiny_config.schedule, batch_size=64))

    def make(**options):
        return BatchSource(config, kept, torch.from_numpy(ids), bank, **options)

    return make


@pytest.fixture
def source(make):
    return make()


def same(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one[:6], other[:6], strict=True))


def test_a_batch_is_a_function_of_its_number(source):
    assert same(source.draw(5, 32), source.draw(5, 32))
    assert not same(source.draw(5, 32), source.draw(6, 32))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more than this machine may have cores
def test_the_number_of_workers_changes_no_batch(source):
    alone, together = (list(batches_of(source, lambda step: 32 + 16 * (step // 4), 3, 6, workers)) for workers in (0, 2))
    assert [batch.images.shape[-1] for batch in alone] == [32, 48, 48]
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))


def test_two_processes_share_the_pictures_of_one_batch_between_them(make):
    whole = make().draw(2, 32)
    parts = [make(share=Share(rank, 2)).draw(2, 32) for rank in (0, 1)]
    assert torch.allclose(torch.cat([part.images for part in parts]), whole.images, atol=1e-6)
    assert all(same(part._replace(images=whole.images), whole) for part in parts)


def test_steps_without_texts_have_none(make, tiny_config):
    source = make()
    source.config = replace(source.config, texts=replace(source.config.texts, every=2))
    assert len(source.draw(1, 32).tokens) == 0
    assert torch.equal(source.draw(2, 32).tokens, make().draw(2, 32).tokens)


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


def test_a_box_is_shown_now_and_then_in_place_of_its_picture(make, tiny_config):
    pictures = [replace(p, box_xyxy=(0, 0, 16, 16)) if i % 2 else p for i, p in enumerate(read_pictures(Path(tiny_config.data_root), tiny_config.sets)[:10])]
    config = replace(tiny_config, sets=(replace(tiny_config.sets[0], box_share=0.5),))
    store = PictureStore(config, pictures)
    assert len(store.squares) == 15
    views = store.views(torch.arange(10).repeat(40), torch.Generator().manual_seed(0)).reshape(40, 10)
    assert (views[:, ::2] == torch.arange(0, 10, 2)).all()
    assert 0.3 < (views[:, 1::2] >= 10).float().mean() < 0.7
    assert views[:, 1::2].amax(dim=0).tolist() == [10, 11, 12, 13, 14]


def test_the_black_of_studio_pictures_is_replaced_before_they_are_changed(make):
    source = make()
    source.store.squares.fill(0)
    source.store.is_studio[:] = True
    changed = source.draw(0, 32).images.amax(dim=(1, 2, 3))
    source.store.is_studio[:] = False
    assert changed.max() > source.draw(0, 32).images.amax() + 0.5
