"""What a JSON file holds at its top, whatever its size: a pass over it that keeps no list of pictures.

Which of the known files it is, is left to `opening`, its pictures to `megadetector` and `coco`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioclip_search.json_stream import stream_json

LONG_LISTS = ("images", "annotations", "predictions")
"""The lists that grow with the number of pictures."""


@dataclass(frozen=True)
class Outline:
    """Attributes:
    members: What stands at the top, without the long lists.
    counts: The lengths of the long lists; one that is empty, or not there, is missing.
    first: The first element of each.
    """

    path: Path
    members: Mapping[str, Any]
    counts: Mapping[str, int]
    first: Mapping[str, Any]

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.counts, *self.members)


def read_outline(path: Path) -> Outline:
    """Raises: SourceError: the file cannot be read, or is no JSON object."""
    members: dict[str, Any] = {}
    counts: Counter[str] = Counter()
    first: dict[str, Any] = {}
    for name, value in stream_json(path, LONG_LISTS):
        if name in LONG_LISTS:
            counts[name] += 1
            first.setdefault(name, value)
        else:
            members[name] = value
    return Outline(path, members, counts, first)
