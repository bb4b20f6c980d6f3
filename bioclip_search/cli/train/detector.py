"""`train detector`. All logic is in the package `train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioclip_search.durations import in_words

if TYPE_CHECKING:
    from bioclip_search.boxed.boxed_set import BoxedSet

EPOCHS, BATCH, IMAGE_PX, PATIENCE = 100, 16, 640, 50
STARTER = "starter"
TRY_SHARE = 5
"""A try of an evolution takes this part of the epochs, unless told otherwise."""


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file with the settings of a run of the small kind.")
@click.option("--data", multiple=True, metavar="BOXES", help="Pictures with boxes: COCO, YOLO, VOC, Camtrap DP, a reviewed run, Parquet. May be given often.")
@click.option("--val", multiple=True, metavar="BOXES", help="Pictures with boxes to watch the training by.  [default: those marked val, or a fifth]")
@click.option("--images", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the pictures that a COCO file names.")
@click.option("--from", "start", default=STARTER, show_default=True, help="starter, yolo11n, yolo12n, yolo26n, rtdetr-l …, a .pt file, or a detector folder.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Detector folder to write.")
@click.option("--epochs", type=click.IntRange(1), default=EPOCHS, show_default=True, help="Passes over the pictures.")
@click.option("--image-px", type=click.IntRange(32, 2048), help=f"Longer side of the pictures.  [default: {IMAGE_PX}, or as the start has it]")
@click.option("--batch", type=click.IntRange(1), default=BATCH, show_default=True, help="Pictures a step.")
@click.option("--categories", type=click.Choice(("own", "one")), help="Keep the categories of the boxes, or call each an organism.  [default: own]")
@click.option("--patience", type=click.IntRange(1), default=PATIENCE, show_default=True, help="Epochs without gain after which it ends.")
@click.option("--max-mb", type=click.FloatRange(0, min_open=True), help="Most that the weights may take, in millions of bytes.")
@click.option("--min-speed", type=click.FloatRange(0, min_open=True), metavar="FPS", help="Least pictures a second on this machine.")
@click.option("--evolve", type=click.IntRange(0), default=0, help="Search the settings of the training in so many tries first.")
@click.option("--subset", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True, help="Share of the pictures that a try learns from.")
@click.option("--try-epochs", type=click.IntRange(1), help="Passes of a try.  [default: a fifth of --epochs]")
@click.option("--learning-rate", type=click.FloatRange(0, 1, min_open=True), help="At the start, after the warm-up.  [default: by ultralytics]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 …")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides by lot what is left to it.")
@click.option("--mend-split", is_flag=True, help="Give a burst that lies in two parts whole to one, instead of stopping.")
@click.option("--trust-pickle", is_flag=True, help="Start from a .pt file, which can run any code.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@click.option("--overwrite", is_flag=True, help="Begin anew over a run that was stopped or is finished.")
def detector(config: Path | None, out: Path, resume: bool, overwrite: bool, **options: Any) -> None:
    """Train a detector from pictures with boxes.

    From starter, or a folder of its small kind: learns to find organisms of any kind, and needs nothing installed besides. From all others: by ultralytics
    (AGPL-3.0), offline, with the categories of your boxes. Names start from random weights unless NAME.pt lies in the folder of `models list` and
    --trust-pickle is given. With --config: the small kind from scratch.

    \b
    Example: bioclip-search train detector --data boxes.json --from yolo11n --epochs 100 --out my-detector
    """
    if (config is None) == (not options["data"]):
        raise click.UsageError("Give either --data BOXES, or --config FILE for the small kind from scratch.")
    going = {"resume": resume, "overwrite": overwrite}
    if config is not None:
        folder = _from_settings(config, out, going)
    else:
        sets, watching = (_sets(options[name], options["images"]) for name in ("data", "val"))
        if small := _small_start(options["start"]):
            folder = _small(small, sets, watching, out, going, options)
        else:
            folder = _by_ultralytics(sets, watching, out, going, options)
    click.echo(f"{folder}: written", err=True)


def _from_settings(config: Path, out: Path, going: Mapping[str, bool]) -> Path:
    from bioclip_search.train.detector import train_detector
    from bioclip_search.train.detector_config import DetectorConfig

    return train_detector(DetectorConfig.from_toml(config), out, progress=_tell, **going)


def _small(start: Path, sets: Sequence[BoxedSet], watching: Sequence[BoxedSet], out: Path, going: Mapping[str, bool], options: Mapping[str, Any]) -> Path:
    from bioclip_search.train.detector_goes_on import GoingOn, go_on

    useless = {
        "categories": "own",
        "max_mb": None,
        "min_speed": None,
        "evolve": 0,
        "learning_rate": None,
        "patience": PATIENCE,
        "subset": 1.0,
        "try_epochs": None,
    }
    given = [name for name, usual in useless.items() if options[name] not in (None, usual) or (name == "categories" and options[name] == "own")]
    if given:
        raise click.UsageError(
            f"--{given[0].replace('_', '-')} {options[given[0]]} is not for the small kind, which {start} is. Give another --from, such as yolo11n."
        )
    if options["device"] not in ("auto", "cpu"):
        raise click.UsageError(
            f"--device {options['device']}: the small kind, which {start} is, learns on the CPU. Leave it out, or give another --from, such as yolo11n."
        )
    settings = GoingOn(start, options["epochs"], options["batch"], options["image_px"], options["seed"])
    return go_on(settings, sets, out, watching=watching, mend=options["mend_split"], tell=_tell, **going)


def _by_ultralytics(sets: Sequence[BoxedSet], watching: Sequence[BoxedSet], out: Path, going: Mapping[str, bool], options: Mapping[str, Any]) -> Path:
    from bioclip_search.train.yolo.settings import YoloSettings
    from bioclip_search.train.yolo.train import Evolution, train_yolo

    told = {name: options[name] for name in ("start", "epochs", "batch", "seed", "device", "patience", "max_mb", "min_speed")}
    recipe = {"lr0": options["learning_rate"]} if options["learning_rate"] else {}
    settings = YoloSettings(**told, image_px=options["image_px"] or IMAGE_PX, categories=options["categories"] or "own", recipe=recipe)
    evolution = Evolution(options["evolve"], options["subset"], options["try_epochs"] or max(1, options["epochs"] // TRY_SHARE))
    asked = {**going, "mend": options["mend_split"], "trust_pickle": options["trust_pickle"]}
    return train_yolo(settings, sets, out, watching=watching, evolution=evolution, **asked, tell=_tell, listen=_listen)


def _sets(places: Sequence[str], images: Path | None) -> list[BoxedSet]:
    from bioclip_search.boxed.sets import find_boxed_sets

    return find_boxed_sets(places, images) if places else []


def _small_start(start: str) -> Path | None:
    """The folder, if it is a detector of the small kind."""
    from bioclip_search.detectors.card import is_small
    from bioclip_search.detectors.known import find_detector_folder

    folder = find_detector_folder(start)
    return folder if folder and is_small(folder) else None


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _listen(row: Mapping[str, Any]) -> None:
    loss = sum(value for name, value in row.items() if name.startswith("train_"))
    figures = f"loss {loss:.3f}  mAP50 {row['map50']:.3f}  mAP {row['map']:.3f}"
    _tell(f"epoch {row['step']:,} of {row['steps']:,}  {figures}  {row['images_per_s']:,.1f} images/s  {in_words(row['left_s'])} left")
