"""The command line: a thin layer over the Python API. Results go to stdout, everything else to stderr.

This room holds the root command and the one place where errors become messages; the commands live beside it.
Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module

import click

from bioclip_search import __version__
from bioclip_search.errors import BioclipSearchError

COMMANDS = {
    "identify": ("identify", "Tell which organism each picture shows."),
    "label": ("identify", "Tell which of your own words fits each picture best."),
    "demo": ("tools", "Identify two real photographs, offline, and draw the answers."),
    "index": ("index", "Build, extend, trim, inspect, check and list indexes."),
    "names": ("names", "Find taxa by any name, match lists of names, import checklists."),
    "evaluate": ("evaluate", "Measure how often an index is right about labelled pictures."),
    "train": ("train", "Train an encoder on your own pictures."),
    "app": ("tools", "Open the species lookup in the browser."),
    "doctor": ("tools", "Say what is installed, what is missing, and how to mend it."),
}
"""Each command, the module that holds it, and what the list of commands says of it."""

EXIT_ERROR, EXIT_INTERRUPTED = 1, 130


class LazyCommands(click.Group):
    """Imports the module of a command only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return getattr(import_module(f"bioclip_search.cli.{COMMANDS[name][0]}"), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bioclip-search")
@click.option("--debug", is_flag=True, help="Show the full traceback of an error, and all log messages.")
def root(debug: bool) -> None:
    """Tell which organism a picture shows, for any taxon that has a name.

    Start with: bioclip-search demo
    """
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)


def main() -> None:
    """Runs the command line and ends the process: 0 good, 1 our error, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if stream.isatty():
            stream.reconfigure(errors="replace")
        else:
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        sys.exit(root(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BioclipSearchError as error:
        if "--debug" in sys.argv:
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_ERROR)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # Subtle: `| head` closed our output; Python would complain while flushing at exit.
        sys.exit(EXIT_ERROR)
