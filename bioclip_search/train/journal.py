"""Writes down how a run goes: two CSV files, TensorBoard's own, and whoever listens.

Drawing the curves is left to `curves`.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

LOG_FILE, WATCH_FILE, BOARD_FOLDER = "train.csv", "watch.csv", "tensorboard"
Listener = Callable[[dict[str, Any]], None]


class Journal:
    """The files of one run; lines after `step`, left by a run that was killed, are taken back.

    Args:
        step: The step that the run goes on from; 0 begins the files anew.
    """

    def __init__(self, run: Path, step: int, listener: Listener | None = None):
        self.run, self.listener = run, listener
        for name in (LOG_FILE, WATCH_FILE):
            _keep_until(run / name, step)
        self.board = _open_board(run / BOARD_FOLDER, step)

    def log(self, row: Mapping[str, Any], outlook: Mapping[str, Any]) -> None:
        """Adds a line on the learning, and tells the listener, who also hears of the outlook."""
        self._write(LOG_FILE, row)
        if self.listener:
            self.listener({**row, **outlook})

    def watch(self, row: Mapping[str, Any]) -> None:
        """Adds a line on the validation."""
        self._write(WATCH_FILE, row)
        log.info("step %d  validation %.4f", row["step"], row["metric"])

    def close(self) -> None:
        if self.board:
            self.board.close()

    def _write(self, name: str, row: Mapping[str, Any]) -> None:
        path = self.run / name
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        if self.board:
            for key, value in row.items():
                if key != "step":
                    self.board.add_scalar(f"{path.stem}/{key}", value, row["step"])


def read_rows(path: Path) -> list[dict[str, float]]:
    """The lines of one of the CSV files; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _keep_until(path: Path, step: int) -> None:
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines[1:] if int(line.split(",")[0]) <= step]
    if step and kept:
        path.write_text("".join(lines[:1] + kept), encoding="utf-8")
    else:
        path.unlink()


def _open_board(folder: Path, step: int) -> Any:
    """TensorBoard's writer, or None with a word about it if it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.warning("No TensorBoard log: it is not installed. Run: pip install 'bioclip-search[train]'")
        return None
    if not step:
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
