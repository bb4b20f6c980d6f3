import pytest
import torch

from bioclip_search.errors import ModelError
from bioclip_search.train.config import ScheduleConfig
from bioclip_search.train.scratch import build_model
from bioclip_search.train.start import check_sizes, open_start


def sizes(*px: int) -> ScheduleConfig:
    return ScheduleConfig(start_px=px[0], end_px=px[1], eval_px=px[2:])


def test_a_start_keeps_the_weights_that_learning_will_change(model_folder):
    start = open_start(str(model_folder))
    before = start.weights["visual.proj"].clone()
    with torch.no_grad():
        start.model.visual.proj.add_(1)
    assert torch.equal(start.weights["visual.proj"], before)
    assert (start.px, start.dim, start.fresh) == (64, 64, frozenset())
    assert start.settings["model_cfg"]["embed_dim"] == 64


def test_a_tower_with_positions_reads_its_own_size_only(model_folder):
    model = open_start(str(model_folder)).model
    check_sizes(model, sizes(64, 64, 64))
    with pytest.raises(ModelError, match="reads 64 px only"):
        check_sizes(model, sizes(64, 64, 64, 96))


def test_a_convnet_reads_any_size(tiny_config):
    check_sizes(build_model(tiny_config.model, 0, 60), sizes(32, 48, 64))


def test_a_transformer_of_timm_that_is_strict_reads_its_own_size_only(tiny_config):
    from dataclasses import replace

    model = build_model(replace(tiny_config.model, vision="vit_tiny_patch16_224"), 0, 60)
    with pytest.raises(ModelError, match="reads 224 px only"):
        check_sizes(model, sizes(96, 96, 96))


def test_a_name_that_is_no_model_is_refused():
    with pytest.raises(ModelError, match="nowhere"):
        open_start("nowhere")
