"""A small world of coloured squares: three species that a few steps of training can tell apart."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bioclip_search.prompts import RANKS
from bioclip_search.train.config import EncoderConfig, LossConfig, ModelConfig, PictureSetConfig, ScheduleConfig

REDSTART = dict(zip(RANKS, ["Animalia", "Chordata", "Aves", "Passeriformes", "Muscicapidae", "Phoenicurus", "Phoenicurus phoenicurus"], strict=True))
LEAF = dict(zip(RANKS, ["Plantae", "Tracheophyta", "Magnoliopsida", "Fagales", "Fagaceae", "Quercus", "Quercus robur"], strict=True))
BLUE = dict(zip(RANKS, ["Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Lycaenidae", "Polyommatus", "Polyommatus icarus"], strict=True))
TAXA = (
    (REDSTART | {"common_name": "Common Redstart"}, (200, 40, 20)),
    (LEAF | {"common_name": "Pedunculate Oak"}, (30, 160, 40)),
    (BLUE | {"common_name": "Common Blue"}, (40, 60, 210)),
)


def jpeg(colour: tuple[int, int, int], seed: int, side: int = 32) -> bytes:
    """A noisy square of one colour."""
    noise = np.random.default_rng(seed).integers(-25, 25, (side, side, 3))
    image = Image.fromarray((np.asarray(colour) + noise).clip(0, 255).astype(np.uint8))
    image.save(buffer := io.BytesIO(), "JPEG")
    return buffer.getvalue()


def write_set(path: Path, n_each: int) -> None:
    rows = [
        {"image": {"bytes": jpeg(colour, i * 10 + k), "path": None}, "source_id": f"{taxon['species']}/{k}.jpg", **taxon}
        | {"label_rank": "species", "split": "val" if k == 0 else "train"}
        for i, (taxon, colour) in enumerate(TAXA)
        for k in range(n_each)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.fixture
def tiny_config(tmp_path: Path) -> EncoderConfig:
    write_set(tmp_path / "data/squares/squares.parquet", n_each=8)
    return EncoderConfig(
        sets=(PictureSetConfig("squares", "squares/*.parquet"),),
        data_root=str(tmp_path / "data"),
        threads=1,
        device="cpu",
        model=ModelConfig(vision="test_resnet", image_px=48, embed_dim=16, text_width=16, text_layers=1, text_heads=2, n_merges=60),
        schedule=ScheduleConfig(
            steps=12,
            batch_size=12,
            learning_rate=3e-3,
            ema_decay=0.5,
            store_px=40,
            start_px=32,
            end_px=48,
            eval_px=(32, 48),
            watch_steps=6,
            watch_pictures=3,
            save_steps=1,
            log_steps=1,
        ),
        loss=LossConfig(anchors=1.0),
    )
