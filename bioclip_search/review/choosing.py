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
from bioclip_search.results import Alternative, Answer, Rung
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


def other_guesses(answer: Answer, names: Names, most: int = MOST_CHOICES) -> list[Named]:
    """The machine's other guesses, each once: what it thinks most probable below its answer, the lowest rank first, then the runners-up.

    Args:
        names: Of the index that answered, which tell the lineages; a guess that they lack, or have twice, is left out.
    """
    found: dict[tuple[str, str], Named] = {}
    for guess in (*islice(_below(answer), MOST_BELOW), *answer.alternatives):
        lineage = _lineage(guess, answer, names)
        if lineage and (guess.rank, guess.taxon) != (answer.rank, answer.taxon):
            common = guess.common_name if isinstance(guess, Alternative) else None
            found.setdefault((guess.rank, guess.taxon), Named(guess.taxon, guess.rank, lineage, common, guess.probability))
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


def _below(answer: Answer) -> Iterator[Rung]:
    """The rungs of the ladder below the answer, all of them where there is none, the lowest first."""
    ranks = [rung.rank for rung in answer.ladder]
    first = ranks.index(answer.rank) + 1 if answer.rank in ranks else 0
    yield from reversed(answer.ladder[first:])


def _lineage(guess: Rung | Alternative, answer: Answer, names: Names) -> Mapping[str, str] | None:
    """The lineage of a guess. Subtle: the ladder tells none below the answer, for each of its rungs is the best of its own rank.

    Of taxa that share a name and rank the one of most ancestors in common with the ladder is meant, and none where two have as many.
    """
    ladder = {(rung.rank, rung.taxon) for rung in answer.ladder}
    found = [
        names.taxonomy.lineage(taxon.start, down_to=taxon.rank) for taxon in names.find(guess.taxon) if (taxon.name, taxon.rank) == (guess.taxon, guess.rank)
    ]
    shared = [len(ladder & set(lineage.items())) for lineage in found]
    return found[shared.index(max(shared))] if found and shared.count(max(shared)) == 1 else None
