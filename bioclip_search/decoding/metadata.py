"""What a video's own metadata tells: when, where and by which camera it was filmed.

Knows FFmpeg's names of them; how times and cameras are written is left to `exif`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from bioclip_search.exif import camera_name, moment, zone
from bioclip_search.media import Facts

_APPLE = "com.apple.quicktime."
_ANDROID, _SAMSUNG_ZONE = "com.android.version", "com.samsung.android.utc_offset"
_PLACE = re.compile(r"([+-]\d{1,2}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)(?:[+-][\d.]+)?/?(?:CRS.*)?$")
"""ISO 6709 in degrees with decimals, the one form that cameras write: +27.9881+086.9250+8848/."""


def video_facts(metadata: Mapping[str, str]) -> Facts:
    """The facts in a video's metadata.

    The time is aware where the zone is known: Apple and Samsung write it, Android writes UTC. Elsewhere the
    "creation_time" of a video is taken as the camera's own time although the format wants UTC, for many cameras know no
    zone and write what their clock shows (as ExifTool does, see QuickTimeUTC at
    https://exiftool.org/TagNames/QuickTime.html; Apple too calls that common: "Calendar date and time values").
    """
    told = {name.lower(): words for name, words in metadata.items()}
    latitude, longitude = _place(told.get(_APPLE + "location.iso6709") or told.get("location") or "")
    camera = camera_name(told.get(_APPLE + "make") or told.get("make"), told.get(_APPLE + "model") or told.get("model"))
    return Facts(_moment(told), latitude, longitude, camera)


def _moment(told: Mapping[str, str]) -> datetime | None:
    apple = told.get(_APPLE + "creationdate", "")
    taken = moment(apple, None, apple[19:])
    if taken is not None:
        return taken
    for name in ("creation_time", "date"):
        taken = moment(told.get(name))
        if taken is not None:
            return taken.replace(tzinfo=UTC).astimezone(zone(told.get(_SAMSUNG_ZONE)) or UTC) if _ANDROID in told else taken
    return None


def _place(words: str) -> tuple[float | None, float | None]:
    found = _PLACE.match(words.strip())
    latitude, longitude = (float(found[1]), float(found[2])) if found else (91.0, 0.0)
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else (None, None)
