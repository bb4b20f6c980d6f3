"""Makes `index/starter` from a trained encoder: the checklist, the vectors and the card.

bioclip-search train encoder --config data_manifest/starter-encoder.toml --out starter-encoder
python data_manifest/make_starter.py --encoder starter-encoder --data ../shared/data --out index/starter
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from bioclip_search.build import build_index, change_card
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.index.card import Calibration
from bioclip_search.prompts import BARE_TEMPLATE, RANKS, TextRecipe
from bioclip_search.taxonomy import Taxonomy

CHECKLISTS = ("inat2021", "birds_opennature", "image_labels")
"""Sources of the merged table whose species are all taken."""

PICTURE_SETS = ("birds", "butterflies", "tiny", "monkeys", "wild")

ABOUT = {
    "description": "starter: a small encoder over birds of the world, iNaturalist 2021 and what it was taught",
    "intended_use": "Trying the program out, and its tests. For real work build an index with BioCLIP 2 (see README).",
    "limits": (
        "Trained from scratch on 34,690 small pictures in under an hour on a CPU. It often knows the kingdom and the class "
        "of an organism, now and then its order, seldom its species; its probabilities are tempered but not calibrated."
    ),
    "licence": "Apache-2.0 for the weights. Licences of the training pictures: data_manifest/README.md; many are not redistributable and none is included.",
    "taxa": "iNaturalist 2021 competition list (MIT), birds of the world from OpenNature (CC0-1.0), labels of the training pictures",
}

CALIBRATION = Calibration(
    temperature=1.3,
    thresholds={},
    fitted_on=(
        "2,893 pictures kept back from training: of 1.0, 1.3, 1.6, 2.0 and 2.5 the temperature with the least mean -log P of the true taxon, "
        "summed over the seven ranks (22.1, 21.1, 21.7, 23.4, 25.4). No accuracy is promised."
    ),
)


def starter_checklist(data: Path) -> pa.Table:
    """The rows of the merged table that stand in a checklist or on a training picture."""
    merged = parquet.read_table(data / "taxonomy" / "all_species.parquet")
    listed = pa.array([bool(set(CHECKLISTS) & set(sources)) for sources in merged["sources"].to_pylist()])
    files = [path for name in PICTURE_SETS for path in sorted((data / name).glob("*.parquet"))]
    pictured = pc.unique(pa.chunked_array([chunk for path in files for chunk in parquet.read_table(path, columns=["species"])["species"].chunks]))
    kept = pc.or_(listed, pc.is_in(merged["species"].combine_chunks(), value_set=pc.drop_null(pictured)))
    return merged.filter(kept).select([*RANKS, "common_name"])


@click.command()
@click.option("--encoder", required=True, type=click.Path(exists=True, path_type=Path), help="Model folder of the trained encoder.")
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="Folder of the data sets.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Index folder to write.")
def main(encoder: Path, data: Path, out: Path) -> None:
    """Make the starter index."""
    taxonomy = Taxonomy.from_table(starter_checklist(data))
    click.echo("\n".join(taxonomy.report.lines()))
    metrics = json.loads((encoder / "metrics.json").read_text(encoding="utf-8"))
    about = ABOUT | {"metrics_of_kept_back_pictures": {key: metrics[key] for key in ("note", "own_labels", "mixed")}}
    index = build_index(
        out,
        taxonomy,
        open_encoder(encoder, device="cpu", precision="fp32"),
        recipe=TextRecipe("taxon_com", BARE_TEMPLATE),
        kind="int8",
        encoder_folder=encoder,
        about=about,
    )
    change_card(index.folder, calibration=CALIBRATION)
    size = sum(path.stat().st_size for path in index.folder.rglob("*") if path.is_file())
    click.echo(f"{index.folder}: {len(taxonomy):,} taxa, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
