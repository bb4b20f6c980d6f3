import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bioclip_search.train.batches import Batch, Share
from bioclip_search.train.config import LossConfig
from bioclip_search.train.distil import Lesson, TeacherKnowledge
from bioclip_search.train.objective import Objective
from bioclip_search.train.start import open_start
from bioclip_search.train.step import Encoding, add_gradients
from bioclip_search.train.vectors import image_vectors, text_vectors
from bioclip_search.train.world import World
from tests.train.conftest import TAXA

ALONE = World(Share(), torch.device("cpu"))
LABELS = [taxon for taxon, _ in TAXA]


def knowledge() -> TeacherKnowledge:
    noise = torch.Generator().manual_seed(2)
    features = torch.randn(7, 5, generator=noise).half().numpy()
    probabilities = torch.rand(7, 2, generator=noise).softmax(dim=1).half().numpy()
    return TeacherKnowledge("t", features, probabilities, (LABELS[0], LABELS[1]))


def make_objective() -> Objective:
    return Objective(LossConfig(anchors=1.0), LABELS, torch.ones(3, dtype=torch.bool), [knowledge()], 64, 0, names_log_weight=0.7)


def make_batch(start) -> Batch:
    """7 pictures of three labels, 3 sentences, 2 names, the 2 classes of a teacher."""
    label_ids = torch.tensor([0, 1, 2, 0, 1, 2, 2])
    truth = torch.eye(3, dtype=torch.bool)
    lesson = Lesson(torch.from_numpy(knowledge().features).float(), torch.from_numpy(knowledge().probabilities).float(), torch.zeros(0, 1))
    tokens = start.tokenize(["redstart", "oak", "common blue", "lion", "moss on stone", "Phoenicurus", "Quercus"])
    is_related = torch.zeros(7, 2, dtype=torch.bool)
    is_related[0, 1] = True
    images = torch.randn(7, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return Batch(images, label_ids, tokens, truth, truth, is_related, (lesson,))


def gradients(start, batch: Batch, world: World = ALONE, n_parts: int = 1, seed: int = 0):
    objective = make_objective()
    terms = add_gradients(start.model, objective, batch, world, dim=64, n_parts=n_parts, seed=seed)
    named = [*start.model.named_parameters(), *objective.named_parameters()]
    return terms, {name: parameter.grad for name, parameter in named}


def plain_gradients(start, batch: Batch):
    """The textbook way: one graph from the weights to the loss."""
    objective = make_objective()
    terms = objective(image_vectors(start.model, batch.images), text_vectors(start.model, batch.tokens), batch, start.model.logit_scale.exp())
    sum(terms.values()).backward()
    named = [*start.model.named_parameters(), *objective.named_parameters()]
    return {name: loss.item() for name, loss in terms.items()}, {name: parameter.grad for name, parameter in named}


@pytest.mark.parametrize("n_parts", [1, 3, 7, 20])
def test_gradients_in_parts_equal_those_of_the_whole_batch(model_folder, n_parts):
    starts = [open_start(str(model_folder)) for _ in range(2)]
    batch = make_batch(starts[0])
    terms, whole = plain_gradients(starts[0], batch)
    terms_in_parts, in_parts = gradients(starts[1], batch, n_parts=n_parts)
    assert set(terms) == {"contrastive", "anchors", "teacher_features", "teacher_classes"}
    assert terms_in_parts == pytest.approx(terms, rel=1e-4)
    for name, gradient in whole.items():
        assert torch.allclose(in_parts[name], gradient, rtol=1e-3, atol=1e-5), name


def test_a_step_without_texts_leaves_the_text_tower_alone(model_folder):
    start = open_start(str(model_folder))
    nothing = {"tokens": torch.zeros(0, 1, dtype=torch.int64), "is_related": torch.zeros(7, 0, dtype=torch.bool)}
    nothing |= {"is_true": torch.zeros(0, 0, dtype=torch.bool), "is_open": torch.zeros(0, 0, dtype=torch.bool)}
    batch = make_batch(start)
    batch = batch._replace(**nothing, lessons=(batch.lessons[0]._replace(probabilities=torch.zeros(7, 0)),))
    terms, found = gradients(start, batch)
    assert set(terms) == {"anchors", "teacher_features"}
    assert found["token_embedding.weight"] is None
    assert found["visual.proj"].abs().sum() > 0


def test_both_passes_over_a_part_drop_the_same_units():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.5))
    encoding = Encoding(model, torch.randn(6, 8), 3, seed=5)
    again = torch.cat([encoding._pass(i) for i in range(3)])
    assert torch.equal(encoding.vectors(8, torch.device("cpu")), again)
    assert (again == 0).any()


def test_what_does_not_learn_gets_no_gradient(model_folder):
    start = open_start(str(model_folder))
    start.model.visual.requires_grad_(False)
    _, found = gradients(start, make_batch(start), n_parts=2)
    assert all(found[name] is None for name in found if name.startswith("visual."))
    assert found["text_projection"].abs().sum() > 0


def one_process(folder: str, out: str) -> None:
    """What each process of the test below does: its share of a step, then the sum."""
    from bioclip_search.train.world import join_world

    torch.set_num_threads(1)
    with join_world("cpu") as world:
        start = open_start(folder)
        whole = make_batch(start)
        batch = whole._replace(images=whole.images[world.share.rows(7)])
        objective = make_objective()
        add_gradients(start.model, objective, batch, world, dim=64, n_parts=2)
        learners = [*start.model.parameters(), *objective.parameters()]
        world.sum_gradients(learners)
        assert [world.agree(value) for value in (True, False)] == [True, False]
        assert world.agree(world.is_first)
        if not world.is_first:  # the one that does not write in a real run has the same sum
            names = [name for module in (start.model, objective) for name, _ in module.named_parameters()]
            torch.save({name: entry.grad for name, entry in zip(names, learners, strict=True)}, out)


def torchrun(script: Path, timeout_s: float = 120) -> None:
    """Runs the script in two processes, as torchrun starts them, in its own folder."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    with subprocess.Popen(line, cwd=script.parent, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            _, words = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0, words


@pytest.fixture
def loopback() -> None:
    """Processes find one another through 127.0.0.1, which a sandbox may have switched off."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), timeout=5):
            pass
    except OSError as error:
        pytest.skip(f"no loopback network here: {error}")


@pytest.mark.slow
@pytest.mark.usefixtures("loopback")
def test_two_processes_sum_to_the_gradient_of_one(model_folder, tmp_path):
    script = tmp_path / "both.py"
    script.write_text(f"from tests.train.test_step import one_process\none_process({str(model_folder)!r}, {str(tmp_path / 'sum.pt')!r})\n")
    torchrun(script)
    start = open_start(str(model_folder))
    _, whole = gradients(start, make_batch(start))
    both = torch.load(tmp_path / "sum.pt", weights_only=True)
    for name, gradient in whole.items():
        assert torch.allclose(both[name], gradient, rtol=1e-3, atol=1e-5), name


@pytest.mark.slow
@pytest.mark.usefixtures("loopback")
def test_two_processes_train_the_model_that_one_trains(tiny_config, model_folder, tmp_path):
    from bioclip_search.train.config import ModelConfig
    from bioclip_search.train.encoder import train_encoder

    schedule = replace(
        tiny_config.schedule, steps=5, batch_size=9, learning_rate=1e-4, start_px=64, end_px=64, eval_px=(64,), store_px=64, watch_steps=3, patience=9
    )
    config = replace(tiny_config, model=ModelConfig(start=str(model_folder), save="fp32"), schedule=schedule)
    train_encoder(config, tmp_path / "one")
    script = tmp_path / "both.py"
    script.write_text(
        "from pathlib import Path\nfrom bioclip_search.train.config import *\nfrom bioclip_search.train.encoder import train_encoder\n"
        f"train_encoder({config!r}, Path('two'))\n"
    )
    torchrun(script)
    from safetensors.torch import load_file

    one, two = (load_file(tmp_path / name / "open_clip_model.safetensors") for name in ("one", "two"))
    before = open_start(str(model_folder)).weights
    # Not weight by weight: Adam makes whole steps of the rounding where a gradient is nought in theory, as for the keys' bias.
    moved = torch.stack([(one[name] - before[name]).norm() for name in one]).norm()
    assert torch.stack([(one[name] - two[name]).norm() for name in one]).norm() < 0.02 * moved
    assert (one["visual.proj"] - two["visual.proj"]).abs().max() < 1e-5 < 0.2 * (one["visual.proj"] - before["visual.proj"]).abs().max()
