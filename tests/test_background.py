from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import PIL.Image
import pytest
from pyarrow import parquet

from bioclip_search import background, progress_file
from bioclip_search.background import JOB_FOLDER, PROGRESS_FILE, Job, Order, job_of, kill, resume, start, stop
from bioclip_search.errors import RunError
from bioclip_search.runs.folder import Run
from tests.peers.random_models import synthetic_picture

PATIENCE_S = 120


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        synthetic_picture(number).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def many(tmp_path) -> Path:
    """A hundred and sixty pictures, all different: some seconds of work."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(160):
        PIL.Image.new("RGB", (64, 48), (number % 256, number // 256, 77)).save(folder / f"{number:03}.png")
    return folder


def order(folder: Path, **options) -> Order:
    return Order(str(folder), detector="none", options={"workers": 1, **options})


def wait(out: Path, until) -> Job:
    """The job, as soon as it is so."""
    end = time.monotonic() + PATIENCE_S
    while not until(job := job_of(out)):
        assert time.monotonic() < end, job
        time.sleep(0.05)
    return job


def ended(out: Path) -> Job:
    return wait(out, lambda job: not job.is_running)


def images(out: Path) -> list[str]:
    return parquet.read_table(out / "rows", columns=["image"]).column("image").to_pylist()


def test_a_job_runs_by_itself_and_is_found_again_by_its_folder(photos, tmp_path):
    out = tmp_path / "run"
    assert job_of(out) is None
    assert start(order(photos), out).is_running
    job = ended(out)
    assert (job.state, job.done, job.total, job.message) == ("done", 3, 3, "")
    assert job.order == order(photos)
    assert Run.open(out).note["counts"]["pictures"] == 3


def test_what_goes_wrong_is_told_in_the_words_of_the_program(tmp_path):
    start(order(tmp_path / "gone"), tmp_path / "run")
    job = ended(tmp_path / "run")
    assert job.state == "failed"
    assert "no such file or folder" in job.message


def test_a_stopped_job_loses_nothing_and_is_gone_on_with(many, tmp_path):
    out = tmp_path / "run"
    start(order(many), out)
    wait(out, lambda job: job.done >= 24 or not job.is_running)
    stop(out)
    assert ended(out).state == "stopped"
    assert not Run.open(out).note["is_finished"]
    before = job_of(out)
    assert 24 <= before.done < 160
    assert resume(out).is_running
    assert ended(out).state == "done"
    assert images(out) == [f"{number:03}.png" for number in range(160)]


def test_a_job_whose_process_died_is_told_as_stopped_and_is_gone_on_with(many, tmp_path):
    out = tmp_path / "run"
    start(order(many), out)
    wait(out, lambda job: job.done >= 24 or not job.is_running)
    kill(out)
    job = ended(out)
    assert job.state == "stopped"
    assert job.left_s is None
    resume(out)
    assert ended(out).state == "done"
    assert len(set(images(out))) == 160


class DiesWhen:
    """Stands for a process that ends when it is told to."""

    def __init__(self, told: threading.Event):
        self.told = told

    def wait(self) -> int:
        self.told.wait()
        return -9


def test_the_end_of_a_job_is_not_told_of_the_next_one(photos, tmp_path, monkeypatch):
    """Somebody goes on with a job at the very moment in which its death is noticed."""
    out, died, never = tmp_path / "run", threading.Event(), threading.Event()
    processes = iter([DiesWhen(died), DiesWhen(never)])
    monkeypatch.setattr(background, "_started", lambda arguments, log: next(processes))
    before = set(threading.enumerate())
    start(order(photos), out)
    (noticing,) = set(threading.enumerate()) - before
    progress = out / JOB_FOLDER / PROGRESS_FILE
    progress.write_text(json.dumps({"state": "tagging", "done": 1, "total": 3, "rate_per_s": None, "message": "", "pid": None}))
    going_on = threading.Thread(target=resume, args=(out,))

    def is_written(path: Path) -> bool:
        if threading.current_thread() is noticing and not going_on.ident:
            going_on.start()
            going_on.join(timeout=0.3)
        return False

    monkeypatch.setattr(background, "is_written", is_written)
    died.set()
    noticing.join()
    going_on.join()
    assert not progress.exists()
    assert job_of(out).state == "starting"
    never.set()


def test_one_folder_is_written_by_one_process_at_a_time(many, tmp_path):
    out = tmp_path / "run"
    start(order(many), out)
    with pytest.raises(RunError, match="is being written just now"):
        start(order(many), out)
    stop(out)  # before its process can hear of it
    assert job_of(out).state == "stopping"
    assert ended(out).state == "stopped"
    assert resume(out).is_running  # the wish to stop is forgotten
    assert wait(out, lambda job: job.done > 0).state in ("listing", "tagging", "closing")
    kill(out)


def test_what_was_stopped_at_its_very_start_is_begun_anew(photos, tmp_path):
    (tmp_path / "run" / "rows").mkdir(parents=True)
    (tmp_path / "run" / "journal.sqlite").touch()
    start(order(photos), tmp_path / "run")
    assert ended(tmp_path / "run").state == "done"
    assert images(tmp_path / "run") == ["0.png", "1.png", "2.png"]


def test_a_folder_with_other_files_is_left_alone(photos, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="holds other files and no run"):
        start(order(photos), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_a_value_that_looks_like_an_option_is_none(tmp_path):
    arguments = Order("--help", index="--trust-pickle", options={"within": "--out=/"}).arguments(tmp_path, is_resumed=False)
    assert arguments[-2:] == ["--", "--help"]
    assert "--index=--trust-pickle" in arguments
    assert "--within=--out=/" in arguments
    with pytest.raises(RunError, match="no option trust_pickle"):
        start(Order("photos", options={"trust_pickle": 1}), tmp_path / "run")


@pytest.mark.parametrize(
    "told",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="no object"),
        pytest.param('{"source": "x", "index": "y"}', id="half"),
        pytest.param('{"source": "x", "index": "y", "detector": "z", "options": []}', id="options of another kind"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_damaged_order_is_none(tmp_path, told):
    folder = tmp_path / JOB_FOLDER
    folder.mkdir()
    (folder / background.ORDER_FILE).write_text(told)
    assert background.read_order(tmp_path) is None
    with pytest.raises(RunError, match="does not tell what was asked for"):
        resume(tmp_path)


def test_options_of_a_strange_order_are_passed_over(tmp_path):
    (tmp_path / JOB_FOLDER).mkdir()
    strange = {"source": "x", "index": "y", "detector": "z", "options": {"trust_pickle": True, "within": "Aves", "country": ["NOR"]}}
    (tmp_path / JOB_FOLDER / background.ORDER_FILE).write_text(json.dumps(strange))
    assert background.read_order(tmp_path).options == {"within": "Aves"}


@pytest.mark.parametrize("told", ["", "{}", '{"state": "dancing", "done": 1, "message": ""}', '{"state": "done", "done": -1, "message": ""}'])
def test_a_damaged_progress_file_is_none(tmp_path, told):
    (tmp_path / PROGRESS_FILE).write_text(told)
    assert progress_file.read_progress(tmp_path / PROGRESS_FILE) is None


def test_a_file_that_only_looks_like_a_lock_keeps_nobody_waiting(tmp_path):
    (tmp_path / "progress.json.lock").write_bytes(b"no database " * 100)
    assert not progress_file.is_written(tmp_path / "progress.json")


def test_the_rate_is_that_of_the_last_minute(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress_file.time, "monotonic", lambda: now[0])
    telling = progress_file.Telling(tmp_path / "progress.json")
    for second, done in [(0, 1000), (1, 1010), (30, 1100), (61, 1300)]:  # after a stop a thousand are gone through at once
        now[0] = second
        telling(done, 2000)
        telling._write()
    told = progress_file.read_progress(tmp_path / "progress.json")
    assert told["rate_per_s"] == pytest.approx((1300 - 1010) / 60)
    assert told["state"] == "tagging"
