from dataclasses import replace

import pytest
import torch

from bioclip_search.errors import TableError
from bioclip_search.train.config import EncoderConfig, ModelConfig, TuneConfig
from bioclip_search.train.encoder import train_encoder
from bioclip_search.train.features import FeatureStore, fold_scale, look_once, standardise
from bioclip_search.train.hearsay import Hearsay
from bioclip_search.train.model_folder import load_model_folder, write_model_folder
from bioclip_search.train.pictures import TRAIN, read_pictures
from bioclip_search.train.scratch import start_from_scratch
from bioclip_search.train.start import open_start
from bioclip_search.train.taxa import Taxon
from bioclip_search.train.vectors import image_vectors


@pytest.fixture
def locked_config(tiny_config, tmp_path) -> EncoderConfig:
    """A start with a trunk and a projection, of random weights, whose picture tower is locked and looks twice."""
    model = replace(tiny_config.model, vision="test_resnet", projection="linear")
    scratch = replace(tiny_config, model=model)
    labels: list[Taxon] = [picture.taxon for picture in read_pictures(tmp_path / "data", tiny_config.sets)]
    start = start_from_scratch(scratch, labels, tmp_path)
    write_model_folder(tmp_path / "start", start, start.model.state_dict(), 48, saved="fp32")
    return replace(tiny_config, model=ModelConfig(start=str(tmp_path / "start"), save="fp32"), tune=TuneConfig(mode="locked", views=2))


def test_a_locked_tower_looks_once_and_what_it_saw_is_kept(locked_config, tmp_path):
    config = locked_config.with_sizes(48)
    start = open_start(config.model.start)
    taught = [picture for picture in read_pictures(tmp_path / "data", config.sets) if picture.part == TRAIN]
    told: list[str] = []
    first = look_once(config, start, taught, tmp_path, told.append)
    assert first.shape[:2] == (2, len(taught))
    assert len(told) == 2
    assert not torch.equal(first[0], first[1])
    assert torch.equal(look_once(config, start, taught, tmp_path, told.append), first)
    assert len(told) == 2  # nothing was looked at again


def test_a_chunk_that_is_missing_is_looked_at_again_alike(locked_config, tmp_path):
    config = locked_config.with_sizes(48)
    start = open_start(config.model.start)
    taught = [picture for picture in read_pictures(tmp_path / "data", config.sets) if picture.part == TRAIN]
    first = look_once(config, start, taught, tmp_path)
    next(tmp_path.glob("features-*/01-0000.npy")).unlink()
    assert torch.equal(look_once(config, start, taught, tmp_path), first)


def test_other_pictures_make_other_features(locked_config, tmp_path):
    config = locked_config.with_sizes(48)
    start = open_start(config.model.start)
    taught = [picture for picture in read_pictures(tmp_path / "data", config.sets) if picture.part == TRAIN]
    look_once(config, start, taught, tmp_path)
    look_once(replace(config, seed=5), start, taught, tmp_path)
    assert len(list(tmp_path.glob("features-*"))) == 2


def test_a_run_on_features_leaves_the_picture_tower_as_it_was(locked_config, tmp_path):
    out = train_encoder(locked_config, tmp_path / "out")
    before, after = load_model_folder(tmp_path / "start").state_dict(), load_model_folder(out).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("visual."))
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("text."))


def test_the_head_alone_makes_of_features_what_the_tower_makes_of_pictures(locked_config):
    from bioclip_search.train.vectors import trunk_features

    model = load_model_folder(locked_config.model.start)
    images = torch.rand(3, 3, 48, 48)
    with torch.inference_mode():
        assert torch.allclose(image_vectors(model, trunk_features(model, images)), image_vectors(model, images), atol=1e-5)


def test_pictures_known_by_hearsay_are_those_of_a_host_moved():
    """The host (1, 1) is of class 0, which lies at (0, 0); species 0 is class 2, at (3, -5): (1 + 3, 1 - 5) = (4, -4), and below nought is nought."""
    hearsay = Hearsay(
        taxa=({"species": "Aus bus"},),
        classes=torch.tensor([2]),
        rows=torch.tensor([1]),
        own=torch.tensor([0]),
        shifts=torch.tensor([[0, 0], [1, 1], [3, -5]]).half(),
    )
    store = FeatureStore(torch.tensor([[[9, 9], [1, 1]]]).half(), (hearsay,))
    shown = store.show(torch.tensor([0, 2, 1]), 0, torch.Generator().manual_seed(0), slice(None))
    assert shown.tolist() == [[9, 9], [4, 0], [1, 1]]


@pytest.mark.parametrize("tune", ["[tune]\nviews = 2", '[tune]\nmode = "full"\nviews = 1'])
def test_views_without_a_locked_tower_are_refused(tmp_path, tune):
    path = tmp_path / "run.toml"
    path.write_text(f'{tune}\n[[sets]]\nname = "a"\nfiles = "a/*.parquet"\n', encoding="utf-8")
    with pytest.raises(TableError, match="locked"):
        EncoderConfig.from_toml(path)


def test_a_scale_below_the_projection_can_be_folded_into_it(locked_config):
    """The features have mean 5 and deviation 3; what is silent becomes nought."""
    model = load_model_folder(locked_config.model.start)
    features = torch.randn(500, model.visual.head.proj.in_features, generator=torch.Generator().manual_seed(0)) * 3 + 5
    features[:, 0] = 7.0
    standardise(model, features)
    scaled = model.visual.head.scale(features)
    assert scaled.mean().abs() < 1e-3
    assert not scaled[:, 0].any()
    assert (scaled.std(dim=0)[1:] - 1).abs().max() < 1e-3
    weights = fold_scale(model.state_dict())
    plain = load_model_folder(locked_config.model.start)
    plain.load_state_dict(weights)
    with torch.inference_mode():
        assert torch.allclose(plain.visual.head(features), model.visual.head(features), atol=1e-4)


def test_a_locked_projection_keeps_its_own_scale(locked_config):
    model = load_model_folder(locked_config.model.start).requires_grad_(False)
    standardise(model, torch.randn(10, model.visual.head.proj.in_features))
    assert not hasattr(model.visual.head, "scale")
