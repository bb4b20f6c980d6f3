import torch

from bioclip_search.train.augment import BACKGROUND_SHARE, MEAN, STD, augment_batch, draw_changes, normalise, replace_background


def batch(n: int = 6, side: int = 40) -> torch.Tensor:
    return torch.randint(0, 256, (n, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def changes(seed: int, n: int = 6):
    return draw_changes(n, torch.Generator().manual_seed(seed))


def test_one_generator_state_gives_one_batch():
    one, same, other = (augment_batch(batch(), changes(seed), 32) for seed in (1, 1, 2))
    assert one.shape == (6, 3, 32, 32)
    assert one.isfinite().all()
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_part_of_the_pictures_is_changed_as_in_the_whole_batch():
    whole = augment_batch(batch(64), changes(3, 64), 32)
    part = augment_batch(batch(64)[40:50], changes(3, 64).rows(slice(40, 50)), 32)
    assert torch.allclose(whole[40:50], part, atol=1e-6)


def test_the_mean_colour_becomes_nought():
    grey = torch.tensor(MEAN).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert normalise(grey).abs().max() == 0
    assert torch.allclose(normalise(grey + torch.tensor(STD).view(1, 3, 1, 1)), torch.ones(1))


def test_only_the_black_of_a_studio_picture_is_replaced():
    pixels, others = torch.zeros(3, 4, 4, 3, dtype=torch.uint8), torch.full((3, 4, 4, 3), 99, dtype=torch.uint8)
    pixels[:, 0, 0] = 230
    # By a colour, by another picture, and not at all: `chance` above the share keeps the table.
    random = torch.tensor([[0.0, 0.2, 0.5, 0.25, 0.75], [0.0, 0.9, 0, 0, 0], [BACKGROUND_SHARE, 0.2, 0.5, 0.5, 0.5]])
    changed = replace_background(pixels, others, random)
    assert (changed[:, 0, 0] == 230).all()
    assert changed[:, 1, 1].tolist() == [[127, 63, 191], [99, 99, 99], [0, 0, 0]]
