"""`train encoder`. All logic is in the package `train`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def train() -> None:
    """Train an encoder on your own pictures."""


@train.command()
@click.option("--config", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file with the settings of the run.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model folder to write, in the layout of the Hugging Face hub.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
def encoder(config: Path, out: Path, resume: bool) -> None:
    """Train a small CLIP encoder from scratch, with the names of the pictures' taxa as texts.

    \b
    Example: bioclip-search train encoder --config data_manifest/starter-encoder.toml --out my-encoder
    """
    from bioclip_search.train.config import EncoderConfig
    from bioclip_search.train.encoder import train_encoder

    def tell(row: dict[str, float]) -> None:
        left = row["minutes"] * (1 / max(row["share_done"], 1e-9) - 1)
        click.echo(f"step {row['step']:>6}  loss {row['loss']:.3f}  {row['images_per_s']:.0f} images/s  {row['minutes']:.1f} min, {left:.0f} left", err=True)

    folder = train_encoder(EncoderConfig.from_toml(config), out, resume=resume, progress=tell)
    click.echo(f"{folder}: written", err=True)
