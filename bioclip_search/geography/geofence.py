"""Says which taxa a geofence shuts out of a place: rules by country and region, in the form and sense of SpeciesNet's.

Reading the files is left to `fence_file`, the place to `place`; SpeciesNet's own use of the rules to `speciesnet`.

The rules, after speciesnet 5.0.6, `geofence_utils.should_geofence_animal_classification`, where each is about one label:

1. A taxon without a rule, or a place without a country: allowed.
2. It has a list of countries that allow it, and this is none of them: blocked.
3. This country allows it in some regions, and the region is known and none of them: blocked.
4. This country blocks it, wholly: blocked; in some regions: blocked if the region is known and one of them.

A taxonomy of ours has more taxa than labels, so a rule holds below its taxon, too:

5. A taxon obeys the nearest rule at or above it.
6. What is blocked is blocked with all below it, as SpeciesNet's builder hands it down (`build_geofence_release`).
7. That builder also hands up what is allowed, so that the list of a genus sums up those of its species. In a file where
   all lists are handed up so, one with others below it is about the taxon itself and not about those below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bioclip_search.geography.place import Place
from bioclip_search.intervals import LeafSet
from bioclip_search.taxonomy import Taxonomy

if TYPE_CHECKING:
    from bioclip_search.names import Names

KEY_RANKS = ("class", "order", "family", "genus", "epithet")
"""What a key tells, parted by semicolons; what it leaves empty at its end makes it a higher taxon."""

SHOWN, LETTERS_SHOWN = 5, 80
"""How many names a note tells one by one, and how much of each."""

Regions = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Rule:
    """Where a taxon is allowed and where it is blocked: countries with some of their regions, none of them for the whole."""

    allow: Regions = field(default_factory=dict)
    block: Regions = field(default_factory=dict)

    def forbids(self, place: Place) -> bool:
        """Rules 2 and 3."""
        if not self.allow or place.country is None:
            return False
        regions = self.allow.get(place.country)
        return regions is None or bool(regions and place.region and place.region not in regions)

    def blocks(self, place: Place) -> bool:
        """Rule 4."""
        regions = self.block.get(place.country) if place.country else None
        return regions is not None and (not regions or place.region in regions)


@dataclass(frozen=True)
class Fenced:
    """The leaves that a geofence shuts out of a place, and what became of its keys."""

    leaves: LeafSet
    notes: tuple[str, ...]
    unmatched: tuple[str, ...] = ()
    """Keys that name no taxon here."""
    by_name: tuple[str, ...] = ()
    """Keys whose name is a synonym here, or whose ranks between the class and the name are others."""


@dataclass(frozen=True)
class Geofence:
    """Rules by key, all in small letters: "mammalia;carnivora;felidae;panthera;leo"."""

    name: str
    rules: Mapping[str, Rule]
    notes: tuple[str, ...] = ()
    """What was odd about the file."""

    @classmethod
    def read(cls, *paths: str | Path) -> Geofence:
        """The rules of a file, with those of further ones laid over it: SpeciesNet's JSON, or its CSV of corrections.

        Raises:
            TableError: A file cannot be read, or is not of either form.
        """
        from bioclip_search.geography.fence_file import read_fences

        return cls(*read_fences([Path(path) for path in paths]))

    def fences(self, key: str, place: Place) -> bool:
        """Whether the rule of this very taxon shuts it out, as SpeciesNet sees it (rules 1 to 4)."""
        rule = self.rules.get(key)
        return rule is not None and (rule.forbids(place) or rule.blocks(place))

    def blocked(self, taxonomy: Taxonomy, place: Place, names: Names | None = None) -> Fenced:
        """The leaves that are shut out (rules 1 to 7), and which keys name no taxon.

        Args:
            names: Where synonyms are looked up; None knows accepted names only.
        """
        from bioclip_search.geography.keys import match_keys

        found = match_keys(list(self.rules), taxonomy, names)
        nearest = np.full(len(taxonomy), -1)  # (n,) the number of the key whose list of countries counts
        blocked = np.zeros(len(taxonomy), bool)
        keys = list(self.rules)
        bare = taxonomy.deepest_ranks()
        for depth, start, stop, number in sorted(found.nodes):
            rule = self.rules[keys[number]]
            if rule.blocks(place):
                blocked[start:stop] = True
            if keys[number] not in self._sums:
                nearest[start:stop] = number
            elif bare[start] == depth:
                nearest[start] = number
        forbids = np.array([self.rules[key].forbids(place) for key in keys] + [False])
        leaves = LeafSet.from_mask(blocked | forbids[nearest])
        return Fenced(leaves, self._told(place, found.unmatched, found.by_name, len(leaves)), found.unmatched, found.by_name)

    @cached_property
    def countries(self) -> frozenset[str]:
        """All countries that any rule names."""
        return frozenset(country for rule in self.rules.values() for regions in (rule.allow, rule.block) for country in regions)

    @cached_property
    def _sums(self) -> frozenset[str]:
        """Rule 7: the keys whose list of countries only sums up those below them."""
        children = [(key, above) for key, rule in self.rules.items() if rule.allow for above in keys_above(key)]
        is_handed_up = all(above in self.rules and self.rules[key].allow.keys() <= self.rules[above].allow.keys() for key, above in children)
        return frozenset(above for _, above in children) if is_handed_up else frozenset()

    def _told(self, place: Place, unmatched: tuple[str, ...], by_name: tuple[str, ...], count: int) -> tuple[str, ...]:
        notes = [*self.notes, f"{self.name}: {counted(count, 'taxon', 'taxa')} shut out of {place}"]
        if unmatched:
            notes.append(f"{self.name}: of {counted(len(self.rules), 'key')} {len(unmatched):,} without a taxon in this index ({some(unmatched)})")
        if by_name:
            notes.append(
                f"{self.name}: {counted(len(by_name), 'key')} matched by class and name, a synonym or with other ranks between than here ({some(by_name)})"
            )
        if place.country and place.country not in self.countries:
            notes.append(f"{self.name}: no rule names {place.country}")
        elif place.region and not any(place.region in part.get(place.country, ()) for rule in self.rules.values() for part in (rule.allow, rule.block)):
            notes.append(f"{self.name}: no rule names the region {place.region} of {place.country}")
        return tuple(notes)


def keys_above(key: str) -> list[str]:
    """The keys of the taxa above a key's own, nearest first.

    >>> keys_above("mammalia;carnivora;felidae;;")
    ['mammalia;carnivora;;;', 'mammalia;;;;']
    """
    parts = key.split(";")
    depth = max((place + 1 for place, part in enumerate(parts) if part), default=0)
    return [";".join([*parts[:above], *[""] * (len(parts) - above)]) for above in range(depth - 1, 0, -1) if parts[above - 1]]


def some(names: tuple[str, ...]) -> str:
    """The first of some names."""
    return ", ".join(shortly(name) for name in names[:SHOWN]) + (" …" if len(names) > SHOWN else "")


def shortly(name: str) -> str:
    """A name that somebody else wrote, short enough for a message."""
    return name if len(name) <= LETTERS_SHOWN else name[: LETTERS_SHOWN - 1] + "…"


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "key"), counted(2000, "taxon", "taxa")
    ('1 key', '2,000 taxa')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
