"""Puts together all that is asked of a place: the rules and records to use, the taxa shut out there, and the prior.

Each sort of knowledge is left to its own room: `geofence`, `distribution`, `occurrences`; how answers differ with and
without it to `comparing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bioclip_search.errors import TableError
from bioclip_search.geography.distribution import COUNTRIES, occurring_in
from bioclip_search.geography.geofence import Geofence, counted
from bioclip_search.geography.occurrences import Occurrences, Prior
from bioclip_search.geography.place import ANYWHERE, Place
from bioclip_search.intervals import LeafSet

if TYPE_CHECKING:
    from bioclip_search.catalogue import Catalogue


@dataclass(frozen=True)
class Locality:
    """What a place makes of an index: the leaves that may be there (None: all), and how likely each is."""

    words: str
    leaves: LeafSet | None
    prior: Prior | None
    notes: tuple[str, ...] = ()


def locality(
    catalogue: Catalogue,
    *,
    country: str | None = None,
    region: str | None = None,
    geofence: str | Path | Sequence[str | Path] | Geofence | None = None,
    occurrences: str | Path | Occurrences | None = None,
    near: str | tuple[float, float] | None = None,
    month: int | None = None,
) -> Locality:
    """What these say of the taxa of an index; the arguments are those of `Catalogue.restrict`.

    1. A geofence shuts out what its rules forbid in the country and region.
    2. So does the index's own column of countries, where it has one; without a geofence and without occurrences it must have one.
    3. Occurrences shut out nothing: with them alone, the country says where to look, and is no filter.

    Raises:
        TableError: Some of them need others that are not given, or cannot be read, or name no place.
    """
    place = Place.of(country, region, near)
    for given, needed, words in (
        (geofence is not None, country is not None, "A geofence (--geofence) needs the --country it is asked about."),
        (region is not None, geofence is not None, "A --region is used by the rules of a --geofence only."),
        (near is not None, occurrences is not None, "A point (--near) is used with --occurrences only; for rules give --country."),
        (month is not None, occurrences is not None, "A --month is used with --occurrences only."),
    ):
        if given and not needed:
            raise TableError(words)
    notes: list[str] = []
    leaves = _allowed(catalogue, place, geofence, occurrences is not None, notes)
    prior = None
    if occurrences is not None:
        if not isinstance(occurrences, Occurrences):
            occurrences = Occurrences.read(occurrences, catalogue.taxonomy, catalogue.names)
        prior = occurrences.prior(place, month)
        said = "taken wherever they lie; say where with --near or --country" if place == ANYWHERE else f"for {prior.words}"
        notes += [*occurrences.notes, f"{occurrences.name}: {counted(round(prior.records), 'record')} {said}"]
    ruled = str(Place(place.country, place.region))
    words = ruled if prior is None else prior.words if leaves is None or place.point is None else f"{ruled}; {prior.words}"
    return Locality(words, leaves, prior, tuple(notes))


def _allowed(
    catalogue: Catalogue, place: Place, geofence: str | Path | Sequence[str | Path] | Geofence | None, is_soft: bool, notes: list[str]
) -> LeafSet | None:
    """Rules 1 to 3."""
    taxonomy, has_column = catalogue.taxonomy, COUNTRIES in catalogue.taxonomy.leaves.column_names
    leaves = None
    if geofence is not None:
        if not isinstance(geofence, Geofence):
            geofence = Geofence.read(*([geofence] if isinstance(geofence, str | Path) else geofence))
        fenced = geofence.blocked(taxonomy, place, catalogue.names)
        notes += fenced.notes
        leaves = LeafSet.whole(len(taxonomy)).minus(fenced.leaves)
    if place.country is not None and ((geofence is None and not is_soft) or (geofence is not None and has_column)):
        told, untold = occurring_in(taxonomy.leaves, place.country, catalogue.index.card.name)
        leaves = told if leaves is None else leaves & told
        if untold:
            notes.append(f"{untold:,} taxa without any country were left out")
    return leaves
