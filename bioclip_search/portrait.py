"""What an index is, as plain facts for people: how many taxa of each rank, what made it, under which terms, and what it can promise.

Gives facts and leaves the words to the app; the card itself is `index.card`'s, what a calibration promises `calibration`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from bioclip_search.calibration.record import CalibrationRecord
from bioclip_search.errors import NotCalibratedError
from bioclip_search.index import Card, Index
from bioclip_search.taxonomy import Taxonomy

TARGETS = (0.8, 0.9, 0.95)
"""Accuracies that are told about: what a person with a field guide, with some experience, and of the trade may ask for."""

LONGEST_WORDS = 2000
"""Letters of what a card says that are shown."""


@dataclass(frozen=True)
class Promise:
    """Of pictures like those tried, `coverage` get a name when `target` of the names shall be right; `lowest` get one of the lowest rank.

    Both are None where that cannot be promised.
    """

    target: float
    coverage: float | None
    lowest: float | None


@dataclass(frozen=True)
class Portrait:
    """The facts; `words` are what the card says of itself in sentences: "description", "intended_use", "licence", "taxa", "limits" …"""

    name: str
    taxa: int
    added: int
    by_rank: tuple[tuple[str, int], ...]
    languages: int
    size_mb: float
    encoder: str
    dim: int
    vectors: str
    words: dict[str, str]
    fitted_on: str | None
    promises: tuple[Promise, ...]


def portrait(index: Index, taxonomy: Taxonomy, record: CalibrationRecord | None, languages: int) -> Portrait:
    """The facts of an open index.

    Args:
        record: Its calibration, None where it has none.
        languages: In how many languages it has vernacular names.
    """
    card = index.card
    return Portrait(
        name=card.name,
        taxa=card.count,
        added=card.added.count if card.added else 0,
        by_rank=tuple((level.rank, len(level)) for level in taxonomy.levels if len(level)),
        languages=languages,
        size_mb=sum(note.size_bytes for note in card.files.values()) / 1e6,
        encoder=f"{card.encoder.source} ({card.encoder.fingerprint})",
        dim=card.encoder.dim,
        vectors=card.vectors.kind,
        words=_words(card),
        fitted_on=record.origin.fitted_on if record else None,
        promises=tuple(_promise(record, target) for target in TARGETS) if record else (),
    )


def _words(card: Card) -> dict[str, str]:
    """What the card says of itself in sentences, numbers and lists left out: anybody may have written it, so it is cut where it is long."""
    return {str(name): value[:LONGEST_WORDS] for name, value in card.about.items() if isinstance(value, str) and value.strip()}


def _promise(record: CalibrationRecord, target: float) -> Promise:
    try:
        setting = record.evidence.setting(target)
    except NotCalibratedError:
        return Promise(target, None, None)
    return Promise(target, setting.coverage, setting.answered[-1])
