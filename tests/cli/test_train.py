"""`train encoder` as a user types it, on three species of coloured squares."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bioclip_search.cli import root
from bioclip_search.cli.live import LiveLine
from bioclip_search.cli.train.encoder import MODES as ENCODER_MODES
from bioclip_search.errors import ModelError, TableError
from bioclip_search.train.config import MODES
from tests.train.conftest import write_set
from tests.train.regional.conftest import region_index, write_pictures  # noqa: F401 a fixture

SETTINGS = """
data_root = "{root}/data"
threads = 1
device = "cpu"

[model]
start = "{start}"

[tune]
mode = "lora"
lora_rank = 4
keep_start = [0.0, 0.3]

[schedule]
steps = {steps}
batch_size = {batch}
accumulate = 2
learning_rate = {rate}
warmup = 0.1
ema_decay = 0.8
watch_steps = 5
log_steps = 1

[[sets]]
name = "squares"
files = "squares/*.parquet"
"""


def write_settings(folder: Path, start: Path | str, steps: int = 6, batch: int = 12, rate: float = 2e-3) -> Path:
    write_set(folder / "data/squares/squares.parquet", n_each=8)
    path = folder / "settings.toml"
    path.write_text(SETTINGS.format(root=folder.as_posix(), start=start, steps=steps, batch=batch, rate=rate))
    return path


def train(settings: Path, out: Path, *options: str):
    result = CliRunner().invoke(root, ["train", "encoder", "--config", str(settings), "--out", str(out), *options], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def losses_in(text: str) -> list[float]:
    return [float(line.split("loss ")[1].split()[0]) for line in text.splitlines() if line.startswith("step ")]


def test_a_model_folder_is_adapted_with_a_line_for_every_step(tmp_path, model_folder):
    result = train(write_settings(tmp_path, model_folder), tmp_path / "mine")
    lines = [line for line in result.stderr.splitlines() if line.startswith("step ")]
    assert len(lines) == 6
    assert lines[-1].startswith("step 6 of 6  loss ")
    assert lines[-1].endswith("0 s left")
    assert f"{tmp_path / 'mine'}: written" in result.stderr
    assert result.stdout == ""
    metrics = json.loads((tmp_path / "mine/metrics.json").read_text())
    assert metrics["kept_of_start"] in (0.0, 0.3)


def test_resuming_a_run_that_has_not_begun_begins_it(tmp_path, model_folder):
    train(write_settings(tmp_path, model_folder, steps=1), tmp_path / "mine", "--resume")
    assert (tmp_path / "mine/curves.png").exists()


def test_what_cannot_be_used_is_an_error_of_ours(tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        train(write_settings(tmp_path, "nowhere"), tmp_path / "mine")
    (tmp_path / "settings.toml").write_text("seed = 1\n")
    with pytest.raises(TableError, match="names no picture set"):
        train(tmp_path / "settings.toml", tmp_path / "mine")


def test_on_a_terminal_one_line_is_written_over(capsys, monkeypatch):
    row = {"step": 1000, "steps": 2000, "loss": 1.23456, "images_per_s": 1234.5, "left_s": 754}
    with LiveLine() as tell:
        tell.is_live = True
        tell(row)
        tell(row | {"step": 2, "left_s": 0})
    first, second = capsys.readouterr().err.split("\r")[1:]
    assert first == "step 1,000 of 2,000  loss 1.235  1,234 images/s  12 min 34 s left"
    assert second == "step 2 of 2,000  loss 1.235  1,234 images/s  0 s left".ljust(len(first)) + "\n"


def test_elsewhere_each_row_has_its_own_line(capsys):
    with LiveLine() as tell:
        tell({"view": 1, "views": 3, "seen": 512, "n": 34985, "images_per_s": 80.2, "left_s": 8100})
        tell({"step": 1, "steps": 8, "loss": 2.0, "images_per_s": 0.34, "left_s": 42})
    views, steps = capsys.readouterr().err.splitlines()
    assert views == "view 1 of 3: 512 of 34,985 pictures looked at  80 images/s  2 h 15 min left"
    assert steps == "step 1 of 8  loss 2.000  0.3 images/s  42 s left"


@pytest.mark.hand
def test_the_architecture_of_bioclip_is_adapted_on_a_cpu_with_falling_loss(tmp_path):
    """ViT-B-16 with random weights in the hub's layout; takes some minutes and 2 GB."""
    from tests.peers.random_models import write_model_folder

    start = write_model_folder(tmp_path / "vit", "ViT-B-16")
    result = train(write_settings(tmp_path, start, steps=10, batch=8, rate=3e-4), tmp_path / "mine")
    print("\n" + result.stderr)
    losses = losses_in(result.stderr)
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def adapt(*options: str):
    result = CliRunner().invoke(root, ["train", "encoder", *options], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def test_an_encoder_is_adapted_to_a_region_in_one_command(tmp_path, model_folder, region_index):  # noqa: F811
    pictures, out = write_pictures(tmp_path / "region", each=20), tmp_path / "mine"
    asked = ["--from", str(model_folder), "--data", str(pictures), "--index", str(region_index), "--out", str(out), "--device", "cpu", "--threads", "1"]
    result = adapt(*asked, "--epochs", "1", "--batch-size", "16", "--keep-start", "0", "--keep-start", "1")
    assert result.stdout.splitlines()[0].split() == ["PICTURES", "AMONG", "RANK", "N", "BEFORE", "AFTER", "GAIN"]
    assert "3 taxa of the index" in result.stdout
    assert "--others" in result.stdout  # what was lost is not known, and it is said how it would be
    assert f"{out}-index: its index." in result.stderr
    again = adapt(*asked, "--epochs", "1", "--batch-size", "16", "--keep-start", "0", "--keep-start", "1", "--resume", "--format", "json")
    assert json.loads(again.stdout)["taught"] == 42
    assert (out / "regional.md").is_file()


@pytest.mark.parametrize("options", [[], ["--from", "starter"], ["--data", "region"], ["--config", "SETTINGS", "--from", "starter"]])
def test_an_encoder_is_trained_by_settings_or_adapted_to_data(options, tmp_path, model_folder):
    settings = write_settings(tmp_path, model_folder)
    with pytest.raises(click.UsageError, match="Give either --config, or --from and --data"):
        adapt(*[str(settings) if option == "SETTINGS" else option for option in options], "--out", str(tmp_path / "mine"))


def test_options_that_settings_in_a_file_would_not_heed_are_refused(tmp_path, model_folder):
    settings = write_settings(tmp_path, model_folder)
    with pytest.raises(click.UsageError, match="so --epochs, --device would not be heeded"):
        train(settings, tmp_path / "mine", "--device", "cpu", "--epochs", "3")
    assert not (tmp_path / "mine.run").exists()


def test_the_help_names_every_mode():
    assert set(ENCODER_MODES) == set(MODES)
