"""Gives the tree of what one picture may show: every taxon worth a look with its probability, and what remains beside it.

Pure numpy over the intervals of a tree; the probabilities are `question`'s, drawing them is left to the app.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bioclip_search.posterior import prefix_mass, roll_up
from bioclip_search.taxonomy import Taxon, Taxonomy

LEAST_SHARE = 0.01
"""Probability from which a taxon is a node of its own: less than a hundredth of a picture's width cannot be read."""


@dataclass(frozen=True)
class Node:
    """A part of the whole probability.

    Attributes:
        parent: The place of the node above in the list; None for the root alone.
        taxon: None for the root, which is all that is in play, and for a remainder.
        others: Of a remainder how many taxa of the next rank share it, at least 1; of all else 0.
    """

    parent: int | None
    taxon: Taxon | None
    probability: float
    others: int = 0


def mass_tree(taxonomy: Taxonomy, leaves: np.ndarray, probabilities: np.ndarray, least: float = LEAST_SHARE) -> list[Node]:
    """The root, all taxa that reach the least probability, and one remainder wherever some but not all of a node is told by its children.

    A node stands after the one above it. Children of one node stand by rank, then depth first, the remainder last. A rank
    that a lineage lacks is passed over: its child hangs on the next rank above.

    Args:
        leaves: (k,) int64 ascending, those that have a probability to speak of.
        probabilities: (k,) summing to one.
        least: From 0 (exclusive) to 1. Remainders are told from this share on, too.
    """
    nodes, places = [Node(None, None, 1.0)], [(0, len(leaves))]
    for taxon, mass, place in _reaching(taxonomy, leaves, probabilities, least):
        above = next(number for number in reversed(range(len(nodes))) if places[number][0] <= place[0] and place[1] <= places[number][1])
        nodes.append(Node(above, taxon, mass))
        places.append(place)
    return nodes + list(_remainders(taxonomy, leaves, nodes, places, least))


def _reaching(taxonomy: Taxonomy, leaves: np.ndarray, probabilities: np.ndarray, least: float) -> Iterator[tuple[Taxon, float, tuple[int, int]]]:
    """The taxa that reach a probability, highest rank first, each with it and with its interval in the list of leaves."""
    prefix = prefix_mass(probabilities)
    for level in taxonomy.levels:
        part, numbers = level.among(leaves)
        masses = roll_up(prefix, part.start, part.stop)
        for place in np.flatnonzero(masses >= least).tolist():
            taxon = taxonomy.taxon(level.rank, int(numbers[place]))
            yield taxon, min(1.0, float(masses[place])), (int(part.start[place]), int(part.stop[place]))


def _remainders(taxonomy: Taxonomy, leaves: np.ndarray, nodes: list[Node], places: list[tuple[int, int]], least: float) -> Iterator[Node]:
    """What the children of a node leave over, where it has any and they leave enough to be seen."""
    children: dict[int, list[int]] = {}
    for number, node in enumerate(nodes[1:], start=1):
        children.setdefault(node.parent, []).append(number)
    for parent, below in children.items():
        rest = nodes[parent].probability - sum(nodes[child].probability for child in below)
        if rest >= least:
            rank = taxonomy.ranks.index(nodes[below[0]].taxon.rank)
            yield Node(parent, None, rest, max(1, _taxa_within(taxonomy, leaves[slice(*places[parent])], rank) - len(below)))


def _taxa_within(taxonomy: Taxonomy, leaves: np.ndarray, depth: int) -> int:
    """How many taxa of one rank hold any of these leaves."""
    return len(taxonomy.levels[depth].among(leaves)[0])
