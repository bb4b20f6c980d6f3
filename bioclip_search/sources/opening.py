"""Opens a collection: which kind it is shows in its content, not in its name.

How each kind is read is left to its own file.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path

from bioclip_search.errors import SourceError
from bioclip_search.media import Media, Video
from bioclip_search.sources.folders import folder_stream
from bioclip_search.sources.globs import Opener, glob_stream, split_pattern
from bioclip_search.sources.lists import open_list
from bioclip_search.sources.paths import is_picture, is_video, tellable
from bioclip_search.sources.source import Source, Tally

TAKEN = """What is taken:
  a folder of pictures and videos, a pattern in quotes ('photos/**/*.JPG'), a single picture or video;
  a list: CSV, TSV or Parquet with a column path, file or image, or a text with one path per line; Parquet that holds pictures;
  a zip or tar of pictures, or a pattern of such ('shards/*.tar');
  the JSON that MegaDetector made, COCO Camera Traps JSON, a Camtrap DP package (its folder, datapackage.json or zip);
  a data set by its name (`bioclip-search data list`)."""


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
        SourceError: It is missing, cannot be read, or is of no known kind.
        MissingExtraError: It is a data set by name, and `datasets` is not installed.
    """
    path = Path(place)
    root = None if root is None else Path(root)
    if root is not None and not root.is_dir():
        raise SourceError(f"{root}: is no folder, where the one that the paths start from was expected.")
    if path.is_dir():
        source = Source("folder", path, folder_stream(path))
    elif path.exists():
        source = _open_file(path, columns, root)
    elif glob.has_magic(str(place)):
        below, pattern = split_pattern(str(place))
        if not below.is_dir():
            raise SourceError(f"{place}: there is no folder {below}, where the pattern starts.")
        source = Source("glob", below, glob_stream(below, pattern, _opener_of))
    else:
        raise SourceError(f"{place}: no such file or folder.\n{TAKEN}")
    return source


def _open_file(path: Path, columns: Mapping[str, str] | None, root: Path | None) -> Source:
    if is_picture(path.name):
        return Source("picture", path.parent, lambda _tally: iter([Media(tellable(path.name), path)]))
    if is_video(path.name):
        return Source("video", path.parent, lambda _tally: iter([Video(tellable(path.name), path)]))
    opened = open_list(path, columns=columns, root=root)
    return Source("list", opened.root, opened.stream)


def _opener_of(name: str) -> Opener | None:
    return _list_in_glob if name.lower().endswith((".parquet", ".pq", ".csv", ".tsv")) else None


def _list_in_glob(path: Path, tally: Tally) -> Iterator[Media | Video]:
    try:
        yield from open_list(path).stream(tally)
    except SourceError as error:
        yield Media(tellable(path.name), error=str(error))
