"""The pictures of a data set by its name, streamed through the library datasets.

What the set is, is left to `data.manifest`, reading it to `data.hub`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from bioclip_search.data.manifest import Manifest, find_manifest
from bioclip_search.data.pulled import pictures_of
from bioclip_search.errors import SourceError, TableError
from bioclip_search.media import Media
from bioclip_search.sources.seen import Seen
from bioclip_search.sources.source import Source, Tally

T = TypeVar("T")


def open_named_set(name: str | Path) -> Source | None:
    """The data set of this name, or of this manifest; None where there is none.

    Raises:
        SourceError: The manifest is damaged, or the name is nearly one that is known.
        MissingExtraError: `datasets` is not installed.
    """
    manifest = _as_source_error(lambda: find_manifest(name))
    if manifest is None:
        return None
    pictures = _as_source_error(lambda: pictures_of(manifest))
    if pictures is not None:
        from bioclip_search.sources.opening import open_source

        source = open_source(pictures)
        return replace(source, told=(f"{manifest.name}: {manifest.licence}", *source.told))
    counted = partial(_as_source_error, partial(_count, manifest))
    return Source("data set", None, partial(_stream, manifest), told=(f"{manifest.name}: {manifest.licence}",), counting=counted)


def _stream(manifest: Manifest, _tally: Tally) -> Iterator[Media]:
    """Pictures that bear the name of one before bear the number of their row as well."""
    from bioclip_search.data.hub import picture_stream

    stream = picture_stream(manifest)
    with Seen() as seen:
        for row in itertools.count(1):
            image, data = _as_source_error(lambda: next(stream, (None, b"")))
            if image is None:
                return
            image = image if seen.is_new(image) else f"{image} (row {row})"
            yield Media(image, data=data) if data else Media(image, error="holds no picture in this row of the data set")


def _count(manifest: Manifest) -> int:
    from bioclip_search.data.hub import count_pictures

    return count_pictures(manifest)


def _as_source_error(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except TableError as error:
        raise SourceError(str(error)) from error
