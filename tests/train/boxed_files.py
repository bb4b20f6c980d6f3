"""A small world for detectors: bright squares on dark noise, in Parquet files with and without boxes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SIDE = 48

TOML = """
data_root = "{root}"
seed = 5
train_px = 64
px = 64
bf16 = false
channels = 32
head_convs = 1
frozen_blocks = 0
steps = 4
batch_size = 2
warmup_steps = 2
log_steps = 1
save_steps = 2

[[boxes]]
name = "squares"
files = "squares-*.parquet"
scenery = true
"""


def square_picture(seed: int, side: int = SIDE) -> tuple[bytes, tuple[int, int, int, int]]:
    """A PNG with one bright square and where it is, left, top, right, bottom."""
    rng = np.random.default_rng(seed)
    length = int(rng.integers(side // 5, side // 3))
    left, top = rng.integers(0, side - length, size=2).tolist()
    pixels = rng.integers(0, 80, (side, side, 3), dtype=np.uint8)
    pixels[top : top + length, left : left + length] = (250, 220, 30)
    return png(pixels), (left, top, left + length, top + length)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def write_squares(folder: Path, n_train: int = 12, n_val: int = 4) -> Path:
    """`squares-train.parquet` with the column `objects` and `squares-val.parquet` with `box_xyxy`; returns the folder."""
    for split, first, count in (("train", 0, n_train), ("val", 100, n_val)):
        rows = [(f"{split}/{i}", *square_picture(first + i)) for i in range(count)]
        columns = {"image": [{"bytes": data, "path": None} for _, data, _ in rows], "source_id": [name for name, _, _ in rows], "split": [split] * count}
        if split == "train":
            columns["objects"] = [{"bbox": [[left, top, right - left, bottom - top]], "category": ["square"]} for _, _, (left, top, right, bottom) in rows]
        else:
            columns["box_xyxy"] = [list(box) for _, _, box in rows]
        pq.write_table(pa.table(columns), folder / f"squares-{split}.parquet")
    return folder


def write_settings(folder: Path, extra: str = "", **changes: object) -> Path:
    """The settings of a run over the squares in this folder; `changes` are lines of the top level, `extra` stands at the end."""
    lines = TOML.format(root=folder.as_posix()).strip().splitlines()
    for key, value in changes.items():
        lines = [f"{key} = {value}", *(line for line in lines if not line.startswith(f"{key} ="))]
    path = folder / "settings.toml"
    path.write_text("\n".join(lines) + "\n" + extra)
    return path
