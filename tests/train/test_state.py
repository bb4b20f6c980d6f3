from dataclasses import replace

import pytest
import torch

from bioclip_search.train.config import LossConfig
from bioclip_search.train.objective import Objective
from bioclip_search.train.scratch import build_model
from bioclip_search.train.state import CHECKPOINT, MAX_LOGIT_SCALE, Progress, TrainingState
from tests.train.conftest import TAXA


@pytest.fixture
def make(tiny_config, tmp_path):
    def state(patience: int = 0, locked: bool = False) -> TrainingState:
        config = replace(tiny_config, schedule=replace(tiny_config.schedule, patience=patience, ema_decay=0.5))
        objective = Objective(LossConfig(), [taxon for taxon, _ in TAXA], torch.ones(3, dtype=torch.bool), [], 16, 0)
        model = build_model(config.model, 0, 60)
        if locked:
            model.visual.requires_grad_(False)
        return TrainingState(config, model, objective, tmp_path, "lesson")

    return state


def learn(state: TrainingState) -> None:
    torch.manual_seed(state.progress.step)
    (state.model.encode_text(torch.randint(1, 500, (4, 48))).square().sum() + state.model.logit_scale).backward()
    state.update()


def test_the_best_look_is_kept_and_patience_ends_the_run(make):
    state = make(patience=2)
    verdicts = []
    for metric in (0.3, 0.5, 0.5, 0.4):
        learn(state)
        state.note(metric)
        verdicts.append((state.progress.best_step, state.progress.is_over))
    assert verdicts == [(1, False), (2, False), (2, False), (2, True)]
    kept = state.average["text.text_projection"].clone()
    state.take_best()
    assert not torch.equal(state.model.text.text_projection, kept)


def test_without_patience_nothing_ends_a_run_early_and_a_metric_that_is_no_number_is_no_best(make):
    state = make()
    for metric in (float("nan"), 0.1, float("nan")):
        learn(state)
        state.note(metric)
    assert not state.progress.is_over
    assert state.progress.best_step == 2
    state.take_best()


def test_the_average_moves_after_the_weights_and_is_lent_to_the_model(make):
    state = make()
    before = state.average["text.text_projection"].clone()
    learn(state)
    weights = state.model.text.text_projection.detach().clone()
    # After one step the average keeps min(0.5, 2 / 11) of itself.
    expected = before * (2 / 11) + weights * (9 / 11)
    with state.averaged() as model:
        assert torch.allclose(model.text.text_projection, expected, atol=1e-6)
        assert not model.training
    assert torch.equal(state.model.text.text_projection, weights)


def test_a_checkpoint_holds_what_changes_and_nothing_else(make, tmp_path):
    state = make(locked=True)
    learn(state)
    state.save()
    content = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert not any(name.startswith("visual.") and "running" not in name and "num_batches" not in name for name in content["model"])
    assert sorted(path.name for path in tmp_path.glob("checkpoint*")) == [CHECKPOINT]


def test_the_logit_scale_stays_within_clips_bound(make):
    state = make()
    with torch.no_grad():
        state.model.logit_scale.fill_(9.0)
    learn(state)
    assert state.model.logit_scale.item() == pytest.approx(MAX_LOGIT_SCALE)


def test_losses_are_means_since_the_last_line():
    progress = Progress()
    progress.add_losses({"contrastive": 1.0, "anchors": 3.0})
    progress.add_losses({"anchors": 1.0})
    assert progress.take_losses(["contrastive", "anchors"]) == {"loss": 2.5, "contrastive": 0.5, "anchors": 2.0}
    assert progress.take_losses(["anchors"]) == {"loss": 0.0, "anchors": 0.0}
