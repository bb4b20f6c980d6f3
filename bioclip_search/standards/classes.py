"""The taxa of a run as numbered classes, each with a name of its own, as formats want them that know no taxonomy.

Which format tells which of it is left to `megadetector` and `coco`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bioclip_search.results import Alternative, Answer
from bioclip_search.standards.collection import SeenPicture, Standing

Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""Rank, taxon and lineage: the same name may stand for a bird and a plant."""

RESERVED = ("animal", "person", "vehicle", "human", "empty", "blank", "unknown", "unclassified")
"""Names that tools take for a detection or for nothing at all; Timelapse refuses a class that is called as a detection is."""


@dataclass
class Classes:
    """Taxa in the order of their first sight, numbered from 1, each by its fullest lineage; and their common names."""

    keys: dict[Key, str | None] = field(default_factory=dict)
    others: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _class_of: dict[Key, Key] = field(default_factory=dict)
    _runner_up_keys: dict[tuple[str, str], Key] = field(default_factory=dict)

    @classmethod
    def of(cls, pictures: Iterable[SeenPicture]) -> Classes:
        """The classes of all answers that stand and of the machine's runners-up; memory grows with the taxa, not the pictures."""
        found = cls()
        for seen in pictures:
            for crop, stands in seen.observed:
                if stands.taxon is None:
                    continue
                key = key_of(stands)
                found.keys[key] = found.keys.get(key) or stands.common_name
                for other in () if crop is None else runners_up(crop.crop.answer, stands):
                    found.others.setdefault((other.rank, other.taxon), other.common_name)
        found._settle()
        return found

    def _settle(self) -> None:
        """Makes one class of what is one taxon, though a person or another program told less of its lineage than the index.

        A runner-up, of which no lineage is told, is the answered taxon of that name where there is one and only one.
        """
        by_name: dict[tuple[str, str], list[Key]] = {}
        for key in sorted(self.keys, key=lambda key: -len(key[2])):
            fuller = [other for other in by_name.setdefault(key[:2], []) if _agree(key[2], other[2])]
            self._class_of[key] = fuller[0] if len(fuller) == 1 else key
            by_name[key[:2]] += [key] if self._class_of[key] == key else []
        seen, self.keys = self.keys, {}
        for key, common in seen.items():
            one = self._class_of[key]
            self.keys[one] = self.keys.get(one) or common
        for (rank, taxon), common in self.others.items():
            known = by_name.get((rank, taxon), [])
            key = known[0] if len(known) == 1 else (rank, taxon, ((rank, taxon),))
            self._runner_up_keys[rank, taxon] = key
            self.keys[key] = self.keys.get(key) or common
        self.numbers = {key: number for number, key in enumerate(self.keys, 1)}

    def number(self, stands: Standing) -> int:
        return self.numbers[self._class_of[key_of(stands)]]

    def number_of_runner_up(self, other: Alternative) -> int:
        return self.numbers[self._runner_up_keys[other.rank, other.taxon]]

    def names(self) -> dict[int, str]:
        """A name for each class that no other has, whatever the case: the common name, else with the scientific one, else with the lineage."""
        ways = [
            [common or key[1], f"{common} ({key[1]})" if common else key[1], f"{key[1]} ({', '.join(name for _, name in key[2])})"]
            for key, common in self.keys.items()
        ]
        chosen, taken = [way[0] for way in ways], {name.casefold() for name in RESERVED}
        for step in (1, 2):
            bearers = Counter(name.casefold() for name in chosen)
            chosen = [way[step] if bearers[name.casefold()] > 1 or name.casefold() in taken else name for name, way in zip(chosen, ways, strict=True)]
        bearers = Counter(name.casefold() for name in chosen)
        numbered = zip(self.numbers.values(), chosen, strict=True)
        return {number: f"{name} #{number}" if bearers[name.casefold()] > 1 or name.casefold() in taken else name for number, name in numbered}


def key_of(stands: Standing) -> Key:
    return stands.rank or "", stands.taxon or "", tuple(stands.lineage.items())


def _agree(some: tuple[tuple[str, str], ...], others: tuple[tuple[str, str], ...]) -> bool:
    """Whether two lineages name the same taxon at each rank that both tell."""
    told = dict(others)
    return all(told.get(rank, taxon) == taxon for rank, taxon in some)


def runners_up(answer: Answer | None, stands: Standing) -> list[Alternative]:
    """The machine's other guesses, where its answer stands as it is: none more probable than it, the most probable first."""
    if answer is None or stands.is_decided or stands.probability is None:
        return []
    others = [other for other in answer.alternatives if other.probability <= stands.probability and other.taxon != stands.taxon]
    return sorted(others, key=lambda other: -other.probability)
