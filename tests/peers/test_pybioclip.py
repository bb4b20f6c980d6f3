"""The same answers as pybioclip, model for model and picture for picture, where both are asked the same."""

from __future__ import annotations

import io
import json
import os
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

import bioclip_search as bs
from bioclip_search.build import build_from_vectors, build_published
from bioclip_search.encoder import encode_recipe, unit_rows
from bioclip_search.prompts import OPENAI_80_TEMPLATES, RANKS
from bioclip_search.published import read_published
from tests.peers.random_models import TINY, synthetic_picture, write_model_folder

pytest.importorskip("bioclip", reason="pybioclip is not installed (pip install pybioclip==2.1.6)")

SHARED = Path(os.environ.get("BIOCLIP_SEARCH_SHARED") or Path(__file__).resolve().parents[3] / "shared" / "data")
PHOTOGRAPHS = SHARED / "birds" / "birds-00000-of-00001.parquet"
SPECIES_LIST = SHARED / "taxonomy" / "inat2021.parquet"

PICTURES, LABELS, TAXA = 40, 50, 10_000
TOLERANCE = 1e-3
"""Largest difference of two probabilities that still counts as none."""

pytestmark = pytest.mark.filterwarnings("ignore")  # pybioclip's and torch's own


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_model_folder(tmp_path_factory.mktemp("models") / "tiny", TINY)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Path]:
    """Real photographs where the shared data is at hand, else smooth noise; small enough to be decoded whole."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{number:02d}.jpg" for number in range(PICTURES)]
    if PHOTOGRAPHS.is_file():
        rows = parquet.read_table(PHOTOGRAPHS, columns=["image"]).slice(0, PICTURES)["image"].to_pylist()
        opened = [PIL.Image.open(io.BytesIO(row["bytes"])) for row in rows]
    else:
        opened = [synthetic_picture(seed, (200 + 3 * seed, 150 + 2 * seed)) for seed in range(PICTURES)]
    for path, picture in zip(paths, opened, strict=True):
        picture.save(path, quality=92)
    return paths


@pytest.fixture(scope="module")
def taxa() -> pa.Table:
    """Ten thousand species of iNaturalist where the shared data is at hand, else invented ones."""
    if SPECIES_LIST.is_file():
        return parquet.read_table(SPECIES_LIST)
    fans = dict(zip(RANKS, (5000, 1000, 200, 50, 10, 2, 1), strict=True))  # leaves below one taxon of the rank
    columns = {rank: [f"{rank.capitalize()}{leaf // fan}" for leaf in range(TAXA)] for rank, fan in fans.items()}
    columns["species"] = [f"{genus} epithet{leaf}" for leaf, genus in enumerate(columns["genus"])]
    return pa.table(columns | {"common_name": [f"creature {leaf}" for leaf in range(TAXA)]})


@pytest.fixture(scope="module")
def text_vectors(taxa) -> np.ndarray:
    """(n, dim) unit rows in which taxa are near to their relatives: the sum of one direction per name of the lineage."""
    vectors = np.zeros((taxa.num_rows, TINY["embed_dim"]), np.float32)
    for rank in RANKS:
        names, rows = np.unique(np.asarray(taxa[rank].to_pylist()), return_inverse=True)
        directions = [np.random.default_rng(zlib.crc32(name.encode())).standard_normal(vectors.shape[1]) for name in names]
        vectors += np.asarray(directions, np.float32)[rows]
    return unit_rows(vectors)


@pytest.mark.parametrize("architecture", ["tiny", pytest.param("ViT-B-16", marks=pytest.mark.hand)])
def test_labels_have_pybioclips_probabilities_and_order(architecture, tiny, pictures, tmp_path):
    from tests.peers.pybioclip_ways import custom_labels

    folder = tiny if architecture == "tiny" else write_model_folder(tmp_path / "model", architecture)
    labels = [
        f"{colour} {thing}"
        for colour in ("red", "small", "Arctic", "spotted", "lesser")
        for thing in ("fox", "owl", "oak", "Turdus merula", "fern", "beetle", "snail", "orchid", "crab", "boletus")
    ]
    labels = labels[:LABELS] if architecture == "tiny" else labels[::17]  # 80 sentences a label take the large model 10 s
    theirs = custom_labels(folder, labels).predict([str(path) for path in pictures])
    theirs = [theirs[first : first + len(labels)] for first in range(0, len(theirs), len(labels))]
    ours = bs.label(pictures, labels, model=folder, precision="fp32", preprocess="squash")
    assert_not_flat([rows[0]["classification"] for rows in theirs], [rows[0]["score"] for rows in theirs], len(labels))
    for rows, answer in zip(theirs, ours, strict=True):
        expected = {row["classification"]: row["score"] for row in rows}
        assert dict(answer.labels) == pytest.approx(expected, abs=TOLERANCE)
        assert [words for words, _ in answer.labels[:5]] == [row["classification"] for row in rows[:5]]


@pytest.mark.parametrize("count", [8, pytest.param(PICTURES, marks=pytest.mark.slow)])
def test_every_rank_of_the_tree_of_life_is_pybioclips(count, tiny, pictures, taxa, text_vectors, tmp_path):
    from tests.peers.pybioclip_ways import LocalTreeOfLife, top_five, tree_of_life_names, unit_columns

    encoder = bs.open_encoder(tiny, precision="fp32", preprocess="squash")
    index = build_from_vectors(tmp_path / "index", bs.Taxonomy.from_table(taxa), text_vectors, encoder, preprocess="squash")
    searcher = bs.Searcher(index, encoder)
    pictures = pictures[:count]  # pybioclip's loop over taxa takes a second for five pictures
    peer = LocalTreeOfLife(tiny, unit_columns(text_vectors), tree_of_life_names(taxa))
    for rank in RANKS:
        theirs = [top_five(peer, path, rank) for path in pictures]
        answers = searcher.identify(pictures, rank=rank, top=4)
        ours = [[(answer.taxon, answer.probability), *((other.taxon, other.probability) for other in answer.alternatives)] for answer in answers]
        assert_not_flat([rows[0][0] for rows in theirs], [rows[0][1] for rows in theirs], len(searcher.taxonomy.level(rank)))
        assert [[name for name, _ in rows] for rows in ours] == [[name for name, _ in rows] for rows in theirs], rank
        np.testing.assert_allclose([value for rows in ours for _, value in rows], [value for rows in theirs for _, value in rows], atol=TOLERANCE, err_msg=rank)


def test_a_published_matrix_gives_pybioclips_answers(tiny, pictures, taxa, tmp_path):
    """Both are given the same two files: the matrix, made of some of the taxa's texts as the published one was, and the names."""
    from tests.peers.pybioclip_ways import LocalTreeOfLife, top_five, tree_of_life_names

    encoder = bs.open_encoder(tiny, precision="fp32", preprocess="squash")
    taxa = taxa.take(pa.array(np.random.default_rng(0).permutation(taxa.num_rows)[:120]))  # 80 sentences a taxon
    names = tree_of_life_names(taxa)
    words = [" ".join(" ".join([*lineage, common]).split()) for lineage, common in names]
    matrix = encode_recipe(encoder, [[template.replace("{}", word) for template in OPENAI_80_TEMPLATES] for word in words]).T
    np.save(tmp_path / "txt_emb_species.npy", np.ascontiguousarray(matrix))
    (tmp_path / "txt_emb_species.json").write_text(json.dumps(names), encoding="utf-8")

    searcher = bs.Searcher(build_published(tmp_path / "index", read_published(tmp_path), encoder, preprocess="squash"), encoder)
    peer = LocalTreeOfLife(tiny, torch.from_numpy(np.load(tmp_path / "txt_emb_species.npy")), json.loads((tmp_path / "txt_emb_species.json").read_text()))
    for rank in ("class", "family", "species"):
        theirs = [top_five(peer, path, rank) for path in pictures[:4]]
        answers = searcher.identify(pictures[:4], rank=rank, top=4)
        ours = [[(answer.taxon, answer.probability), *((other.taxon, other.probability) for other in answer.alternatives)] for answer in answers]
        for mine, peers in zip(ours, theirs, strict=True):
            assert dict(mine) == pytest.approx(dict(peers), abs=TOLERANCE)


def assert_not_flat(best: list[str], probabilities: list[float], choices: int) -> None:
    """The reference itself must tell pictures apart, or agreeing with it would show nothing."""
    assert len(set(best)) > (2 if choices > 8 else 1)
    assert np.mean(probabilities) > min(10 / choices, 0.4)
