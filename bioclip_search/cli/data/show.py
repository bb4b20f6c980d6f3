"""`data list`. All logic is in `data.manifest`."""

from __future__ import annotations

import click


@click.command("list")
def list_() -> None:
    """List the data sets that are known by name.

    \b
    Example: bioclip-search data list
    """
    from bioclip_search.data.manifest import named_sets, read_manifest

    for name, path in named_sets().items():
        click.echo(f"{name:<20}{read_manifest(path).what}")
