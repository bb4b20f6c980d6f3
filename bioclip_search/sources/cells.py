"""What the cells of other people's tables mean: which column is which, times, and degrees.

Knows single values only; rows are left to `lists`, `deployments` and the packages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from bioclip_search.errors import SourceError
from bioclip_search.sources.paths import mended

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
MONTHS_A_YEAR = 12
MONTHS = {name: number for number, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1)}

_YEAR_FIRST = re.compile(r"(\d{4})[:/-](\d{1,2})[:/-](\d{1,2})(.*)", re.DOTALL)
_SLASHED = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})(.*)", re.DOTALL)
_HALVES = re.compile(r"(\d{1,2})(:\d{2}(?::\d{2})?)\s*([AaPp])\.?[Mm]\.?")
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
    words = mended(str(value)).strip()
    return None if words.lower() in NULL_WORDS else words


def moment_of(value: Any, *, clock: time | None = None, day_first: bool | None = None) -> datetime | None:
    """The time that is meant; None where there is none, where it can be read in two ways (05/06/2020), or lacks the time of day.

    Args:
        clock: Stands in for a time of day that is not told.
        day_first: How the table writes 05/06/2020, as `day_first_of` finds out; None: not known.

    >>> moment_of("2020:05:30 04:57:37"), moment_of("30-May-2020 4:57 PM"), moment_of("05/06/2020 10:00")
    (datetime.datetime(2020, 5, 30, 4, 57, 37), datetime.datetime(2020, 5, 30, 16, 57), None)
    """
    if isinstance(value, datetime):
        return None if value != value else value  # Subtle: a missing time of pandas is unequal to itself
    if isinstance(value, date):
        return None if clock is None else datetime.combine(value, clock)
    words = text_of(value)
    if words is None:
        return None
    try:
        day, rest = _day_and_rest(words, day_first)
        if not rest.strip():
            return None if clock is None else datetime.combine(day, clock)
        return datetime.fromisoformat(f"{day.isoformat()}T{_clock_of(rest)}")
    except ValueError:
        return None


def day_first_of(values: Iterable[Any]) -> bool | None:
    """Whether 05/06/2020 is the 5th of June, as some day beyond the 12th among the values shows; None where none does, or they contradict.

    >>> day_first_of(["05/06/2020", "13/06/2020"]), day_first_of(["05/06/2020 10:00"])
    (True, None)
    """
    found = set()
    for value in values:
        match = _SLASHED.fullmatch(text_of(value) or "")
        if match is not None and max(int(match[1]), int(match[2])) > MONTHS_A_YEAR:
            found.add(int(match[1]) > MONTHS_A_YEAR)
    return found.pop() if len(found) == 1 else None


def is_slashed(value: Any) -> bool:
    """Whether it is a time like 05/06/2020."""
    return _SLASHED.fullmatch(text_of(value) or "") is not None


def _day_and_rest(words: str, day_first: bool | None) -> tuple[date, str]:
    """Raises: ValueError: no day that can be read in one way only."""
    if match := _YEAR_FIRST.fullmatch(words):
        year, month, day, rest = match.groups()
    elif match := _DOTTED.fullmatch(words):
        day, month, year, rest = match.groups()
    elif match := _MONTH_IN_WORDS.fullmatch(words):
        day, month, year, rest = match.groups()
        month = str(MONTHS.get(month.lower(), 0))
    elif (match := _SLASHED.fullmatch(words)) and day_first is not None:
        first, second, year, rest = match.groups()
        day, month = (first, second) if day_first else (second, first)
    else:
        raise ValueError(words)
    return date(int(year), int(month), int(day)), rest


def _clock_of(words: str) -> str:
    """The time of day as ISO 8601 writes it, with its zone if there is one."""
    words = words.strip().removeprefix("T").strip()
    if match := _HALVES.fullmatch(words):
        return f"{int(match[1]) % 12 + (12 if match[3].lower() == 'p' else 0):02d}{match[2]}"
    return re.sub(r"^(\d):", r"0\1:", re.sub(r"\s+(?=[+-]\d|Z)", "", words))


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
