"""`train encoder`. All logic is in the package `train`."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command()
@click.option("--config", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file with the settings of the run.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model folder to write, in the layout of the Hugging Face hub.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
def encoder(config: Path, out: Path, resume: bool) -> None:
    """Train or adapt a CLIP encoder, with the names of the pictures' taxa as texts.

    Starts from scratch or from any open_clip model, as the settings say. The logs, the checkpoint and the best weights
    stand in FOLDER.run. Several GPUs: torchrun --nproc-per-node 2 -m bioclip_search train encoder ...

    \b
    Example: bioclip-search train encoder --config data_manifest/starter-encoder.toml --out my-encoder
    """
    from bioclip_search.cli.live import LiveLine
    from bioclip_search.train.config import EncoderConfig
    from bioclip_search.train.encoder import train_encoder

    with LiveLine() as tell:
        folder = train_encoder(EncoderConfig.from_toml(config), out, resume=resume, progress=tell)
    if os.environ.get("RANK", "0") == "0":  # under torchrun the first process speaks for all
        click.echo(f"{folder}: written", err=True)
