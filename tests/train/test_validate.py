from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bioclip_search.train.augment import MEAN, STD
from bioclip_search.train.pictures import SEEN, TRAIN, UNSEEN, read_pictures
from bioclip_search.train.scratch import build_model
from bioclip_search.train.start import Start
from bioclip_search.train.validate import Validation
from bioclip_search.train.zero_shot import embed_pictures

PREPROCESS = {"size": [48, 48], "mode": "RGB", "mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash"}


@pytest.fixture
def parts(tiny_config):
    start = Start(
        build_model(tiny_config.model, 0, 60).eval(),
        lambda texts: torch.tensor([[1 + sum(text.encode()) % 500] * tiny_config.model.context_length for text in texts]),
        {"preprocess_cfg": PREPROCESS},
        (),
        tiny_config.model.embed_dim,
    )
    return tiny_config, read_pictures(Path(tiny_config.data_root), tiny_config.sets), start


def test_nothing_that_was_taught_is_measured(parts):
    config, pictures, start = parts
    validation = Validation(config, pictures, start, [])
    assert all(picture.part != TRAIN for picture in validation.pictures)
    assert validation.measure(start.model, 32)["own_labels"]["squares/seen"]["n"] == 3


def test_distractors_stand_only_in_the_mixed_measure(parts):
    config, pictures, start = parts
    lion = dict.fromkeys(pictures[0].taxon) | {"genus": "Panthera", "species": "Panthera leo"}
    metrics = Validation(config, pictures, start, [lion, pictures[0].taxon]).measure(start.model, 32)
    assert metrics["own_labels"]["squares/seen"]["candidates"] == 3
    assert metrics["mixed"]["squares/seen"]["candidates"] == 4


def test_the_sample_that_is_watched_is_fixed_and_holds_some_of_each_part(parts):
    config, pictures, start = parts
    few = replace(config, schedule=replace(config.schedule, watch_pictures=2))
    unseen = [replace(picture, part=UNSEEN, source_id=f"x{i}") for i, picture in enumerate(pictures[:5])]
    one, again = (Validation(few, [*pictures, *unseen], start, []) for _ in range(2))
    assert one.watched.tolist() == again.watched.tolist()
    assert sorted(one.pictures[i].part for i in one.watched) == [SEEN] * 2 + [UNSEEN] * 2
    assert one.watch(start.model) == again.watch(start.model)
    assert set(one.watch(start.model)) == {"metric", "squares/seen", "squares/unseen"}


def test_a_run_that_keeps_nothing_back_has_a_metric_of_nought(parts):
    config, pictures, start = parts
    validation = Validation(config, [replace(picture, part=TRAIN) for picture in pictures], start, [])
    assert validation.watch(start.model) == {"metric": 0.0}
    assert validation.measure(start.model, 32)["own_labels"] == {}


def test_watching_and_measuring_see_the_pictures_alike_at_one_size(parts):
    config, pictures, start = parts
    config = replace(config, schedule=replace(config.schedule, store_px=32))
    validation = Validation(config, pictures, start, [])
    watched = embed_pictures(start.model, validation.pixels, 32)
    assert torch.nn.functional.cosine_similarity(watched, validation._embed_all(start.model, 32)).min() > 0.999
