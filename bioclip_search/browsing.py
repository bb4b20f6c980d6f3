"""Counts and pages over a run of any size: by taxon, hour, day, place and kind, without its rows ever being in memory at once.

What stands for a crop, a person's decision over the machine's answer, is `standards.collection`'s to say; pictures of crops are
left to `thumbnails`, drawing to the app.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa

from bioclip_search.errors import RunError
from bioclip_search.media import Deployment
from bioclip_search.prompts import RANKS
from bioclip_search.runs.folder import Run
from bioclip_search.runs.table import schema, to_pictures
from bioclip_search.standards.collection import WHOLE, Collection, SeenPicture, Standing

SURE, UNSURE, OLDEST, NEWEST, NAME = ORDERS = ("surest first", "least sure first", "oldest first", "newest first", "by picture")
"""How crops can be ordered; crops that are alike in that stand in the order of their pictures' names."""

_BY_ORDER = {
    SURE: "chance DESC NULLS LAST,",
    UNSURE: "chance ASC NULLS LAST,",
    OLDEST: "timestamp ASC NULLS LAST,",
    NEWEST: "timestamp DESC NULLS LAST,",
    NAME: "",
}

MOST_POINTS = 2000
"""Places told at most, those with most crops: more than can be told apart on a map."""

POINT_DECIMALS = 3
"""Pictures nearer to each other than this many decimals of a degree (110 m) are one point."""

ANSWERS_KEPT = 64
"""Questions whose answers are kept, for a page asks the same ones at every click; what they are about does not change."""

MEMORY_LIMIT = "512MB"
"""Most memory of one run's queries; counting a million rows takes a tenth of it."""


@dataclass(frozen=True)
class Wanted:
    """Which crops are looked at; what is left empty wants all.

    Attributes:
        lineage: From the highest rank on: (("class", "Mammalia"), ("order", "Carnivora")).
        is_unnamed: Only those that nobody was sure enough to name.
        statuses: Of `runs.record.STATUSES`.
        deployment: One of `Browser.deployments`; "" for pictures of none.
        first, last: Days, both counted in.
        hours: From the first hour to the last, both counted in; (22, 3) is a night.
        with_repeats: Those too that were set aside because nothing there moves.
    """

    lineage: tuple[tuple[str, str], ...] = ()
    is_unnamed: bool = False
    statuses: tuple[str, ...] = ()
    deployment: str | None = None
    first: date | None = None
    last: date | None = None
    hours: tuple[int, int] | None = None
    with_repeats: bool = False


ALL = Wanted()


@dataclass(frozen=True)
class Taxon:
    """A node of the tree of what was seen.

    Attributes:
        path: From the highest rank on; () for the root, which stands for life.
        crops: Of this taxon and all below; `own`: of those, named no further.
        children: Most crops first, ties by name.
    """

    path: tuple[tuple[str, str], ...] = ()
    common_name: str | None = None
    crops: int = 0
    own: int = 0
    children: tuple[Taxon, ...] = ()

    def find(self, path: Sequence[tuple[str, str]]) -> Taxon | None:
        """The node at the path below this one; None where nothing was seen of it."""
        node: Taxon | None = self
        for depth in range(len(self.path), len(path)):
            node = next((child for child in node.children if child.path == tuple(path[: depth + 1])), None) if node else None
        return node

    def branching(self) -> Taxon:
        """This node, or the first below that is named itself or branches: nobody wants to click through Animalia and Chordata."""
        node = self
        while len(node.children) == 1 and not node.own:
            node = node.children[0]
        return node


@dataclass(frozen=True)
class Place:
    """A deployment, or pictures of none, and what was seen there; times are local."""

    deployment: str
    pictures: int
    crops: int
    latitude: float | None = None
    longitude: float | None = None
    first: datetime | None = None
    last: datetime | None = None
    told: Deployment | None = None


@dataclass(frozen=True)
class Point:
    """Crops of one spot; `where` is its deployment, None where there is none."""

    latitude: float
    longitude: float
    crops: int
    where: str | None = None


@dataclass(frozen=True)
class ShownCrop:
    """A crop, or a picture without one (`crop` is then None), with what stands for it; `verdict` is None where no person looked."""

    media_id: str
    image: str
    crop: int | None
    status: str
    taxon: str | None = None
    rank: str | None = None
    common_name: str | None = None
    chance: float | None = None
    verdict: str | None = None
    box_xyxy: tuple[float, float, float, float] | None = None
    size_wh: tuple[int, int] | None = None
    frame_number: int | None = None
    timestamp: datetime | None = None
    deployment: str | None = None
    reason: str | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)


class Browser:
    """Looks through one run as it stands when this is made; may be asked from several threads, which then take turns."""

    def __init__(self, run: Run):
        """
        Raises:
            RunError: The run, or what people decided about it, cannot be read.
        """
        import duckdb
        from pyarrow import dataset

        self.run, self._lock = run, threading.Lock()
        self._asked = lru_cache(ANSWERS_KEPT)(self._fetched)
        self._errors = (duckdb.Error, pa.ArrowException, OSError)
        self.collection = Collection.open(run)
        with self._errors_told():
            rows = [str(part) for part in run.parts]
            self._all = dataset.dataset(rows, schema(None), "parquet") if rows else dataset.dataset(schema(None).empty_table())
            self._base = duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "threads": 2})
            self._base.register("rows", self._all)
            self._base.register("decided", pa.Table.from_pylist(list(self._decided()), _DECIDED))
            self._base.register("aside", _keys(self.collection.repeats))
            self._base.execute("SET enable_external_access = false")
            self._base.execute(_VIEW)

    def close(self) -> None:
        self._base.close()

    def count(self, wanted: Wanted = ALL) -> int:
        """How many crops are wanted; a picture without one counts as one."""
        return self._rows("SELECT count(*) FROM standing", wanted)[0][0]

    def by_status(self, wanted: Wanted = ALL) -> dict[str, int]:
        """How many rows there are of each kind; most first."""
        return dict(self._rows("SELECT status, count(*) FROM standing", wanted, "GROUP BY status ORDER BY 2 DESC, 1"))

    def by_hour(self, wanted: Wanted = ALL) -> list[int]:
        """Crops in each hour of the day, 24 numbers; those without a time are in none."""
        found = dict(self._rows("SELECT hour(timestamp), count(*) FROM standing", wanted, "AND timestamp IS NOT NULL GROUP BY 1"))
        return [found.get(hour, 0) for hour in range(24)]

    def by_day(self, wanted: Wanted = ALL) -> dict[date, int]:
        """Crops on each day that has any, the earliest first; those without a time are in none."""
        return dict(self._rows("SELECT timestamp::DATE, count(*) FROM standing", wanted, "AND timestamp IS NOT NULL GROUP BY 1 ORDER BY 1"))

    def taxa(self, wanted: Wanted = ALL) -> Taxon:
        """The tree of what was seen, from its root; crops that nobody was sure enough to name are the root's own.

        Subtle: a rank that a lineage lacks is passed over. People, vehicles and empty pictures are in no tree.
        """
        columns = ", ".join(f'"{rank}"' for rank in RANKS)
        named = self._rows(f"SELECT {columns}, any_value(common_name), count(*) FROM standing", wanted, f"AND status = 'identified' GROUP BY {columns}")
        return _tree(named)

    def deployments(self, wanted: Wanted = ALL) -> list[Place]:
        """What was seen at each deployment, in the order of their names; those that the source told of are there without pictures, too."""
        query = (
            "SELECT coalesce(deployment, ''), count(DISTINCT media_id), count(*) FILTER (crop IS NOT NULL), avg(latitude), avg(longitude), "
            "min(timestamp), max(timestamp) FROM standing"
        )
        told = {one.name: one for one in self.collection.deployments}
        found = {row[0]: row for row in self._rows(query, wanted, "GROUP BY 1")}
        return [_place(name, found.get(name, (name, 0, 0, None, None, None, None)), told.get(name)) for name in sorted({*found, *told})]

    def points(self, wanted: Wanted = ALL) -> list[Point]:
        """Where crops were seen, most first: at the picture's own place, else at that of its deployment."""
        at = f"round(latitude, {POINT_DECIMALS}), round(longitude, {POINT_DECIMALS})"
        found = self._rows(f"SELECT {at}, deployment, count(*) FROM standing", wanted, "AND crop IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3")
        told = {one.name: one for one in self.collection.deployments}
        points = []
        for latitude, longitude, name, crops in found:
            spot = told.get(name or "") if latitude is None or longitude is None else None
            latitude, longitude = (latitude, longitude) if spot is None else (spot.latitude, spot.longitude)
            if latitude is not None and longitude is not None:
                points.append(Point(latitude, longitude, crops, name))
        return points[:MOST_POINTS]

    def crops(self, wanted: Wanted = ALL, order: str = NAME, *, start: int = 0, limit: int = 24) -> list[ShownCrop]:
        """A page of crops: so many from that one on."""
        columns = (
            "media_id, image, crop, status, taxon, rank, common_name, chance, verdict, box_xyxy, width, height, frame_number, timestamp, deployment, "
            + "coalesce(error, reason), "
            + ", ".join(f'"{rank}"' for rank in RANKS)
        )
        ordered = f"ORDER BY {_BY_ORDER[order]} image, frame_number, crop LIMIT ? OFFSET ?"
        return [_shown(row) for row in self._rows(f"SELECT {columns} FROM standing", wanted, ordered, limit, start)]

    def seen(self, media_id: str) -> SeenPicture | None:
        """A picture with all that is known of it and what stands for each of its crops; None where the run has none of that id."""
        from pyarrow import dataset

        with self._errors_told():
            found = self._all.to_table(filter=dataset.field("media_id") == media_id)
        return next((self.collection.seen(picture) for picture in to_pictures(found.to_batches())), None)

    def _rows(self, select: str, wanted: Wanted, rest: str = "", *values: Any) -> list[tuple]:
        where, told = _where(wanted)
        return self._asked(f"{select} WHERE {where} {rest}", (*told, *values))

    def _fetched(self, query: str, values: tuple) -> list[tuple]:
        with self._lock, self._errors_told():
            return self._base.execute(query, values).fetchall()

    def _decided(self) -> Iterator[dict[str, Any]]:
        """What stands for every crop of the pictures that people decided about, as rows; only those are read in full."""
        names = sorted({name for name, _ in self.collection.decisions})
        if not names:
            return
        wanted = pa.array(names, pa.string())
        batches = (batch.filter(pa.compute.is_in(batch.column("media_id"), wanted)) for batch in self.run.batches())
        for picture in to_pictures(batch for batch in batches if len(batch)):
            seen = self.collection.seen(picture)
            standing = [(crop.crop.number, crop.stands) for crop in seen.crops] or [(WHOLE, seen.whole)]
            yield from ({"media_id": picture.media_id, "crop": crop, **_cells(one)} for crop, one in standing if one is not None and one.is_decided)

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            words = str(error).strip().splitlines() or [type(error).__name__]
            raise RunError(f"{self.run.folder}: its rows cannot be read ({words[0]}). Run `tag` anew into another folder.") from error


_DECIDED = pa.schema(
    [("media_id", pa.string()), ("crop", pa.int32())]
    + [(name, pa.string()) for name in ("status", "taxon", "rank", "common_name", "verdict", *(f"of_{rank}" for rank in RANKS))]
)
_VIEW = f"""
CREATE TEMP VIEW standing AS
SELECT r.media_id, r.image, r.crop, r.width, r.height, r.frame_number, r.timestamp, r.latitude, r.longitude, r.deployment, r.reason, r.error, r.box_xyxy,
    d.verdict, a.media_id IS NOT NULL AS is_aside,
    CASE WHEN d.verdict IS NULL THEN r.status ELSE d.status END AS status,
    CASE WHEN d.verdict IS NULL AND r.taxon IS NOT NULL THEN coalesce(r.chance, r.probability) END AS chance,
    {", ".join(f"CASE WHEN d.verdict IS NULL THEN r.{name} ELSE d.{name} END AS {name}" for name in ("taxon", "rank", "common_name"))},
    {", ".join(f'CASE WHEN d.verdict IS NULL THEN r."{rank}" ELSE d."of_{rank}" END AS "{rank}"' for rank in RANKS)}
FROM rows r
LEFT JOIN decided d ON d.media_id = r.media_id AND d.crop = coalesce(r.crop, {WHOLE})
LEFT JOIN aside a ON a.media_id = r.media_id AND a.crop = r.crop
"""


def _keys(keys: frozenset[tuple[str, int]]) -> pa.Table:
    ordered = sorted(keys)
    return pa.table({"media_id": pa.array([name for name, _ in ordered], pa.string()), "crop": pa.array([crop for _, crop in ordered], pa.int32())})


def _cells(stands: Standing) -> dict[str, str | None]:
    about = {name: getattr(stands, name) for name in ("status", "taxon", "rank", "common_name", "verdict")}
    return about | {f"of_{rank}": stands.lineage.get(rank) for rank in RANKS}


def _where(wanted: Wanted) -> tuple[str, list[Any]]:
    """The condition, and the values for its question marks; ranks are names of columns, so only known ones pass."""
    parts: list[str] = [] if wanted.with_repeats else ["NOT is_aside"]
    values: list[Any] = []
    for rank, name in wanted.lineage:
        if rank not in RANKS:
            raise RunError(f"There is no rank {rank!r} in the rows of a run. Expected one of: {', '.join(RANKS)}.")
        parts.append(f'"{rank}" = ?')
        values.append(name)
    if wanted.is_unnamed:
        parts.append("status = 'identified' AND taxon IS NULL")
    if wanted.statuses:
        parts.append(f"status IN ({', '.join('?' * len(wanted.statuses))})")
        values += wanted.statuses
    if wanted.deployment is not None:
        parts.append("coalesce(deployment, '') = ?")
        values.append(wanted.deployment)
    for day, sign in ((wanted.first, ">="), (wanted.last, "<=")):
        if day is not None:
            parts.append(f"timestamp::DATE {sign} ?")
            values.append(day)
    if wanted.hours is not None:
        first, last = wanted.hours
        parts.append(f"hour(timestamp) >= ? {'AND' if first <= last else 'OR'} hour(timestamp) <= ?")
        values += [first, last]
    return " AND ".join(f"({part})" for part in parts) or "true", values


def _tree(named: Sequence[tuple]) -> Taxon:
    """The tree of rows (the names by rank, a common name, a count)."""
    own: dict[tuple[tuple[str, str], ...], int] = {}
    total: dict[tuple[tuple[str, str], ...], int] = {(): 0}
    common: dict[tuple[tuple[str, str], ...], str | None] = {}
    below: dict[tuple[tuple[str, str], ...], set[tuple[tuple[str, str], ...]]] = {}
    for *names, common_name, crops in named:
        path = tuple((rank, name) for rank, name in zip(RANKS, names, strict=True) if name)
        own[path] = own.get(path, 0) + crops
        common[path] = common_name if path else None
        for depth in range(len(path) + 1):
            total[path[:depth]] = total.get(path[:depth], 0) + crops
            if depth:
                below.setdefault(path[: depth - 1], set()).add(path[:depth])

    def node(path: tuple[tuple[str, str], ...]) -> Taxon:
        children = tuple(node(child) for child in sorted(below.get(path, ()), key=lambda child: (-total[child], child)))
        return Taxon(path, common.get(path), total[path], own.get(path, 0), children)

    return node(())


def _place(name: str, row: tuple, told: Deployment | None) -> Place:
    _, pictures, crops, latitude, longitude, first, last = row
    if told is not None and told.latitude is not None and told.longitude is not None:
        latitude, longitude = told.latitude, told.longitude
    return Place(name, pictures, crops, latitude, longitude, first, last, told)


def _shown(row: tuple) -> ShownCrop:
    *head, box, width, height, frame_number, timestamp, deployment, reason = row[: -len(RANKS)]
    lineage = {rank: name for rank, name in zip(RANKS, row[-len(RANKS) :], strict=True) if name}
    size = (width, height) if width and height else None
    return ShownCrop(*head, tuple(box) if box else None, size, frame_number, timestamp, deployment, reason, lineage)
