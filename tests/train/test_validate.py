from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bioclip_search.train.model_folder import build_model
from bioclip_search.train.pictures import TRAIN, read_pictures
from bioclip_search.train.validate import Validation


@pytest.fixture
def parts(tiny_config):
    model = build_model(tiny_config, 60).eval()
    pictures = read_pictures(Path(tiny_config.data_root), tiny_config.sets)

    def tokenize(texts):
        return torch.tensor([[1 + sum(text.encode()) % 500] * tiny_config.context_length for text in texts])

    return tiny_config, pictures, tokenize, model


def test_nothing_that_was_taught_is_measured(parts):
    config, pictures, tokenize, model = parts
    validation = Validation(config, pictures, tokenize, [])
    assert all(picture.part != TRAIN for picture in validation.pictures)
    assert validation.measure(model, 32)["own_labels"]["squares/seen"]["n"] == 3


def test_distractors_stand_only_in_the_mixed_measure(parts):
    config, pictures, tokenize, model = parts
    lion = dict.fromkeys(pictures[0].taxon) | {"genus": "Panthera", "species": "Panthera leo"}
    metrics = Validation(config, pictures, tokenize, [lion, pictures[0].taxon]).measure(model, 32)
    assert metrics["own_labels"]["squares/seen"]["candidates"] == 3
    assert metrics["mixed"]["squares/seen"]["candidates"] == 4


def test_the_sample_that_is_watched_is_fixed(parts):
    config, pictures, tokenize, model = parts
    one, again = (Validation(replace(config, watch_pictures=2), pictures, tokenize, []) for _ in range(2))
    assert one.watched.tolist() == again.watched.tolist()
    assert len(one.watched) == 2
    assert one.watch(model) == again.watch(model)


def test_of_equal_picture_sizes_the_smaller_is_chosen(parts):
    config, pictures, tokenize, model = parts
    torch.nn.init.zeros_(model.visual.trunk.get_classifier().weight)  # every picture gets the same vector
    assert Validation(config, pictures, tokenize, []).choose_px(model) == min(config.eval_px)
