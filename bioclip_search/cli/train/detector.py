"""`train detector`. All logic is in the package `train`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--config", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file with the settings of the run.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Detector folder to write.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
def detector(config: Path, out: Path, resume: bool) -> None:
    """Train a small detector of organisms of any kind, from pictures with boxes.

    \b
    Example: bioclip-search train detector --config data_manifest/starter-detector.toml --out my-detector
    """
    from bioclip_search.train.detector import train_detector
    from bioclip_search.train.detector_config import DetectorConfig

    folder = train_detector(DetectorConfig.from_toml(config), out, resume=resume, progress=lambda line: click.echo(line, err=True))
    click.echo(f"{folder}: written", err=True)
