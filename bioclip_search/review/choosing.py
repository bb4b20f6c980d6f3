"""What a person says of a crop at a click, as a decision: the machine's answer, one of its other guesses, any name, or no organism at all.

From a table to decisions is left to `deciding`; keeping them to `decisions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from bioclip_search.errors import TableError
from bioclip_search.names import Names
from bioclip_search.names.search import Hit
from bioclip_search.results import Answer
from bioclip_search.review.decisions import ACCEPTED, CORRECTED, ReviewDecision
from bioclip_search.review.queue import Doubt

MOST_CHOICES = 5
"""Other guesses that are offered, one for each of the keys 1 to 5."""

MOST_BELOW = 3
"""Guesses that are one line of descent, species, genus and family at most; the rest is kept for others."""


@dataclass(frozen=True)
class Named:
    """A taxon that a crop may be said to be, with its lineage (rank to name); `probability` where the machine gave it one."""

    taxon: str
    rank: str
    lineage: Mapping[str, str]
    common_name: str | None = None
    probability: float | None = None


def named_by(hit: Hit) -> Named:
    """The taxon that was found by a name."""
    return Named(hit.taxon, hit.rank, dict(hit.lineage), hit.common_name)


def other_guesses(answer: Answer, names: Names | None = None, most: int = MOST_CHOICES) -> list[Named]:
    """The machine's other guesses, each once: what it thinks most probable below its answer, the lowest rank first, then the runners-up.

    Args:
        names: Of the index that answered; without them no runner-up is offered, for its lineage is not known.
    """
    found: dict[tuple[str, str], Named] = {}
    for guess in (*islice(_below(answer), MOST_BELOW), *(_runners_up(answer, names) if names else ())):
        if (guess.rank, guess.taxon) != (answer.rank, answer.taxon):
            found.setdefault((guess.rank, guess.taxon), guess)
    return list(found.values())[:most]


def accepted(doubt: Doubt, who: str, when: datetime | None = None) -> ReviewDecision:
    """The machine is right.

    Raises:
        TableError: It gave no name that could be.
    """
    answer = doubt.answer
    if answer.taxon is None:
        raise TableError(f"{doubt.image}: there is no answer of the machine to accept. Give a name, or skip it.")
    return _decision(doubt, ACCEPTED, who, when, Named(answer.taxon, str(answer.rank), answer.lineage))


def called(doubt: Doubt, named: Named, who: str, when: datetime | None = None) -> ReviewDecision:
    """It is this taxon: accepted where the machine says the same, else corrected."""
    is_same = (doubt.answer.taxon, doubt.answer.rank) == (named.taxon, named.rank)
    return _decision(doubt, ACCEPTED if is_same else CORRECTED, who, when, named)


def without_name(doubt: Doubt, verdict: str, who: str, when: datetime | None = None) -> ReviewDecision:
    """It is blank, a person, a vehicle, or nobody can tell."""
    return _decision(doubt, verdict, who, when, None)


def _decision(doubt: Doubt, verdict: str, who: str, when: datetime | None, named: Named | None) -> ReviewDecision:
    told = {} if named is None else {"taxon": named.taxon, "rank": named.rank, "lineage": dict(named.lineage)}
    return ReviewDecision(doubt.media_id, doubt.crop, verdict, who, when or datetime.now(UTC), **told)


def _below(answer: Answer) -> Iterator[Named]:
    """The rungs of the ladder below the answer, all of them where there is none, the lowest first."""
    lineage = {rung.rank: rung.taxon for rung in answer.ladder}
    ranks = list(lineage)
    first = ranks.index(answer.rank) + 1 if answer.rank in lineage else 0
    for place in reversed(range(first, len(ranks))):
        rung = answer.ladder[place]
        yield Named(rung.taxon, rung.rank, {rank: lineage[rank] for rank in ranks[: place + 1]}, probability=rung.probability)


def _runners_up(answer: Answer, names: Names) -> Iterator[Named]:
    """Subtle: of taxa that share a name the one of most ancestors in common with the ladder is meant, and none where two have as many."""
    ladder = {(rung.rank, rung.taxon) for rung in answer.ladder}
    for other in answer.alternatives:
        lineages = [
            names.taxonomy.lineage(taxon.start, down_to=taxon.rank)
            for taxon in names.find(other.taxon)
            if (taxon.name, taxon.rank) == (other.taxon, other.rank)
        ]
        shared = [len(ladder & set(lineage.items())) for lineage in lineages]
        if lineages and shared.count(max(shared)) == 1:
            yield Named(other.taxon, other.rank, lineages[shared.index(max(shared))], other.common_name, other.probability)
