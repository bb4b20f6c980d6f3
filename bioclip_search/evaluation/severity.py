"""How far a wrong answer lies from the truth in the tree.

Pure numpy over numbered names; which answers are wrong is left to `verdicts`, the mean over mistakes to `measures`.

The height of a mistake is that of the lowest common ancestor of answer and truth (Bertinetto et al., "Making Better
Mistakes", CVPR 2020), counted in ranks of the tree: 0 is right, 1 a wrong species of the right genus, 2 a wrong genus of
the right family, and as many as there are ranks where not even the kingdom is shared.
"""

from __future__ import annotations

import numpy as np

from bioclip_search.evaluation.verdicts import RIGHT, WRONG, Lineages, judge_at_rank

NO_HEIGHT = np.int8(-1)
"""Where there is no answer, or the label cannot decide it."""


def heights_of(answers: Lineages, depths: np.ndarray, truths: Lineages, verdicts: np.ndarray) -> np.ndarray:
    """The height of each answer at its rank, (n,) int8: 0 for right ones, `NO_HEIGHT` for those that are not decided.

    Ranks that a lineage passes over count as ranks, so that equal heights mean equal ranks for every picture.

    Args:
        depths: (n,) the number of the rank of each answer; names below it are not looked at.
        verdicts: (n,) int8 on the answers.
    """
    ranks = truths.codes.shape[1]
    shared = np.full(len(truths), -1)  # the lowest rank at which both name the same taxon
    for depth in range(ranks):
        shared[(judge_at_rank(answers, truths, depth) == RIGHT) & (depth <= depths)] = depth
    wrong = np.where(verdicts == WRONG, ranks - 1 - shared, NO_HEIGHT)
    return np.where(verdicts == RIGHT, 0, wrong).astype(np.int8)


def height_in_words(height: int, ranks: tuple[str, ...]) -> str:
    """What a height means to a person.

    >>> ranks = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
    >>> [height_in_words(height, ranks) for height in (0, 1, 7)]
    ['right', 'wrong, but of the right genus', 'not even the kingdom is right']
    """
    if height == 0:
        return "right"
    if height >= len(ranks):
        return f"not even the {ranks[0]} is right"
    return f"wrong, but of the right {ranks[len(ranks) - 1 - height]}"
