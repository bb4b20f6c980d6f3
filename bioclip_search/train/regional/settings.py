"""The settings of a regional training where nobody writes them down: how fast each kind of tuning learns, and how much of the start may stay.

What a setting does is left to `train.config` and those it names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bioclip_search.train.config import (
    FULL,
    LAST_BLOCKS,
    LOCKED,
    LORA,
    EncoderConfig,
    LossConfig,
    ModelConfig,
    PictureSetConfig,
    ScheduleConfig,
    TextsConfig,
    TuneConfig,
)

NAMES_FILE = "taxa.parquet"
"""The taxa of the index in the folder of the pictures."""

LEARNING_RATES = {FULL: 1e-5, LAST_BLOCKS: 3e-5, LORA: 2e-4, LOCKED: 1e-4}
"""Of AdamW: 1e-5 for whole CLIP models (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022; Goyal et al., "Finetune like you
pretrain", CVPR 2023); more where few weights learn, ten times and up for adapters of low rank (Hu et al., ICLR 2022)."""

KEEP_START = (0.0, 0.25, 0.5, 0.75, 0.9)
"""Shares of the start's weights that are tried (WiSE-FT); the pictures that choose, of the region and of others, settle it."""

EPOCHS = 10.0
BATCH_SIZE = 64
NAMES_DRAWN = 64
"""Names of the index that each batch is set against as well, so that the region's taxa do not draw all pictures to them."""

LOCKED_VIEWS = 3
"""Looks at each picture where the picture tower stays as it is."""

WATCHES, SAVES, LOGS = 8, 20, 50
"""Times in a run that the choosing pictures are asked, the state is saved, and a line is written."""

WARMUP = 0.1
WATCH_PICTURES = 300


@dataclass(frozen=True)
class Wish:
    """What a user says of a regional training.

    Attributes:
        start: The trained model to begin with, as `encoder.loading.load_model` takes it.
        epochs: How often each picture is shown.
        learning_rate: None: the usual one of the mode.
    """

    start: str
    mode: str = LORA
    epochs: float = EPOCHS
    batch_size: int = BATCH_SIZE
    learning_rate: float | None = None
    keep_start: tuple[float, ...] = KEEP_START
    accumulate: int = 1
    threads: int = 2
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"


def settings_for(wish: Wish, pictures: Path, files: Iterable[tuple[str, str]], taught: int) -> EncoderConfig:
    """The settings of the training.

    Args:
        pictures: The folder of `staging`, with `NAMES_FILE` beside the pictures.
        files: The name and the file of each set.
        taught: How many pictures are taught.
    """
    batch = min(wish.batch_size, taught)
    steps = max(1, math.ceil(wish.epochs * taught / batch))
    schedule = ScheduleConfig(
        steps=steps,
        batch_size=batch,
        accumulate=min(wish.accumulate, batch),
        learning_rate=wish.learning_rate or LEARNING_RATES[wish.mode],
        warmup=WARMUP,
        watch_steps=_every(steps, WATCHES),
        watch_pictures=WATCH_PICTURES,
        save_steps=_every(steps, SAVES),
        log_steps=_every(steps, LOGS),
    )
    return EncoderConfig(
        sets=tuple(PictureSetConfig(name, file) for name, file in files),
        data_root=str(pictures.absolute()),
        seed=wish.seed,
        threads=wish.threads,
        device=wish.device,
        precision=wish.precision,
        model=ModelConfig(start=wish.start),
        tune=TuneConfig(mode=wish.mode, views=LOCKED_VIEWS if wish.mode == LOCKED else 0, keep_start=wish.keep_start),
        schedule=schedule,
        texts=TextsConfig(names=(NAMES_FILE,), names_drawn=NAMES_DRAWN),
        loss=LossConfig(),
    )


def _every(steps: int, times: int) -> int:
    return max(1, steps // times)
