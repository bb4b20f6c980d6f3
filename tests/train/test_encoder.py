import json
import math
from dataclasses import replace

import open_clip
import pytest
import torch

from bioclip_search.errors import ModelError, TableError
from bioclip_search.train import tokenizer
from bioclip_search.train.encoder import CHECKPOINT, contrastive_loss, learning_rate, picture_px, read_taxa, train_encoder
from bioclip_search.train.model_folder import WEIGHTS_FILE, build_model
from bioclip_search.train.zero_shot import encode_tokens


class Killed(Exception):
    """Stands for a run that is ended from outside."""


def test_training_lowers_the_loss_and_writes_a_folder_that_open_clip_loads(tiny_config, tmp_path):
    rows = []
    out = train_encoder(replace(tiny_config, watch_minutes=0.0), tmp_path / "model", progress=rows.append)
    assert all(0 <= row["watched_top1"] <= 1 for row in rows)
    assert sum(row["loss"] for row in rows[-3:]) < 0.8 * sum(row["loss"] for row in rows[:3])
    assert rows[-1]["step"] == tiny_config.steps

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{out}")
    words = tokenizer.load_tokenizer(out / tokenizer.FILE_NAME, tiny_config.context_length)
    with torch.inference_mode():
        assert model.encode_text(words(["Common Blue"])).shape == (1, tiny_config.embed_dim)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["training_pictures"] == 21
    assert metrics["own_labels"]["squares/seen"]["n"] == 3
    assert f"size=({metrics['px']}, {metrics['px']})" in str(preprocess)


def test_a_killed_and_resumed_run_equals_an_unbroken_one(tiny_config, tmp_path):
    config = replace(tiny_config, steps=4)

    def kill(row):
        if row["step"] == 3:
            raise Killed

    train_encoder(config, tmp_path / "unbroken")
    with pytest.raises(Killed):
        train_encoder(config, tmp_path / "broken", progress=kill)
    train_encoder(config, tmp_path / "broken", resume=True)
    unbroken, broken = ((tmp_path / name / WEIGHTS_FILE).read_bytes() for name in ("unbroken", "broken"))
    assert unbroken == broken


def test_a_checkpoint_of_other_settings_is_refused(tiny_config, tmp_path):
    train_encoder(replace(tiny_config, steps=1), tmp_path / "model")
    assert (tmp_path / "model.run" / CHECKPOINT).exists()
    with pytest.raises(ModelError, match="other settings"):
        train_encoder(tiny_config, tmp_path / "model", resume=True)


def test_a_missing_checklist_is_named(tmp_path):
    with pytest.raises(TableError, match="nowhere"):
        read_taxa(tmp_path / "nowhere.parquet")


def test_loss_of_one_true_pair_per_row_is_infonce():
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, 0.0], [-0.5, 0.3, 0.9]])
    truth = torch.eye(3, dtype=torch.bool)
    cross_entropy = torch.nn.functional.cross_entropy
    expected = (cross_entropy(logits, torch.arange(3)) + cross_entropy(logits.T, torch.arange(3))) / 2
    assert contrastive_loss(logits, truth, truth).item() == pytest.approx(expected.item(), rel=1e-6)


def test_loss_leaves_open_pairs_out():
    # Row 0: true s=1, open 5, false 0 -> log(1 + e^-1). Row 1: true s=2 and s=0, false 1 -> mean of log(1 + e^-1), log(1 + e).
    # Columns: (true 1 | true 2), (open 5 | true 0) with no false, (false 0 | false 1) are padded to have a true one each.
    logits = torch.tensor([[1.0, 5.0, 0.0], [2.0, 0.0, 1.0], [-9.0, -9.0, 9.0]])
    is_true = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    is_open = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    soft = lambda x: math.log1p(math.exp(x))  # noqa: E731
    last = soft(math.log(2) - 18)
    rows = (soft(-1) + (soft(-1) + soft(1)) / 2 + last) / 3
    columns = ((soft(-10) + soft(-11)) / 2 + soft(-9) + soft(math.log(1 + math.e) - 9)) / 3
    assert contrastive_loss(logits, is_true, is_open).item() == pytest.approx((rows + columns) / 2, rel=1e-5)


def test_the_learning_rate_rises_and_falls_to_nothing(tiny_config):
    rates = [learning_rate(tiny_config, share) for share in (0.0, 0.02, 0.04, 0.52, 1.0, 1.1)]
    assert rates == pytest.approx([3e-6, 1.503e-3, 3e-3, 1.5e-3, 0.0, 0.0], abs=1e-9)


def test_pictures_grow_in_steps(tiny_config):
    config = replace(tiny_config, start_px=64, end_px=96)
    assert [picture_px(config, share) for share in (0, 0.3, 0.34, 0.7, 1.0)] == [64, 64, 80, 96, 96]


def test_cutting_empty_columns_changes_no_text_vector(tiny_config):
    model = build_model(tiny_config, 60).eval()
    n = tokenizer.vocabulary_size(60)
    tokens = torch.zeros(2, tiny_config.context_length, dtype=torch.int64)
    tokens[0, :3], tokens[1, :5] = torch.tensor([n - 2, 5, n - 1]), torch.tensor([n - 2, 7, 8, 9, n - 1])
    with torch.inference_mode():
        assert torch.allclose(encode_tokens(model, tokens), model.encode_text(tokens, normalize=True), atol=1e-6)
