import torch

from bioclip_search.train.augment import MEAN, STD, augment_batch, normalise, replace_background


def batch(n: int = 6, side: int = 40) -> torch.Tensor:
    return torch.randint(0, 256, (n, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_one_generator_state_gives_one_batch():
    studio = torch.zeros(6, dtype=torch.bool)
    one, same, other = (augment_batch(batch(), studio, 32, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.shape == (6, 3, 32, 32)
    assert one.isfinite().all()
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_mean_colour_becomes_nought():
    grey = torch.tensor(MEAN).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert normalise(grey).abs().max() == 0
    assert torch.allclose(normalise(grey + torch.tensor(STD).view(1, 3, 1, 1)), torch.ones(1))


def test_only_the_black_of_studio_pictures_is_replaced():
    images = torch.zeros(40, 3, 4, 4)
    images[:, :, 0, 0] = 0.9
    studio = torch.arange(40) < 20
    changed = replace_background(images, studio, torch.Generator().manual_seed(0))
    assert torch.equal(changed[20:], images[20:])
    assert (changed[:, :, 0, 0] == images[:, :, 0, 0]).all()
    assert (changed[:20, :, 1, 1].sum(dim=1) > 0).any()
