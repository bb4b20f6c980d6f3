import logging
import sys

from PIL import Image

from bioclip_search.train.curves import draw_curves
from bioclip_search.train.journal import BOARD_FOLDER, LOG_FILE, WATCH_FILE, Journal, read_rows


def write(run, steps, begin: int = 0) -> None:
    journal = Journal(run, begin)
    for step in steps:
        journal.log({"step": step, "learning_rate": 0.1, "loss": 1 / step, "contrastive": 1 / step}, {"left_s": 0})
        journal.watch({"step": step, "metric": 0.5, "birds/unseen": 0.25})
    journal.close()


def test_lines_after_the_checkpoint_are_taken_back(tmp_path):
    write(tmp_path, [1, 2, 3])
    write(tmp_path, [3, 4], begin=2)
    assert [row["step"] for row in read_rows(tmp_path / LOG_FILE)] == [1, 2, 3, 4]
    assert [row["step"] for row in read_rows(tmp_path / WATCH_FILE)] == [1, 2, 3, 4]


def test_a_new_run_begins_its_files_anew(tmp_path):
    write(tmp_path, [1, 2, 3])
    write(tmp_path, [1])
    assert [row["step"] for row in read_rows(tmp_path / LOG_FILE)] == [1]
    assert len(list((tmp_path / BOARD_FOLDER).iterdir())) == 1


def test_the_listener_also_hears_of_the_outlook(tmp_path):
    heard = []
    journal = Journal(tmp_path, 0, heard.append)
    journal.log({"step": 1, "loss": 0.5}, {"left_s": 9})
    journal.close()
    assert heard == [{"step": 1, "loss": 0.5, "left_s": 9}]
    assert read_rows(tmp_path / LOG_FILE) == [{"step": 1.0, "loss": 0.5}]


def test_without_tensorboard_a_run_says_so_once_and_goes_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with caplog.at_level(logging.WARNING):
        write(tmp_path, [1, 2])
    assert [record.message for record in caplog.records] == [
        "No TensorBoard log: it is not installed. Run: pip install 'bioclip-search[train]'",
    ]  # fmt: skip
    assert len(read_rows(tmp_path / LOG_FILE)) == 2
    assert not (tmp_path / BOARD_FOLDER).exists()


def test_the_curves_are_a_picture_even_of_a_run_without_looks(tmp_path):
    write(tmp_path, [1, 2, 3])
    (tmp_path / WATCH_FILE).unlink()
    with Image.open(draw_curves(tmp_path, tmp_path / "curves.png", 3, ["contrastive"])) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 10  # lines and words, no empty sheet


def test_without_matplotlib_there_are_no_curves_and_a_word_about_it(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with caplog.at_level(logging.WARNING):
        assert draw_curves(tmp_path, tmp_path / "curves.png", 1, []) is None
    assert "bioclip-search[train]" in caplog.text
