import open_clip
import pytest
import timm
import torch
from timm.models import group_parameters

from bioclip_search.encoder.towers import fold_batch_norms, mobilenetv2_100_plain_x3, register_towers

PICTURES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def random_norms(tower: torch.nn.Module) -> torch.nn.Module:
    """The tower with batch norms as training would leave them: nothing is one or nought."""
    generator = torch.Generator().manual_seed(1)
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            for tensor in (module.bias.data, module.running_mean):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
    return tower.eval()


@torch.inference_mode()
@pytest.mark.parametrize("name", ["mobilenetv2_100", "regnety_002"])
def test_folding_batch_norms_leaves_the_function_as_it_was(name):
    tower = random_norms(timm.create_model(name, num_classes=0))
    before = tower(PICTURES)
    fold_batch_norms(tower)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in tower.modules())
    assert torch.allclose(tower(PICTURES), before, atol=1e-4, rtol=1e-3)


@torch.inference_mode()
def test_towers_side_by_side_give_their_features_one_after_the_other():
    tower = mobilenetv2_100_plain_x3(num_classes=0).eval()
    features = tower(PICTURES)
    assert features.shape == (2, tower.num_features) == (2, 3840)
    assert torch.equal(features[:, 1280:2560], tower.towers[1](PICTURES))


def test_open_clip_builds_a_model_around_a_registered_tower():
    register_towers()
    register_towers()
    vision = {"timm_model_name": "mobilenetv2_100_plain_x3", "timm_pool": "avg", "timm_proj": "linear", "image_size": 64}
    model = open_clip.CustomTextCLIP(16, vision, {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1})
    assert model.encode_image(PICTURES).shape == (2, 16)


def test_the_depth_of_every_parameter_is_known_and_equal_in_all_towers():
    tower = mobilenetv2_100_plain_x3(num_classes=0)
    groups = group_parameters(tower, tower.group_matcher(coarse=True))
    assert sum(len(names) for names in groups.values()) == len(list(tower.parameters()))
    assert all(len(names) % 3 == 0 for names in groups.values())
    assert {name.split(".")[2] for name in groups[0]} == {"conv_stem"}
