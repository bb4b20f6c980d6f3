"""`export`. All logic is in `standards`."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import Any

import click

from bioclip_search.cli.progress import progress_steps

FORMATS = (
    *("csv", "xlsx", "megadetector", "camtrap-dp", "darwin-core", "timelapse", "wildlife-insights"),
    *("coco", "geojson", "species-folders", "annotated"),
)
"""As `standards.FORMATS`, told here so that --help needs no library."""


class Zone(click.ParamType):
    """A time zone by its name, or by its offset from UTC."""

    name = "ZONE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        from bioclip_search.standards.zones import zone_named

        if isinstance(value, tzinfo):
            return value
        zone = zone_named(value)
        if zone is None:
            self.fail(f"{value!r} is no time zone. Expected a name such as Europe/Brussels, or an offset such as +02:00.", param, ctx)
        return zone


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--to", "to", type=click.Choice(FORMATS), required=True, metavar="FORMAT", help="One of " + ", ".join(FORMATS) + ".")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File or folder to be written.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
@click.option(
    "--without-repeats", is_flag=True, help="Leave out boxes that were set aside because nothing there moves; darwin-core and wildlife-insights always do."
)
@click.option("--without-people", is_flag=True, help="Leave out every picture in which a person stands.")
@click.option("--level", type=click.Choice(("media", "event", "both")), default="both", show_default=True, help="Observations of pictures, of bursts, or both.")
@click.option("--project", type=click.Path(path_type=Path), help="Facts of the project for Camtrap DP and Wildlife Insights, TOML or JSON.")
@click.option("--deployments", type=click.Path(path_type=Path), help="Table of the cameras' places: deployment, latitude, longitude, start, end, place.")
@click.option("--timezone", type=Zone(), help="Zone of times that carry none: Europe/Brussels, +02:00 …")
@click.option("--language", metavar="CODE", help="Language of the common names: en, deu …  [default: the one that was tagged with, else en]")
@click.option("--media-base", metavar="URL", help="Where the pictures can be fetched; stands before their names.")
@click.option("--blur-people", is_flag=True, help="Make people unrecognisable in pictures that are written.")
@click.option("--layout", type=click.Choice(("lineage", "flat")), default="lineage", show_default=True, help="How species folders nest.")
@click.option("--how", type=click.Choice(("copy", "symlink", "hardlink")), default="copy", show_default=True, help="What stands in species folders.")
@click.option("--crops", is_flag=True, help="Put what stands in the boxes into species folders, not the pictures.")
def export(run: Path, to: str, out: Path, project: Path | None, deployments: Path | None, timezone: tzinfo | None, **options: Any) -> None:
    """Write a RUN that `tag` made in the format of another program or standard. What breaks the format's rules is never written.

    \b
    csv, xlsx           one row a box with all that is known
    megadetector        MegaDetector output 1.6, for Timelapse and AddaxAI
    camtrap-dp          Camtrap DP 1.0.2, a folder; wants --project
    darwin-core         occurrences; --out NAME.zip gives an archive for GBIF
    timelapse           CSV that Timelapse imports
    wildlife-insights   images.csv of the batch upload
    coco                COCO Camera Traps
    geojson             points for a map
    species-folders     the pictures in folders by species
    annotated           the pictures with boxes and names

    \b
    Example: bioclip-search export my-run --to camtrap-dp --out package --project project.toml --timezone Africa/Nairobi
    """
    from bioclip_search.runs.folder import Run
    from bioclip_search.standards import export as export_run
    from bioclip_search.standards.camtrap_project import read_project

    opened = Run.open(run)
    told: dict[str, Any] = {"project": read_project(project)} if project else {}
    if deployments:
        from bioclip_search.sources.deployments import read_deployments

        told["deployments"] = read_deployments(deployments)
    with progress_steps("pictures") as progress:
        report = export_run(opened, to, out, timezone=timezone, progress=progress, **told, **options)
    for line in report.lines():
        click.echo(line, err=True)
