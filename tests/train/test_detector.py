"""Training a detector: a stopped run goes on as if it never stopped, the loss falls, the measures come from pictures kept back."""

import csv
import itertools
import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from bioclip_search.cli import root
from bioclip_search.detectors.organism import OrganismDetector, load_organism_detector
from bioclip_search.errors import ModelError, TableError
from bioclip_search.train.detector import TrainingState, learning_rate, losses_of, measure, train_detector
from bioclip_search.train.detector_config import BoxSetConfig, DetectorConfig
from bioclip_search.train.detector_data import read_boxed
from tests.train.boxed_files import write_settings, write_squares

pytestmark = pytest.mark.usefixtures("own_threads")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def trained(world, tmp_path_factory):
    """A run of four steps, unbroken."""
    before = torch.get_num_threads()
    out = train_detector(DetectorConfig.from_toml(write_settings(world)), tmp_path_factory.mktemp("out") / "whole")
    torch.set_num_threads(before)
    return out


class StoppedError(Exception):
    """The plug is pulled."""


def stop_at(step):
    def tell(line):
        if line.startswith(f"step {step:>6}"):
            raise StoppedError

    return tell


@pytest.mark.parametrize("step", [1, 3], ids=["before the first checkpoint", "after it"])
def test_a_run_that_was_killed_and_resumed_equals_an_unbroken_one(world, trained, tmp_path, step):
    config = DetectorConfig.from_toml(write_settings(world))
    with pytest.raises(StoppedError):
        train_detector(config, tmp_path / "broken", progress=stop_at(step))
    assert not (tmp_path / "broken").exists()
    broken = train_detector(config, tmp_path / "broken", resume=True)
    whole = load_file(trained / "detector.safetensors")
    assert all(torch.equal(value, whole[name]) for name, value in load_file(broken / "detector.safetensors").items())
    rows = [list(csv.DictReader((out.parent / (out.name + ".run") / "train.csv").read_text().splitlines())) for out in (trained, broken)]
    assert [row["step"] for row in rows[1]] == ["1", "2", "3", "4"]
    assert [row["loss"] for row in rows[1]] == [row["loss"] for row in rows[0]]


def test_a_checkpoint_of_other_settings_is_refused(world, trained):
    config = DetectorConfig.from_toml(write_settings(world, seed=6))
    with pytest.raises(ModelError, match="other settings"):
        train_detector(config, trained, resume=True)


def test_a_checkpoint_of_other_boxes_is_refused(world, trained):
    config = DetectorConfig.from_toml(write_settings(world))
    first, *others = read_boxed(world, config.boxes)
    left, *edges = first.boxes_xyxy[0]
    with pytest.raises(ModelError, match="settings or pictures; restore them"):
        train_detector(config, trained, resume=True, pictures=[replace(first, boxes_xyxy=((left + 1, *edges),)), *others])


def test_the_folder_holds_a_detector_and_its_measures(trained):
    detector = load_organism_detector(trained, device="cpu")
    assert (detector.px, detector.categories) == (64, ("organism",))
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["pictures"] == {"squares": {"taught": 12, "kept_back": 4}}
    assert metrics["steps"] == 4
    assert metrics["weights_bytes"] == (trained / "detector.safetensors").stat().st_size < 8_000_000
    assert {"pictures", "boxes", "map50", "map75"} < set(metrics["measured"]["squares"])
    assert (trained.parent / "whole.run" / "checkpoint.pt").is_file()


def test_the_loss_falls_on_a_batch_seen_again_and_again(world, tmp_path):
    config = DetectorConfig.from_toml(write_settings(world, steps=12, warmup_steps=1, batch_size=4, learning_rate=2e-3))
    state = TrainingState(config, tmp_path, "lesson")
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    boxes = [torch.tensor([[8.0, 8.0, 40.0, 48.0]])] * 3 + [torch.zeros(0, 4)]
    optimiser = torch.optim.AdamW(state.network.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = sum(losses_of(state.network.train(), images, boxes, bf16=False).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_bf16_gives_nearly_the_same_losses(world, tmp_path):
    state = TrainingState(DetectorConfig.from_toml(write_settings(world)), tmp_path, "lesson")
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    boxes = [torch.tensor([[8.0, 8.0, 40.0, 48.0]])] * 2
    exact, rounded = (losses_of(state.network.train(), images, boxes, bf16) for bf16 in (False, True))
    for name, value in exact.items():
        assert rounded[name].item() == pytest.approx(value.item(), rel=0.05), name


def test_frozen_blocks_and_nothing_else_stay_as_they_were(world, tmp_path):
    config = DetectorConfig.from_toml(write_settings(world, frozen_blocks=2, steps=1, save_steps=1))
    before = {name: value.clone() for name, value in TrainingState(config, tmp_path, "lesson").network.state_dict().items()}
    train_detector(config, tmp_path / "frozen")
    after = torch.load(tmp_path / "frozen.run" / "checkpoint.pt", weights_only=True)["network"]
    kept = {name for name in before if torch.equal(before[name], after[name])}
    frozen = ("backbone.body.conv_stem.", "backbone.body.blocks.0.", "backbone.body.blocks.1.")
    assert {name for name in before if name.startswith(frozen)} <= kept
    assert not any(name.startswith("backbone.body.blocks.3.") and name.endswith("weight") for name in kept)


def test_the_learning_rate_rises_then_falls_to_nothing():
    config = DetectorConfig((), steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)  # half of the way from 10 to 100
    assert rates[100] == pytest.approx(0.0, abs=1e-9)
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))


class KnowsAll:
    """Finds the bright square by its colour."""

    def detect(self, pictures, min_confidence):
        import numpy as np

        from bioclip_search.detectors.boxes import Detection

        found = []
        for picture in pictures:
            y, x = np.nonzero(np.asarray(picture)[..., 0] > 200)
            found.append([Detection((x.min(), y.min(), x.max() + 1, y.max() + 1), 0.9, "organism")])
        return found


def test_only_pictures_kept_back_are_measured(world):
    pictures = read_boxed(world, [BoxSetConfig("squares", "squares-*.parquet")])
    assert measure(KnowsAll(), pictures) == {
        "squares": {"pictures": 4, "boxes": 4, "map50": 1.0, "map75": 1.0, "recall50_at_0.2": 1.0, "boxes_per_picture_at_0.2": 1.0}
    }
    assert measure(KnowsAll(), [picture for picture in pictures if picture.taught]) == {}


def test_nothing_left_to_learn_from_is_an_error(world, tmp_path):
    config = DetectorConfig((BoxSetConfig("squares", "squares-val.parquet"),), data_root=world.as_posix())
    with pytest.raises(TableError, match="left to learn from"):
        train_detector(config, tmp_path / "none")


def test_a_start_from_imagenet_changes_the_backbone(shared, world, tmp_path):
    plain = DetectorConfig.from_toml(write_settings(world))
    taught = DetectorConfig.from_toml(write_settings(world, start=f'"{(shared / "models" / "mobilenet_v2_1.0_224_quant.tflite").as_posix()}"'))
    pytest.importorskip("ai_edge_litert")
    first, second = (TrainingState(config, tmp_path, "lesson").network for config in (plain, taught))
    assert not torch.equal(first.backbone.body.conv_stem.weight, second.backbone.body.conv_stem.weight)
    assert torch.equal(first.head.classification_head.cls_logits.weight, second.head.classification_head.cls_logits.weight)


def test_the_command_writes_a_folder_that_identify_can_use(world, tmp_path):
    done = CliRunner().invoke(root, ["train", "detector", "--config", str(write_settings(world, steps=1)), "--out", str(tmp_path / "mine")])
    assert done.exit_code == 0, done.output
    assert "step      1 of 1" in done.stderr
    assert done.stdout == ""
    assert isinstance(load_organism_detector(tmp_path / "mine", device="cpu"), OrganismDetector)
