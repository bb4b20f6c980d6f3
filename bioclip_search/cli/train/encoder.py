"""`train encoder`. All logic is in the packages `train` and `train.regional`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from bioclip_search.cli.identify import device_option, precision_option
from bioclip_search.cli.labelled_sets import mend_option

if TYPE_CHECKING:
    from bioclip_search.train.regional.report import RegionalReport

MODES = ("lora", "last-blocks", "locked", "full")
"""`train.config.MODES`, told here so that the help opens nothing; a test compares them."""


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file with all settings of the run, instead of --from.")
@click.option("--from", "start", metavar="MODEL", help="Adapt this model: a name as bioclip-2, a folder, a hub id, or starter.")
@click.option("--data", multiple=True, metavar="PLACE", help="Labelled pictures to learn from, as `evaluate` takes them; may be given several times.")
@click.option(
    "--others", multiple=True, metavar="PLACE", help="Labelled pictures of other taxa, to see and limit what is lost on them; may be given several times."
)
@click.option("--index", default="starter", show_default=True, help="Index whose taxa the new one gets.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model folder to write, in the layout of the Hugging Face hub.")
@click.option("--out-index", type=click.Path(path_type=Path), help="Folder of its index.  [default: OUT-index]")
@click.option("--mode", type=click.Choice(MODES), default="lora", show_default=True, help="Which weights learn; a picture tower of convolutions needs another.")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="How often each picture is shown.")
@click.option("--batch-size", type=click.IntRange(2), default=64, show_default=True, help="Pictures that are contrasted with one another.")
@click.option("--accumulate", type=click.IntRange(1), default=1, show_default=True, help="Parts in which they pass the model, for little memory.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="[default: that of the mode]")
@click.option(
    "--keep-start",
    type=click.FloatRange(0, 1),
    multiple=True,
    help="Share of the start's weights that may stay; of several the best is chosen.  [default: 0, 0.25, 0.5, 0.75, 0.9]",
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Processor cores to use.")
@click.option("--seed", type=int, default=0, show_default=True)
@mend_option
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@click.option("--overwrite", is_flag=True, help="Begin anew over a run that was stopped or is finished.")
@click.option("--format", type=click.Choice(["table", "json"]), default="table", show_default=True)
@precision_option
@device_option
def encoder(config: Path | None, start: str | None, out: Path, resume: bool, overwrite: bool, **options: Any) -> None:
    """Train or adapt a CLIP encoder, with the names of the pictures' taxa as texts.

    With --from and --data it is adapted to the taxa of a region: what is taught, what chooses among the weights and what is asked at the
    end are kept apart by bursts, the index is read anew by the new encoder, and a report says what was gained on the region's taxa and
    lost on others. With --config it starts from scratch or from any open_clip model, as the settings say. The logs, the checkpoint
    and the best weights stand in OUT.run. Several GPUs: torchrun --nproc-per-node 2 -m bioclip_search train encoder --config ...

    \b
    Example: bioclip-search train encoder --from bioclip-2 --data my-region/ --index bioclip-2-region --out my-encoder
    Example: bioclip-search train encoder --config data_manifest/starter-encoder.toml --out my-encoder
    """
    if (config is None) == (start is None) or (start is not None and not options["data"]):
        raise click.UsageError("Give either --config, or --from and --data.")
    if config is not None:
        _stop_if_unheard(options)
        _by_config(config, out, resume, overwrite)
    else:
        _regional(start, out, resume, overwrite, options)


def _stop_if_unheard(options: dict[str, Any]) -> None:
    """Raises: UsageError: an option was given that --config does not heed."""
    context = click.get_current_context()
    given = [name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    written = [parameter.opts[0] for parameter in context.command.params if parameter.name in given]
    if written:
        raise click.UsageError(f"With --config the file tells all settings, so {', '.join(written)} would not be heeded. Write it there, or use --from.")


def _by_config(config: Path, out: Path, resume: bool, overwrite: bool) -> None:
    from bioclip_search.cli.live import LiveLine
    from bioclip_search.train.config import EncoderConfig
    from bioclip_search.train.encoder import train_encoder

    with LiveLine() as tell:
        folder = train_encoder(EncoderConfig.from_toml(config), out, resume=resume, overwrite=overwrite, progress=tell)
    if os.environ.get("RANK", "0") == "0":  # under torchrun the first process speaks for all
        click.echo(f"{folder}: written", err=True)


def _regional(start: str, out: Path, resume: bool, overwrite: bool, options: dict[str, Any]) -> None:
    import json

    from bioclip_search.cli.live import LiveLine
    from bioclip_search.evaluation.labelled import find_sets
    from bioclip_search.train.regional.settings import KEEP_START, Wish
    from bioclip_search.train.regional.training import Telling, train_regional
    from bioclip_search.train.run_folder import named

    names = ("mode", "epochs", "batch_size", "accumulate", "learning_rate", "threads", "seed", "device", "precision")
    wish = Wish(start, keep_start=options["keep_start"] or KEEP_START, **{name: options[name] for name in names})
    region, others = find_sets(options["data"]), find_sets(options["others"])
    out = named(out)
    out_index = options["out_index"] or out.with_name(out.name + "-index")
    going = {"mend": options["mend"], "resume": resume, "overwrite": overwrite}
    with LiveLine() as learning:
        telling = Telling(lambda line: click.echo(line, err=True), learning)
        report = train_regional(wish, region, others, options["index"], out, out_index, telling=telling, **going)
    if options["format"] == "json":
        click.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        _print(report)
    click.echo(f"{out}: the encoder, with its report in regional.md and regional.json. {out_index}: its index.", err=True)


def _print(report: RegionalReport) -> None:
    from bioclip_search.cli.evaluate.figures import print_rows
    from bioclip_search.train.regional.report import COLUMNS, NOT_ASKED, rows_of, tried_table

    print_rows([name.upper() for name in COLUMNS], rows_of(report.gains))
    if len(report.tried) > 1:
        click.echo(f"\nOf the start's weights {report.kept_of_start:.0%} were kept; on the pictures that choose:")
        print_rows(*tried_table(report.tried))
    if not report.has_others:
        click.echo(f"\n{NOT_ASKED}")
