"""`models list | pull`. All logic is in `shelf` and `pulling`."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bioclip_search.exports import FORMATS

if TYPE_CHECKING:
    from bioclip_search.shelf import ShelvedModel

COLUMNS = ("name", "kind", "licence", "size_bytes", "state", "todo", "sha256", "path", "published_md5")


@click.group()
def models() -> None:
    """List the detectors and encoders that are known by name, and fetch them."""


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
