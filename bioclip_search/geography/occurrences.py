"""Says how much likelier each taxon is at a place and season than elsewhere, from records of occurrences.

Reading and counting the table is left to `records`, its names to `resolving`, the smoothing to `smoothing`. A prior never
rules a taxon out: for rules see `geofence`.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bioclip_search.countries import alpha3
from bioclip_search.errors import TableError
from bioclip_search.geography.geofence import SHOWN, counted, shortly, some
from bioclip_search.geography.place import ANYWHERE, Place
from bioclip_search.geography.records import Records, read_records
from bioclip_search.geography.resolving import Resolved, resolve
from bioclip_search.geography.smoothing import Counted, leaf_shares
from bioclip_search.names import Names
from bioclip_search.taxonomy import Taxonomy

ANYWHERE_SHARE = 0.05
"""Probability that an organism is of any taxon whatever, as a stray, a captive or one that nobody recorded there; so no taxon is
ever ruled out."""

EVENNESS = 0.5
"""Power of a taxon's number of records that counts. Records tell as much of the people who made them as of what lives there, so
a bird recorded 10,000 times is taken to be 10 times, not 100 times, as likely as one recorded 100 times."""

TRUST = 0.5
"""Power to which the prior is raised before it meets the picture; 1 would take pictures to be drawn as the records were.

Over 1,443 held-out pictures of 514 species and made-up tables of records (85 % of these species and 300 others, log-normal
counts), the best match was right for 39 % of the recorded species without a prior, 50 % at half the trust and 51 % at full
trust; for the species that were not recorded 23 %, 27 % and 18 % (`python -m tests.benchmarks place`)."""

SMOOTHING = 5.0
"""Weight of what wider counts say, in counts: 25 records of one taxon at a place are worth as much as all records elsewhere."""

RADIUS_KM = 100.0
"""Distance at which a record counts 0.61 of one at the point itself; beyond three times as far it does not count."""

FARTHEST = 3.0
"""Distance in radii up to which records count."""

SEASON_MONTHS = 1.0
"""Months between a record and the season asked for at which it counts 0.61, at two of them 0.14."""

EXPECTED_RECORDS = 0.5
"""A taxon is expected where it has at least this many records, weighed by distance and season: one within the radius, say."""

LEAST_MISSED = 3.0
"""A taxon of the place is missed in a season only if so many records were to be expected then, at its share of all that is
recorded there: with fewer, none may be chance (the rule of three), or nobody looked."""

EARTH_KM = 6371.0
MOST_TOLD = 10


@dataclass(frozen=True, eq=False)
class Prior:
    """How much likelier each leaf is at a place, as a logarithm, and which taxa are expected there."""

    log_weights: np.ndarray  # (n,) float64, 0 where the place says nothing, never below TRUST * log(ANYWHERE_SHARE)
    words: str
    """The place and the season."""
    records: float
    """How many records speak of them, weighed by distance and season."""
    _taxa: Counted
    _there: np.ndarray  # (k,) float64 records of each taxon at the place, in any month
    _then: np.ndarray  # (k,) float64 those in the season

    def expected(self, start: int, stop: int) -> bool:
        """Whether a taxon with these leaves, or one below it, was recorded there, and is not missed in that season."""
        of_taxon = self._taxa.within(start, stop)
        there, then = self._there[of_taxon].sum(), self._then[of_taxon].sum()
        if then >= EXPECTED_RECORDS:
            return True
        return bool(there >= EXPECTED_RECORDS and there * self.records < LEAST_MISSED * self._there.sum())


@dataclass(frozen=True, eq=False)
class Occurrences:
    """The records of a table, counted by taxon, country, cell and month."""

    name: str
    taxonomy: Taxonomy
    taxa: Counted
    taxon: np.ndarray  # (m,) int64 number among the taxa
    country: np.ndarray  # (m,) object, three letters, "" where there is none
    cell: np.ndarray  # (m, 2) float64 degrees, NaN where there is none
    month: np.ndarray  # (m,) int64, 0 where there is none
    count: np.ndarray  # (m,) float64
    notes: tuple[str, ...] = ()
    unknown: dict[str, float] = field(default_factory=dict)
    """Names that mean no taxon here, with their records, most first."""

    @classmethod
    def read(cls, path: str | Path, taxonomy: Taxonomy, names: Names) -> Occurrences:
        """The records of a GBIF download, a Darwin Core occurrence table, a Camtrap DP package or a table of one's own.

        Raises:
            TableError: It cannot be read, holds no record, or none of a taxon that is known.
        """
        records = read_records(Path(path))
        found = resolve(records.names, taxonomy, names)
        known = found.depth[records.number] >= 0
        if not known.any():
            first = some(tuple(records.names["name"].to_pylist()[:3]))
            raise TableError(f"{path}: none of its {counted(len(records.names), 'name')} is known to this index (such as {first}).")
        nodes, numbers = np.unique(np.stack([found.depth, found.start, found.stop], axis=1), axis=0, return_inverse=True)
        names_of = records.names["name"].to_pylist()
        unknown = sorted(((float(n), names_of[at]) for at, n in enumerate(records.names["records"].to_numpy()) if found.depth[at] < 0), reverse=True)
        codes = {word: alpha3(word) or "" for word in set(records.country[known]) if word}
        country = np.array([codes.get(word, "") for word in records.country[known]], object)
        notes = _notes(Path(path).name, records, found, unknown, [word for word, code in codes.items() if not code])
        return cls(
            *(Path(path).name, taxonomy, Counted(*nodes.T), numbers.ravel()[records.number[known]], country),
            *(records.cell[known], records.month[known], records.count[known], notes, {name: n for n, name in unknown}),
        )

    def prior(self, place: Place = ANYWHERE, month: int | None = None) -> Prior:
        """What the records say of a place and a month.

        The counts of the place in that season are smoothed by those of the place, and these by those of the whole table.

        Raises:
            TableError: No record lies there, or the table does not tell where its records lie; no such month.
        """
        if month is not None and month not in range(1, 13):
            raise TableError(f"A month is a number from 1 to 12, not {month}.")
        weights, at_place = [self.count], 0
        if place.point is not None or place.country is not None:
            weights.append(self.count * (self._near(place.point) if place.point is not None else self._in_country(place.country)))
            at_place = 1
        if month is not None:
            weights.append(weights[-1] * self._in_season(month))
        by_taxon = [np.bincount(self.taxon, weights=weight, minlength=len(self.taxa.start)) for weight in weights]
        shares = leaf_shares(self.taxonomy.levels, len(self.taxonomy), self.taxa, [counts**EVENNESS for counts in by_taxon], SMOOTHING)
        log_weights = TRUST * np.log((1 - ANYWHERE_SHARE) * np.exp(shares + np.log(len(shares))) + ANYWHERE_SHARE)
        season = "" if month is None else f" in {calendar.month_name[month]}"
        return Prior(log_weights, f"{place}{season}", float(by_taxon[-1].sum()), self.taxa, by_taxon[at_place], by_taxon[-1])

    def _in_country(self, country: str) -> np.ndarray:
        """(m,) 1 for records of a country, else 0."""
        found = self.country == country
        if not found.any():
            known = sorted(set(self.country) - {""})
            there = f"it has {', '.join(known[:MOST_TOLD])}{' …' if len(known) > MOST_TOLD else ''}" if known else "it tells no countries; give --near LAT,LON"
            raise TableError(f"{self.name}: has no record from {country}; {there}.")
        return found.astype(np.float64)

    def _near(self, point: tuple[float, float]) -> np.ndarray:
        """(m,) the weight of each record by its distance, 0 to 1."""
        if np.isnan(self.cell).all():
            raise TableError(f"{self.name}: tells no coordinates (decimalLatitude and decimalLongitude), so nothing is near a point. Give --country.")
        radii = distance_km(point, self.cell) / RADIUS_KM  # (m,)
        nearest = np.nanmin(radii)
        if nearest > FARTHEST:
            raise TableError(
                f"{self.name}: has no record within {FARTHEST * RADIUS_KM:g} km of {point[0]:g}, {point[1]:g}; the nearest lies {nearest * RADIUS_KM:,.0f} km away. "
                "Is the latitude given first?"
            )
        return np.where(radii <= FARTHEST, np.exp(-0.5 * np.nan_to_num(radii, nan=np.inf) ** 2), 0.0)

    def _in_season(self, month: int) -> np.ndarray:
        """(m,) the weight of each record by its month, round the year; one without a month has the mean of all."""
        apart = np.abs(np.arange(1, 13) - month)
        weights = np.exp(-0.5 * (np.minimum(apart, 12 - apart) / SEASON_MONTHS) ** 2)
        return np.concatenate([[weights.mean()], weights])[self.month]


def distance_km(point: tuple[float, float], others: np.ndarray) -> np.ndarray:
    """The distance on a sphere from one point to others, (m, 2) in degrees: (m,) float64, NaN where one has no place.

    >>> distance_km((60, 10), np.array([[60, 10], [61, 10], [-60, -170]])).round(1).tolist()
    [0.0, 111.2, 20015.1]
    """
    latitude, longitude = np.radians(point)
    latitudes, longitudes = np.radians(others).T
    chord = np.sin((latitudes - latitude) / 2) ** 2 + np.cos(latitude) * np.cos(latitudes) * np.sin((longitudes - longitude) / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(chord, 0, 1)))


def _notes(name: str, records: Records, found: Resolved, unknown: list[tuple[float, str]], odd_countries: list[str]) -> tuple[str, ...]:
    """What was read and what was not, in words."""
    per_name = records.names["records"].to_numpy()
    higher = found.is_higher
    told = [f"{name}: {counted(records.rows, 'row')} read, {counted(int((found.depth >= 0).sum()), 'name')} of taxa that this index has"]
    if higher.any():
        told.append(f"{counted(int(higher.sum()), 'name')} known by genus or family only ({counted(int(per_name[higher].sum()), 'record')})")
    if unknown:
        examples = ", ".join(f"{shortly(word)} {n:,.0f}" for n, word in unknown[:SHOWN])
        told.append(
            f"{counted(len(unknown), 'name')} unknown, {counted(int(sum(n for n, _ in unknown)), 'record')} ({examples}{' …' if len(unknown) > SHOWN else ''})"
        )
    if odd_countries:
        told.append(f"no codes of countries: {some(tuple(sorted(odd_countries)))}")
    for count, words in (
        (records.unnamed, "without a name"),
        (records.absent, "of absence, or with a count that is none"),
        (records.misshapen, "with too few or too many cells"),
        (records.bad_points, "with coordinates that are none"),
        (records.bad_dates, "with a date that tells no month (expected such as 2020-05-30)"),
    ):
        if count:
            told.append(f"{counted(count, 'row')} {words}")
    return ("; ".join(told),)
