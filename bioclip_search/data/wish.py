"""What of a data set is asked for, what became of it, and the mark that is left in its folder.

How it is fetched is left to `pull`, where it is found afterwards to `pulled`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bioclip_search.errors import TableError
from bioclip_search.swapping import whole_file

MARK = "pulled.json"
"""The file in the folder of a data set that says what of it was asked for, and whether all of that is here."""

MAX_MARK_BYTES = 1 << 24
"""A mark that is larger (16 MiB) is none of ours."""

BEGUN, WHOLE = "begun", "whole"


@dataclass(frozen=True)
class Wish:
    """A part of a data set; where nothing is told, all of it.

    Attributes:
        species: Taxa of any rank, or what the set calls them; pictures of any of these.
        locations: Names of the places of cameras.
        split: The part called so.
        limit: At most as many pictures.
        only: Patterns such as `metadata/*` of the files of a repository.
        boxes: The labels with boxes, where a set has such beside others.
    """

    species: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    split: str | None = None
    limit: int | None = None
    only: tuple[str, ...] = ()
    boxes: bool = False

    def refuse_all_but(self, name: str, kind: str, *allowed: str) -> None:
        """Raises: TableError: something is asked that this kind of data set cannot be parted by."""
        options = {"species": "--species", "locations": "--location", "split": "--split", "limit": "--limit", "only": "--only", "boxes": "--boxes"}
        wrong = [option for key, option in options.items() if getattr(self, key) and key not in allowed]
        if wrong:
            able = ", ".join(options[key] for key in allowed) or "nothing"
            raise TableError(f"{name} ({kind}) cannot be parted by {', '.join(wrong)}; it can by {able}. Leave it out, and choose when it is here.")


@dataclass(frozen=True)
class PulledSet:
    """A data set that is here now.

    Attributes:
        count: How many pictures or files of what was asked for are here, and `fetched` how many of these came just now.
        missing: How many could not be had; `notes` tells why, and what else is worth telling.
    """

    name: str
    folder: Path
    count: int
    fetched: int
    missing: int = 0
    unit: str = "pictures"
    notes: tuple[str, ...] = ()


def mark(folder: Path, wish: Wish, state: str, **more: Any) -> None:
    """Writes what was asked for and whether it is all here."""
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / MARK) as part:
        part.write_text(json.dumps({"state": state, "asked": asdict(wish), **more}, ensure_ascii=False, indent=1), encoding="utf-8")


def marked(folder: Path) -> dict[str, Any] | None:
    """What `mark` wrote; None where there is nothing, or nothing that could be read."""
    path = folder / MARK
    try:
        if path.stat().st_size > MAX_MARK_BYTES:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
