"""Says when no vernacular name is in the language that was asked for; used by every command with `--language`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bioclip_search.names import Names


def tell_missing_language(names: Names, language: str) -> None:
    """A line on standard error with the languages there are; results come all the same, with other names."""
    from bioclip_search.names.languages import plain_language

    if plain_language(language) not in {plain_language(code) for code in names.languages}:
        there = ", ".join(names.languages) or "none that is told"
        click.echo(f"There are no vernacular names in {language!r} here; languages: {there}.", err=True)
