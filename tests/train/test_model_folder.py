import json
from pathlib import Path

import open_clip
import pytest
import torch

from bioclip_search.errors import ModelError
from bioclip_search.train import tokenizer
from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.model_folder import CONFIG_FILE, WEIGHTS_FILE, build_model, load_model_folder, write_model_folder


@pytest.fixture
def merges_file(tmp_path):
    tokenizer.write_merges([("l", "i")], tmp_path / "merges.gz")
    return tmp_path / "merges.gz"


def test_a_folder_gives_back_the_weights_to_half_precision(tiny_config, tmp_path, merges_file):
    model = build_model(tiny_config, 1)
    out = write_model_folder(tmp_path / "model", tiny_config, model.state_dict(), merges_file, 1, 48)
    assert sorted(file.name for file in out.iterdir()) == sorted([CONFIG_FILE, WEIGHTS_FILE, tokenizer.FILE_NAME])
    loaded = load_model_folder(out)
    assert not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float() if value.is_floating_point() else value), name


def test_the_preprocessing_squashes_to_the_size_that_was_chosen(tiny_config, tmp_path, merges_file):
    out = write_model_folder(tmp_path / "model", tiny_config, build_model(tiny_config, 1).state_dict(), merges_file, 1, 48)
    preprocess = json.loads((out / CONFIG_FILE).read_text())["preprocess_cfg"]
    assert (preprocess["size"], preprocess["resize_mode"]) == ([48, 48], "squash")
    assert open_clip.create_model(f"local-dir:{out}").visual.image_size == (48, 48)


def test_the_seed_decides_the_first_weights_and_leaves_the_global_one_alone(tiny_config):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, same = build_model(tiny_config, 1).state_dict(), build_model(tiny_config, 1).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_that_are_not_finite_are_refused(tiny_config, tmp_path, merges_file):
    weights = build_model(tiny_config, 1).state_dict() | {"logit_scale": torch.tensor(1e9)}
    with pytest.raises(ModelError, match="logit_scale"):
        write_model_folder(tmp_path / "model", tiny_config, weights, merges_file, 1, 48)


def test_the_shipped_settings_make_a_model_within_its_limit():
    config = EncoderConfig.from_toml(Path(__file__).parents[2] / "data_manifest/starter-encoder.toml")
    model = build_model(config, config.n_merges).eval()
    with torch.inference_mode():
        assert model.encode_image(torch.zeros(1, 3, config.end_px, config.end_px)).shape == (1, config.embed_dim)
    assert sum(value.numel() for value in model.state_dict().values()) * 2 < 8.5e6  # bytes as 16-bit floats
