import json
from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image

from bioclip_search.encoder.opening import open_encoder
from bioclip_search.errors import ModelError, RunError, TableError
from bioclip_search.train import tokenizer
from bioclip_search.train.config import LossConfig, ModelConfig, TextsConfig, TuneConfig
from bioclip_search.train.curves import CURVES_FILE
from bioclip_search.train.encoder import train_encoder
from bioclip_search.train.journal import BOARD_FOLDER, LOG_FILE, WATCH_FILE, read_rows
from bioclip_search.train.model_folder import WEIGHTS_FILE
from bioclip_search.train.state import CHECKPOINT
from tests.train.conftest import write_set


class Killed(Exception):
    """Stands for a run that is ended from outside."""


def kill_at(step):
    def listener(row):
        if row.get("step") == step:
            raise Killed

    return listener


@pytest.fixture
def tuning(tiny_config, model_folder):
    """The settings that adapt the small ViT of random weights to the squares."""
    schedule = replace(tiny_config.schedule, steps=8, store_px=0, start_px=0, end_px=0, eval_px=(), learning_rate=1e-3, batch_size=24)
    return replace(tiny_config, model=ModelConfig(start=str(model_folder), save="fp32"), schedule=schedule, loss=LossConfig())


def weights_of(folder) -> dict[str, torch.Tensor]:
    return open_clip.create_model(f"local-dir:{folder}").state_dict()


def test_training_lowers_the_loss_and_writes_a_folder_that_open_clip_loads(tiny_config, tmp_path):
    rows = []
    out = train_encoder(tiny_config, tmp_path / "model", progress=rows.append)
    decoded, *rows = rows
    assert (decoded["decoded"], decoded["n"], decoded["bytes"]) == (21, 21, 21 * 40 * 40 * 3)
    assert Path(decoded["file"]).parent == tmp_path / "model.run"
    assert not Path(decoded["file"]).exists(), "it goes when the training is done"
    assert sum(row["loss"] for row in rows[-3:]) < 0.8 * sum(row["loss"] for row in rows[:3])
    assert all(row["loss"] == pytest.approx(row["contrastive"] + row["anchors"], abs=1e-5) for row in rows)
    assert (rows[-1]["step"], rows[-1]["steps"], rows[-1]["left_s"]) == (12, 12, 0)

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{out}")
    words = tokenizer.load_tokenizer(out / tokenizer.FILE_NAME, tiny_config.model.context_length)
    with torch.inference_mode():
        assert model.encode_text(words(["Common Blue"])).shape == (1, tiny_config.model.embed_dim)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["training_pictures"] == 21
    assert metrics["own_labels"]["squares/seen"]["n"] == 3
    assert f"size=({metrics['px']}, {metrics['px']})" in str(preprocess)


def test_a_run_leaves_its_curves_its_tables_and_a_tensorboard_log(tiny_config, tmp_path):
    out = train_encoder(tiny_config, tmp_path / "model")
    run = tmp_path / "model.run"
    with Image.open(out / CURVES_FILE) as picture:
        assert picture.size == (1200, 400)
    assert [row["step"] for row in read_rows(run / LOG_FILE)] == list(range(1, 13))
    assert [row["step"] for row in read_rows(run / WATCH_FILE)] == [6, 12]
    (events,) = (run / BOARD_FOLDER).iterdir()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(events)).Reload()
    assert [event.step for event in board.Scalars("train/loss")] == list(range(1, 13))


@pytest.mark.parametrize("killed_at", [3, 8], ids=["before the first look", "after it"])
def test_a_killed_and_resumed_run_equals_an_unbroken_one(tiny_config, tmp_path, killed_at):
    config = replace(tiny_config, schedule=replace(tiny_config.schedule, steps=10, save_steps=2, log_steps=1))
    train_encoder(config, tmp_path / "unbroken")
    with pytest.raises(Killed):
        train_encoder(config, tmp_path / "broken", progress=kill_at(killed_at))
    assert not (tmp_path / "broken").exists()
    with pytest.raises(RunError, match="--resume goes on with it"):
        train_encoder(config, tmp_path / "broken")
    train_encoder(config, tmp_path / "broken", resume=True)
    one, other = (tmp_path / name / WEIGHTS_FILE for name in ("unbroken", "broken"))
    assert one.read_bytes() == other.read_bytes()
    logs = [[{**row, "images_per_s": 0} for row in read_rows(tmp_path / f"{name}.run" / LOG_FILE)] for name in ("unbroken", "broken")]
    assert logs[0] == logs[1]
    looks = [(tmp_path / f"{name}.run" / WATCH_FILE).read_text() for name in ("unbroken", "broken")]
    assert looks[0] == looks[1]


def test_a_killed_and_resumed_tuning_with_adapters_in_parts_equals_an_unbroken_one(tuning, tmp_path):
    config = replace(tuning, tune=TuneConfig(mode="lora", keep_start=(0.2,)), schedule=replace(tuning.schedule, accumulate=3, save_steps=2))
    train_encoder(config, tmp_path / "unbroken")
    with pytest.raises(Killed):
        train_encoder(config, tmp_path / "broken", progress=kill_at(5))
    train_encoder(config, tmp_path / "broken", resume=True)
    assert (tmp_path / "unbroken" / WEIGHTS_FILE).read_bytes() == (tmp_path / "broken" / WEIGHTS_FILE).read_bytes()


def test_a_checkpoint_of_other_settings_is_refused(tiny_config, tmp_path):
    short = replace(tiny_config, schedule=replace(tiny_config.schedule, steps=1))
    train_encoder(short, tmp_path / "model")
    assert (tmp_path / "model.run" / CHECKPOINT).exists()
    with pytest.raises(ModelError, match="other settings"):
        train_encoder(tiny_config, tmp_path / "model", resume=True)


def test_a_checkpoint_of_other_pictures_is_refused_and_one_of_copied_pictures_is_gone_on_with(tiny_config, tmp_path):
    short = replace(tiny_config, schedule=replace(tiny_config.schedule, steps=1))
    train_encoder(short, tmp_path / "model")
    table = tmp_path / "data" / "squares" / "squares.parquet"
    table.write_bytes(table.read_bytes())
    train_encoder(short, tmp_path / "model", resume=True)
    write_set(table, n_each=9)
    with pytest.raises(ModelError, match="settings or pictures; restore them"):
        train_encoder(short, tmp_path / "model", resume=True)


def test_a_damaged_checkpoint_is_told_and_one_begins_anew_when_asked_to(tiny_config, tmp_path):
    config = replace(tiny_config, schedule=replace(tiny_config.schedule, steps=1))
    train_encoder(config, tmp_path / "model")
    (tmp_path / "model.run" / CHECKPOINT).write_bytes(b"torn")
    with pytest.raises(ModelError, match="cannot be read .*Begin anew with --overwrite"):
        train_encoder(config, tmp_path / "model", resume=True)
    rows = []
    train_encoder(config, tmp_path / "model", overwrite=True, progress=rows.append)
    assert [row["step"] for row in rows if "step" in row] == [1]


def test_who_begins_anew_and_cannot_begin_keeps_what_there_was(tiny_config, tmp_path):
    config = replace(tiny_config, schedule=replace(tiny_config.schedule, steps=1))
    train_encoder(config, tmp_path / "model")
    with pytest.raises(TableError):
        train_encoder(replace(config, data_root=str(tmp_path / "elsewhere")), tmp_path / "model", overwrite=True)
    assert (tmp_path / "model.run" / CHECKPOINT).exists()


def test_a_finished_run_that_is_resumed_learns_nothing_more(tiny_config, tmp_path):
    config = replace(tiny_config, schedule=replace(tiny_config.schedule, steps=2))
    train_encoder(config, tmp_path / "model")
    before = (tmp_path / "model" / WEIGHTS_FILE).read_bytes()
    rows = []
    train_encoder(config, tmp_path / "model", resume=True, progress=rows.append)
    assert rows == []
    assert (tmp_path / "model" / WEIGHTS_FILE).read_bytes() == before


def test_a_run_without_a_better_look_ends_early_with_its_best_weights(tiny_config, tmp_path):
    schedule = replace(tiny_config.schedule, steps=50, learning_rate=1e-9, watch_steps=2, patience=2)
    train_encoder(replace(tiny_config, schedule=schedule), tmp_path / "model")
    looks = read_rows(tmp_path / "model.run" / WATCH_FILE)
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text())
    best = max(looks, key=lambda row: row["metric"])  # the first of equal ones
    assert metrics["chosen_step"] == best["step"]
    assert metrics["steps"] == looks[-1]["step"] == best["step"] + 2 * schedule.watch_steps < schedule.steps


def test_tuning_by_adapters_lowers_the_loss_and_opens_as_any_model(tuning, tmp_path, model_folder):
    rows = []
    out = train_encoder(replace(tuning, tune=TuneConfig(mode="lora")), tmp_path / "model", progress=rows.append)
    assert sum(row["loss"] for row in rows[-3:]) < 0.8 * sum(row["loss"] for row in rows[1:4])
    before, after = weights_of(model_folder), weights_of(out)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.rpartition(".")[2] in ("weight", "in_proj_weight") and ".resblocks." in name for name in (f".{name}" for name in changed))
    assert not any("ln_" in name for name in changed)
    assert open_encoder(out, device="cpu", precision="fp32").dim == 64


def test_tuning_with_the_picture_tower_locked_leaves_it_bit_equal(tuning, tmp_path, model_folder):
    before, after = weights_of(model_folder), weights_of(train_encoder(replace(tuning, tune=TuneConfig(mode="locked")), tmp_path / "model"))
    assert all(torch.equal(before[name], after[name]) for name in after if name.startswith("visual."))
    assert not torch.equal(before["token_embedding.weight"], after["token_embedding.weight"])


def test_keeping_all_of_the_start_gives_the_start(tuning, tmp_path, model_folder):
    before, after = weights_of(model_folder), weights_of(train_encoder(replace(tuning, tune=TuneConfig(keep_start=(1.0,))), tmp_path / "model"))
    assert all(torch.equal(before[name], after[name]) for name in after)


def test_of_several_shares_of_the_start_the_validation_chooses(tuning, tmp_path):
    train_encoder(replace(tuning, tune=TuneConfig(keep_start=(0.0, 0.5, 1.0))), tmp_path / "model")
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text())
    looks = read_rows(tmp_path / "model.run" / WATCH_FILE)
    assert looks[0]["step"] == 0
    assert metrics["chosen_by"]["metric"] >= looks[0]["metric"]  # the start itself was among the choices
    assert metrics["kept_of_start"] in (0.0, 0.5, 1.0)


def test_names_without_pictures_take_part(tiny_config, tmp_path):
    config = replace(tiny_config, texts=TextsConfig(names=("squares/squares.parquet",), names_drawn=4), schedule=replace(tiny_config.schedule, steps=2))
    assert (train_encoder(config, tmp_path / "model") / WEIGHTS_FILE).exists()


def test_a_tower_of_one_size_is_not_fed_another(tuning, tmp_path):
    with pytest.raises(ModelError, match="reads 64 px only"):
        train_encoder(replace(tuning, schedule=replace(tuning.schedule, end_px=96)), tmp_path / "model")


def test_a_loss_that_is_no_longer_a_number_ends_the_run_in_clear_words(tiny_config, tmp_path):
    mad = replace(tiny_config, loss=LossConfig(contrastive=float("inf")))
    with pytest.raises(ModelError, match="no longer a number at step 1; start again with a lower learning_rate"):
        train_encoder(mad, tmp_path / "model")
