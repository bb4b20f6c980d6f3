"""`index trim`: a smaller index out of a larger one. All logic is in `trim`."""

from __future__ import annotations

import click

from bioclip_search.cli.index.make import say, target_folder
from bioclip_search.cli.index.show import size_mb


@click.command()
@click.argument("name", default="starter")
@click.option("--out", required=True, help="Name (kept in your own index folder) or path of the new index.")
@click.option("--within", multiple=True, metavar="TAXON", help="Keep this clade; may be repeated.")
@click.option(
    "--checklist", type=click.Path(exists=True), help="Keep only the taxa of this list: one name per line, a table, or a folder that `names import` made."
)
@click.option("--exclude", multiple=True, metavar="TAXON", help="Leave this clade out; may be repeated.")
@click.option("--country", metavar="ISO3", help="Keep only taxa that the checklist told for this country, such as NOR.")
def trim(name: str, out: str, within: tuple[str, ...], checklist: str | None, exclude: tuple[str, ...], country: str | None) -> None:
    """Make a smaller index out of a larger one. Nothing is encoded again, and the answers among the taxa kept stay as they were.

    \b
    Example: bioclip-search index trim starter --within Aves --out my-birds
    """
    from bioclip_search.index import Index, find_index
    from bioclip_search.trim import trim_index

    made = trim_index(Index(find_index(name)), target_folder(out), within=within, checklist=checklist, exclude=exclude, country=country, say=say)
    say(f"{made.folder}: {made.card.vectors.count:,} taxa, {size_mb(made.folder):.1f} MB")
