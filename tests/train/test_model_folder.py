import json
from dataclasses import replace

import open_clip
import pytest
import torch

from bioclip_search.encoder.loading import CONFIG_FILE
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.errors import ModelError
from bioclip_search.train import tokenizer
from bioclip_search.train.model_folder import WEIGHTS_FILE, load_model_folder, write_model_folder
from bioclip_search.train.scratch import start_from_scratch
from bioclip_search.train.start import open_start
from tests.train.conftest import TAXA


@pytest.fixture
def start(tiny_config, tmp_path):
    return start_from_scratch(tiny_config, [taxon for taxon, _ in TAXA], tmp_path)


def test_a_folder_gives_back_the_weights_to_half_precision(start, tmp_path):
    weights = start.model.state_dict()
    out = write_model_folder(tmp_path / "model", start, weights, 48)
    assert sorted(file.name for file in out.iterdir()) == sorted([CONFIG_FILE, WEIGHTS_FILE, tokenizer.FILE_NAME])
    loaded = load_model_folder(out)
    assert not loaded.training
    for name, value in weights.items():
        assert torch.equal(loaded.state_dict()[name], value.half().float() if value.is_floating_point() else value), name


def test_a_folder_can_hold_the_weights_in_full(start, tmp_path):
    loaded = load_model_folder(write_model_folder(tmp_path / "model", start, start.model.state_dict(), 48, saved="fp32"))
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in start.model.state_dict().items())


def test_the_preprocessing_squashes_to_the_size_that_was_chosen(start, tmp_path):
    out = write_model_folder(tmp_path / "model", start, start.model.state_dict(), 32)
    preprocess = json.loads((out / CONFIG_FILE).read_text())["preprocess_cfg"]
    assert (preprocess["size"], preprocess["resize_mode"]) == ([32, 32], "squash")
    assert open_clip.create_model(f"local-dir:{out}").visual.image_size == (32, 32)


def test_weights_that_are_not_finite_are_refused(start, tmp_path):
    with pytest.raises(ModelError, match="logit_scale"):
        write_model_folder(tmp_path / "model", start, start.model.state_dict() | {"logit_scale": torch.tensor(1e9)}, 48)


def test_a_folder_written_from_another_keeps_its_settings_and_answers(model_folder, tmp_path):
    start = open_start(str(model_folder))
    out = write_model_folder(tmp_path / "model", start, start.weights, start.px, saved="fp32")
    before, after = (json.loads((folder / CONFIG_FILE).read_text()) for folder in (model_folder, out))
    assert after["model_cfg"] == before["model_cfg"]
    assert {key: after["preprocess_cfg"][key] for key in ("size", "resize_mode", "interpolation")} == {
        "size": 64, "resize_mode": "shortest", "interpolation": "bicubic",
    }  # fmt: skip
    words = ["red fox", "Turdus merula"]
    one, other = (open_encoder(folder, device="cpu", precision="fp32").encode_texts(words) for folder in (model_folder, out))
    assert (one == other).all()


def test_a_folder_written_from_a_trained_one_with_a_vocabulary_has_it_too(start, tmp_path):
    first = write_model_folder(tmp_path / "first", start, start.model.state_dict(), 48)
    again = open_start(str(first))
    second = write_model_folder(tmp_path / "second", replace(again), again.weights, 48)
    assert (second / tokenizer.FILE_NAME).read_bytes() == (first / tokenizer.FILE_NAME).read_bytes()
    assert (second / WEIGHTS_FILE).read_bytes() == (first / WEIGHTS_FILE).read_bytes()
