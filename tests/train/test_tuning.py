from dataclasses import replace

import open_clip
import pytest
import torch

from bioclip_search.errors import ModelError
from bioclip_search.train.config import TuneConfig
from bioclip_search.train.lora import merge_adapters
from bioclip_search.train.scratch import build_model
from bioclip_search.train.start import Start, open_start
from bioclip_search.train.tuning import choose_learners, depths, parameter_groups, train_mode

NOTHING = torch.nn.Module()


def build_convnet() -> Start:
    """A small convnet with a projection of its own, beside a text tower of three blocks."""
    model = open_clip.CustomTextCLIP(
        16,
        {"timm_model_name": "test_resnet", "timm_model_pretrained": False, "timm_pool": "avg", "timm_proj": "linear", "image_size": 32},
        {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 3},
    )
    return Start(model, lambda texts: torch.zeros(len(texts), 8), {}, (), 16)


@pytest.fixture
def start(model_folder):
    """The small CLIP: two blocks in each tower."""
    return open_start(str(model_folder))


def learners(start: Start, fresh: set[str] = frozenset(), **settings) -> set[str]:
    choose_learners(replace(start, fresh=frozenset(fresh)), TuneConfig(**settings), seed=0)
    return {name for name, parameter in start.model.named_parameters() if parameter.requires_grad}


def everything(start: Start) -> set[str]:
    return {name for name, _ in start.model.named_parameters()}


def test_full_teaches_everything_or_all_but_the_text_tower(start):
    assert learners(start) == everything(start)
    assert learners(start, text=False) == {name for name in everything(start) if name.startswith("visual.") or name == "logit_scale"}


def test_locked_teaches_all_but_the_picture_tower(start):
    assert learners(start, mode="locked") == {name for name in everything(start) if not name.startswith("visual.")}


def test_what_began_at_random_learns_in_every_mode(start):
    assert "visual.proj" in learners(start, {"visual.proj"}, mode="locked")


def test_last_blocks_teaches_the_top_of_both_towers(start):
    found = learners(start, mode="last-blocks", last_blocks=1)
    assert {name for name in found if "resblocks" not in name} == {
        "visual.ln_post.weight", "visual.ln_post.bias", "visual.proj", "ln_final.weight", "ln_final.bias", "text_projection", "logit_scale",
    }  # fmt: skip
    assert {name.partition("resblocks.")[2][0] for name in found if "resblocks" in name} == {"1"}
    assert learners(start, mode="last-blocks", last_blocks=0) == {name for name in found if "resblocks" not in name}


def test_adapters_alone_learn(start):
    found = learners(start, mode="lora", lora_rank=2)
    # in_proj, out_proj and two matrices of the perceptron, in two blocks of two towers, each with A and B
    assert len(found) == 4 * 2 * 2 * 2
    assert all(name.endswith((".0.a", ".0.b")) for name in found)
    assert all(parameter.shape[0 if name.endswith("a") else 1] == 2 for name, parameter in start.model.named_parameters() if name in found)


def test_adapters_of_the_picture_tower_only(start):
    assert all(name.startswith("visual.") for name in learners(start, mode="lora", text=False))


def test_a_tower_without_matrices_in_blocks_cannot_be_adapted():
    with pytest.raises(ModelError, match="no matrices"):
        choose_learners(build_convnet(), TuneConfig(mode="lora"), seed=0)


def test_merged_adapters_give_the_vectors_of_the_unmerged_model(start):
    names = set(start.model.state_dict())
    choose_learners(start, TuneConfig(mode="lora", lora_rank=4), seed=0)
    images, tokens = torch.randn(2, 3, 64, 64), start.tokenize(["red fox", "oak"])
    with torch.inference_mode():
        untouched = start.model.eval().encode_image(images)
    for name, parameter in start.model.named_parameters():
        if name.endswith(".0.b"):
            torch.nn.init.normal_(parameter, std=0.05)
    with torch.inference_mode():
        before = start.model.encode_image(images), start.model.encode_text(tokens)
    merge_adapters(start.model)
    with torch.inference_mode():
        after = start.model.encode_image(images), start.model.encode_text(tokens)
    assert not torch.allclose(before[0], untouched, atol=1e-2)
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(before, after, strict=True))
    assert set(start.model.state_dict()) == names


def test_fresh_adapters_change_nothing(start):
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        before = start.model.eval().encode_image(images)
        choose_learners(start, TuneConfig(mode="lora"), seed=0)
        assert torch.allclose(start.model.encode_image(images), before, atol=1e-5)


def test_a_locked_tower_keeps_the_statistics_of_its_batch_norms():
    start = build_convnet()
    choose_learners(replace(start, fresh=frozenset({"visual.head.proj.weight"})), TuneConfig(mode="locked"), seed=0)
    train_mode(start.model)
    norms = [module for module in start.model.visual.trunk.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    start.model.encode_image(torch.randn(4, 3, 32, 32) + 3)
    assert norms
    assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))
    assert start.model.text.training
    assert start.model.visual.head.proj.training


def test_blocks_are_counted_from_the_bottom(start):
    found = depths(start.model, "visual")
    assert found["visual.conv1.weight"] == found["visual.class_embedding"] == found["visual.ln_pre.weight"] == 0
    assert found["visual.transformer.resblocks.0.ln_1.weight"] == 1
    assert found["visual.transformer.resblocks.1.ln_1.weight"] == 2
    assert found["visual.proj"] == found["visual.ln_post.bias"] == 3
    words = depths(start.model, "text")
    assert (words["token_embedding.weight"], words["transformer.resblocks.1.mlp.c_fc.bias"], words["text_projection"]) == (0, 2, 3)


def test_timm_towers_are_counted_by_timm():
    found = depths(build_convnet().model, "visual")
    trunk = [number for name, number in found.items() if ".trunk." in name]
    assert min(trunk) == 0
    assert max(trunk) > 3
    assert found["visual.head.proj.weight"] == max(trunk) + 1


def test_the_rate_falls_from_block_to_block_and_gains_do_not_decay(start):
    choose_learners(start, TuneConfig(), seed=0)
    groups = parameter_groups(start.model, NOTHING, TuneConfig(layer_decay=0.5), 0.1)
    scale = {id(parameter): group["scale"] for group in groups for parameter in group["params"]}
    decay = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    visual = start.model.visual
    assert [scale[id(entry)] for entry in (visual.conv1.weight, visual.transformer.resblocks[0].ln_1.weight, visual.proj)] == [0.125, 0.25, 1.0]
    assert scale[id(start.model.logit_scale)] == 1.0
    assert (decay[id(visual.conv1.weight)], decay[id(visual.ln_post.bias)]) == (0.1, 0.0)
    assert len(scale) == len(everything(start))


def test_a_tower_from_scratch_has_all_its_weights_in_one_group_or_the_other(tiny_config):
    model = build_model(tiny_config.model, 0, 60)
    groups = parameter_groups(model, NOTHING, TuneConfig(), 0.1)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert {group["scale"] for group in groups} == {1.0}
