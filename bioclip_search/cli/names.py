"""`names search | match | import`. All logic is in the packages `names` and `checklists`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioclip_search.cli.languages import tell_missing_language
from bioclip_search.exports import FORMATS

if TYPE_CHECKING:
    from bioclip_search.names import Names

SUBCOMMANDS = {
    "search": ("names", "Find a taxon by any name, as you type it."),
    "match": ("names", "Match a list of names, with a report."),
    "import": ("names_import", "Import a published checklist."),
}


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True, help="How results are printed."),
        click.option("--language", metavar="CODE", help="Prefer vernacular names in this language: en, de, ja …"),
        click.option("--checklist", metavar="FOLDER", type=click.Path(), help="The names of a checklist that `names import` made, instead of an index."),
        click.option("--index", default="starter", show_default=True, help="Name or folder of the index."),
    ):
        command = option(command)
    return command


class _LazyNames(click.Group):
    """Imports the module of a subcommand only when that one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in SUBCOMMANDS:
            return None
        return super().get_command(ctx, name) or getattr(import_module(f"bioclip_search.cli.{SUBCOMMANDS[name][0]}"), f"{name}_")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in SUBCOMMANDS.items()])


@click.group(cls=_LazyNames)
def names() -> None:
    """Find taxa by any name, match lists of names, import checklists."""


@names.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Taxa shown.")
@_options
def search(text: tuple[str, ...], limit: int, index: str, checklist: str | None, language: str | None, format: str) -> int:
    """Find the taxa that TEXT may mean: scientific or vernacular, in any language, unfinished, slightly misspelt, with
    or without an ancestor ("felidae leo", "Plantae > oen"). Exit status 1 if there is none.

    \b
    Example: bioclip-search names search snow leop
    """
    from bioclip_search.names.output import write_hits
    from bioclip_search.names.search import search_names

    opened = _open(index, checklist, language)
    hits = search_names(opened, " ".join(text), language=language, limit=limit)
    write_hits(hits, format, sys.stdout)
    if not hits:
        click.echo(f"No name is like {' '.join(text)!r}.", err=True)
    return 0 if hits else 1


@names.command()
@click.argument("file", type=click.Path())
@click.option("--column", help="The column that holds the names.  [default: guessed]")
@_options
def match(file: str, column: str | None, index: str, checklist: str | None, language: str | None, format: str) -> int:
    """Match the names of FILE (one per line, or a table; - for standard input), and say how sure each match is.

    Types: EXACT, SYNONYM, FUZZY (misspelt), HIGHERRANK (only its genus or higher is known; also sp., cf., aff.), HOMONYM
    (several taxa; columns authorship, kingdom … family decide), NONE. Vernacular names match too. Exit status 0 even if
    some names match nothing: see the summary.

    \b
    Example: bioclip-search names match my-list.csv --format csv > matched.csv
    """
    from bioclip_search.names.lists import read_list
    from bioclip_search.names.match import match_names
    from bioclip_search.names.output import summary, write_matches

    queries = read_list(Path(file), column)
    opened = _open(index, checklist, language)
    counts = write_matches(match_names(opened, queries, language=language), format, sys.stdout)
    click.echo(summary(counts), err=True)
    return 0


def _open(index: str, checklist: str | None, language: str | None) -> Names:
    from bioclip_search.catalogue import Catalogue
    from bioclip_search.names.opening import names_of_checklist

    opened = names_of_checklist(checklist) if checklist else Catalogue.open(index).names
    if language:
        tell_missing_language(opened, language)
    return opened
