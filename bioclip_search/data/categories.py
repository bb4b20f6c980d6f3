"""What the categories of a set of camera traps mean: which taxon each is, and which are asked for by a name of any rank.

Which pictures show them is left to `camera_traps`.

LILA keeps a table of all its sets (https://lila.science/taxonomy-mapping-for-camera-trap-data-sets): dataset_name, query (the
category), scientific_name, common_name and the ranks from kingdom to variety.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PEOPLE = frozenset({"human", "person", "people", "homo sapiens"})
"""Categories whose pictures LILA does not publish (https://lila.science/image-access)."""

QUERY, SET_NAME, SCIENTIFIC, COMMON = "query", "dataset_name", "scientific_name", "common_name"
NOT_TAXA = frozenset({SET_NAME, QUERY, "source", "taxonomy_level", "taxonomy_string", "minor_alias"})
"""Columns of LILA's table whose values name no taxon."""

MAX_CELL = 1 << 20


@dataclass(frozen=True)
class Categories:
    """The categories of a set, by their ids as text.

    Attributes:
        names: As the set calls them.
        taxa: Of a name in lower case what the table of taxa tells; empty where there is none.
        listed: As they stand in the file.
    """

    names: Mapping[str, str]
    taxa: Mapping[str, Mapping[str, str]]
    listed: tuple[Any, ...] = ()

    @classmethod
    def of(cls, listed: list[Any], taxa: Mapping[str, Mapping[str, str]]) -> Categories:
        """Those entries that have an id and a name."""
        sound = [one for one in listed if isinstance(one, dict) and "id" in one and isinstance(one.get("name"), str)]
        return cls({str(one["id"]): one["name"] for one in sound}, taxa, tuple(sound))

    def ids_of(self, taxon: str) -> set[str]:
        """The categories that are called so, or that belong to the taxon of this name."""
        wanted = plain_name(taxon)
        return {number for number, name in self.names.items() if wanted == plain_name(name) or wanted in self._taxa_of(name)}

    def ids_in(self, names: frozenset[str]) -> set[str]:
        """The categories that are called one of these, in lower case."""
        return {number for number, name in self.names.items() if plain_name(name) in names}

    def label(self, number: str) -> str:
        """The taxon of a category as a person would write it: its scientific name where the table tells one, else its own."""
        name = self.names.get(number, "")
        told = self.taxa.get(name.lower(), {}).get(SCIENTIFIC, "")
        return told[:1].upper() + told[1:] if told else name.replace("_", " ").strip()

    def common_name(self, number: str) -> str:
        return self.taxa.get(self.names.get(number, "").lower(), {}).get(COMMON, "")

    def _taxa_of(self, name: str) -> set[str]:
        return {plain_name(value) for key, value in self.taxa.get(name.lower(), {}).items() if value and key not in NOT_TAXA}


def plain_name(name: str) -> str:
    """The name without regard to capitals, underscores and spaces.

    >>> plain_name("Panthera_Leo "), plain_name("odocoileus  virginianus")
    ('panthera leo', 'odocoileus virginianus')
    """
    return " ".join(name.replace("_", " ").lower().split())


def read_taxa(file: Path, set_name: str) -> dict[str, dict[str, str]]:
    """What LILA's table tells of each category of a set, by its name in lower case; empty where it tells nothing or is none."""
    csv.field_size_limit(MAX_CELL)
    found: dict[str, dict[str, str]] = {}
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            for row in csv.DictReader(lines):
                if plain_name(row.get(SET_NAME) or "") == plain_name(set_name) and row.get(QUERY):
                    found[row[QUERY].lower()] = {key: value.strip() for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
    except (OSError, csv.Error):
        return {}
    return found
