"""What a picture's EXIF tells of it: when, where and by which camera it was taken. Broken EXIF tells nothing and harms nobody.

Knows tags and how cameras misuse them; opening the picture is left to `images`.
Tags, types and their meanings: CIPA DC-008 (Exif 2.32), 4.6.4 to 4.6.6.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from bioclip_search.images import without_warnings
from bioclip_search.media import NO_FACTS, Facts

if TYPE_CHECKING:
    import PIL.Image

FIRST_YEAR = 1826
"""No photograph is older; a camera that tells an earlier year has no clock that is set."""

MOST_LETTERS = 100
"""Longest name of a maker or model that is kept, in letters."""

MOST_ZONE_H = 14
"""No zone is farther from Greenwich, in hours (Kiribati)."""

_EXIF, _GPS = 0x8769, 0x8825
_MAKE, _MODEL = 0x010F, 0x0110
_MOMENTS = (
    (_EXIF, 0x9003, 0x9291, 0x9011),
    (_EXIF, 0x9004, 0x9292, 0x9012),
    (None, 0x0132, 0x9290, 0x9010),
)
"""The folder and tag of each time, best first (taken, digitised, file changed), then the tags of its fraction of a second and its zone."""

_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE, _STATUS = 1, 2, 3, 4, 9
_WHEN = re.compile(r"\s*(\d{4})[:/.-](\d{1,2})[:/.-](\d{1,2})[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?")
_ZONE = re.compile(r"\s*([+-])(\d{2}):?(\d{2})")


def facts_of(picture: PIL.Image.Image) -> Facts:
    """What the EXIF of a picture that Pillow opened tells; `NO_FACTS` where it has none.

    The time is aware where a zone stands beside it, else in the camera's own time. A clock that was never set, half a
    position and a camera of blanks are told as not known.
    """
    tags = _tags(picture)
    if not any(tags.values()):
        return NO_FACTS
    return Facts(_timestamp(tags), *_position(tags[_GPS]), camera=camera_name(tags[None].get(_MAKE), tags[None].get(_MODEL)))


def camera_name(make: Any, model: Any) -> str | None:
    """Maker and model as one name, without the maker twice; None where both are blank.

    >>> camera_name("RECONYX", "HYPERFIRE 2"), camera_name("Canon", "Canon EOS 5D"), camera_name("\\0\\0", "  ")
    ('RECONYX HYPERFIRE 2', 'Canon EOS 5D', None)
    """
    maker, kind = _text(make), _text(model)
    return (kind if kind.lower().startswith(maker.lower()) else f"{maker} {kind}".strip()) or None


def moment(words: Any, fraction: Any = None, offset: Any = None) -> datetime | None:
    """The time that EXIF's words give, None where they are blank, broken or a clock that was never set.

    >>> moment("2019:07:21 06:05:04", "25", "-05:00").isoformat(), moment("0000:00:00 00:00:00")
    ('2019-07-21T06:05:04.250000-05:00', None)
    """
    found = _WHEN.match(_text(words))
    if not found or int(found[1]) < FIRST_YEAR:
        return None
    digits = re.match(r"\d*", _text(fraction))[0]
    try:
        return datetime(*(int(part or 0) for part in found.groups()), int(digits[:6].ljust(6, "0")), zone(offset))
    except ValueError:
        return None


def zone(words: Any) -> timezone | None:
    """The zone of words like "-05:00", None where they are none."""
    found = _ZONE.match(_text(words))
    if not found or int(found[2]) > MOST_ZONE_H:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset)


def _tags(picture: PIL.Image.Image) -> dict[int | None, dict[int, Any]]:
    """The tags by the folder of EXIF they stand in, None for the outermost; a folder that is broken is empty."""
    tags: dict[int | None, dict[int, Any]] = {None: {}, _EXIF: {}, _GPS: {}}
    with without_warnings():
        try:
            exif = picture.getexif()
            tags[None] = dict(exif)
        except Exception:  # Subtle: a damaged EXIF makes Pillow's reader raise nearly anything; the picture is sound.
            return tags
        for folder in (_EXIF, _GPS):
            try:
                tags[folder] = dict(exif.get_ifd(folder))
            except Exception:
                continue
    return tags


def _timestamp(tags: dict[int | None, dict[int, Any]]) -> datetime | None:
    for folder, time_tag, fraction_tag, zone_tag in _MOMENTS:
        when = moment(tags[folder].get(time_tag), tags[_EXIF].get(fraction_tag), tags[_EXIF].get(zone_tag))
        if when is not None:
            return when
    return None


def _position(gps: dict[int, Any]) -> tuple[float | None, float | None]:
    """Latitude and longitude in degrees; either both or none, and none at (0, 0) where the receiver says that it has no fix."""
    latitude = _degrees(gps.get(_LATITUDE), gps.get(_LATITUDE_REF), "NS", 90)
    longitude = _degrees(gps.get(_LONGITUDE), gps.get(_LONGITUDE_REF), "EW", 180)
    has_no_fix = _text(gps.get(_STATUS)).upper() == "V" and latitude == longitude == 0
    return (None, None) if latitude is None or longitude is None or has_no_fix else (latitude, longitude)


def _degrees(parts: Any, ref: Any, signs: str, most: int) -> float | None:
    """Degrees, minutes and seconds as one number, negative by the second of the two `signs`; None where any of them is undefined (0/0)."""
    side = _text(ref).upper()[:1]
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    is_sound = math.isfinite(value) and min(degrees, minutes, seconds) >= 0 and max(minutes, seconds) <= 60 and value <= most
    if not is_sound or side not in tuple(signs):
        return None
    return -value if side == signs[1] else value


def _text(value: Any) -> str:
    """The words of a tag up to its first NUL, without what cannot be printed."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value.split("\0")[0] if letter.isprintable()).strip()[:MOST_LETTERS]
