"""A training that was stopped is not begun over by forgetting a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from bioclip_search.errors import RunError
from bioclip_search.train.run_folder import CHECKPOINT, begin, clear, named, stop_if_begun


@pytest.fixture
def stopped(tmp_path):
    """A result whose training was stopped: its checkpoint, its log and what it computed before."""
    run = tmp_path / "mine.run"
    (run / "tries" / "001").mkdir(parents=True)
    for name in (CHECKPOINT, "train.csv", "features.npy", "tries/001/checkpoint.pt"):
        (run / name).write_bytes(b"hours of work")
    return tmp_path / "mine"


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_forgotten_resume_is_told_with_both_ways_on_and_nothing_is_touched(stopped):
    before = names_in(stopped.parent)
    with pytest.raises(RunError, match=r"mine\.run: holds a training already; --resume goes on with it\. .*--overwrite, or choose another --out"):
        begin(stopped, resume=False, overwrite=False)
    assert names_in(stopped.parent) == before


def test_what_is_gone_on_with_stays(stopped):
    before = names_in(stopped.parent)
    assert begin(stopped, resume=True, overwrite=False) == stopped.with_name("mine.run")
    assert names_in(stopped.parent) == before


def test_beginning_anew_takes_away_what_was_learned_and_leaves_what_would_be_computed_alike(stopped):
    before, kept = names_in(stopped.parent), (CHECKPOINT, "tries", "evolution.jsonl")
    run = begin(stopped, resume=False, overwrite=True, kept=kept)
    assert names_in(stopped.parent) == before
    clear(run, kept)
    assert names_in(run) == {"train.csv", "features.npy"}


def test_asking_early_changes_nothing_though_one_begins_anew(stopped):
    before = names_in(stopped.parent)
    stop_if_begun(stopped, resume=False, overwrite=True)
    assert names_in(stopped.parent) == before


def test_a_folder_without_a_checkpoint_holds_no_training(tmp_path):
    (tmp_path / "mine.run").mkdir()
    (tmp_path / "mine.run" / "train.csv").write_text("step\n")
    assert begin(tmp_path / "mine", resume=False, overwrite=False).is_dir()
    assert begin(tmp_path / "new" / "mine", resume=True, overwrite=False) == tmp_path / "new" / "mine.run"


def test_the_tries_of_an_evolution_are_hours_too(stopped):
    (stopped.with_name("mine.run") / CHECKPOINT).unlink()
    with pytest.raises(RunError, match="holds a training already"):
        begin(stopped, resume=False, overwrite=False, kept=(CHECKPOINT, "tries"))


def test_going_on_and_beginning_anew_exclude_each_other(tmp_path):
    with pytest.raises(RunError, match="Give one of the two"):
        begin(tmp_path / "mine", resume=True, overwrite=True)


def test_a_run_that_cannot_be_written_says_why(tmp_path):
    (tmp_path / "mine.run").write_text("a file")
    with pytest.raises(RunError, match="cannot be the folder of a training .*Choose another --out"):
        begin(tmp_path / "mine", resume=False, overwrite=False)


@pytest.mark.parametrize("out", [".", "", "here/.."])
def test_the_current_folder_is_called_by_its_name(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    assert named(Path(out)) == tmp_path
    assert begin(named(Path(out)), resume=False, overwrite=False) == tmp_path.with_name(tmp_path.name + ".run")


def test_other_paths_stay_as_they_are_given_and_the_root_is_refused():
    assert named(Path("models/mine")) == Path("models/mine")
    with pytest.raises(RunError, match="has no name"):
        named(Path(Path.cwd().anchor))
