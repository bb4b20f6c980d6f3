"""What a prior from records is worth at different trust, on held-out pictures with made-up tables of records.

    python -m tests.benchmarks place --manifest data_manifest/starter-encoder.toml

Each table holds most of the species of the pictures and many others, recorded log-normally often and at random, so that
how often a species is recorded says nothing of how often it was photographed. Species that a table lacks are strays.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tests.benchmarks.measure import print_table

NATIVE = 0.85
"""Share of the photographed species that a table holds."""

OTHERS = (300, 3000)
"""Other species that a table holds."""

SPREAD = 1.8
"""Standard deviation of the logarithm of a species' number of records; its mean is 2."""

PICTURES_A_SET = 400


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks place")
    parser.add_argument("--manifest", type=Path, default=Path("data_manifest/starter-encoder.toml"))
    parser.add_argument("--index", default="starter")
    options = parser.parse_args(arguments)
    from bioclip_search import Searcher

    searcher = Searcher.open(options.index, device="cpu")
    scores, truths = _pictures(searcher, options.manifest)
    for number, others in enumerate(OTHERS):
        _run(searcher, scores, truths, others, seed=number + 1)


def _pictures(searcher, manifest: Path) -> tuple[np.ndarray, np.ndarray]:
    """The cosines of held-out pictures with all leaves, (n, leaves), and the leaf of each, (n,)."""
    from bioclip_search.evaluation.labelled import sets_of_training
    from bioclip_search.evaluation.picture_vectors import vectors_of
    from bioclip_search.evaluation.zero_shot import wanted_rows
    from bioclip_search.train.config import EncoderConfig

    leaf_of = {name: leaf for leaf, name in enumerate(searcher.taxonomy.leaves["species"].to_pylist()) if name}
    rng, vectors, truths = np.random.default_rng(0), [], []
    for labelled in sets_of_training(EncoderConfig.from_toml(manifest), searcher.taxonomy.ranks):
        found = vectors_of(searcher.encoder, labelled, wanted_rows(labelled, None))
        leaves = np.array([leaf_of.get(name, -1) for name in found.taxa["species"].to_pylist()])
        rows = rng.permutation(np.flatnonzero(leaves >= 0))[:PICTURES_A_SET]
        vectors.append(found.vectors[rows])
        truths.append(leaves[rows])
    return searcher.scores(np.concatenate(vectors)), np.concatenate(truths)


def _run(searcher, scores: np.ndarray, truths: np.ndarray, others: int, seed: int) -> None:
    from bioclip_search.geography.occurrences import ANYWHERE_SHARE, SMOOTHING
    from bioclip_search.geography.smoothing import Counted, leaf_shares
    from bioclip_search.posterior import leaf_probabilities

    rng, size, sharpness = np.random.default_rng(seed), len(searcher.taxonomy), searcher.index.card.encoder.logit_scale / searcher.temperature
    pool = np.unique(truths)
    listed = np.unique(np.concatenate([pool[rng.random(len(pool)) < NATIVE], rng.choice(size, others, replace=False)]))
    counts = np.ceil(rng.lognormal(2, SPREAD, len(listed)))
    taxa = Counted(np.full(len(listed), len(searcher.taxonomy.ranks) - 1), listed, listed + 1)
    is_native, rows = np.isin(truths, listed), []
    for evenness, trust in ((1.0, 0.0), (1.0, 0.5), (1.0, 1.0), (0.5, 0.25), (0.5, 0.5), (0.5, 1.0)):
        shares = leaf_shares(searcher.taxonomy.levels, size, taxa, [counts**evenness], SMOOTHING)
        weights = trust * np.log((1 - ANYWHERE_SHARE) * np.exp(shares + np.log(size)) + ANYWHERE_SHARE)
        probabilities = leaf_probabilities(scores + weights / sharpness, sharpness)
        is_right = probabilities.argmax(axis=1) == truths
        rows.append((f"evenness {evenness:g}, trust {trust:g}", f"{is_right[is_native].mean():.1%}", f"{is_right[~is_native].mean():.1%}"))
    print_table(f"{len(truths)} pictures of {len(pool)} species, {len(listed)} recorded: best match right", ("", "recorded", "strays"), rows)
