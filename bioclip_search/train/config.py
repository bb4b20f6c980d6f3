"""The settings of one training run, read from a TOML file and checked before any picture is opened.

What the settings do is left to `encoder`; which pictures a set holds, to `pictures`.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from bioclip_search.errors import TableError


@dataclass(frozen=True)
class PictureSetConfig:
    """One set of Parquet files and what is kept back from it.

    A row whose own `split` column says other than "train" is always kept back. On top of that, `hold_species` is
    the fraction of its species of which every picture is kept back, `hold_pictures` the fraction of single pictures.
    """

    name: str
    files: str
    weight: float = 1.0
    hold_species: float = 0.0
    hold_pictures: float = 0.0


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that decides what a trained encoder will be; equal settings and seed draw equal batches.

    The run ends at whichever comes first, `minutes` of training (resumed time is counted on) or `steps`;
    the learning rate and the picture size follow the same clock, so a run always ends on a finished schedule.
    """

    sets: tuple[PictureSetConfig, ...]
    data_root: str = "../shared/data"
    checklist: str | None = None
    distractors: str | None = None
    seed: int = 0
    threads: int = 2

    vision: str = "regnety_002"
    embed_dim: int = 128
    text_width: int = 128
    text_layers: int = 3
    text_heads: int = 4
    context_length: int = 48
    n_merges: int = 3500

    store_px: int = 128
    start_px: int = 64
    end_px: int = 96
    eval_px: tuple[int, ...] = (96, 112, 128)

    minutes: float = 55.0
    steps: int | None = None
    batch_size: int = 128
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: float = 0.04
    ema_decay: float = 0.998
    text_every: int = 2
    coarse_share: float = 0.25
    template_share: float = 0.2
    log_steps: int = 20
    save_minutes: float = 3.0
    watch_minutes: float = 6.0
    watch_pictures: int = 600

    names: tuple[str, ...] = ()
    names_steps: int = 0
    names_drawn: int = 256
    names_learning_rate: float = 5e-4

    @classmethod
    def from_toml(cls, path: Path | str) -> EncoderConfig:
        """The settings of a TOML file: one table `[[sets]]` per picture set, the rest at top level.

        Raises:
            TableError: The file is missing or no TOML, lacks `sets`, or holds a setting that does not exist.
        """
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise TableError(f"Cannot read the training settings {path}: {error}") from error
        if not values.get("sets"):
            raise TableError(f"{path} names no picture set; add at least one [[sets]] table with name and files.")
        values["sets"] = tuple(_checked(PictureSetConfig, entry, path) for entry in values["sets"])
        values |= {key: tuple(values[key]) for key in ("eval_px", "names") if key in values}
        return _checked(cls, values, path)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that differ when any setting does."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def _checked(kind: type, values: dict[str, Any], path: Path | str) -> Any:
    known = {entry.name for entry in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise TableError(f"{path} holds unknown settings {', '.join(unknown)}; known are {', '.join(sorted(known))}.")
    try:
        return kind(**values)
    except TypeError as error:
        raise TableError(f"{path} is incomplete: {error}") from error
