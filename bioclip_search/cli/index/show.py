"""`index info | check | list`. All logic is in `check` and the package `index`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioclip_search.cli.values import TARGETS

if TYPE_CHECKING:
    from bioclip_search.index import Card, Index


@click.command()
@click.argument("name", default="starter")
@click.option("--format", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
def info(name: str, format: str) -> None:
    """Show the card of an index: what it holds, what made it, how good it is.

    \b
    Example: bioclip-search index info starter
    """
    from dataclasses import asdict

    from bioclip_search.index import Index, find_index

    opened = Index(find_index(name))
    content = asdict(opened.card) | {"format_version": opened.card.format_version}
    if format == "jsonl":
        click.echo(json.dumps(content, ensure_ascii=False))
        return
    for line in [*_in_words(opened.card), *_promises(opened)]:
        click.echo(line)
    files = content.pop("files")
    for line in _flat({**content, "folder": str(opened.folder), "size_mb": round(sum(note["size_bytes"] for note in files.values()) / 1e6, 1)}):
        click.echo(line)


@click.command()
@click.argument("name", default="starter")
@click.option("--repair", is_flag=True, help="Make again what can be made again; the old index goes only when the new one is whole.")
@click.option("--device", default="auto", show_default=True, help="Where --repair encodes.")
@click.option("--format", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
def check(name: str, repair: bool, device: str, format: str) -> int:
    """Look through an index for damage and for oddities of its names; exit status 1 if there is any fault.

    \b
    Example: bioclip-search index check my-birds
    """
    from bioclip_search.check import FAULT, check_index
    from bioclip_search.index import find_index
    from bioclip_search.repair import repair_index

    folder = find_index(name)
    if repair:
        for line in repair_index(folder, device=device):
            click.echo(line, err=True)
    found = check_index(folder)
    for finding in found:
        click.echo(json.dumps(finding.to_dict(), ensure_ascii=False) if format == "jsonl" else str(finding))
    faults = sum(finding.severity == FAULT for finding in found)
    if format == "table":
        click.echo(f"{name}: {'sound' if not faults else f'{faults} kinds of faults'}, {len(found) - faults} notes")
    return 1 if faults else 0


@click.command("list")
def list_() -> None:
    """List the indexes that can be used by name.

    \b
    Example: bioclip-search index list
    """
    from bioclip_search.errors import IndexFolderError
    from bioclip_search.index import Card, list_indexes

    for folder in list_indexes():
        try:
            card = Card.read(folder)
            click.echo(f"{folder.name:<24} {card.count:>9,} taxa  {size_mb(folder):>8.1f} MB  {card.about.get('description', '')}  {folder}")
        except IndexFolderError as error:
            click.echo(f"{folder.name:<24} cannot be opened: {error}", err=True)


def _in_words(card: Card) -> Iterator[str]:
    """How many taxa there are, and what each speed gives up."""
    yield f"{card.name}: {card.count:,} taxa" + (f", {card.added.count:,} of them added to those it was built with" if card.added else "")
    if card.head:
        yield (
            f"head: {card.head.kind}, {card.head.classes:,} taxa taught by pictures, weight {card.head.weight:g} and bias {card.head.bias:g} beside the text"
            + (f"; weighed on {card.head.fitted_on}" if card.head.fitted_on else "")
        )
    for speed, note in card.speeds.items():
        yield (
            f"--speed {speed}: finds {note.recall_at_10:.1%} of the ten nearest taxa, with probabilities up to {note.mass_error:.2%} off; "
            f"{note.searched_exactly:.0%} of queries are searched exactly"
        )
    if not card.speeds:
        yield "--speed makes no difference: every taxon is compared with the picture"


def _promises(index: Index) -> Iterator[str]:
    """What the calibration rests on, and what it promises at a few targets."""
    from bioclip_search.calibration.record import record_of
    from bioclip_search.errors import NotCalibratedError

    record = record_of(index)
    if record is None:
        yield "--target-accuracy: no accuracy can be promised before `bioclip-search calibrate`"
        return
    yield f"--target-accuracy: fitted on {record.origin.fitted_on}"
    for target in TARGETS:
        try:
            setting = record.evidence.setting(target)
        except NotCalibratedError:
            yield f"--target-accuracy {target:g}: cannot be promised"
        else:
            yield f"--target-accuracy {target:g}: {setting.coverage:.0%} of such pictures get a name, {setting.answered[-1]:.0%} a {record.origin.ranks[-1]}"


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _flat(content: dict, prefix: str = "") -> list[str]:
    lines = []
    for key, value in content.items():
        if isinstance(value, dict):
            lines += _flat(value, f"{prefix}{key}.")
        else:
            lines.append(f"{prefix}{key}: {value}")
    return lines
