"""`index add`: more taxa for an index that is there. All logic is in `addition`."""

from __future__ import annotations

import click

from bioclip_search.cli.index.make import say


@click.command()
@click.argument("taxa", nargs=-1, required=True, metavar="TAXON...")
@click.option("--index", "name", required=True, help="Name or folder of the index to add to.")
@click.option("--within", metavar="TAXON", help="The taxon below which they belong, where the index does not know their genus.")
@click.option("--common-name", help="The vernacular name, for a single TAXON.")
@click.option("--photos", multiple=True, type=click.Path(), metavar="PATH", help="Pictures or folders of pictures of a single TAXON; may be repeated.")
@click.option("--device", default="auto", show_default=True)
def add(taxa: tuple[str, ...], name: str, within: str | None, common_name: str | None, photos: tuple[str, ...], device: str) -> None:
    """Add species to an index by their scientific names, or all rows of a table; it takes seconds, and nothing is built again.

    Photographs of a species make it easier to find, above all one that the model has never heard of. How much they
    count is found by leaving out each in turn, and told.

    \b
    Example: bioclip-search index add "Panthera uncia" --index my-cats --common-name "snow leopard" --photos snow-leopards/
    Example: bioclip-search index add new-species.csv --index my-cats
    """
    import pyarrow as pa

    from bioclip_search.addition import add_taxa
    from bioclip_search.encoder.opening import open_encoder
    from bioclip_search.index import Index, find_index
    from bioclip_search.sources import list_pictures

    is_table = len(taxa) == 1 and taxa[0].lower().endswith((".csv", ".tsv", ".parquet", ".pq"))
    if (common_name or photos) and (is_table or len(taxa) > 1):
        raise click.UsageError(
            "--common-name and --photos are for a single TAXON; for several give a table with a column common_name, or call the command once for each."
        )
    index = Index(find_index(name))
    encoder = open_encoder(index.encoder_source, device=device, preprocess=index.card.encoder.preprocess)
    table = taxa[0] if is_table else pa.table({"scientific_name": list(taxa), "common_name": pa.array([common_name] * len(taxa), pa.string())})
    made = add_taxa(index, table, encoder, within=within, photos={0: list(list_pictures(photos))} if photos else None)
    for lineage, weight in zip(made.lineages, made.weights, strict=True):
        click.echo(" > ".join(lineage.values()))
        if weight:
            say(f"  {weight}")
    say(f"{made.index.folder}: {made.index.card.count:,} taxa")
