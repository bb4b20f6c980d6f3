"""The pictures of a Camtrap DP package, in its folder or in a zip, with time, place, deployment and the boxes of its observations.

The standard: https://camtrap-dp.tdwg.org/data (1.0; the names of the columns of 0.1 are known too). Identifications of others are not taken over.
Nothing outside the package is opened, whatever its tables say; what lies on a network is looked for by its name beside the package, not fetched.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import time
from pathlib import Path
from typing import Any, BinaryIO

from bioclip_search.errors import SourceError
from bioclip_search.media import Deployment, Facts, GivenBox, Media, Video
from bioclip_search.sources.archives import BETWEEN, UNPACKING_ERRORS, is_zip, open_zip, zip_media
from bioclip_search.sources.cells import moment_of, place_of, text_of
from bioclip_search.sources.folders import walk
from bioclip_search.sources.given import NO_BOX, given_box, kind_of
from bioclip_search.sources.lists import each_once
from bioclip_search.sources.paths import is_address, is_picture, is_video, locate_inside, tellable
from bioclip_search.sources.seen import Kept, Seen
from bioclip_search.sources.source import Stream, Tally
from bioclip_search.sources.tables import delimited_rows, told_as_source_error

DESCRIPTOR = "datapackage.json"
MAX_DESCRIPTOR_BYTES = 1 << 24

NOT_HERE = "its media are not here, only their address; download the file {name}, put it beside the package or below it, and run again"


@dataclass(frozen=True)
class Package:
    """A package that can be read again and again; get it with `find_package`.

    Attributes:
        place: Its folder, or its zip; `prefix` is where it begins within the zip.
        resources: The paths of each table's parts.
    """

    place: Path
    prefix: str
    resources: Mapping[str, tuple[str, ...]]

    @property
    def is_zip(self) -> bool:
        return self.place.is_file()

    @property
    def folder(self) -> Path:
        """Where its media are, if not in the zip."""
        return self.place.parent if self.is_zip else self.place

    def rows(self, name: str) -> Iterator[dict[str, str | None]]:
        """The rows of a table; the names of columns without case and underscores (deploymentID and deployment_id are deploymentid), no cell empty text.

        Raises:
            SourceError: The table is missing, lies on a network or outside the package, or cannot be read.
        """
        for path in self.resources.get(name, ()):
            with told_as_source_error(f"{self.place}: {name}"), self._open(path) as file:
                for row in delimited_rows(file):
                    yield {re.sub(r"[^a-z0-9]", "", column.lower()): text_of(cell) for column, cell in row.items()}

    @contextmanager
    def _open(self, path: str) -> Iterator[BinaryIO]:
        if is_address(path):
            raise SourceError(f"{self.place}: the table {path} lies on a network. Download it, put it beside {DESCRIPTOR}, and write its name there.")
        with ExitStack() as stack:
            if self.is_zip:
                opened = stack.enter_context(open_zip(self.place))
                try:
                    file: Any = stack.enter_context(opened.open(self.prefix + path))
                except (KeyError, *UNPACKING_ERRORS) as error:
                    raise SourceError(f"{self.place}: {path} cannot be taken out of the zip ({error}).") from error
            else:
                file = stack.enter_context(locate_inside(path, self.place)[1].open("rb"))
            yield stack.enter_context(gzip.open(file)) if path.lower().endswith(".gz") else file


def find_package(path: Path) -> Package | None:
    """The package in this folder, at this datapackage.json, or in this zip; None where there is no package with media."""
    if path.is_dir():
        found = (path, "", _read(path / DESCRIPTOR)) if (path / DESCRIPTOR).is_file() else None
    elif is_zip(path):
        found = _in_zip(path)
    else:
        found = (path.parent, "", _read(path))
    if found is None or not isinstance(found[2], dict):
        return None
    resources = {}
    for resource in found[2].get("resources") or []:
        if isinstance(resource, dict) and resource.get("path"):
            paths = resource["path"] if isinstance(resource["path"], list) else [resource["path"]]
            resources[str(resource.get("name"))] = tuple(str(one) for one in paths)
    return Package(found[0], found[1], resources) if {"media", "deployments"} <= set(resources) else None


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        return _parsed(file.read(MAX_DESCRIPTOR_BYTES))


def _in_zip(path: Path) -> tuple[Path, str, Any] | None:
    with open_zip(path) as opened:
        names = sorted((name for name in opened.namelist() if name.rsplit("/", 1)[-1] == DESCRIPTOR), key=lambda name: (name.count("/"), name))
        if not names:
            return None
        try:
            with opened.open(names[0]) as file:
                return path, names[0].removesuffix(DESCRIPTOR), _parsed(file.read(MAX_DESCRIPTOR_BYTES))
        except UNPACKING_ERRORS:
            return None


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def package_deployments(package: Package) -> tuple[Deployment, ...]:
    """Raises: SourceError: the table cannot be read."""
    return tuple(deployment for deployment, _ in _deployments(package))


def _deployments(package: Package) -> Iterator[tuple[Deployment, str | None]]:
    """Each with its camera."""
    for row in package.rows("deployments"):
        name = row.get("deploymentid")
        if name is None:
            continue
        latitude, longitude = place_of(row.get("latitude"), row.get("longitude")) or (None, None)
        start = moment_of(row.get("deploymentstart") or row.get("start"), clock=time.min)
        end = moment_of(row.get("deploymentend") or row.get("end"), clock=time.max)
        place = row.get("locationname") or row.get("locationid")
        yield Deployment(name, latitude, longitude, start, end, place), row.get("cameraid")


def package_stream(package: Package) -> Stream:
    """The pictures and videos in the order of media.csv; each that is not here, or leads out of the package, as one with an error."""

    def stream(tally: Tally) -> Iterator[Media | Video]:
        stays = {deployment.name: (deployment, camera) for deployment, camera in _deployments(package)}
        with ExitStack() as stack:
            boxes = stack.enter_context(Kept())
            finder = _Finder(package, stack)
            has_boxes = _keep_boxes(package, boxes, tally)
            named = ((row, finder.media(row, _facts(row, stays))) for row in package.rows("media"))
            yield from each_once((_with_boxes(media, row, boxes) if has_boxes else media for row, media in named), tally)

    return stream


def package_media(package: Package) -> Iterator[tuple[Mapping[str, str | None], Media | Video]]:
    """Each row of media.csv that names a file, with what it leads to; without boxes and the places of deployments."""
    with ExitStack() as stack:
        finder = _Finder(package, stack)
        for row in package.rows("media"):
            media = finder.media(row, _facts(row, {}))
            if media is not None:
                yield row, media


def _with_boxes(media: Media | Video | None, row: Mapping[str, str | None], boxes: Kept) -> Media | Video | None:
    """The picture with the boxes that were told of it; a video, and what is not here, as it is."""
    return replace(media, boxes=_boxes_of(row, boxes)) if isinstance(media, Media) and media.error is None else media


def count_media(package: Package) -> int:
    """The number that `package_stream` gives, without looking for any."""
    with Seen() as seen:
        return sum(1 for row in package.rows("media") if row.get("filepath") is not None and seen.is_new(str(row["filepath"])))


def _facts(row: Mapping[str, str | None], stays: Mapping[str, tuple[Deployment, str | None]]) -> Facts:
    deployment, camera = stays.get(row.get("deploymentid") or "", (None, None))
    place = (deployment.latitude, deployment.longitude) if deployment else (None, None)
    return Facts(moment_of(row.get("timestamp")), *place, camera=camera, deployment=row.get("deploymentid"))


def _keep_boxes(package: Package, boxes: Kept, tally: Tally) -> bool:
    """Whether any observation has a box; the standard tells shares of the picture, and no confidence of a detector."""
    has_boxes = False
    for row in package.rows("observations"):
        cells = [row.get(name) for name in ("bboxx", "bboxy", "bboxwidth", "bboxheight")]
        if row.get("mediaid") is None or None in cells:
            continue
        try:
            shares = [float(cell or "") for cell in cells]
        except ValueError:
            tally.add(NO_BOX, str(cells))
            continue
        boxes.add(str(row["mediaid"]), [shares, kind_of(row.get("observationtype") or "")])
        has_boxes = True
    return has_boxes


def _boxes_of(row: Mapping[str, str | None], boxes: Kept) -> tuple[GivenBox, ...] | None:
    found = [given_box(shares, None, kind) for shares, kind in boxes.of(row.get("mediaid") or "")]
    return tuple(box for box in found if box is not None) or None


class _Finder:
    """Finds the files of a package: in its zip, by their path, or by their name alone where their path is an address."""

    def __init__(self, package: Package, stack: ExitStack):
        self.package, self.stack = package, stack
        self.opened: zipfile.ZipFile | None = stack.enter_context(open_zip(package.place)) if package.is_zip else None
        self.names: Kept | None = None

    def media(self, row: Mapping[str, str | None], facts: Facts) -> Media | Video | None:
        path, name = row.get("filepath"), row.get("filename")
        if path is None:
            return None
        if is_address(path):
            return self._by_name(path, name or path.split("?")[0].rsplit("/", 1)[-1], facts)
        if self.opened is not None and (member := self._member(path)) is not None:
            image = tellable(f"{self.package.place.name}{BETWEEN}{path}")
            if is_video(path):
                return Media(image, facts=facts, error="is a video in an archive; take the package out of its zip, and give the folder")
            return zip_media(self.opened, member, image, facts)
        try:
            image, file = locate_inside(path, self.package.folder)
        except ValueError as error:
            return Media(tellable(path).replace("\0", ""), facts=facts, error=str(error))
        return Video(image, file, facts) if is_video(image) or (row.get("filemediatype") or "").startswith("video/") else Media(image, file, facts=facts)

    def _member(self, path: str) -> zipfile.ZipInfo | None:
        return None if self.opened is None else self.opened.NameToInfo.get(self.package.prefix + path.replace("\\", "/").removeprefix("./"))

    def _by_name(self, address: str, name: str, facts: Facts) -> Media | Video:
        found = self._names().of(name.lower())
        if len(found) != 1:
            told = f"it is one of {len(found)} files called {name} (the first: {found[0]}), and which is not known" if found else NOT_HERE.format(name=name)
            return Media(tellable(address), facts=facts, error=told)
        image, file = tellable(found[0]), Path(self.package.folder, found[0])
        return Video(image, file, facts) if is_video(name) else Media(image, file, facts=facts)

    def _names(self) -> Kept:
        if self.names is None:
            self.names = self.stack.enter_context(Kept())
            for found in walk(self.package.folder, Tally(), lambda name: is_picture(name) or is_video(name)):
                self.names.add(found.path.rsplit("/", 1)[-1].lower(), found.path)
        return self.names
