"""`data pull`. All logic is in `data.pull`."""

from __future__ import annotations

from pathlib import Path

import click

from bioclip_search.cli.progress import progress_parts


@click.command()
@click.argument("name")
@click.option(
    "--species", multiple=True, metavar="TAXON", help="Only pictures of this taxon of any rank, or of what the set calls so; may be given several times."
)
@click.option("--location", "locations", multiple=True, help="Only pictures of this camera's place; may be given several times.")
@click.option("--split", help="Only this split.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N pictures, spread over a set of camera traps.")
@click.option("--only", multiple=True, metavar="PATTERN", help="Of a repository only files like this, such as 'metadata/*'; may be given several times.")
@click.option("--boxes", is_flag=True, help="The labels with boxes, where the set has such beside others.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Another folder than the one where the set is found by its name.")
@click.option("--accept-licence", is_flag=True, help="You agree to what `data info` says that the set asks for.")
@click.option("--at-once", type=click.IntRange(1, 64), default=8, show_default=True, help="Pictures that are fetched at one time.")
def pull(
    name: str,
    species: tuple[str, ...],
    locations: tuple[str, ...],
    split: str | None,
    limit: int | None,
    only: tuple[str, ...],
    boxes: bool,
    out: Path | None,
    accept_licence: bool,
    at_once: int,
) -> None:
    """Fetch the data set NAME, or a part of it, into the folder where other commands find it by its name.

    What is here is not fetched again, and a download that broke off goes on where it stopped. Another part of the same set takes
    the place of the one before; keep both with --out. With HF_HUB_OFFLINE=1 nothing is fetched. The folder goes to stdout.

    \b
    Example: bioclip-search data pull caltech-camera-traps --species bobcat --limit 500
    """
    from bioclip_search.data.entries import find_any, is_model_of_the_shelf
    from bioclip_search.data.pull import pull_set
    from bioclip_search.data.wish import Wish

    if is_model_of_the_shelf(name):
        if any((species, locations, split, limit, only, boxes, out)):
            raise click.UsageError(
                f"{name} is a single model, of which no part is fetched, and which is kept where it is found by its name. Leave the options out."
            )
        _pull_model(name)
        return
    manifest = find_any(name)
    wish = Wish(species, locations, split, limit, only, boxes)
    click.echo(f"{manifest.name}: {manifest.licence}. Cite as: {manifest.citation}", err=True)
    with progress_parts() as progress:
        found = pull_set(manifest, wish, out, accepts_licence=accept_licence, progress=progress, at_once=at_once)
    for note in found.notes:
        click.echo(note, err=True)
    came = "all were here already" if not found.fetched else f"{found.fetched:,} came just now"
    click.echo(f"{found.count:,} {found.unit} of {found.name} are here; {came}.", err=True)
    click.echo(str(found.folder))


def _pull_model(name: str) -> None:
    from bioclip_search.shelf import pull_model

    with progress_parts() as progress:
        pulled = pull_model(name, (lambda done, total: progress(name, done, total)) if progress else None)
    click.echo(f"{name} is here.", err=True)
    if pulled is not None:
        click.echo(str(pulled.path))
