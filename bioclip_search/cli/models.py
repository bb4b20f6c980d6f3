"""`models list | pull | export`. All logic is in `shelf`, `pulling`, `detectors.exporting` and `evaluation.parity`."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioclip_search.exports import FORMATS

if TYPE_CHECKING:
    from bioclip_search.shelf import ShelvedModel

EXPORTS = ("onnx", "openvino", "ncnn", "tflite")
COLUMNS = ("name", "kind", "licence", "size_bytes", "state", "todo", "sha256", "path", "published_md5")


@click.group()
def models() -> None:
    """List the detectors and encoders that are known by name, fetch them, and export detectors for edge boards."""


@models.command("list")
@click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True, help="How results are printed.")
def list_(format: str) -> None:
    """List the models that are known by name: licence, size, whether they are here, the SHA-256 of what is, and what to do if not.

    \b
    Example: bioclip-search models list
    """
    from bioclip_search.shelf import shelved_models

    found = shelved_models()
    if format == "table":
        _print_table(found)
    elif format == "jsonl":
        for one in found:
            click.echo(json.dumps(one.to_dict(), ensure_ascii=False))
    else:
        table = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(one.to_dict() for one in found)


@models.command()
@click.argument("name")
def pull(name: str) -> None:
    """Fetch the model NAME over HTTPS, into the folder where it is found by name. A download that broke off goes on where it stopped.

    What its authors publish a checksum for is held against it; of any file the SHA-256 is kept beside it, so that a later change
    is noticed. With HF_HUB_OFFLINE=1 nothing is fetched. Exit status 1 if the model is not here afterwards.

    \b
    Example: bioclip-search models pull MDV6-yolov9-c
    """
    from bioclip_search.shelf import pull_model

    with _bytes_bar(name) as progress:
        pulled = pull_model(name, progress)
    if pulled is None:
        click.echo(f"{name} is here.", err=True)
        return
    vouched = "as its authors publish it" if pulled.is_vouched else "its authors publish no checksum to hold it against"
    click.echo(f"{pulled.path} {'was here already' if pulled.was_here else 'is here'}; {vouched}.", err=True)
    click.echo(f"SHA-256 {pulled.sha256}, kept in {pulled.path.name}.sha256", err=True)
    if pulled.path.suffix == ".pt":
        click.echo("It is a Python pickle, which can run code: to use it, pass --trust-pickle. An ONNX export beside it needs no trust.", err=True)


@models.command()
@click.argument("detector")
@click.option("--to", required=True, type=click.Choice(EXPORTS), help="Format of the export.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File, or folder for openvino and ncnn; its ending is added.")
@click.option(
    "--check", "checks", multiple=True, metavar="BOXES", help="Pictures with boxes: compare what the detector and its export find. May be given often."
)
@click.option("--images", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the pictures that a COCO file names.")
@click.option("--allow-loss", is_flag=True, help="Exit with 0 even if the mAP differs by more than half a point.")
@click.option("--overwrite", is_flag=True, help="Take the place of what is at --out.")
def export(detector: str, to: str, out: Path, checks: tuple[str, ...], images: Path | None, allow_loss: bool, overwrite: bool) -> int:
    """Export DETECTOR, a folder of `train detector` or starter, as a file for edge boards.

    A note stands beside it, FILE.json, so that --detector FILE looks at pictures as the folder does, but once where the folder looks several times. With --check both look at the same pictures, and
    their figures are told; exit status 1 if the mAP differs by more than half a point of a hundred.

    \b
    Example: bioclip-search models export my-detector --to onnx --out my-detector.onnx --check boxes.json
    """
    from bioclip_search.detectors.card import read_inference
    from bioclip_search.detectors.exporting import export_detector
    from bioclip_search.detectors.known import find_detector_folder
    from bioclip_search.errors import ModelError

    folder = find_detector_folder(detector)
    if folder is None:
        raise ModelError(f"Expected the folder of a detector to export, got {detector!r}. Give a folder written by train detector, or starter.")
    written = export_detector(folder, to, out, overwrite=overwrite)
    click.echo(f"{written}: written", err=True)
    if read_inference(folder).augment:
        click.echo("Note: the detector looks at each picture several times (augment), its export once. See by --check what that costs.", err=True)
    return _checked(folder, written, checks, images, allow_loss) if checks else 0


def _checked(folder: Path, written: Path, checks: tuple[str, ...], images: Path | None, allow_loss: bool) -> int:
    """Compares the folder and its export, and puts the figures into the note."""
    from dataclasses import replace

    from bioclip_search.boxed.sets import find_boxed_sets
    from bioclip_search.cli.progress import progress_steps
    from bioclip_search.detect import load_detector
    from bioclip_search.detectors.exported import read_note, write_note
    from bioclip_search.evaluation.parity import MOST_LOSS, parity_of

    before, after = (load_detector(str(path), device="cpu") for path in (folder, written))
    with progress_steps("Comparing") as progress:
        parity = parity_of(before, after, find_boxed_sets(checks, images), progress=progress)
    note = read_note(written)
    write_note(written, replace(note, parity={name: round(float(value), 4) for name, value in parity.figures.items()}))
    click.echo(f"{'':<8}{'DETECTOR':>9}{'EXPORT':>9}{'DIFFERENCE':>12}")
    for label, name in (("mAP50", "map50"), ("mAP75", "map75"), ("mAP", "map")):
        one, other = (parity.figures[f"{name}_{part}"] for part in ("before", "after"))
        click.echo(f"{label:<8}{100 * one:>9.2f}{100 * other:>9.2f}{100 * (other - one):>+12.2f}")
    if parity.holds:
        return 0
    click.echo(f"The mAP differs by more than {100 * MOST_LOSS:g} points. Compare on more pictures, export to another format, or pass --allow-loss.", err=True)
    return 0 if allow_loss else 1


def _print_table(found: list[ShelvedModel]) -> None:
    for kind in dict.fromkeys(one.kind for one in found):
        click.echo(f"{kind.upper() + 'S':<20}{'LICENCE':<12}{'SIZE':>9}  STATE")
        for one in (one for one in found if one.kind == kind):
            licence, *more = (one.licence, "") if len(one.licence) <= 11 else ("see below", one.licence)
            click.echo(f"{one.name:<20}{licence:<12}{_size(one.size_bytes):>9}  {one.state}")
            sums = [f"SHA-256 {one.sha256}" if one.sha256 else "", f"MD5 {one.published_md5}, as its authors publish it" if one.published_md5 else ""]
            for line in filter(None, (*more, *sums, str(one.path or ""), f"→ {one.todo}" if one.todo else "")):
                click.echo(f"{'':<43}{line}")


def _size(size_bytes: int | None) -> str:
    return "?" if size_bytes is None else f"{size_bytes / 1e6:,.0f} MB"


@contextmanager
def _bytes_bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Gives a callback (bytes here, bytes in all) that moves a bar; None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
