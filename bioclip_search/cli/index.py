"""`index build | info | check | list`. All logic is in `build` and the package `index`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bioclip_search.cli.progress import progress_steps
from bioclip_search.prompts import TEMPLATE_SETS, TEXT_TYPES


@click.group()
def index() -> None:
    """Build, inspect, check and list indexes."""


@index.command()
@click.argument("taxa", type=click.Path())
@click.option("--out", required=True, help="Name (kept in your own index folder) or path of the new index.")
@click.option("--encoder", default="starter", show_default=True, help="starter, bioclip-2, hf-hub:OWNER/NAME, or a model folder.")
@click.option("--text-type", type=click.Choice(TEXT_TYPES), default="taxon_com", show_default=True, help="Which words stand for a taxon.")
@click.option("--templates", default="one", show_default=True, help=f"{', '.join(TEMPLATE_SETS)}, or your own sentence with {{}}.")
@click.option("--preprocess", default="open_clip", show_default=True, help="open_clip, squash or letterbox.")
@click.option(
    "--vectors", "kind", type=click.Choice(["flat", "fp16", "int8"]), default="flat", show_default=True, help="How vectors are kept: 4, 2 or 1 byte a number."
)
@click.option("--from-vectors", type=click.Path(), help="Take the text vectors from this .npy, one row per row of TAXA, instead of encoding.")
@click.option("--include-encoder", is_flag=True, help="Copy the encoder's folder into the index, so that it needs nothing else.")
@click.option("--device", default="auto", show_default=True)
def build(
    taxa: str, out: str, encoder: str, text_type: str, templates: str, preprocess: str, kind: str, from_vectors: str | None, include_encoder: bool, device: str
) -> None:
    """Build an index from TAXA, a table (CSV, TSV, Parquet) with columns kingdom … species and common_name.

    \b
    Example: bioclip-search index build my-birds.csv --out my-birds
    """
    from bioclip_search import build as building
    from bioclip_search.encoder.opening import open_encoder
    from bioclip_search.errors import ModelError
    from bioclip_search.prompts import TextRecipe, templates_named
    from bioclip_search.taxonomy import Taxonomy

    recipe = TextRecipe(text_type, templates_named(templates))
    taxonomy = Taxonomy.from_table(taxa)
    for line in taxonomy.report.lines():
        click.echo(line, err=True)
    opened = open_encoder(encoder, device=device, preprocess=preprocess)
    source = Path(opened.name.removeprefix("local-dir:"))
    if include_encoder and not source.is_dir():
        raise ModelError(f"--include-encoder copies a model folder, and {opened.name} is none.")
    options = {"recipe": recipe, "kind": kind, "encoder_folder": source if include_encoder else None}
    target = _target(out)
    if from_vectors:
        made = building.build_from_vectors(target, taxonomy, from_vectors, opened, preprocess=preprocess, **options)
    else:
        with progress_steps("encoding names") as progress:
            made = building.build_index(target, taxonomy, opened, preprocess=preprocess, progress=progress, **options)
    click.echo(f"{made.folder}: {made.card.vectors.count:,} taxa, {_size_mb(made.folder):.1f} MB", err=True)


@index.command()
@click.argument("name", default="starter")
@click.option("--format", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
def info(name: str, format: str) -> None:
    """Show the card of an index: what it holds, what made it, how good it is.

    \b
    Example: bioclip-search index info starter
    """
    from dataclasses import asdict

    from bioclip_search.index import Index, find_index

    opened = Index(find_index(name))
    content = asdict(opened.card)
    if format == "jsonl":
        click.echo(json.dumps(content, ensure_ascii=False))
        return
    files = content.pop("files")
    for line in _flat({**content, "folder": str(opened.folder), "size_mb": round(sum(note["size_bytes"] for note in files.values()) / 1e6, 1)}):
        click.echo(line)


@index.command()
@click.argument("name", default="starter")
def check(name: str) -> int:
    """Look through an index for damage and faults; exit status 1 if there are any.

    \b
    Example: bioclip-search index check my-birds
    """
    from bioclip_search.build import check_index
    from bioclip_search.index import find_index

    found = check_index(find_index(name))
    for line in found:
        click.echo(line)
    if not found:
        click.echo(f"{name}: sound")
    return 1 if found else 0


@index.command("list")
def list_() -> None:
    """List the indexes that can be used by name.

    \b
    Example: bioclip-search index list
    """
    from bioclip_search.errors import IndexFolderError
    from bioclip_search.index import Card, list_indexes

    for folder in list_indexes():
        try:
            card = Card.read(folder)
            click.echo(f"{folder.name:<24} {card.vectors.count:>9,} taxa  {_size_mb(folder):>8.1f} MB  {card.about.get('description', '')}  {folder}")
        except IndexFolderError as error:
            click.echo(f"{folder.name:<24} cannot be opened: {error}", err=True)


def _target(out: str) -> Path:
    from bioclip_search import places

    return Path(out) if Path(out).name != out else places.user_indexes() / out


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _flat(content: dict, prefix: str = "") -> list[str]:
    lines = []
    for key, value in content.items():
        if isinstance(value, dict):
            lines += _flat(value, f"{prefix}{key}.")
        else:
            lines.append(f"{prefix}{key}: {value}")
    return lines
