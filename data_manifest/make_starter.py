"""Makes `index/starter` from a trained encoder: the checklist, the vectors, the calibration, the figures and the card.

bioclip-search train encoder --config data_manifest/starter-encoder.toml --out starter-encoder
python data_manifest/make_starter.py --encoder starter-encoder --config data_manifest/starter-encoder.toml \
    --detector starter-detector --data ../shared/data --out index/starter
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from bioclip_search.build import build_index
from bioclip_search.calibration.fitting import calibrate
from bioclip_search.calibration.record import keep
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.evaluation.candidates import INDEX, OWN
from bioclip_search.evaluation.labelled import TRAIN, LabelledSet, sets_of_training
from bioclip_search.evaluation.zero_shot import Evaluation, evaluate
from bioclip_search.index import Card, Index
from bioclip_search.index.card import change_card, note_file
from bioclip_search.prompts import BARE_TEMPLATE, RANKS, TextRecipe
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.pictures import hash_fraction

CHECKLISTS = ("inat2021", "birds_opennature", "amphibians")
"""Sources of the merged table whose species are all taken."""

MAMMAL_CHECKLIST = "speciesnet"
"""A source of which the mammals are taken."""

HARMONISED = ("genus", "family")
"""Ranks, lower first, by which a label finds its place in the merged table."""

TARGET = 0.9
MOST_OF_A_PART = 400
"""Pictures of one part of one set that the calibration sees at most, so that no large set speaks for all."""

DETECTOR_FOLDER = "detector"

NOT_IN_THE_CARD = re.compile(r"_(low|high|macro)$|_macro_")
"""Names of figures that anybody can measure again and that would make the card long."""

LIMITS_OF_PROMISE = "Its promises hold for pictures like those it was calibrated on, and for no others."

ABOUT = {
    "description": "starter: a small encoder and a small detector over birds, amphibians and mammals of the world, iNaturalist 2021 and what they were taught",
    "intended_use": "Trying the program out, and its tests. For real work build an index with BioCLIP 2 (see README).",
    "licence": "Apache-2.0 for the weights. Licences of the training pictures: data_manifest/README.md; many are not redistributable and none is included.",
    "taxa": (
        "iNaturalist 2021 competition list (MIT), birds of the world from OpenNature (CC0-1.0), AmphibiaWeb's amphibians, mammals of SpeciesNet (MIT), "
        "labels of the training pictures"
    ),
}

NOTE = (
    "No picture counted here was trained on; in the parts called unseen no picture of the species was, and its name was never the right answer; but the published classifiers "
    "that the picture tower is made of had seen some of these birds and insects when their makers taught them. own_labels: among the labels of the set; mixed: among "
    "those of all sets and the 10,000 of iNaturalist 2021. The training looked at the same pictures to choose its checkpoint, so the figures are a little kind."
)


def starter_checklist(data: Path, sets: list[LabelledSet]) -> pa.Table:
    """The species of the merged table that stand in a checklist or on a picture, then the labels that it does not have."""
    merged = parquet.read_table(data / "taxonomy" / "all_species.parquet")
    labels = pa.concat_tables([labelled.taxa for labelled in sets]).group_by([*RANKS, "common_name"], use_threads=False).aggregate([])
    is_mammal = pc.fill_null(pc.equal(merged["class"], "Mammalia"), False).to_pylist()
    sources = merged["sources"].to_pylist()
    listed = pa.array(
        [bool(set(CHECKLISTS) & set(of_row)) or (MAMMAL_CHECKLIST in of_row and mammal) for of_row, mammal in zip(sources, is_mammal, strict=True)]
    )
    pictured = pc.is_in(merged["species"].combine_chunks(), value_set=pc.drop_null(pc.unique(labels["species"])))
    species = merged.filter(pc.or_(listed, pictured)).select([*RANKS, "common_name"])
    return pa.concat_tables([species, other_labels(merged, labels)])


def other_labels(merged: pa.Table, labels: pa.Table) -> pa.Table:
    """The labels above species, without vernacular names, and those of species that the merged table does not have.

    Where it has the label's genus or family, it says what stands above that, so that no name has two parents.

    Subtle: "Pierrot" names a few of the Lycaenidae, so it must not become the name of the family.
    """
    known = set(merged["species"].to_pylist())
    above: dict[tuple[str, str, str], dict[str, str | None]] = {}
    for row in merged.select(RANKS).to_pylist():
        for rank in HARMONISED:
            above.setdefault((row["kingdom"], rank, row[rank]), {higher: row[higher] for higher in RANKS[: RANKS.index(rank)]})
    rows = []
    for label in labels.to_pylist():
        if label["species"] and label["species"] in known:
            continue
        found = next((above[key] for rank in HARMONISED if label[rank] and (key := (label["kingdom"], rank, label[rank])) in above), {})
        rows.append(label | found | {"common_name": label["common_name"] if label["species"] else None})
    schema = pa.schema([(name, pa.string()) for name in (*RANKS, "common_name")])
    return pa.Table.from_pylist(rows, schema).group_by(schema.names, use_threads=False).aggregate([])


def in_halves(sets: list[LabelledSet]) -> tuple[list[LabelledSet], list[LabelledSet]]:
    """The pictures kept back in two halves by the hash of their names, each with the other half counted as trained on.

    The first half has at most `MOST_OF_A_PART` pictures of each part.
    """
    first, second = [], []
    for labelled in sets:
        order = np.array([hash_fraction(f"calibration/{name}") for name in labelled.names])
        is_first = np.zeros(len(labelled), bool)
        for part in set(labelled.parts) - {TRAIN}:
            rows = np.flatnonzero((labelled.parts == part) & (order < 0.5))
            is_first[rows[np.argsort(order[rows], kind="stable")][:MOST_OF_A_PART]] = True
        first.append(replace(labelled, parts=np.where(is_first, labelled.parts, TRAIN)))
        second.append(replace(labelled, parts=np.where(order < 0.5, TRAIN, labelled.parts)))
    return first, second


def figures(found: Evaluation, labels: str) -> dict[str, dict[str, float]]:
    """The figures that the card keeps: those for all pictures alike, without intervals."""
    return {
        f"{score.set_name}/{score.part}": {name: value for name, value in score.metrics.items() if NOT_IN_THE_CARD.search(name) is None}
        for score in found.scores
        if score.labels == labels
    }


def add_detector(index: Path, detector: Path) -> None:
    """Copies the detector's folder into the index and has the card vouch for it."""
    shutil.copytree(detector, index / DETECTOR_FOLDER)
    files = {path.relative_to(index).as_posix(): note_file(path) for path in sorted((index / DETECTOR_FOLDER).rglob("*")) if path.is_file()}
    change_card(index, files=Card.read(index).files | files)


def measure(index: Path, data: Path, sets: list[LabelledSet]) -> dict[str, Any]:
    """The figures of the pictures kept back, among names that they are told."""
    searcher = Searcher.open(index, device="cpu", precision="fp32")
    named = evaluate(searcher, sets, labels=[OWN], distractors=data / "taxonomy" / "inat2021.parquet", target_accuracy=TARGET)
    trained = named.skipped.get(TRAIN, 0)
    return {
        "limits": f"Three published classifiers under one projection, which was taught {trained:,} small pictures. It knows birds and insects best. {LIMITS_OF_PROMISE}",
        "metrics_of_kept_back_pictures": {"note": NOTE, "own_labels": figures(named, OWN), "mixed": figures(named, "mixed")},
    }


def calibrate_and_measure(index: Path, sets: list[LabelledSet]) -> dict[str, Any]:
    """Calibrates on one half of what was kept back, and gives the figures of the fallback on the other."""
    first, second = in_halves(sets)
    opened = keep(Index(index), calibrate(Searcher.open(index, device="cpu", precision="fp32"), first))
    whole = evaluate(Searcher.open(opened.folder, device="cpu", precision="fp32"), second, labels=[INDEX], target_accuracy=TARGET)
    note = (
        f"Over the whole index, on the half of the pictures kept back that the calibration did not see, at a target of {TARGET:g} ({whole.ruling.rules_from})."
    )
    return {"metrics_of_the_fallback": {"note": note, **figures(whole, INDEX)}}


@click.command()
@click.option("--encoder", type=click.Path(exists=True, path_type=Path), help="Model folder of the trained encoder.")
@click.option("--only-calibrate", is_flag=True, help="Calibrate the index at --out anew; nothing else of it changes.")
@click.option("--config", required=True, type=click.Path(exists=True, path_type=Path), help="Settings that it was trained with, for what was kept back.")
@click.option("--detector", type=click.Path(exists=True, path_type=Path), help="Folder of the trained detector, to be shipped beside.")
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="Folder of the data sets.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Index folder to write.")
def main(encoder: Path | None, only_calibrate: bool, config: Path, detector: Path | None, data: Path, out: Path) -> None:
    """Make the starter index."""
    sets = sets_of_training(replace(EncoderConfig.from_toml(config), data_root=str(data)))
    if not only_calibrate:
        if encoder is None:
            raise click.UsageError("Give the trained encoder with --encoder.")
        make(encoder, detector, data, sets, out)
    change_card(out, about=Card.read(out).about | calibrate_and_measure(out, sets))
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    click.echo(f"{out}: {Card.read(out).count:,} taxa, {size / 1e6:.1f} MB")
    click.echo(Card.read(out).calibration)


def make(encoder: Path, detector: Path | None, data: Path, sets: list[LabelledSet], out: Path) -> None:
    """Writes the index and measures it; not calibrated yet."""
    taxonomy = Taxonomy.from_table(starter_checklist(data, sets))
    click.echo("\n".join(taxonomy.report.lines()))
    opened = open_encoder(encoder, device="cpu", precision="fp32")
    build_index(out, taxonomy, opened, recipe=TextRecipe("taxon_com", BARE_TEMPLATE), kind="int8", encoder_folder=encoder, about=ABOUT)
    if detector:
        add_detector(out, detector)
    change_card(out, about=ABOUT | measure(out, data, sets))


if __name__ == "__main__":
    main()
