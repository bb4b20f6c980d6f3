"""A made-up tree of life of any size, with text vectors that lie near to those of their relatives, and questions.

The numbers are chosen after the published matrix of BioCLIP 2: 867,455 taxa, 768 numbers each, ranks missing here
and there, and a gap between texts and pictures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.encoder import unit_rows
from bioclip_search.prompts import RANKS

DIM = 768
LOGIT_SCALE = 100.0
QUESTIONS = 64
BLOCK_TAXA = 1 << 15

TAXA_PER = {"kingdom": 200_000, "phylum": 9_000, "class": 2_500, "order": 600, "family": 90, "genus": 8}
"""Leaves below one taxon of the rank, on average."""

MISSING = {"class": 0.05, "order": 0.03, "family": 0.03}
"""Share of the taxa of a rank whose name is missing, as that of bony fish is in the published table."""

WEIGHTS = {"kingdom": 0.5, "phylum": 0.4, "class": 0.4, "order": 0.35, "family": 0.35, "genus": 0.35, "species": 0.5}
"""How far each rank pulls the vectors of its taxa together, beside a direction of weight 1 common to all texts."""


class GivenVectors:
    """The encoder of vectors that came from elsewhere: it has a name and a scale, and encodes nothing."""

    name, fingerprint, dim, logit_scale, input_px = "given", "given-vectors+fp32", DIM, LOGIT_SCALE, 224

    def prepare(self, picture: Any) -> Any:
        raise NotImplementedError

    encode_prepared = encode_images = encode_texts = prepare


class SayingVectors(GivenVectors):
    """The same, with a vector for any text, far from those of all others."""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return unit_rows(np.random.default_rng(len(texts)).standard_normal((len(texts), DIM)).astype(np.float32))


def make_world(folder: Path, taxa: int, seed: int = 0) -> None:
    """Writes `taxa.parquet`, `vectors.npy` (n, dim), `peaked.npy` and `flat.npy` (questions), and pybioclip's own two files."""
    from tests.peers.pybioclip_ways import tree_of_life_names

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    codes = _tree(taxa, random)
    table = _names(codes, random)
    parquet.write_table(table, folder / "taxa.parquet")
    common, gap = random.standard_normal((2, DIM), np.float32) / np.float32(DIM**0.5)
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, (taxa, DIM))
    _fill(vectors, codes, common, random)
    np.save(folder / "txt_emb_species.npy", np.ascontiguousarray(vectors.T))
    asked = np.sort(random.choice(taxa, QUESTIONS, replace=False))
    noise = random.standard_normal((2, QUESTIONS, DIM), np.float32) / np.float32(DIM**0.5)
    np.save(folder / "peaked.npy", unit_rows(0.8 * vectors[asked] + 0.5 * gap + 0.3 * noise[0]))
    np.save(folder / "flat.npy", unit_rows(common + gap + 0.05 * noise[1]))
    (folder / "txt_emb_species.json").write_text(json.dumps(tree_of_life_names(table)))


def _tree(taxa: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Per rank the number of each leaf's taxon, (n,) ascending: a higher taxon begins where a lower one does."""
    starts, codes = np.arange(taxa), {"species": np.arange(taxa)}
    for rank in reversed(RANKS[:-1]):
        wanted = min(len(starts), max(2, taxa // TAXA_PER[rank]))
        later = random.choice(starts[1:], wanted - 1, replace=False)
        starts = np.sort(np.append(later, 0))
        codes[rank] = np.repeat(np.arange(wanted), np.diff(np.append(starts, taxa)))
    return codes


def _names(codes: dict[str, np.ndarray], random: np.random.Generator) -> pa.Table:
    """The table of the tree; names are shuffled, so that alphabetical order is not that of the rows."""
    columns = {}
    for rank in RANKS[:-1]:
        count = int(codes[rank][-1]) + 1
        names = np.array([f"{rank.capitalize()}{number:06d}" for number in random.permutation(count)], object)
        names[random.random(count) < MISSING.get(rank, 0)] = None
        columns[rank] = pa.array(names, pa.string()).take(pa.array(codes[rank]))
    numbers = random.permutation(len(codes["species"]))
    genera = columns["genus"].to_pylist()
    columns["species"] = pa.array([f"{genus} epithet{number:06d}" for genus, number in zip(genera, numbers, strict=True)])
    columns["common_name"] = pa.array([f"creature {number}" if number % 10 == 0 else None for number in numbers], pa.string())
    return pa.table(columns)


def _fill(vectors: np.ndarray, codes: dict[str, np.ndarray], common: np.ndarray, random: np.random.Generator) -> None:
    scale = np.float32(DIM**-0.5)
    directions = {rank: random.standard_normal((int(codes[rank][-1]) + 1, DIM), np.float32) * (scale * WEIGHTS[rank]) for rank in RANKS[:-1]}
    for first in range(0, len(vectors), BLOCK_TAXA):
        block = slice(first, first + BLOCK_TAXA)
        rows = common + random.standard_normal((len(vectors[block]), DIM), np.float32) * (scale * WEIGHTS["species"])
        for rank, direction in directions.items():
            rows += direction[codes[rank][block]]
        vectors[block] = unit_rows(rows)
    vectors.flush()
