"""`names import`: any published checklist into a folder. All logic is in the package `checklists`."""

from __future__ import annotations

import click

from bioclip_search.cli.progress import progress_steps


@click.command("import")
@click.argument("source", type=click.Path())
@click.option("--out", required=True, type=click.Path(), help="The folder to be made: taxa.parquet, names.parquet, report.json.")
@click.option(
    "--column", "columns", multiple=True, metavar="OURS=THEIRS", help='Which column of a table is which, as species="Scientific name"; the rest is guessed.'
)
def import_(source: str, out: str, columns: tuple[str, ...]) -> int:
    """Import a checklist: a Darwin Core Archive (GBIF, iNaturalist, national lists), a Catalogue of Life package, NCBI's
    taxonomy, or a table (CSV, TSV, Parquet).

    Says what was kept, merged and dropped; exit status 1 if the source contradicts itself somewhere.

    \b
    Example: bioclip-search names import backbone.zip --out gbif
    """
    from bioclip_search.checklists import import_checklist

    wrong = [column for column in columns if "=" not in column]
    if wrong:
        raise click.UsageError(f'--column takes OURS=THEIRS, such as species="Scientific name"; got {wrong[0]!r}.')
    with progress_steps("importing") as progress:
        report = import_checklist(source, out, columns=dict(column.split("=", 1) for column in columns), progress=progress)
    for line in report.lines():
        click.echo(line, err=True)
    click.echo(f"{out}: {report.taxa:,} taxa, {sum(report.names.values()):,} further names")
    return 1 if report.fault_count else 0
