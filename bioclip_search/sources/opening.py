"""Opens a collection: which kind it is shows in its content, and in its name only where that says nothing.

How each kind is read is left to its own file.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bioclip_search.errors import SourceError
from bioclip_search.media import NO_FACTS, Media, Video
from bioclip_search.sources.archives import archive_pictures, is_tar, is_zip, open_zip
from bioclip_search.sources.camtrap_dp import DESCRIPTOR, Package, count_media, find_package, package_deployments, package_stream
from bioclip_search.sources.coco import coco_stream, is_coco
from bioclip_search.sources.deployments import placing_for
from bioclip_search.sources.folders import folder_stream
from bioclip_search.sources.globs import Counter, Opener, glob_count, glob_files, glob_stream, is_pattern, split_pattern
from bioclip_search.sources.lists import PictureList, media_at, open_list
from bioclip_search.sources.megadetector import is_megadetector, megadetector_stream
from bioclip_search.sources.named_sets import open_named_set
from bioclip_search.sources.outline import Outline, read_outline
from bioclip_search.sources.paths import is_archive, is_picture, is_video, tellable
from bioclip_search.sources.source import Source, Tally

TAKEN = """What is taken:
  a folder of pictures and videos, a pattern in quotes ('photos/**/*.JPG'), a single picture or video;
  a list: CSV, TSV or Parquet with a column path, file or image, or a text with one path per line; Parquet that holds pictures;
  a zip or tar of pictures, or a pattern of such ('shards/*.tar', 'shard-{000..011}.tar');
  the JSON of MegaDetector or SpeciesNet, COCO Camera Traps JSON, a Camtrap DP package (its folder, datapackage.json or zip);
  a data set by its name (`bioclip-search data list`)."""

START_BYTES = 4096
"""As much of a file is looked at to tell its kind."""

PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")
VIDEO_STARTS = (b"\x1a\x45\xdf\xa3", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"FLV\x01", b"\x30\x26\xb2\x75")
"""Matroska and WebM, MPEG, Flash video, Windows media; MP4 and its like say `ftyp`, AVI says RIFF."""

STILL_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif")
"""Pictures in the container of MP4."""

ROOTED = ("list", "megadetector", "coco")
"""Kinds of sources whose paths start from a folder that may be told."""

PARQUET_SUFFIXES = (".parquet", ".pq")


def open_source(
    place: str | Path, *, deployments: str | Path | None = None, columns: Mapping[str, str] | None = None, root: str | Path | None = None
) -> Source:
    """The collection at the place.

    Args:
        deployments: Which camera's stay a picture belongs to: "folder" (the one that holds it), "folder:N" (the N-th part of its path below the
            root), "none", or a CSV or Camtrap DP package that tells of them. None: what the source tells, else the folder.
        columns: Of a list, which of its columns is which, where the names are not plain: {"image": "Photo", "deployment": "Plot"}.
        root: The folder that a list or JSON tells its paths from, where that is not its own.

    Raises:
        SourceError: It is missing, cannot be read, or is of no known kind; or columns or a root are told of a kind that has none.
        MissingExtraError: It is a data set by name, and `datasets` is not installed.
    """
    if not str(place):
        raise SourceError(f"No collection is named: the name is empty.\n{TAKEN}")
    root = None if root is None else Path(root)
    if root is not None and not root.is_dir():
        raise SourceError(f"{root}: is no folder, where the one that the paths start from was expected.")
    source = _open(place, columns, root)
    for given, kinds, words in (
        (columns, ("list",), "Columns (--column) are those of a table"),
        (root, ROOTED, "A root (--root) is that of the paths in a file"),
    ):
        if given and source.kind not in kinds:
            raise SourceError(f"{words}; {place} is of the kind {source.kind!r}, so leave it out.")
    placing, told = placing_for(deployments, tells_itself=source.kind == "camtrap-dp")
    return replace(source, placing=placing, deployments=told or source.deployments)


def _open(place: str | Path, columns: Mapping[str, str] | None, root: Path | None) -> Source:
    path = Path(place)
    if path.is_dir():
        return _open_folder(path)
    if path.is_file():
        return _open_manifest(path) or _open_file(path, columns, root)
    if path.exists():
        raise SourceError(f"{place}: is neither a file nor a folder but a pipe or a device.\n{TAKEN}")
    if is_pattern(str(place)):
        return _open_pattern(str(place))
    source = open_named_set(place)
    if source is None:
        raise SourceError(f"{place}: no such file or folder, and no data set of that name.\n{TAKEN}")
    return source


def _open_folder(path: Path) -> Source:
    package = find_package(path)
    if package is not None:
        return _package_source(package)
    told = (f"{DESCRIPTOR} is of no Camtrap DP package, so the folder is taken as it is",) if (path / DESCRIPTOR).is_file() else ()
    if next(folder_stream(path)(Tally()), None) is None and _has_shards(path):
        return _pattern_source(path, "**/*", "holds no pictures but Parquet files, which are taken for shards")
    return Source("folder", path, folder_stream(path), told)


def _has_shards(path: Path) -> bool:
    return any(found.path.lower().endswith(PARQUET_SUFFIXES) for found in glob_files(path, "**/*", Tally()) if found.problem is None)


def _open_pattern(pattern: str) -> Source:
    below, rest = split_pattern(pattern)
    if not below.is_dir():
        raise SourceError(f"{pattern}: there is no folder {below}, where the pattern starts.")
    return _pattern_source(below, rest)


def _open_manifest(path: Path) -> Source | None:
    return open_named_set(path) if path.suffix.lower() == ".toml" else None


def _open_file(path: Path, columns: Mapping[str, str] | None, root: Path | None) -> Source:
    start = _start_of(path)
    if is_zip(path):
        return _open_zip(path)
    if _is_picture(start):
        return Source("picture", path.parent, lambda _tally: iter([Media(tellable(path.name), path)]))
    if _is_video(start):
        return Source("video", path.parent, lambda _tally: iter([Video(tellable(path.name), path)]))
    if is_tar(path):
        return _open_archive(path)
    if start.lstrip(codecs.BOM_UTF8 + b" \t\r\n").startswith((b"{", b"[")):
        return _open_json(path, root)
    if is_picture(path.name):
        return Source("picture", path.parent, lambda _tally: iter([Media(tellable(path.name), path)]))
    if is_video(path.name):
        return Source("video", path.parent, lambda _tally: iter([Video(tellable(path.name), path)]))
    if not start.startswith((b"PAR1", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and (b"\0" in start.partition(b"\n")[0] or is_archive(path.name)):
        raise SourceError(f"{path}: is of no known kind, or damaged.\n{TAKEN}")
    opened = open_list(path, columns=columns, root=root)
    return Source("list", opened.root, opened.stream, counting=opened.count)


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(START_BYTES)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _is_picture(start: bytes) -> bool:
    return start.startswith(PICTURE_STARTS) or (start.startswith(b"RIFF") and start[8:12] == b"WEBP")


def _is_video(start: bytes) -> bool:
    is_mp4 = start[4:8] == b"ftyp" and start[8:12] not in STILL_BRANDS
    return start.startswith(VIDEO_STARTS) or is_mp4 or (start.startswith(b"RIFF") and start[8:11] == b"AVI")


def _open_zip(path: Path) -> Source:
    open_zip(path).close()
    package = find_package(path)
    if package is not None:
        return _package_source(package)
    return _open_archive(path)


def _package_source(package: Package) -> Source:
    deployments = package_deployments(package)
    return Source("camtrap-dp", package.folder, package_stream(package), deployments=deployments, counting=lambda: count_media(package))


def _open_archive(path: Path) -> Source:
    name = tellable(path.name)
    return Source("archive", None, lambda tally: archive_pictures(path, name, tally), counting=lambda: _count_archive(path))


def _open_json(path: Path, root: Path | None) -> Source:
    outline = read_outline(path)
    if isinstance(outline.members.get("resources"), list):
        package = find_package(path)
        if package is None:
            raise SourceError(f"{path}: is a data package without the tables media and deployments, so it is no Camtrap DP.\n{TAKEN}")
        return _package_source(package)
    root = root or path.parent
    if is_megadetector(outline):
        counted = outline.counts.get("images", 0) + outline.counts.get("predictions", 0)
        return Source("megadetector", root, megadetector_stream(outline, root), _told_where(outline, root), counting=lambda: counted)
    if is_coco(outline):
        return Source("coco", root, coco_stream(outline, root), _told_where(outline, root), counting=lambda: outline.counts["images"])
    raise SourceError(f"{path}: is JSON of no known kind; it holds {tellable(', '.join(outline.keys[:12])) or 'nothing'}.\n{TAKEN}")


def _told_where(outline: Outline, root: Path) -> tuple[str, ...]:
    first = next((one for name, one in outline.first.items() if name in ("images", "predictions") and isinstance(one, dict)), {})
    path = next((first[key] for key in ("file", "filepath", "file_name") if isinstance(first.get(key), str)), "")
    media = media_at(path, root, NO_FACTS)
    is_missing = media.file is not None and not media.file.exists()
    return (f"{media.image} is not below {root}; if no picture is, give the folder that the paths start from",) if is_missing else ()


def _pattern_source(root: Path, pattern: str, *told: str) -> Source:
    return Source("glob", root, glob_stream(root, pattern, _opener_of), told, counting=lambda: glob_count(root, pattern, _counter_of))


def _opener_of(name: str) -> Opener | None:
    return archive_pictures if is_archive(name) else _shard_pictures if name.lower().endswith(PARQUET_SUFFIXES) else None


def _counter_of(name: str) -> Counter | None:
    return _count_archive if is_archive(name) else _count_shard if name.lower().endswith(PARQUET_SUFFIXES) else None


def _count_archive(path: Path) -> int:
    return sum(1 for _ in archive_pictures(path, "", Tally(), with_data=False))


def _shard_pictures(path: Path, name: str, tally: Tally) -> Iterator[Media]:
    """The pictures within a Parquet file, which is one picture with an error where it holds none."""
    try:
        yield from (media for media in replace(_open_shard(path), name=name).stream(tally) if isinstance(media, Media))
    except SourceError as error:
        yield Media(name, error=str(error))


def _count_shard(path: Path) -> int:
    try:
        return _open_shard(path).count()
    except SourceError:
        return 1


def _open_shard(path: Path) -> PictureList:
    """Raises: SourceError: it only names files; among shards, whose pictures bear its own name, those would have no place."""
    opened = open_list(path)
    if not opened.holds_pictures:
        raise SourceError("is a list of files, where pictures within were expected; give it by itself")
    return opened
