"""The settings of one detector training, read from a TOML file and checked before any picture is opened.

What the settings do is left to `detector`; which pictures a set holds, to `detector_data`.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioclip_search.detectors.organism import PX_RANGE
from bioclip_search.errors import TableError

if TYPE_CHECKING:
    from bioclip_search.detectors.network import Architecture


@dataclass(frozen=True)
class BoxSetConfig:
    """One set of Parquet files.

    Rows whose own `split` says other than "train", and a fraction `hold_pictures` of the others, are never learned
    from. `weight` is the set's share of the pictures drawn, relative to the other sets. `scenery` says that what lies
    outside the boxes shows no organism, and so may serve as a place without any.
    """

    name: str
    files: str
    weight: float = 1.0
    hold_pictures: float = 0.0
    scenery: bool = False


@dataclass(frozen=True)
class DetectorConfig:
    """Everything that decides what a trained detector will be; equal settings draw equal batches.

    `boxes` are sets with boxes drawn by people. `silver` are sets without, whose boxes a teacher proposes
    (`silver_model`, a YOLOX ONNX file trained on COCO); `use_silver` leaves them out for a comparison.
    `start` is a detector folder whose weights the network starts from, or a TFLite MobileNetV2 for its backbone; without it the start is random.
    """

    boxes: tuple[BoxSetConfig, ...]
    silver: tuple[BoxSetConfig, ...] = ()
    silver_model: str | None = None
    use_silver: bool = True
    silver_confidence: float = 0.35
    data_root: str = "../shared/data"
    start: str | None = None
    name: str = "organism"
    note: str = ""
    licences: str = ""

    seed: int = 0
    threads: int = 1
    bf16: bool = True

    backbone: str = "mobilenetv2_100"
    channels: int = 64
    head_convs: int = 2
    frozen_blocks: int = 3
    train_px: int = 256
    px: int = 320

    steps: int = 6000
    batch_size: int = 16
    learning_rate: float = 1e-3
    backbone_rate: float = 0.2
    weight_decay: float = 0.05
    warmup_steps: int = 200
    ema_decay: float = 0.998
    log_steps: int = 20
    save_steps: int = 200

    photo_share: float = 0.45
    mosaic_share: float = 0.25

    @classmethod
    def from_toml(cls, path: Path | str) -> DetectorConfig:
        """The settings of a TOML file: one table `[[boxes]]` or `[[silver]]` per picture set, the rest at top level.

        Raises:
            TableError: The file is missing or no TOML, names no boxes, or holds a setting that does not exist or fit.
        """
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # UnicodeDecodeError and TOMLDecodeError are ValueErrors
            raise TableError(f"Cannot read the training settings {path}: {error}") from error
        if not values.get("boxes"):
            raise TableError(f"{path} names no boxes to learn from; add at least one [[boxes]] table with name and files.")
        for key in ("boxes", "silver"):
            if key in values:
                if not isinstance(values[key], list) or not all(isinstance(entry, dict) for entry in values[key]):
                    raise TableError(f"{path}: {key} should be a list of tables [[{key}]], it is {values[key]!r}.")
                values[key] = tuple(_checked(BoxSetConfig, entry, path) for entry in values[key])
        config = _checked(cls, values, path)
        _check_ranges(config, path)
        return config

    @property
    def architecture(self) -> Architecture:
        """The network's shape.

        Raises:
            ValueError: There is no such network.
        """
        from bioclip_search.detectors.network import Architecture

        return Architecture(self.backbone, self.channels, self.head_convs)

    @property
    def silver_sets(self) -> tuple[BoxSetConfig, ...]:
        """The sets whose boxes are proposed by the teacher; none if the run goes without."""
        return self.silver if self.use_silver and self.silver_model else ()

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that differ when any setting does."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def _checked(kind: type, values: dict[str, Any], path: Path | str) -> Any:
    known = {entry.name: str(entry.type) for entry in fields(kind)}
    if unknown := sorted(set(values) - set(known)):
        raise TableError(f"{path} holds unknown settings {', '.join(unknown)}; known are {', '.join(sorted(known))}.")
    for key, value in values.items():
        plain = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}.get(known[key].removesuffix(" | None"), (object,))
        if not isinstance(value, plain) or (isinstance(value, bool) and bool not in plain and object not in plain):
            raise TableError(f"{path}: {key} should be {known[key]}, it is {value!r}.")
    try:
        return kind(**values)
    except TypeError as error:
        raise TableError(f"{path} is incomplete: {error}") from error


def _check_ranges(config: DetectorConfig, path: Path | str) -> None:
    for key in ("steps", "batch_size", "learning_rate", "log_steps", "save_steps", "threads"):
        if getattr(config, key) <= 0:
            raise TableError(f"{path}: {key} should be above 0, it is {getattr(config, key)}.")
    if config.train_px % 32 or not 64 <= config.train_px <= 1024:
        raise TableError(f"{path}: train_px should be a multiple of 32 between 64 and 1024, it is {config.train_px}.")
    if not PX_RANGE[0] <= config.px <= PX_RANGE[1]:
        raise TableError(f"{path}: px should be between {PX_RANGE[0]} and {PX_RANGE[1]}, it is {config.px}.")
    try:
        config.architecture  # noqa: B018
    except ValueError as error:
        raise TableError(f"{path}: {error}") from error
    if min(config.photo_share, config.mosaic_share) < 0 or config.photo_share + config.mosaic_share > 1:
        raise TableError(f"{path}: photo_share and mosaic_share should be parts of 1, they are {config.photo_share} and {config.mosaic_share}.")
