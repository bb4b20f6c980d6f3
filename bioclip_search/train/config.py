"""The settings of one training run, read from a TOML file and checked before any picture is opened.

What the settings do is left to `encoder`; which pictures a set holds, to `pictures`.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, get_type_hints

from bioclip_search.errors import TableError

SCRATCH = "scratch"
FULL, LOCKED, LAST_BLOCKS, LORA = MODES = ("full", "locked", "last-blocks", "lora")
SAVED = ("fp16", "fp32")


@dataclass(frozen=True)
class PictureSetConfig:
    """One set of Parquet files and what is kept back from it.

    A row whose own `split` column says other than "train" is always kept back. On top of that, `hold_species` is
    the fraction of its species of which every picture is kept back, `hold_pictures` the fraction of single pictures.

    With `boxes`, every box of `objects` is a picture, named by its category, whose lineage stands in the tables `taxa`.
    `box_share` is how often a taught picture with a `box_xyxy` is shown as the cut-out of that box instead.
    """

    name: str
    files: str
    weight: float = 1.0
    hold_species: float = 0.0
    hold_pictures: float = 0.0
    boxes: bool = False
    taxa: str = "taxonomy/all_species.parquet"
    box_share: float = 0.0


@dataclass(frozen=True)
class ModelConfig:
    """Where the weights come from: a model that `load_model` takes, or `scratch` and the shape of both towers.

    `vision` is a name of timm, `projection` what stands between it and the vectors: its own classifier if empty, or
    `linear` or `mlp`. The names of the tables `vocabulary` teach the tokenizer of a model from scratch. `vision_weights` are files with
    which a picture tower that is built of teachers begins.
    """

    start: str = SCRATCH
    vision: str = "regnety_002"
    vision_weights: tuple[str, ...] = ()
    projection: str = ""
    image_px: int = 96
    embed_dim: int = 128
    text_width: int = 128
    text_layers: int = 3
    text_heads: int = 4
    context_length: int = 48
    n_merges: int = 3500
    vocabulary: tuple[str, ...] = ()
    save: str = "fp16"


@dataclass(frozen=True)
class TuneConfig:
    """Which weights learn, and how much of the start stays.

    `keep_start` are the shares of the start's weights that the result may hold (WiSE-FT, Wortsman et al. 2022); of
    several the validation chooses. `layer_decay` divides the learning rate from each block to the one below.
    With `views`, a locked picture tower looks at that many views of each picture once, before the first step.
    """

    mode: str = FULL
    text: bool = True
    last_blocks: int = 2
    lora_rank: int = 8
    lora_alpha: float = 16.0
    views: int = 0
    layer_decay: float = 1.0
    keep_start: tuple[float, ...] = (0.0,)


@dataclass(frozen=True)
class ScheduleConfig:
    """How long, how fast and on what size of pictures the run learns, and how often it looks up.

    All `batch_size` pictures of a step are contrasted with one another; `accumulate` says in how many parts they pass
    through the towers, for large batches in little memory. `patience` is how many looks without a better validation
    end the run (0: never). A size of 0 is the model's own; of several `eval_px` the validation chooses.
    """

    steps: int = 2000
    batch_size: int = 128
    accumulate: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.04
    ema_decay: float = 0.998
    store_px: int = 0
    start_px: int = 0
    end_px: int = 0
    eval_px: tuple[int, ...] = ()
    patience: int = 0
    watch_steps: int = 500
    watch_pictures: int = 200
    save_steps: int = 250
    log_steps: int = 20


@dataclass(frozen=True)
class TextsConfig:
    """What the pictures are set beside: every `every`-th step has texts, some of higher taxa, some in a template.

    `names_drawn` taxa of the checklists `names` stand beside each batch as further false answers.
    """

    every: int = 1
    coarse_share: float = 0.25
    template_share: float = 0.2
    names: tuple[str, ...] = ()
    names_drawn: int = 0


@dataclass(frozen=True)
class LossConfig:
    """The weights of the terms; what is 0 is not computed."""

    contrastive: float = 1.0
    anchors: float = 0.0
    teacher_features: float = 1.0
    teacher_classes: float = 1.0
    classes_drawn: int = 128


@dataclass(frozen=True)
class TeacherConfig:
    """A finished classifier whose features or class probabilities the student is led by.

    With `hearsay`, the weight of a single picture, its species are taught without pictures of them (see `hearsay`): the
    teacher must be part number `tower` of the locked picture tower; pictures of the taxon `within` lend the background, but for
    those of the sets `not_from`.
    """

    name: str
    file: str
    labels: str = ""
    features: float = 1.0
    classes: float = 1.0
    hearsay: float = 0.0
    tower: int = 0
    within: str = ""
    not_from: tuple[str, ...] = ()


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that decides what a trained encoder will be; equal settings and seed draw equal batches."""

    sets: tuple[PictureSetConfig, ...]
    data_root: str = "../shared/data"
    distractors: str | None = None
    seed: int = 0
    threads: int = 2
    workers: int = 0
    device: str = "auto"
    precision: str = "auto"
    model: ModelConfig = field(default_factory=ModelConfig)
    tune: TuneConfig = field(default_factory=TuneConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    texts: TextsConfig = field(default_factory=TextsConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    teachers: tuple[TeacherConfig, ...] = ()

    @classmethod
    def from_toml(cls, path: Path | str) -> EncoderConfig:
        """The settings of a TOML file: tables for the parts, one `[[sets]]` per picture set, the rest at top level.

        Raises:
            TableError: The file is missing or no TOML, lacks `sets`, or holds a setting that does not exist or cannot be.
        """
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise TableError(f"Cannot read the training settings {path}: {error}") from error
        if not values.get("sets"):
            raise TableError(f"{path} names no picture set; add at least one [[sets]] table with name and files.")
        config = _read(cls, values, str(path))
        if wrong := _contradictions(config):
            raise TableError(f"{path}: {' '.join(wrong)}")
        return config

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that differ when any setting does."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def with_sizes(self, own_px: int) -> EncoderConfig:
        """The same settings with every picture size of 0 replaced by the model's own."""
        schedule = self.schedule
        end_px = schedule.end_px or own_px
        sizes = {"start_px": schedule.start_px or end_px, "end_px": end_px, "eval_px": schedule.eval_px or (end_px,)}
        sizes["store_px"] = schedule.store_px or max(end_px, *sizes["eval_px"])
        return replace(self, schedule=replace(schedule, **sizes))


def _read(kind: type, values: Any, where: str) -> Any:
    """The dataclass filled from a TOML table, tables within it likewise, lists as tuples."""
    if not isinstance(values, dict):
        raise TableError(f"{where} must be a table of settings, not {values!r}.")
    types = get_type_hints(kind)
    if unknown := sorted(set(values) - {entry.name for entry in fields(kind)}):
        raise TableError(f"{where} holds unknown settings {', '.join(unknown)}; known are {', '.join(sorted(types))}.")
    try:
        return kind(**{key: _fit(types[key], value, f"{where} [{key}]") for key, value in values.items()})
    except TypeError as error:
        raise TableError(f"{where} is incomplete: {error}") from error


def _fit(wanted: Any, value: Any, where: str) -> Any:
    """The value as that type; a whole number is taken for a decimal one, a single value for a list of one."""
    if is_dataclass(wanted):
        return _read(wanted, value, where)
    if getattr(wanted, "__origin__", None) is tuple:
        entries = value if isinstance(value, list) else [value]
        return tuple(_fit(wanted.__args__[0], entry, where) for entry in entries)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise TableError(f"{where} must be {getattr(wanted, '__name__', wanted)}, not {value!r}.")
    return value


def _contradictions(config: EncoderConfig) -> list[str]:
    """What the settings ask for that cannot be, in words."""
    tune, schedule, is_scratch = config.tune, config.schedule, config.model.start == SCRATCH
    checks = [
        (tune.mode not in MODES, f"mode {tune.mode!r} is none of {', '.join(MODES)}."),
        (config.model.save not in SAVED, f"save {config.model.save!r} is none of {', '.join(SAVED)}."),
        (not all(0 <= share <= 1 for share in tune.keep_start) or not tune.keep_start, "keep_start must be shares from 0 to 1."),
        (is_scratch and any(tune.keep_start), "keep_start needs a start; from scratch there is nothing to keep."),
        (is_scratch and tune.mode in (LAST_BLOCKS, LORA), f"mode {tune.mode} needs a start, not scratch."),
        (is_scratch and tune.mode == LOCKED and not config.model.vision_weights, "mode locked needs a start or vision_weights, or nothing would be locked."),
        (min(schedule.steps, schedule.batch_size, schedule.accumulate, config.texts.every) < 1, "steps, batch_size, accumulate and every must be 1 or more."),
        (min(schedule.watch_steps, schedule.save_steps, schedule.log_steps) < 1, "watch_steps, save_steps and log_steps must be 1 or more."),
        (config.texts.every > 1 and not config.loss.anchors and not config.teachers, "every above 1 needs anchors or teachers, or steps would teach nothing."),
        (bool(tune.views) and tune.mode != LOCKED, "views need a locked picture tower."),
        (any(teacher.hearsay for teacher in config.teachers) and not tune.views, "hearsay needs a locked picture tower and views."),
        (bool(config.texts.names_drawn) != bool(config.texts.names), "names and names_drawn go together."),
    ]
    return [message for is_wrong, message in checks if is_wrong]
