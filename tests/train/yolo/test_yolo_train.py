"""Training by ultralytics on squares: a killed run ends as an unbroken one, nothing in the folder is a pickle, nothing is asked of the network."""

import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
import torch

from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.writing import write_sets
from bioclip_search.detect import load_detector
from bioclip_search.detectors.card import read_card
from bioclip_search.errors import ModelError, RunError
from bioclip_search.train.yolo.settings import YoloSettings
from bioclip_search.train.yolo.train import Evolution, train_yolo
from tests.train.yolo.small_squares import squares

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ultralytics") is None, reason="ultralytics is not installed")


SETTINGS = YoloSettings("yolo11n", epochs=3, image_px=64, batch=4, device="cpu", seed=3, recipe={"close_mosaic": 1})
PARTS = ["train"] * 8 + ["val"] * 3 + ["test"] * 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of three epochs, unbroken, and what was told of it."""
    lines, rows = [], []
    out = train_yolo(SETTINGS, [squares(13, part=PARTS)], tmp_path_factory.mktemp("out") / "whole", tell=lines.append, listen=rows.append)
    return out, lines, rows


class StoppedError(Exception):
    """The plug is pulled."""


def stop_at(epoch):
    def listen(row):
        if row["step"] == epoch:
            raise StoppedError

    return listen


def weights_of(folder):
    return (folder / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("epoch", [2, 3], ids=["while pictures are mixed", "after mixing has ended"])
def test_a_run_that_was_stopped_and_resumed_equals_an_unbroken_one(trained, tmp_path, epoch):
    sets = [squares(13, part=PARTS)]
    with pytest.raises(ModelError, match="failed"):  # the listener's own error counts as one of the training
        train_yolo(SETTINGS, sets, tmp_path / "whole", listen=stop_at(epoch))
    assert not (tmp_path / "whole").exists()
    lines = []
    train_yolo(SETTINGS, sets, tmp_path / "whole", resume=True, tell=lines.append)
    assert f"Goes on after epoch {epoch - 1} of 3." in lines
    rows = [list(csv.DictReader((out.parent / "whole.run" / "train.csv").read_text().splitlines())) for out in (trained[0], tmp_path / "whole")]
    assert [row["step"] for row in rows[1]] == ["1", "2", "3"]
    state = sorted({thread.name for thread in threading.enumerate()}), torch.get_num_threads()  # whoever draws from the common generators, or adds up otherwise
    assert [row["train_box_loss"] for row in rows[1]] == [row["train_box_loss"] for row in rows[0]], state
    assert weights_of(tmp_path / "whole") == weights_of(trained[0]), state


def test_going_on_with_other_threads_is_told(tmp_path, own_threads):
    sets, lines = [squares(13, part=PARTS)], []
    torch.set_num_threads(1)
    with pytest.raises(ModelError, match="StoppedError"):
        train_yolo(SETTINGS, sets, tmp_path / "mine", listen=stop_at(3))
    torch.set_num_threads(2)
    train_yolo(SETTINGS, sets, tmp_path / "mine", resume=True, tell=lines.append)
    assert "Begun with 1 thread, gone on with 2: the last digits of the weights differ from those of an unbroken run." in lines


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a signal of POSIX")
def test_a_process_that_was_killed_goes_on_by_the_same_command(tmp_path):
    write_sets(examine([squares(8, part=["train"] * 6 + ["val"] * 2)])[0], tmp_path / "boxes", "coco")
    command = [sys.executable, "-m", "bioclip_search", "train", "detector", "--data", "boxes", "--from", "yolo11n", "--out", "mine"]
    command += ["--epochs", "4", "--image-px", "64", "--batch", "3", "--device", "cpu", "--resume"]
    killed = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    for line in killed.stderr:
        if line.startswith("epoch 2"):
            os.kill(killed.pid, signal.SIGKILL)
            break
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "mine").exists()
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "Goes on after epoch" in done.stderr
    assert done.stdout == "", "everything but results goes to stderr"
    assert load_detector(str(tmp_path / "mine"), device="cpu").categories == {0: "big", 1: "small"}


def test_the_folder_says_what_it_is_and_holds_no_pickle(trained):
    out, lines, _ = trained
    assert sorted(file.name for file in out.iterdir()) == ["detector.json", "weights.safetensors"]
    card, _ = read_card(out)
    assert (card.architecture, card.categories, card.image_px) == ("yolo11n", ("big", "small"), 64)
    assert card.data == {"train": {"pictures": 8, "boxes": 8}, "val": {"pictures": 3, "boxes": 3}, "test": {"pictures": 2, "boxes": 2}}
    assert card.metrics["measured"]["squares"]["pictures"] == 2, "on the test"
    assert card.metrics["weights_mb"] == pytest.approx(5.27, abs=0.1)
    assert "AGPL-3.0" in card.licences
    assert "random weights" in card.training
    assert card.recipe["epochs"] == 3
    assert any("random weights" in line and "nothing is downloaded" in line for line in lines)


def test_every_epoch_is_told_with_losses_figures_and_the_time_left(trained):
    rows = trained[2]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert rows[-1]["left_s"] == 0
    assert all({"train_box_loss", "map50", "map", "images_per_s", "seconds"} <= set(row) for row in rows)


def test_nothing_of_ultralytics_that_runs_code_is_left_in_the_run(trained):
    run = trained[0].with_name("whole.run")
    pickles = [file.name for file in run.rglob("*.pt")]
    assert pickles == ["checkpoint.pt"]
    torch.load(run / "checkpoint.pt", weights_only=True)  # tensors and plain values


def test_a_finished_run_that_is_resumed_only_writes_its_folder(trained, tmp_path):
    rows = []
    out, before = trained[0], weights_of(trained[0])
    train_yolo(SETTINGS, [squares(13, part=PARTS)], out, resume=True, listen=rows.append)
    assert rows == []
    assert weights_of(out) == before


def test_a_forgotten_resume_is_told_before_any_work(trained, tmp_path):
    lines = []
    with pytest.raises(RunError, match="--resume goes on with it"):
        train_yolo(SETTINGS, [squares(13, part=PARTS)], trained[0], tell=lines.append)
    (tmp_path / "mine.run").mkdir()
    (tmp_path / "mine.run" / "evolution.jsonl").write_text("{}\n")  # the tries of an evolution took hours, too
    with pytest.raises(RunError, match="--resume goes on with it"):
        train_yolo(SETTINGS, [squares(13, part=PARTS)], tmp_path / "mine", tell=lines.append)
    assert lines == []


@pytest.mark.parametrize(
    ("settings", "sets"),
    [(replace(SETTINGS, seed=4), squares(13, part=PARTS)), (SETTINGS, squares(13, part=PARTS, first=1))],
    ids=["other settings", "other pictures"],
)
def test_a_checkpoint_of_something_else_is_refused(trained, settings, sets):
    with pytest.raises(ModelError, match="other settings or pictures"):
        train_yolo(settings, [sets], trained[0], resume=True)


def test_a_damaged_checkpoint_is_refused_in_words(trained, tmp_path):
    (tmp_path / "mine.run").mkdir()
    (tmp_path / "mine.run" / "checkpoint.pt").write_bytes(b"\x80\x04cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(ModelError, match="cannot be read"):
        train_yolo(SETTINGS, [squares(13, part=PARTS)], tmp_path / "mine", resume=True)


def test_a_training_goes_on_from_a_folder_with_its_weights_and_other_categories(trained, tmp_path):
    lines = []
    settings = replace(SETTINGS, start=str(trained[0]), epochs=1, categories="one")
    out = train_yolo(settings, [squares(6, part=["train"] * 4 + ["val"] * 2)], tmp_path / "next", tell=lines.append)
    assert lines[0].startswith("Starts from the detector whole (yolo11n)")
    assert read_card(out)[0].categories == ("organism",)


def test_a_budget_of_bytes_is_refused_before_any_training(tmp_path):
    rows = []
    with pytest.raises(ModelError, match=r"yolo11s takes 19\.\d MB .*--max-mb.*Start from yolo11n \(5\.\d MB\) instead"):
        train_yolo(replace(SETTINGS, start="yolo11s", max_mb=8.0), [squares(13, part=PARTS)], tmp_path / "mine", listen=rows.append)
    with pytest.raises(ModelError, match="No network of this family fits"):
        train_yolo(replace(SETTINGS, max_mb=0.5), [squares(13, part=PARTS)], tmp_path / "mine")
    assert rows == []
    assert list(tmp_path.iterdir()) == []


def test_a_budget_of_time_is_refused_before_any_training_and_says_what_to_do(tmp_path):
    with pytest.raises(ModelError, match=r"(?s)looks at .* pictures a second.*1e\+09.*smaller --image-px.*smaller architecture"):
        train_yolo(replace(SETTINGS, min_speed=1e9), [squares(13, part=PARTS)], tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_not_written_into(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ModelError, match="holds no detector"):
        train_yolo(SETTINGS, [squares(13, part=PARTS)], tmp_path)


BEYOND = {"box": 1e39}
"""A weight of the loss that is more than 32 bits hold, so that the loss is no number."""


def test_a_loss_that_is_no_number_is_told_with_what_to_do(tmp_path):
    with pytest.raises(ModelError, match=r"in epoch 1\. Train anew \(--overwrite\) with a lower learning rate"):
        train_yolo(replace(SETTINGS, recipe=BEYOND), [squares(8, part=["train"] * 6 + ["val"] * 2)], tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_try_whose_loss_is_no_number_is_the_worst_and_the_evolution_goes_on(tmp_path):
    lines = []
    settings, evolution = replace(SETTINGS, recipe=BEYOND), Evolution(tries=2, subset=0.5, epochs=1)
    with pytest.raises(ModelError, match="is no number any more"):  # neither try learned anything, and of equal ones the first is taken
        train_yolo(settings, [squares(8, part=["train"] * 6 + ["val"] * 2)], tmp_path / "mine", evolution=evolution, tell=lines.append)
    tries = [json.loads(line) for line in (tmp_path / "mine.run" / "evolution.jsonl").read_text().splitlines()]
    assert [one["try"] for one in tries] == [1, 2]
    assert tries[0]["fitness"] == 0
    assert any(line.startswith("try 1: The loss of yolo11n is no number") for line in lines)


def test_an_evolution_tries_keeps_and_uses_the_best_and_goes_on_after_a_kill(tmp_path):
    sets = [squares(8, part=["train"] * 6 + ["val"] * 2)]
    settings, evolution = replace(SETTINGS, epochs=1, recipe={}), Evolution(tries=2, subset=0.5, epochs=1)
    count = []

    def stop_in_second_try(row):
        count.append(row)
        if len(count) == 2:
            raise StoppedError

    with pytest.raises(ModelError, match="failed"):
        train_yolo(settings, sets, tmp_path / "mine", evolution=evolution, listen=stop_in_second_try)
    lines = []
    out = train_yolo(settings, sets, tmp_path / "mine", evolution=evolution, resume=True, tell=lines.append)
    assert any("1 of 2 tries are done" in line for line in lines)
    tries = [json.loads(line) for line in (tmp_path / "mine.run" / "evolution.jsonl").read_text().splitlines()]
    assert [one["try"] for one in tries] == [1, 2]
    best = max(tries, key=lambda one: (one["fitness"], -one["try"]))
    assert read_card(out)[0].recipe["recipe"] == best["recipe"]
    assert list((tmp_path / "mine.run" / "tries").iterdir()) == [], "the trainings of the tries are cleared away"
