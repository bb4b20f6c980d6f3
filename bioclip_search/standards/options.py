"""What is asked of an export besides its format, the same for all formats; a format passes over what it has no use for.

Reading these from a command line is left to `cli.export`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from bioclip_search.errors import ExportError
from bioclip_search.media import Deployment

MEDIA, EVENT, BOTH = "media", "event", "both"
LINEAGE, FLAT = LAYOUTS = ("lineage", "flat")
COPY, SYMLINK, HARDLINK = WAYS = ("copy", "symlink", "hardlink")

LEVELS = (MEDIA, EVENT, BOTH)
"""Whether observations are told of single pictures, of bursts, or of both."""


@dataclass(frozen=True)
class ExportOptions:
    """
    Raises:
        ExportError: A word is none of those that there are.

    Attributes:
        without_repeats: Leave out boxes that were set aside because nothing there moves; occurrences are never made of them.
        without_people: Leave out every picture in which a person stands.
        level: One of `LEVELS`, where the format knows both.
        project: What the standard wants to know of the project; see `camtrap_project`.
        timezone: That of the times that carry none.
        language: Of the common names, by any code of ISO 639; None for the one that the run was asked to answer in.
        media_base: Address that stands before the names of the pictures, where they can be fetched.
        deployments: Told over those of the run, by name.
        blur_people: Make people unrecognisable in every picture that is written.
        layout: How species folders nest: "lineage", or "flat" for one folder a taxon.
        how: What stands in species folders: "copy", "symlink" or "hardlink".
        crops: Write what stands in the boxes into species folders, not the pictures.
        progress: Called with the pictures written and the pictures in all.
        overwrite: Whether what stands at the place of the export may be replaced.
    """

    without_repeats: bool = False
    without_people: bool = False
    level: str = BOTH
    project: Mapping[str, Any] = field(default_factory=dict)
    timezone: tzinfo | None = None
    language: str | None = None
    media_base: str | None = None
    deployments: tuple[Deployment, ...] = ()
    blur_people: bool = False
    layout: str = LINEAGE
    how: str = COPY
    crops: bool = False
    progress: Callable[[int, int], None] | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name, words in (("level", LEVELS), ("layout", LAYOUTS), ("how", WAYS)):
            if getattr(self, name) not in words:
                raise ExportError(f"There is no {name} {getattr(self, name)!r}. Expected one of: {', '.join(words)}.")
