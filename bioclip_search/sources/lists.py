"""The pictures of a table: a row names a file, or holds the picture itself, and may tell when and where it was taken.

Reading rows is left to `tables`, what a column means to `cells`, where a path leads to `paths`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bioclip_search.errors import SourceError
from bioclip_search.media import Facts, Media, Video
from bioclip_search.sources.archives import BETWEEN
from bioclip_search.sources.cells import COLUMNS, day_first_of, find_columns, is_slashed, moment_of, place_of, text_of
from bioclip_search.sources.paths import is_address, is_picture, is_video, locate, tellable
from bioclip_search.sources.seen import Seen
from bioclip_search.sources.source import Tally
from bioclip_search.sources.tables import delimited_header, delimited_rows, is_parquet, parquet_count, parquet_header, parquet_rows, told_as_source_error

WANTED = ("image", "folder", "timestamp", "date", "time", "latitude", "longitude", "deployment", "place", "camera")

TWICE = "rows that name a picture named before, passed over"
NAMELESS = "rows that name no picture, passed over"
NO_TIME = "times that cannot be read, or in two ways, left to the pictures themselves (write 2020-06-05 10:00:00)"
ON_NETWORK = "lies on a network, where a file was expected; download it, and name the file"


@dataclass(frozen=True)
class PictureList:
    """A table of pictures that can be gone through again and again; open it with `open_list`.

    Attributes:
        columns: Of ours (see `WANTED`) the table's own names.
        holds_pictures: Whether the column of the image holds bytes, or the struct of bytes and path that Hugging Face keeps images in.
        rows: A fresh stream of the rows.
        name: What results call the table.
        day_first: Whether it writes the 5th of June as 05/06/2020; None where it does neither, or it cannot be told.
    """

    path: Path
    root: Path
    columns: Mapping[str, str]
    holds_pictures: bool
    rows: Callable[[], Iterator[dict[str, Any]]]
    name: str = ""
    day_first: bool | None = None

    def stream(self, tally: Tally) -> Iterator[Media | Video]:
        """A file that is named twice, as where a table has a row for each animal, is given once."""
        with told_as_source_error(self.path), Seen() as seen:
            for number, row in enumerate(self.rows(), start=1):
                media = self._held(row, number, tally) if self.holds_pictures else self._named(row, tally)
                if media is None:
                    tally.add(NAMELESS, f"row {number}")
                elif not seen.is_new(media.image):
                    tally.add(TWICE, media.image)
                else:
                    yield media

    def count(self) -> int:
        """The number that `stream` gives, without the bytes of pictures."""
        if not self.holds_pictures:
            return sum(1 for _ in self.stream(Tally()))
        with told_as_source_error(self.path):
            return parquet_count(self.path)

    def _named(self, row: Mapping[str, Any], tally: Tally) -> Media | Video | None:
        path = row[self.columns["image"]]
        if text_of(path) is None:
            return None
        folder = text_of(row[self.columns["folder"]]) if "folder" in self.columns else None
        if folder and "/" not in path and "\\" not in path:
            path = f"{folder.rstrip('/')}/{path}" if "\\" not in folder else f"{folder.rstrip(chr(92))}\\{path}"
        return media_at(str(path), self.root, self.facts(row, tally))

    def _held(self, row: Mapping[str, Any], number: int, tally: Tally) -> Media | None:
        cell = row[self.columns["image"]]
        path = cell.get("path") if isinstance(cell, dict) else None
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if not data and path:
            return media_at(path, self.root, self.facts(row, tally))
        name = f"{self.name}{BETWEEN}{number:07d}" + (f"-{tellable(Path(path).name)}" if path else "")
        return Media(name, data=data, facts=self.facts(row, tally)) if data else Media(name, error="holds no picture in this row of the table")

    def facts(self, row: Mapping[str, Any], tally: Tally) -> Facts:
        """What the row tells besides the picture."""
        cells = {ours: row[theirs] for ours, theirs in self.columns.items()}
        told = _time_told(cells)
        moment = moment_of(told, day_first=self.day_first)
        if moment is None and text_of(told):
            tally.add(NO_TIME, str(told))
        place = place_of(cells.get("latitude"), cells.get("longitude")) or (None, None)
        return Facts(moment, *place, camera=text_of(cells.get("camera")), deployment=text_of(cells.get("deployment")) or text_of(cells.get("place")))


def _time_told(cells: Mapping[str, Any]) -> Any:
    told = cells.get("timestamp")
    if text_of(told) is None and "date" in cells:
        told = " ".join(words for words in (text_of(cells["date"]), text_of(cells.get("time"))) if words)
    return told


def _with_order_of_days(opened: PictureList) -> PictureList:
    """Only a table whose first row has a time like 05/06/2020 is gone through for it; then all rows tell which is the day."""
    times = {ours: theirs for ours, theirs in opened.columns.items() if ours in ("timestamp", "date", "time")}
    if not times or opened.holds_pictures:
        return opened
    told = (_time_told({ours: row[theirs] for ours, theirs in times.items()}) for row in opened.rows())
    with told_as_source_error(opened.path):
        first = next(told, None)
        return replace(opened, day_first=day_first_of(itertools.chain([first], told))) if is_slashed(first) else opened


def each_once(named: Iterable[Media | Video | None], tally: Tally) -> Iterator[Media | Video]:
    """Those that come with a name, each name the first time; the others are tallied."""
    with Seen() as seen:
        for media in named:
            if media is None:
                tally.add(NAMELESS)
            elif not seen.is_new(media.image):
                tally.add(TWICE, media.image)
            else:
                yield media


def media_at(path: str, root: Path, facts: Facts) -> Media | Video:
    """The picture or video that a path leads to, told from the root."""
    if is_address(path):
        return Media(tellable(path), facts=facts, error=ON_NETWORK)
    try:
        image, file = locate(path, root)
    except ValueError as error:
        return Media(tellable(path).replace("\0", ""), facts=facts, error=str(error))
    return Video(image, file, facts) if is_video(image) else Media(image, file, facts=facts)


def open_list(path: Path, *, columns: Mapping[str, str] | None = None, root: Path | None = None) -> PictureList:
    """The list in a CSV, TSV or Parquet file, or in a text with one path per line.

    Raises:
        SourceError: It cannot be read, or no column is known to name pictures.
    """
    root = root or path.parent
    with told_as_source_error(path):
        if is_parquet(path):
            return _open_parquet(path, columns, root)
        with path.open("rb") as file:
            names = delimited_header(file)
    if len(names) == 1 and columns is None and (is_picture(names[0]) or is_video(names[0])):
        return PictureList(path, root, {"image": "image"}, False, lambda: ({"image": line} for line in _lines(path)), tellable(path.name))
    found = _found_columns(names, columns, path)
    return _with_order_of_days(PictureList(path, root, found, False, lambda: _delimited_rows(path), tellable(path.name)))


def _open_parquet(path: Path, columns: Mapping[str, str] | None, root: Path) -> PictureList:
    import pyarrow as pa
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    found = _found_columns(parquet_header(path), columns, path)
    kind = schema.field(found["image"]).type
    is_image = pa.types.is_struct(kind) and {"bytes", "path"} <= {kind.field(number).name for number in range(kind.num_fields)}
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    if not is_image and not is_bytes and not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise SourceError(f"{path}: the column {found['image']} holds {kind}, where paths, bytes, or a struct of bytes and path were expected.")
    holds = is_image or is_bytes
    opened = PictureList(path, root, found, holds, lambda: parquet_rows(path, sorted(set(found.values())), with_pictures=holds), tellable(path.name))
    return _with_order_of_days(opened)


def _found_columns(names: list[str], columns: Mapping[str, str] | None, path: Path) -> dict[str, str]:
    found = find_columns(names, WANTED, columns, str(path))
    if "image" not in found:
        told = ", ".join(names[:20]) if names else "nothing"
        raise SourceError(
            f"{path}: no column names the pictures. It has {told}; expected {', '.join(COLUMNS['image'][:8])} or the like. Or say which it is: --column image=HEADER."
        )
    return found


def _delimited_rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open("rb") as file:
        yield from delimited_rows(file)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        yield from (line.strip() for line in file)
