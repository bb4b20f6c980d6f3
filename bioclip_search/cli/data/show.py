"""`data list | info`. All logic is in `data.entries`."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING

import click

from bioclip_search.exports import FORMATS

if TYPE_CHECKING:
    from bioclip_search.data.entries import Entry

COLUMNS = ("name", "type", "kind", "licence", "size", "size_bytes", "state", "path", "todo", "what", "citation", "source")

SHORT_LICENCE = 24
"""Letters of a licence that fit into the table; a longer one is told by `data info`."""


@click.command("list")
@click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True, help="How results are printed.")
def list_(format: str) -> None:
    """List the data sets and models that are known by name: licence, whether they are here, and what to do if not.

    \b
    Example: bioclip-search data list
    """
    from bioclip_search.data.entries import all_entries

    found = all_entries()
    if format == "jsonl":
        for one in found:
            click.echo(json.dumps(one.to_dict(), ensure_ascii=False))
    elif format == "csv":
        table = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(one.to_dict() for one in found)
    else:
        _print_table(found)


@click.command()
@click.argument("name")
@click.option("--format", type=click.Choice(["table", "jsonl"]), default="table", show_default=True, help="How results are printed.")
def info(name: str, format: str) -> None:
    """Tell all that is known of the data set or model NAME: licence, citation, space, where it is kept, and the way by hand.

    \b
    Example: bioclip-search data info caltech-camera-traps
    """
    from bioclip_search.data.entries import entry_of

    entry = entry_of(name)
    if format == "jsonl":
        click.echo(json.dumps(entry.to_dict(), ensure_ascii=False))
        return
    told = {
        "what": entry.what,
        "kind": f"{entry.type}, {entry.kind}",
        "licence": entry.licence,
        "asks for": entry.consent,
        "cite as": entry.citation,
        "size": entry.size or "not known before it is here",
        "space": f"{entry.size_bytes / 1e9:,.1f} GB for all of it" if entry.size_bytes else "",
        "state": entry.state,
        "kept in": str(entry.path),
        "do": entry.todo,
        "by hand": entry.by_hand,
        "page": entry.source,
        "verified": entry.verified,
        "unverified": entry.unverified,
    }
    for key, value in told.items():
        if value:
            click.echo(f"{key:<12}{value}")
    for address in entry.addresses:
        click.echo(f"{'from':<12}{address}")


def _print_table(found: list[Entry]) -> None:
    for type_ in dict.fromkeys(one.type for one in found):
        click.echo(f"{type_.upper():<34}{'LICENCE':<26}{'STATE':<14}WHAT")
        for one in (one for one in found if one.type == type_):
            licence = one.licence if len(one.licence) <= SHORT_LICENCE else "see `data info`"
            click.echo(f"{one.name:<34}{licence:<26}{one.state:<14}{one.what.partition(':')[0]}")
