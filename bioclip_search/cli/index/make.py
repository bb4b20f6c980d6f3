"""`index build`: a checklist, a table or a published matrix becomes an index. All logic is in `build` and the rooms below it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioclip_search.cli.index.show import size_mb
from bioclip_search.cli.progress import progress_steps
from bioclip_search.prompts import MATRIX_TEXT_TYPE, TEMPLATE_SETS, TEXT_TYPES

if TYPE_CHECKING:
    from bioclip_search.encoder import Encoder
    from bioclip_search.index import Index
    from bioclip_search.progress_file import Telling
    from bioclip_search.text_vectors import Encode


@click.command()
@click.argument("source", type=click.Path())
@click.option("--out", required=True, help="Name (kept in your own index folder) or path of the new index.")
@click.option("--encoder", default="starter", show_default=True, help="starter, bioclip-2, hf-hub:OWNER/NAME, or a model folder.")
@click.option("--column", "columns", multiple=True, metavar="OURS=THEIRS", help="What a column of ours is called in SOURCE; may be repeated.")
@click.option("--text-type", type=click.Choice((*TEXT_TYPES, MATRIX_TEXT_TYPE)), help="Which words stand for a taxon.  [default: taxon_com]")
@click.option(
    "--templates", help=f"{', '.join(TEMPLATE_SETS)}, or your own sentence with {{}}.  [default: what the encoder was taught with: bare for starter, else one]"
)
@click.option("--preprocess", default="open_clip", show_default=True, help="open_clip, squash or letterbox.")
@click.option(
    "--vectors", "kind", type=click.Choice(["flat", "fp16", "int8"]), default="flat", show_default=True, help="How vectors are kept: 4, 2 or 1 byte a number."
)
@click.option(
    "--from-vectors", type=click.Path(), help="Take the text vectors from this .npy instead of encoding: one row per row of a table, or a published matrix."
)
@click.option("--include-encoder", is_flag=True, help="Copy the encoder's folder into the index, so that it needs nothing else.")
@click.option("--no-sketch", is_flag=True, help="Leave out the sketch that `identify --speed balanced` uses in large indexes.")
@click.option("--device", default="auto", show_default=True)
@click.option("--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True, help="Encode names here, or on a Spark cluster.")
@click.option("--master", help="Of Spark, such as local[2] or spark://HOST:7077.  [default: what Spark is told elsewhere]")
@click.option("--staging", type=click.Path(file_okay=False, path_type=Path), help="For Spark, a folder that all machines share.  [default: beside --out]")
@click.option(
    "--progress-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep in this file, as JSON, how far it is; a file FILE.stop beside it stops the build.",
)
def build(source: str, out: str, columns: tuple[str, ...], from_vectors: str | None, progress_file: Path | None, **options: Any) -> None:
    """Build an index from SOURCE: a table (CSV, TSV, Parquet) with columns kingdom … species and common_name, a checklist
    (Darwin Core Archive, ColDP, NCBI, ITIS, iNaturalist), or the text matrix that BioCLIP's makers publish (its folder).

    A build that was stopped goes on where it was when it is called again.

    \b
    Example: bioclip-search index build my-birds.csv --out my-birds
    Example: bioclip-search index build txt_emb_species.json --encoder bioclip-2 --out bioclip-2
    Example: bioclip-search index build millions.csv --out millions --engine spark --master spark://head:7077 --staging /shared/staging
    """
    if options["engine"] == "local" and (options["master"] or options["staging"]):
        raise click.UsageError("--master and --staging are Spark's: add --engine spark, or leave them out.")
    from bioclip_search.progress_file import told_in

    with told_in(progress_file) as telling:
        made = _made(source, target_folder(out), columns, from_vectors, telling, options)
    say(f"{made.folder}: {made.card.vectors.count:,} taxa, {size_mb(made.folder):.1f} MB")


def _made(source: str, target: Path, columns: tuple[str, ...], from_vectors: str | None, telling: Telling | None, options: dict[str, Any]) -> Index:
    from bioclip_search.build import build_from_vectors, build_index, build_published, read_taxa
    from bioclip_search.published import is_published, read_published

    if options["engine"] == "spark" and (from_vectors or is_published(source)):
        raise click.UsageError("Nothing is encoded where vectors are given, so there is no work for Spark. Leave --engine out.")
    if is_published(source):
        published = read_published(source, from_vectors)
        for line in published.report:
            say(line)
        return build_published(target, published, say=say, **_encoding(options))
    with progress_steps("reading names") as progress:
        taxa = read_taxa(source, _pairs(columns), as_it_stands=bool(from_vectors), progress=progress)
    for line in taxa.report:
        say(line)
    encoding = _encoding(options)
    if from_vectors:
        return build_from_vectors(target, taxa.taxonomy, from_vectors, further=taxa.further, **encoding)
    with progress_steps("encoding names") as progress, _encode_by(encoding["encoder"], target, options) as encode:
        return build_index(target, taxa.taxonomy, progress=telling or progress, say=say, further=taxa.further, encode=encode, **encoding)


@contextmanager
def _encode_by(encoder: Encoder, target: Path, options: dict[str, Any]) -> Iterator[Encode | None]:
    """How names are encoded elsewhere; None for here."""
    if options["engine"] == "local":
        yield None
        return
    from bioclip_search.spark.encoders import EncoderThere
    from bioclip_search.spark.plan import folder_below
    from bioclip_search.spark.session import spark_session
    from bioclip_search.spark.texts import encoding_on

    shared = options["staging"]
    staging = folder_below(shared, target) if shared else target.absolute().with_name(f".{target.name}.texts")
    there = EncoderThere.of(options["encoder"], encoder, device=options["device"], preprocess=options["preprocess"])
    with spark_session(options["master"]) as spark:
        yield encoding_on(spark, there, staging)


def say(line: str) -> None:
    click.echo(line, err=True)


def target_folder(out: str) -> Path:
    """The path of a new index: as given, or the user's own index folder where only a name is given."""
    from bioclip_search import places

    return Path(out) if Path(out).name != out else places.user_indexes() / out


def _encoding(options: dict[str, Any]) -> dict[str, Any]:
    """The encoder and the recipe, None where none is asked for, as the functions of `build` take them."""
    from bioclip_search.build import usual_recipe
    from bioclip_search.encoder.opening import open_encoder
    from bioclip_search.errors import ModelError
    from bioclip_search.prompts import TextRecipe, templates_named

    encoder = open_encoder(options["encoder"], device=options["device"], preprocess=options["preprocess"])
    recipe = None
    if options["text_type"] or options["templates"]:
        usual = usual_recipe(encoder)
        recipe = TextRecipe(options["text_type"] or usual.text_type, templates_named(options["templates"]) if options["templates"] else usual.templates)
    folder = Path(encoder.name.removeprefix("local-dir:"))
    if options["include_encoder"] and not folder.is_dir():
        raise ModelError(f"--include-encoder copies a model folder, and {encoder.name} is none.")
    included = folder if options["include_encoder"] else None
    return {
        "encoder": encoder,
        "recipe": recipe,
        "kind": options["kind"],
        "preprocess": options["preprocess"],
        "encoder_folder": included,
        "sketch": not options["no_sketch"],
    }


def _pairs(columns: tuple[str, ...]) -> dict[str, str]:
    """What each column of ours is called in the source."""
    pairs = dict(column.partition("=")[::2] for column in columns)
    if not all(ours and theirs for ours, theirs in pairs.items()):
        raise click.BadParameter("expected OURS=THEIRS, such as species=Latin_name", param_hint="--column")
    return pairs
