"""Which camera's stay at a place a picture belongs to: by the folder it lies in, or by a table of stays.

What a collection tells of its own pictures is left to its reader; this comes over it where a person says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from functools import partial
from pathlib import Path

from bioclip_search.errors import SourceError
from bioclip_search.media import Deployment, Facts
from bioclip_search.sources.archives import BETWEEN, is_zip
from bioclip_search.sources.camtrap_dp import find_package, package_deployments
from bioclip_search.sources.cells import day_first_of, find_columns, moment_of, place_of, text_of
from bioclip_search.sources.paths import ARCHIVE_SUFFIXES
from bioclip_search.sources.source import Placing, Tally
from bioclip_search.sources.tables import delimited_header, delimited_rows, is_parquet, parquet_header, parquet_rows, told_as_source_error

BY_FOLDER, NONE = "folder", "none"

WANTED = ("deployment", "place", "camera", "latitude", "longitude", "start", "end")

MAX_DEPLOYMENTS = 1_000_000
"""More rows than that are a table of pictures; the largest archives of camera traps have some ten thousand stays."""

NO_MATCH = "pictures that match no deployment"
NOT_THEN = "pictures taken at a time in which none of the stays of their camera was, so that they are given none"
NO_TIME = "pictures without a time, of a camera with several stays, so that they are given none"
OUTSIDE = "pictures taken outside the time of their deployment (a wrong clock?)"
NO_PART = "pictures whose path has no such part, so that they are given no deployment"

_HELD = re.compile(rf"(.+(?:{'|'.join(map(re.escape, (*ARCHIVE_SUFFIXES, '.parquet', '.pq')))})){re.escape(BETWEEN)}(.*)", re.IGNORECASE | re.DOTALL)


def read_deployments(place: str | Path) -> tuple[Deployment, ...]:
    """The deployments in a CSV, TSV or Parquet table, or a Camtrap DP package (its folder, datapackage.json or zip), in their order.

    Raises:
        SourceError: It cannot be read, names no deployment or station, or tells two stays that cannot be told apart.
    """
    return tuple(stay.deployment for stay in _stays(Path(place)))


def placing_for(spec: str | Path | None, *, tells_itself: bool = False) -> tuple[Placing, tuple[Deployment, ...]]:
    """What gives pictures their deployments, and the deployments of the table that was named.

    Args:
        spec: "folder", "folder:N", "none", a table, or None: what the source tells, else the folder.
        tells_itself: Whether the source is a package that knows its deployments; then None leaves all as it is.

    Raises:
        SourceError: It is none of these.
    """
    if spec is None:
        return (_as_told if tells_itself else _folder_unless_told), ()
    words = str(spec)
    if words == NONE:
        return _without, ()
    if words == BY_FOLDER:
        return _by_folder, ()
    if words.startswith(f"{BY_FOLDER}:"):
        number = words.removeprefix(f"{BY_FOLDER}:")
        if not number.isdigit() or number == "0":
            raise SourceError(f"{words}: expected {BY_FOLDER}:1 for the first folder below the root, {BY_FOLDER}:2 for the one below that, and so on.")
        return partial(_by_part, int(number)), ()
    stays = _stays(Path(spec))
    return _ByTable.of(stays).place, tuple(stay.deployment for stay in stays)


def _as_told(_image: str, facts: Facts, _tally: Tally, _is_late: bool) -> Facts:
    return facts


def _without(_image: str, facts: Facts, _tally: Tally, _is_late: bool) -> Facts:
    return facts if facts.deployment is None else replace(facts, deployment=None)


def _folder_unless_told(image: str, facts: Facts, tally: Tally, is_late: bool) -> Facts:
    return facts if facts.deployment is not None else _by_folder(image, facts, tally, is_late)


def _by_folder(image: str, facts: Facts, _tally: Tally, _is_late: bool) -> Facts:
    """The folder that holds it; an archive counts as one, and in the root there is none."""
    held = _HELD.fullmatch(image)
    end = max(image.rfind("/"), held.end(1) if held else -1)
    return replace(facts, deployment=image[:end] if end > 0 else None)


def _by_part(number: int, image: str, facts: Facts, tally: Tally, is_late: bool) -> Facts:
    parts = folders_of(image)
    if len(parts) >= number:
        return replace(facts, deployment=parts[number - 1])
    if not is_late:
        tally.add(NO_PART, image)
    return replace(facts, deployment=None)


def folders_of(image: str, *, with_archive: bool = False) -> list[str]:
    """The folders above a picture, the outermost first, within its archive too.

    >>> folders_of("2020/all.zip!StationA/DCIM/1.jpg"), folders_of("2020/all.zip!StationA/1.jpg", with_archive=True)
    (['2020', 'StationA', 'DCIM'], ['2020', 'all', 'StationA'])
    """
    held = _HELD.fullmatch(image)
    *outer, name = (held[1] if held else image).split("/")
    if held is None:
        return outer
    stem = name[: -max(len(ending) for ending in (*ARCHIVE_SUFFIXES, ".parquet", ".pq") if name.lower().endswith(ending))]
    return [*outer, *([stem] if with_archive else []), *held[2].split("/")[:-1]]


@dataclass(frozen=True)
class Stay:
    """A deployment, and the names by which pictures refer to it."""

    deployment: Deployment
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _ByTable:
    """Stays by the names that pictures refer to them by, without case."""

    by_name: Mapping[str, Sequence[Deployment]]

    @classmethod
    def of(cls, stays: Sequence[Stay]) -> _ByTable:
        by_name: dict[str, list[Deployment]] = {}
        for stay in stays:
            for name in dict.fromkeys(_plain(name) for name in stay.names):
                by_name.setdefault(name, []).append(stay.deployment)
        return cls(by_name)

    def place(self, image: str, facts: Facts, tally: Tally, is_late: bool) -> Facts:
        """The facts with the stay's name and place over them. Each picture is told of once: what matches none early, what its time decides late."""
        candidates = self._candidates(image, facts)
        if not candidates:
            if not is_late:
                tally.add(NO_MATCH, image)
            return facts
        moment = facts.timestamp
        fitting = [stay for stay in candidates if moment is not None and _is_during(moment, stay)]
        if not fitting and len(candidates) > 1:
            if is_late:
                tally.add(NO_TIME if moment is None else NOT_THEN, image)
            return replace(facts, deployment=None) if is_late else facts
        stay = max(fitting, key=_start_on_the_clock) if fitting else candidates[0]  # on the day of a change, the one that was set up last
        if is_late and moment is not None and not fitting:
            tally.add(OUTSIDE, image)
        return Facts(latitude=stay.latitude, longitude=stay.longitude, deployment=stay.name).over(facts)

    def _candidates(self, image: str, facts: Facts) -> Sequence[Deployment]:
        """By the deployment that is told, else by the longest run of folders that is a name, the innermost first."""
        if facts.deployment is not None and _plain(facts.deployment) in self.by_name:
            return self.by_name[_plain(facts.deployment)]
        for run in _runs(folders_of(image, with_archive=True)):
            if run in self.by_name:
                return self.by_name[run]
        return ()


def _runs(folders: Sequence[str]) -> Iterator[str]:
    plain = [_plain(folder) for folder in folders]
    for length in range(len(plain), 0, -1):
        for start in range(len(plain) - length, -1, -1):
            yield "/".join(plain[start : start + length])


def _plain(name: str) -> str:
    return "/".join(part.strip() for part in name.replace("\\", "/").casefold().split("/"))


def _is_during(moment: datetime, stay: Deployment) -> bool:
    """Whether it lies within the stay, both ends included; where only one of two times tells its zone, as both stand on the clock."""
    return (stay.start is None or _is_ordered(stay.start, moment)) and (stay.end is None or _is_ordered(moment, stay.end))


def _start_on_the_clock(stay: Deployment) -> datetime:
    return (stay.start or datetime.min).replace(tzinfo=None)


def _is_ordered(first: datetime, second: datetime) -> bool:
    if (first.tzinfo is None) != (second.tzinfo is None):
        first, second = first.replace(tzinfo=None), second.replace(tzinfo=None)
    return first <= second


def _stays(place: Path) -> list[Stay]:
    if not place.exists():
        raise SourceError(f"{place}: no such table of deployments. Give {BY_FOLDER}, {BY_FOLDER}:N, {NONE}, a CSV, or a Camtrap DP package.")
    if place.is_dir() or place.suffix.lower() == ".json" or is_zip(place):
        package = find_package(place)
        if package is None:
            raise SourceError(f"{place}: is no Camtrap DP package, for which a datapackage.json with deployments and media was expected.")
        stays = [Stay(one, (one.name, *([one.place] if one.place else []))) for one in package_deployments(package)]
    else:
        rows = list(_cells(place))
        day_first = day_first_of(row.get(name) for row in rows for name in ("start", "end"))
        stays = _told_apart([_row_stay(cells, day_first, place) for cells in rows], place)
    if not stays:
        raise SourceError(f"{place}: tells of no deployment.")
    return stays


def _cells(path: Path) -> Iterator[dict[str, object]]:
    """The wanted cells of each row, by our names."""
    with told_as_source_error(path):
        if is_parquet(path):
            columns = _columns(parquet_header(path), path)
            rows: Iterator[Mapping[str, object]] = parquet_rows(path, sorted(set(columns.values())))
            yield from ({ours: row[theirs] for ours, theirs in columns.items()} for row in _counted(rows, path))
            return
        with path.open("rb") as file:
            columns = _columns(delimited_header(file), path)
        with path.open("rb") as file:
            yield from ({ours: row[theirs] for ours, theirs in columns.items()} for row in _counted(delimited_rows(file), path))


def _columns(names: Sequence[str], path: Path) -> dict[str, str]:
    found = find_columns(names, WANTED, where=str(path))
    if "deployment" not in found and "place" not in found:
        raise SourceError(
            f"{path}: no column names deployments. It has {', '.join(names[:20]) or 'nothing'}; expected deployment, station or location, and beside it "
            "latitude, longitude, start and end."
        )
    return found


def _counted(rows: Iterator[Mapping[str, object]], path: Path) -> Iterator[Mapping[str, object]]:
    for number, row in enumerate(rows):
        if number >= MAX_DEPLOYMENTS:
            raise SourceError(f"{path}: has more than {MAX_DEPLOYMENTS:,} rows, where a row for each deployment was expected.")
        yield row


def _row_stay(cells: Mapping[str, object], day_first: bool | None, path: Path) -> Stay | None:
    told, place, camera = (text_of(cells.get(name)) for name in ("deployment", "place", "camera"))
    name = told or place
    if name is None:
        return None
    latitude, longitude = place_of(cells.get("latitude"), cells.get("longitude")) or (None, None)
    start, end = moment_of(cells.get("start"), clock=time.min, day_first=day_first), moment_of(cells.get("end"), clock=time.max, day_first=day_first)
    for moment, cell in ((start, cells.get("start")), (end, cells.get("end"))):
        if moment is None and text_of(cell):
            raise SourceError(f"{path}: {name} has the time {text_of(cell)}, which cannot be read, or in two ways. Write it as 2020-06-05 10:00:00.")
    names = (name, place, camera and f"{name}/{camera}", camera and place and f"{place}/{camera}")  # a camera's own "1" is in every station
    return Stay(Deployment(name, latitude, longitude, start, end, place), tuple(one for one in names if one))


def _told_apart(stays: Sequence[Stay | None], path: Path) -> list[Stay]:
    """Stays of one name bear its start as well: StationA 2020-05-30.

    Raises:
        SourceError: Two of one name have no start, or the same.
    """
    known = list(dict.fromkeys(stay for stay in stays if stay is not None))
    count = Counter(stay.deployment.name for stay in known)
    renamed = []
    for stay in known:
        name, start = stay.deployment.name, stay.deployment.start
        if count[name] > 1:
            camera = next((one for one in stay.names if one.startswith(f"{name}/")), name)
            name = f"{camera} {start:%Y-%m-%d}" if start else camera
        renamed.append(Stay(replace(stay.deployment, name=name), (name, *stay.names)))
    doubled = [name for name, times in Counter(stay.deployment.name for stay in renamed).items() if times > 1]
    if doubled:
        raise SourceError(f"{path}: {doubled[0]} stands in several rows that cannot be told apart. Give each row its start and end, or a name of its own.")
    return renamed
