"""Writes a run as GeoJSON (RFC 7946): a point for each deployment with what was seen there, or, at level media, for each observation.

Where a picture was taken is its own place, else that of its deployment.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bioclip_search.errors import ExportError
from bioclip_search.json_stream import stream_json
from bioclip_search.runs.record import IDENTIFIED
from bioclip_search.standards.collection import Collection, SeenPicture, place_of
from bioclip_search.standards.options import MEDIA, ExportOptions
from bioclip_search.standards.output import fresh_file
from bioclip_search.standards.report import ExportReport, Tally

FEATURES = "features"
UNNAMED = "unnamed"
"""Pictures of no deployment are told together, at the place of the first of them."""


def write(collection: Collection, out: Path, options: ExportOptions) -> ExportReport:
    """Writes the file; see `ExportOptions`.

    Raises:
        ExportError: No picture has a place, or a place is none on earth.
    """
    tally = Tally()
    with fresh_file(out, options) as part:
        with part.open("w", encoding="ascii", newline="\n") as file:
            file.write('{"type": "FeatureCollection", "features": [')
            features = _observations(collection, options, tally) if options.level == MEDIA else _deployments(collection, options, tally)
            for number, feature in enumerate(features):
                file.write(("," if number else "") + "\n" + json.dumps(feature))
            file.write("\n]}\n")
        if tally.left_out and not tally.pictures:
            raise ExportError(
                "No picture has a place to put on a map. Give those of the cameras with --deployments FILE.csv (deployment, latitude, longitude)."
            )
        _check(part)
    return tally.report("geojson", out)


def _observations(collection: Collection, options: ExportOptions, tally: Tally) -> Iterator[dict[str, Any]]:
    places = collection.places(options)
    for seen in collection.pictures(options, tally):
        place = place_of(seen.picture, places)
        if place is None:
            tally.leave_out("pictures without a place")
            continue
        tally.pictures += 1
        for crop, stands in seen.observed:
            tally.observations += 1
            told = {"image": seen.picture.image, "frame_number": seen.picture.frame_number, "crop": crop and crop.crop.number, "status": stands.status}
            told |= {"taxon": stands.taxon, "rank": stands.rank, "common_name": stands.common_name, "probability": stands.probability}
            told |= {"decided_by": stands.who, "time": _time(seen), "deployment": seen.picture.facts.deployment, "sequence": seen.sequence}
            yield _feature(place, told)


def _deployments(collection: Collection, options: ExportOptions, tally: Tally) -> Iterator[dict[str, Any]]:
    stays = collection.places(options)
    places = {name: (stay.latitude, stay.longitude) for name, stay in stays.items() if stay.latitude is not None and stay.longitude is not None}
    pictures: Counter[str] = Counter()
    taxa: dict[str, Counter[str]] = {name: Counter() for name in stays}
    for seen in collection.pictures(options, tally):
        name = seen.picture.facts.deployment or UNNAMED
        place = place_of(seen.picture, stays)
        if place is not None:
            places.setdefault(name, place)
        pictures[name] += 1
        taxa.setdefault(name, Counter()).update(stands.taxon or ("no name" if stands.status == IDENTIFIED else stands.status) for _, stands in seen.observed)
    for name, seen_there in taxa.items():
        if name not in places:
            tally.leave_out("pictures of deployments without a place", pictures[name])
            continue
        tally.pictures += pictures[name]
        tally.observations += 1
        stay = stays.get(name)
        told = {"deployment": name, "place": stay and stay.place, "start": stay and stay.start and stay.start.isoformat()}
        told |= {"end": stay and stay.end and stay.end.isoformat(), "pictures": pictures[name], "seen": dict(seen_there.most_common())}
        yield _feature(places[name], told)


def _feature(place: tuple[float | None, float | None], told: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": [place[1], place[0]]}, "properties": told}


def _time(seen: SeenPicture) -> str | None:
    stamp = seen.picture.facts.timestamp
    return stamp.isoformat() if stamp else None


def _check(path: Path) -> None:
    """
    Raises:
        ExportError: A point is no place on earth.
    """
    with closing(stream_json(path, (FEATURES,))) as members:
        for name, feature in members:
            if name == FEATURES and isinstance(feature, dict):
                longitude, latitude = feature["geometry"]["coordinates"]
                if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
                    raise ExportError(f"{feature['properties']}: lies at latitude {latitude}, longitude {longitude}, which is no place. Mend its deployment.")
