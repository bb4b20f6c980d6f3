"""Labelled pictures as commands take them: files, or what a training run kept apart; what became of the labels goes to stderr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bioclip_search.evaluation.labelled import LabelledSet
    from bioclip_search.evaluation.labels import Resolution
    from bioclip_search.searcher import Searcher

files_argument = click.argument("files", nargs=-1, metavar="[FILE]...")
config_option = click.option(
    "--config", type=click.Path(exists=True, dir_okay=False), help="Settings of `train encoder`: take its sets in the parts that it kept apart."
)
set_option = click.option("--set", "only", multiple=True, help="Of several sets only this one, by its name; may be given several times.")
truth_option = click.option(
    "--truth",
    metavar="TABLE",
    type=click.Path(exists=True),
    help="The true taxa (image or path, and a taxon) of the crops in FILES that `identify --format jsonl` or `tag` wrote.",
)
mend_option = click.option(
    "--mend-split", "mend", is_flag=True, help="Where the split of the labels parts a burst, put it whole into one part.  [default: stop, and tell]"
)
telling_mend_option = click.option(
    "--mend-split", "mend", is_flag=True, help="Where the split of the labels parts a burst, put it whole into one part.  [default: tell it]"
)
parts_option = click.option("--part", "parts", multiple=True, help="Only this part; may be given several times.  [default: all that is not train]")


def labelled_sets(
    files: Sequence[str], config: str | None, only: Sequence[str], searcher: Searcher, truth: str | None = None, mend: bool = False, *, is_taught: bool = True
) -> list[LabelledSet]:
    """The sets asked for, their labels looked up in the index; `is_taught` as of `resolved_sets`.

    Raises:
        TableError: A file cannot be read, a set of this name is not among them, or a split parts a burst and is not to be mended.
    """
    from bioclip_search.errors import TableError

    sets = resolved_sets(files, config, searcher, truth, mend, is_taught=is_taught).sets
    names = [labelled.name for labelled in sets]
    if missing := [name for name in only if name not in names]:
        raise TableError(f"There is no set {', '.join(missing)}; there are {', '.join(names)}.")
    return [labelled for labelled in sets if not only or labelled.name in only]


def resolved_sets(
    files: Sequence[str], config: str | None, searcher: Searcher, truth: str | None = None, mend: bool = False, *, is_taught: bool = True
) -> Resolution:
    """All sets of the files, or of a training run, whose labels stay as they were taught; and what became of the labels.

    Args:
        is_taught: Whether anything learns from some of the pictures; where nothing does, a split that parts a burst is told and left as it is.

    Raises:
        TableError: A file cannot be read, or a split parts a burst, something is taught, and it is not to be mended.
    """
    from bioclip_search.evaluation.burst_names import with_parted_bursts_told, with_whole_bursts
    from bioclip_search.evaluation.labelled import find_sets, sets_of_training
    from bioclip_search.evaluation.labels import LabelReport, Resolution
    from bioclip_search.evaluation.run_sets import is_run, set_of_answered
    from bioclip_search.evaluation.truth import set_of_run

    stop_unless_one_is_given(files, config)
    ranks = searcher.taxonomy.ranks
    if config is not None:
        from bioclip_search.train.config import EncoderConfig

        return Resolution(tuple(sets_of_training(EncoderConfig.from_toml(config), ranks)), LabelReport(()))
    if truth is None:
        found = find_sets(files, ranks)
        return looked_up(with_whole_bursts(found, mend=mend) if is_taught or mend else with_parted_bursts_told(found), searcher)
    return looked_up([set_of_answered(file, truth, ranks) if is_run(file) else set_of_run(file, truth, ranks) for file in files], searcher)


def stop_unless_one_is_given(files: Sequence[str], config: str | None) -> None:
    if bool(files) == (config is not None):
        raise click.UsageError("Give either FILES or --config.")


def looked_up(sets: Sequence[LabelledSet], searcher: Searcher) -> Resolution:
    """The sets with their labels looked up in the index; what is worth telling of sets and labels goes to stderr."""
    from bioclip_search.evaluation.labels import resolve_labels

    resolution = resolve_labels(sets, searcher.names)
    for line in [*(note for labelled in sets for note in labelled.notes), *resolution.report.lines()]:
        click.echo(line, err=True)
    return resolution
