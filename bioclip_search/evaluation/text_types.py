"""Which words for a taxon an encoder understands best: the same pictures with each type of text, as in the BioCLIP paper.

The words come from `prompts`, the vectors of pictures from `picture_vectors`, the list of names from `candidates`.

Stevens et al., "BioCLIP: A Vision Foundation Model for the Tree of Life", CVPR 2024, section 4.4 and its table of text types,
trains with one type and asks with another. An encoder at hand was trained once, so here the types that it is asked with are
compared, for any number of encoders; the pictures are paired, so that a difference is sharper than the figures it is between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.encoder import Encoder
from bioclip_search.errors import TableError
from bioclip_search.evaluation.candidates import OWN, Candidates, candidates_of_labels
from bioclip_search.evaluation.picture_vectors import EmbeddedSet
from bioclip_search.evaluation.resample import Figure, mean_of, share, with_intervals
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, Lineages, is_label, judge_at_rank
from bioclip_search.prompts import TEXT_TYPES, TextRecipe
from bioclip_search.text_vectors import TextVectors

BLOCK_PICTURES = 1024


@dataclass(frozen=True, eq=False)
class Guesses:
    """What n pictures were called with one type of text: whether it is the label, (n,) bool, and the verdict at each rank, (n, ranks) int8."""

    top1: np.ndarray
    verdicts: np.ndarray


def compare_text_types(
    encoder: Encoder,
    embedded: EmbeddedSet,
    ranks: Sequence[str],
    *,
    recipe: TextRecipe,
    types: Sequence[str] = TEXT_TYPES,
    distractors: pa.Table | None = None,
    say: Callable[[str], None] | None = None,
    home: Path | None = None,
) -> dict[str, float]:
    """The figures of each type of text, flat, with `_low` and `_high` over the pictures (bootstrap).

    `TYPE_top1`: share whose best match is the label. `TYPE_RANK`: share right at the rank, over labels that name it.
    `TYPE_gain`: top1 less that of the recipe's own type, picture by picture. `n`, `candidates`: pictures and names to choose from.
    `common_names`: share of those names that have a vernacular name; the others are called by their scientific name in `com`.

    Args:
        recipe: Its templates are used for every type, and its own type is what the others are compared with.
        distractors: Further taxa to choose from, with the ranks and common_name.
        say: Called with what is encoded.
        home: Where the vectors of texts are kept; the user's cache unless given.

    Raises:
        TableError: No picture is labelled, a type is unknown, or the vectors are not of the encoder's length.
    """
    if embedded.vectors.shape[1] != encoder.dim:
        raise TableError(
            f"{embedded.name}: its vectors have {embedded.vectors.shape[1]} numbers, those of {encoder.name} {encoder.dim}. Give the index that made them."
        )
    labels = embedded.labels.select([*ranks, "common_name"])
    named = pc.is_valid(pc.coalesce(*(embedded.taxa[rank] for rank in ranks)))
    if not pc.any(named).as_py():
        raise TableError(f"{embedded.name}: no picture is labelled with a taxon.")
    embedded = embedded.take(np.flatnonzero(np.asarray(named)))
    tables = [labels] if distractors is None else [labels, distractors.select([*ranks, "common_name"])]
    asked = list(dict.fromkeys((recipe.text_type, *types)))
    guesses, numbers = {}, {}
    for text_type in asked:
        texts = TextVectors(encoder, TextRecipe(text_type, recipe.templates), home)
        candidates = candidates_of_labels(OWN, tables, texts, ranks, numbers)
        if say:
            say(f"{embedded.name}: {len(candidates):,} names as {text_type}")
        guesses[text_type] = _guessed(embedded, candidates, ranks, numbers)
    spoken = np.asarray(pc.is_valid(candidates.taxonomy.leaves["common_name"]))
    counts = {"n": len(embedded), "candidates": len(candidates), "common_names": round(float(spoken.mean()), 4)}
    return counts | with_intervals(_figures(guesses, types, guesses[recipe.text_type], ranks), len(embedded))


def _guessed(embedded: EmbeddedSet, candidates: Candidates, ranks: Sequence[str], numbers: dict[str, int]) -> Guesses:
    truths = Lineages.of(embedded.taxa, ranks, numbers)
    best = [candidates.scores(embedded.vectors[first : first + BLOCK_PICTURES]).argmax(axis=1) for first in range(0, len(embedded), BLOCK_PICTURES)]
    found = candidates.lineages.take(np.concatenate(best))
    return Guesses(is_label(found, truths), np.stack([judge_at_rank(found, truths, depth) for depth in range(len(ranks))], axis=1))


def _figures(guesses: dict[str, Guesses], types: Sequence[str], own: Guesses, ranks: Sequence[str]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for text_type in types:
        found = guesses[text_type]
        figures[f"{text_type}_top1"] = share(found.top1)
        figures[f"{text_type}_gain"] = mean_of(found.top1.astype(np.float64) - own.top1)
        for depth, rank in enumerate(ranks):
            verdicts = found.verdicts[:, depth]
            figures[f"{text_type}_{rank}"] = share(verdicts == RIGHT, verdicts != UNDECIDED)
    return figures
