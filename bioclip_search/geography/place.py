"""Gives a place as a person names it: a country, with a region of it, or a point; or says what is wrong with the words.

Which taxa live there is left to `geofence` and `occurrences`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from bioclip_search.countries import alpha3, likest_codes
from bioclip_search.errors import TableError

REGION = re.compile(r"[A-Z0-9]{1,3}")
"""The part of a code of ISO 3166-2 after the country's: NJ of US-NJ."""

POINT_FORM = "two numbers in degrees, latitude first, such as 59.91,10.75"


@dataclass(frozen=True)
class Place:
    """A country (ISO 3166 alpha-3) with perhaps one of its regions, or a point in degrees; either may be missing."""

    country: str | None = None
    region: str | None = None
    point: tuple[float, float] | None = None

    @classmethod
    def of(cls, country: str | None = None, region: str | None = None, near: str | tuple[float, float] | None = None) -> Place:
        """The place that the words mean.

        Args:
            country: Two or three letters of ISO 3166, in any case.
            region: Its code in ISO 3166-2, with or without the country before it: NJ, US-NJ.
            near: Latitude and longitude, as a text or as numbers.

        Raises:
            TableError: A code or a number is none; the message says what was expected.
        """
        code = None if country is None else country_code(country)
        if region is not None and code is None:
            raise TableError(f"The region {region!r} needs its country, such as --country USA --region NJ.")
        return cls(code, None if region is None else _region_code(region, code), None if near is None else _point(near))

    def __str__(self) -> str:
        if self.point is not None:
            return f"{self.point[0]:g}, {self.point[1]:g}"
        return "-".join(part for part in (self.country, self.region) if part) or "anywhere"


ANYWHERE = Place()


def country_code(country: str) -> str:
    """The three letters of a country.

    Raises:
        TableError: There is no such code.
    """
    code = alpha3(country)
    if code is None:
        near = likest_codes(country)
        hint = f" (did you mean {', '.join(near)}?)" if near else ""
        raise TableError(f"{country!r} is no country code{hint}; give two or three letters of ISO 3166, such as DE or DEU.")
    return code


def _region_code(region: str, country: str) -> str:
    words = region.strip().upper()
    before, dash, code = words.rpartition("-")
    if (dash and alpha3(before) != country) or not REGION.fullmatch(code):
        raise TableError(f"{region!r} is no region of {country}; give its code of ISO 3166-2, such as NJ or US-NJ.")
    return code


def _point(near: str | tuple[float, float]) -> tuple[float, float]:
    parts = near.split(",") if isinstance(near, str) else near
    try:
        latitude, longitude = (float(part) for part in parts)
    except (TypeError, ValueError):
        raise TableError(f"{near!r} is no point; give {POINT_FORM}.") from None
    if not (math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180):
        swapped = abs(longitude) <= 90 < abs(latitude) <= 180
        hint = " They may be the wrong way round." if swapped else ""
        raise TableError(f"{near!r} is no point on Earth; give {POINT_FORM}, from -90 to 90 and from -180 to 180.{hint}")
    return latitude, longitude
