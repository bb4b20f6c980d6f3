"""Finds the time zone that somebody means: by its name, or by its offset from UTC.

What gets the zone is left to the formats.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo

OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?([0-5]\d))?")
MOST_HOURS = 14
"""No place is further from UTC."""


def zone_named(name: str) -> tzinfo | None:
    """The zone; None where there is none of that name. Names need the system's or Python's tzdata, offsets do not.

    >>> zone_named("+05:30")
    datetime.timezone(datetime.timedelta(seconds=19800))
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    told = OFFSET.fullmatch(name.strip())
    if told and int(told[2]) <= MOST_HOURS:
        offset = timedelta(hours=int(told[2]), minutes=int(told[3] or 0))
        return timezone(-offset if told[1] == "-" else offset)
    if name.strip().upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
