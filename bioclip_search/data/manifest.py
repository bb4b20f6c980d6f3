"""What is known of a named data set: where it is, which column means what, under which licence, and how sure that is.

Reads TOML and loads nothing; that is left to `hub`. The manifests are kept in data_manifest/datasets and shipped with the package.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bioclip_search import places
from bioclip_search.errors import TableError

FOLDER = "datasets"
"""Where the manifests are within data_manifest."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
REQUIRED = ("what", "hub", "split", "licence", "citation", "columns")
OPTIONAL = ("config", "revision", "part", "size", "verified", "unverified", "source")
IMAGE = "image"


@dataclass(frozen=True)
class Manifest:
    """A data set of labelled pictures.

    Attributes:
        what: In one sentence.
        hub: OWNER/NAME on the Hugging Face hub, or a folder in its layout.
        split: The split that is read, and `part` what its pictures count as: what is called train is not measured unless asked for.
        columns: Of ours (image, the ranks, scientific_name, label, common_name, source_id) the names that they may go by there, likeliest first.
        verified: What was looked up and where; `unverified`: what was not, so that a mistake is easily found.
    """

    name: str
    what: str
    hub: str
    split: str
    licence: str
    citation: str
    columns: Mapping[str, tuple[str, ...]]
    part: str = "test"
    config: str | None = None
    revision: str | None = None
    size: str = ""
    source: str = ""
    verified: str = ""
    unverified: str = ""
    home: Path = field(default=Path(), compare=False)

    @property
    def local(self) -> Path | None:
        """The folder that holds it on this machine: a copy of the user's, or what `hub` itself names; None where it is on the hub only."""
        for folder in (places.user_datasets() / self.name, self.home / self.hub, Path(self.hub)):
            if folder.is_dir():
                return folder
        return None

    def steps(self) -> str:
        """How to get it by hand, word for word."""
        return (
            f"To get it by hand, on a machine with network: pip install huggingface_hub, then hf download {self.hub} --repo-type dataset "
            f"--local-dir {self.name}; put that folder at {places.user_datasets() / self.name} and run the command again."
        )


def named_sets() -> dict[str, Path]:
    """The manifests that are shipped, by name, in alphabetical order."""
    home = places.shipped("data_manifest")
    return {file.stem: file for file in sorted((home / FOLDER).glob("*.toml"))} if home else {}


def find_manifest(name: str | Path) -> Manifest | None:
    """The manifest of this name, or in this .toml file; None where it is neither: then it is the name of a file or folder.

    Raises:
        TableError: The manifest is damaged, or looks like a name and is none.
    """
    path = Path(name)
    if path.suffix.lower() == ".toml" and path.is_file():
        return read_manifest(path)
    if path.exists():
        return None
    known = named_sets()
    if str(name) in known:
        return read_manifest(known[str(name)])
    near = get_close_matches(str(name), known, n=1, cutoff=0.8) if NAME.fullmatch(str(name)) and not path.suffix else []
    if near:
        raise TableError(f"{name}: no such file, and no data set of this name. Did you mean {near[0]}? There are {', '.join(known)}.")
    return None


def read_manifest(path: Path) -> Manifest:
    """Raises: TableError: the file cannot be read, lacks an entry, or has one that means nothing."""
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TableError(f"{path}: cannot be read as TOML ({error}).") from error
    missing = [key for key in REQUIRED if key not in content]
    unknown = [key for key in content if key not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown:
        told = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(unknown)}, which mean nothing"] * bool(unknown)
        raise TableError(f"{path}: is no manifest of a data set: it {' and '.join(told)}.")
    columns = content.pop("columns")
    if not isinstance(columns, dict) or IMAGE not in columns or len(columns) < 2:
        raise TableError(f"{path}: its [columns] must say which column holds the {IMAGE} and which the taxon.")
    wrong = [key for key, value in content.items() if not isinstance(value, str)]
    if wrong:
        raise TableError(f"{path}: {', '.join(wrong)} must be text.")
    return Manifest(name=path.stem, columns={ours: _names(theirs, path) for ours, theirs in columns.items()}, home=path.parent, **content)


def _names(theirs: Any, path: Path) -> tuple[str, ...]:
    names = (theirs,) if isinstance(theirs, str) else tuple(theirs) if isinstance(theirs, list) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise TableError(f"{path}: a column is told by its name, or by a list of names that it may have; got {theirs!r}.")
    return names
