"""Looks through a run before it is written as Camtrap DP: which deployments there are, from when to when and where, and which taxa.

Refuses what the standard requires and nobody has told. The tables are left to `camtrap_dp`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from bioclip_search.errors import ExportError
from bioclip_search.media import Deployment
from bioclip_search.standards.camtrap_rules import MISSING, RANKS, TABLES
from bioclip_search.standards.classes import Key, key_of
from bioclip_search.standards.collection import Collection, SeenPicture, Standing, with_zone
from bioclip_search.standards.options import ExportOptions

UNNAMED = "unnamed"
"""The deployment of pictures that name none."""

URL = re.compile(r"https?://")
TOLD_AT_ONCE = 5
"""Names that an error message tells of a long list."""


@dataclass
class Survey:
    """What the run holds: deployments by name, taxa with their common names, and how many pictures the standard has a place for."""

    stays: dict[str, Deployment] = field(default_factory=dict)
    taxa: dict[Key, str | None] = field(default_factory=dict)
    held: int = 0
    refused: int = 0

    def see(self, stands: Standing) -> None:
        if stands.taxon is not None:
            key = key_of(stands)
            self.taxa[key] = self.taxa.get(key) or stands.common_name

    def coverage(self, language: str) -> list[dict[str, Any]]:
        """The taxa as the standard lists them; of two with one name the first."""
        told: dict[str, dict[str, Any]] = {}
        for (rank, taxon, lineage), common in self.taxa.items():
            ranks = {name: value for name, value in lineage if name in RANKS[:6]}
            entry = {"scientificName": taxon} | ({"taxonRank": rank} if rank in RANKS else {}) | ranks
            told.setdefault(taxon, entry | ({"vernacularNames": {language: common}} if common and common != taxon else {}))
        return list(told.values())


def survey(collection: Collection, options: ExportOptions) -> Survey:
    """
    Raises:
        ExportError: Times have no zone, or a deployment has no place.
    """
    found, stays = Survey(), collection.places(options)
    spans: dict[str, tuple[datetime, datetime]] = {}
    for seen in collection.pictures(options):
        if refusal(seen, options):
            found.refused += 1
            continue
        found.held += 1
        name, stamp = deployment_of(seen), zoned(seen, options.timezone)
        first, last = spans.get(name, (stamp, stamp))
        spans[name] = min(first, stamp), max(last, stamp)
        stay, facts = stays.get(name) or Deployment(name), seen.picture.facts
        if stay.latitude is None and facts.latitude is not None:
            stay = replace(stay, latitude=facts.latitude, longitude=facts.longitude)
        stays[name] = stay
        for _, stands in seen.observed:
            found.see(stands)
    for sequence in collection.sequences.answers.values() if collection.sequences else ():
        if sequence.answer is not None and sequence.answer.taxon is not None:
            told = sequence.answer
            found.see(Standing("", told.taxon, told.rank, told.common_name, dict(told.lineage)))
    found.stays = {name: _whole(stays[name], spans.get(name), options.timezone) for name in sorted(stays) if name in spans or stays[name].start}
    _require_places(found.stays.values())
    return found


def deployment_of(seen: SeenPicture) -> str:
    name = seen.picture.facts.deployment
    return UNNAMED if name is None or name in MISSING else name


def refusal(seen: SeenPicture, options: ExportOptions) -> str | None:
    """Why the standard has no place for a picture; None where it has."""
    if seen.picture.facts.timestamp is None:
        return "pictures without a time, which Camtrap DP requires"
    path = file_path(seen.picture.image, options.media_base)
    if TABLES["media"]["filePath"].fault(path):
        return "pictures whose path Camtrap DP does not allow (absolute, hidden, or with '..')"
    return None


def file_path(image: str, media_base: str | None) -> str:
    """Where a picture is, as the standard wants it: an address, or a path from the folder of the package."""
    if URL.match(image) or media_base is None:
        return image
    from urllib.parse import quote

    return f"{media_base.rstrip('/')}/{quote(image)}"


def zoned(seen: SeenPicture, zone: tzinfo | None) -> datetime:
    """
    Raises:
        ExportError: The time has no zone, and none was given.
    """
    return _with_zone(seen.picture.facts.timestamp, zone, seen.picture.image)  # type: ignore[arg-type]


def _with_zone(stamp: datetime, zone: tzinfo | None, what: str) -> datetime:
    told = with_zone(stamp, zone)
    if told is None:
        raise ExportError(f"{what}: its time {stamp} has no zone, which Camtrap DP requires. Give that of the cameras, such as --timezone Europe/Brussels.")
    return told


def _whole(stay: Deployment, span: tuple[datetime, datetime] | None, zone: tzinfo | None) -> Deployment:
    """The deployment from its own start and end, else from its first picture to its last."""
    told = [None if one is None else _with_zone(one, zone, f"deployment {stay.name}") for one in (stay.start, stay.end)]
    start = told[0] or (span[0] if span else None)
    end = told[1] or (span[1] if span else start)
    return replace(stay, start=start, end=end)


def _require_places(stays: Iterable[Deployment]) -> None:
    lost = [one.name for one in stays if one.latitude is None or one.longitude is None]
    if lost:
        named = ", ".join(lost[:TOLD_AT_ONCE]) + (" …" if len(lost) > TOLD_AT_ONCE else "")
        raise ExportError(
            f"Camtrap DP requires the latitude and longitude of every deployment; these lack them: {named}. "
            "Give them with --deployments FILE.csv (columns deployment, latitude, longitude, and start and end where they are known)."
        )


def stamp_words(stamp: datetime) -> str:
    """The time as the standard writes it, with its zone; one whose zone is told in seconds, as some old ones are, in UTC.

    >>> stamp_words(datetime.fromisoformat("2020-05-30T04:57:37.250+02:00"))
    '2020-05-30T04:57:37+02:00'
    """
    offset = stamp.utcoffset() or timedelta()
    if offset % timedelta(minutes=1):
        stamp = stamp.astimezone(UTC)
    return stamp.replace(microsecond=0).isoformat().replace("+00:00", "Z")
