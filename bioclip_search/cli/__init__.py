"""The command line: a thin layer over the Python API. Results go to stdout, everything else to stderr.

This room holds the root command and the one place where errors become messages; the commands live beside it.
Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import logging
import sys

import click

from bioclip_search import __version__
from bioclip_search.cli.lazy import LazyGroup, Place
from bioclip_search.errors import BioclipSearchError

COMMANDS = {
    "identify": Place("bioclip_search.cli.identify", "identify", "Tell which organism each picture shows."),
    "label": Place("bioclip_search.cli.identify", "label", "Tell which of your own words fits each picture best."),
    "tag": Place("bioclip_search.cli.tag", "tag", "Tag every box of every picture of a collection."),
    "export": Place("bioclip_search.cli.export", "export", "Write a run in the format of another program or standard."),
    "demo": Place("bioclip_search.cli.tools", "demo", "Identify two real photographs, offline, and draw the answers."),
    "index": Place("bioclip_search.cli.index", "index", "Build, extend, trim, inspect, check and list indexes."),
    "names": Place("bioclip_search.cli.names", "names", "Find taxa by any name, match lists of names, import checklists."),
    "review": Place("bioclip_search.cli.review", "review", "List what of a run needs a person, and take what people decide."),
    "calibrate": Place("bioclip_search.cli.calibrate", "calibrate", "Teach an index on labelled pictures how sure it may be."),
    "evaluate": Place("bioclip_search.cli.evaluate", "evaluate", "Measure on labelled pictures how good an index or a detector is."),
    "train": Place("bioclip_search.cli.train", "train", "Train models on your own pictures."),
    "data": Place("bioclip_search.cli.data", "data", "List, fetch, survey and split data sets."),
    "models": Place("bioclip_search.cli.models", "models", "List the detectors and encoders that are known by name, and fetch them."),
    "app": Place("bioclip_search.cli.app", "app", "Open the species lookup in the browser."),
    "doctor": Place("bioclip_search.cli.tools", "doctor", "Say what is installed, what is missing, and how to mend it."),
}

EXIT_ERROR, EXIT_INTERRUPTED = 1, 130


@click.group(cls=LazyGroup, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
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
