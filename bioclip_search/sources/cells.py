"""What the cells of other people's tables mean: which column is which, times, and degrees.

Knows single values only; rows are left to `lists`, `deployments` and the packages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from bioclip_search.errors import SourceError

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "image": (
        *("sourcefile", "filepath", "imagepath", "path", "relativefilepath", "imagefilepath", "image", "picture", "photo"),
        *("file", "filename", "imagefile", "imagename", "imagefilename", "photofile", "media", "mediapath"),
    ),
    "folder": ("relativepath", "directory", "folder", "imagefolder"),
    "timestamp": ("timestamp", "datetime", "datetimeoriginal", "dateandtime", "capturetime", "captured", "eventdatetime", "observed"),
    "date": ("date", "eventdate", "capturedate"),
    "time": ("time", "eventtime"),
    "latitude": ("latitude", "lat", "decimallatitude"),
    "longitude": ("longitude", "lon", "long", "lng", "decimallongitude"),
    "deployment": ("deployment", "deploymentid", "deploymentname", "stay"),
    "place": ("station", "stationid", "location", "locationid", "locationname", "site", "siteid", "sitename", "placename", "place", "trap", "trapid"),
    "camera": ("camera", "cameraid", "cameraname"),
    "start": ("start", "deploymentstart", "startdate", "setupdate", "setup", "begin", "datestart", "starttime", "startdatetime"),
    "end": ("end", "deploymentend", "enddate", "retrievaldate", "retrieved", "dateend", "stop", "endtime", "enddatetime"),
}
"""Of each thing the names that its column goes by, without case and punctuation, likeliest first: those of camtrapR (Station, Directory,
FileName, DateTimeOriginal, Setup_date, Retrieval_date), exiftool (SourceFile), Timelapse (RelativePath, File, DateTime), Camtrap DP, Wildlife
Insights (deployment_id, placename) and plain words."""

NULL_WORDS = frozenset({"", "na", "n/a", "null", "none", "nan", "nat"})
MONTHS = {name: number for number, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1)}

_EXIF = re.compile(r"(\d{4})[:/](\d{1,2})[:/](\d{1,2})(.*)", re.DOTALL)
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(.*)", re.DOTALL)
_MONTH_IN_WORDS = re.compile(r"(\d{1,2})[- ]([A-Za-z]{3})[a-z]*[- ](\d{4})(.*)", re.DOTALL)


def find_columns(names: Sequence[str], wanted: Sequence[str], given: Mapping[str, str] | None = None, where: str = "The table") -> dict[str, str]:
    """Of each wanted thing the table's own name for it; what it lacks is left out.

    Raises:
        SourceError: A column that was named is not there, or stands for nothing that is wanted.
    """
    given = dict(given or {})
    unknown = sorted(set(given) - set(wanted))
    if unknown:
        raise SourceError(f"A column can be named for {', '.join(wanted)}, not for {', '.join(unknown)}.")
    missing = sorted(set(given.values()) - set(names))
    if missing:
        raise SourceError(f"{where}: has no column {', '.join(missing)}; it has {', '.join(names)}.")
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(re.sub(r"[^a-z0-9]", "", str(name).lower()), name)
    found = {}
    for ours in wanted:
        theirs = given.get(ours) or next((plain[alias] for alias in COLUMNS[ours] if alias in plain), None)
        if theirs is not None:
            found[ours] = theirs
    return found


def text_of(value: Any) -> str | None:
    """The cell as trimmed text, None where it says nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    words = str(value).strip()
    return None if words.lower() in NULL_WORDS else words


def moment_of(value: Any, *, clock: time | None = None) -> datetime | None:
    """The time that is meant; None where there is none, where it can be read in two ways (05/06/2020), or lacks the time of day.

    Args:
        clock: Stands in for a time of day that is not told.

    >>> moment_of("2020:05:30 04:57:37"), moment_of("30-May-2020 4:57"), moment_of("05/06/2020 10:00")
    (datetime.datetime(2020, 5, 30, 4, 57, 37), datetime.datetime(2020, 5, 30, 4, 57), None)
    """
    if isinstance(value, datetime):
        return None if value != value else value  # Subtle: a missing time of pandas is unequal to itself
    if isinstance(value, date):
        return None if clock is None else datetime.combine(value, clock)
    words = text_of(value)
    if words is None:
        return None
    try:
        day, rest = _day_and_rest(words)
        rest = rest.strip().removeprefix("T").strip()
        if not rest:
            return None if clock is None else datetime.combine(day, clock)
        rest = re.sub(r"^(\d):", r"0\1:", re.sub(r"\s+(?=[+-]\d|Z)", "", rest))
        return datetime.fromisoformat(f"{day.isoformat()}T{rest}")
    except ValueError:
        return None


def _day_and_rest(words: str) -> tuple[date, str]:
    """Raises: ValueError: no day that can be read in one way only."""
    if match := _EXIF.fullmatch(words):
        year, month, day, rest = match.groups()
    elif match := _DOTTED.fullmatch(words):
        day, month, year, rest = match.groups()
    elif match := _MONTH_IN_WORDS.fullmatch(words):
        day, month, year, rest = match.groups()
        month = str(MONTHS.get(month.lower(), 0))
    else:
        return date.fromisoformat(words[:10]), words[10:]
    return date(int(year), int(month), int(day)), rest


def place_of(latitude: Any, longitude: Any) -> tuple[float, float] | None:
    """Latitude and longitude in degrees; None where one is missing, no number or off the globe, or both are the 0 of a receiver without signal."""
    values = [_number_of(latitude), _number_of(longitude)]
    if None in values or abs(values[0]) > 90 or abs(values[1]) > 180 or values == [0.0, 0.0]:
        return None
    return values[0], values[1]


def _number_of(value: Any) -> float | None:
    words = text_of(value)
    try:
        number = float(words.replace(",", ".")) if words else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
