"""Pictures behind addresses: s3://, gs://, abfs://, hdfs://, file:// – listed on this machine, read on the workers, a few at once.

Who may read them is left to the surroundings (roles, AWS_*, GOOGLE_APPLICATION_CREDENTIALS …), as Arrow's file systems take it:
https://arrow.apache.org/docs/python/filesystems.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bioclip_search.errors import SourceError
from bioclip_search.images import MAX_FILE_BYTES
from bioclip_search.media import NO_FACTS, Facts, Media, Video
from bioclip_search.sources.paths import is_picture, tellable
from bioclip_search.sources.source import Source, Tally
from bioclip_search.stream import work_ahead

READERS = 8
"""Pictures of a task that are fetched at once: an object store answers after some 50 ms, whatever is asked of it."""

AHEAD = 2
"""Pictures per reader that wait."""

NOT_PICTURES = "files that are no pictures by their endings, passed over"

_OTHER_NAMES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
"""What Hadoop calls a scheme, and what Arrow does."""


@dataclass(frozen=True)
class Remote:
    """A picture that is fetched where it is looked at."""

    image: str
    address: str
    facts: Facts = NO_FACTS


def open_address(address: str) -> Source:
    """The pictures below an address, in the order of their paths, known by them.

    Raises:
        SourceError: It cannot be listed.
    """
    from pyarrow import fs

    system, path = _system(address)
    try:
        infos = system.get_file_info(fs.FileSelector(path, recursive=True))
    except OSError as error:
        raise SourceError(f"{address}: cannot be listed ({str(error).splitlines()[0]}). Is the address right, and may this machine read it?") from error
    scheme = address.partition("://")[0]
    files = sorted(info.path for info in infos if info.type == fs.FileType.File)

    def stream(tally: Tally) -> Iterator[Any]:
        for file in files:
            if is_picture(file):
                yield Remote(tellable(file.removeprefix(path).lstrip("/")), f"{scheme}://{file}")
            else:
                tally.add(NOT_PICTURES, file)

    return Source("address", None, stream)


def fetched(media: Sequence[Media | Video | Remote]) -> Iterator[Media | Video]:
    """The same in the same order, with the bytes of those that lie behind an address; one that cannot be had has an error."""
    if not any(isinstance(one, Remote) for one in media):
        return iter(media)
    return work_ahead(lambda one: _fetch(one) if isinstance(one, Remote) else one, media, READERS, AHEAD)


def _fetch(one: Remote) -> Media:
    try:
        system, path = _system(one.address)
        with system.open_input_file(path) as file:
            size = file.size()
            data = file.read() if size <= MAX_FILE_BYTES else b""
    except (OSError, SourceError) as error:
        return Media(one.image, facts=one.facts, error=f"cannot be fetched ({(str(error).splitlines() or [type(error).__name__])[0]})")
    if size > MAX_FILE_BYTES:
        return Media(one.image, facts=one.facts, error=f"has {size:,} bytes, where at most {MAX_FILE_BYTES:,} were expected")
    return Media(one.image, data=data, facts=one.facts)


def _system(address: str) -> tuple[Any, str]:
    """Raises: SourceError: no file system is known by that scheme."""
    from pyarrow import fs

    scheme, _, rest = address.partition("://")
    try:
        return fs.FileSystem.from_uri(f"{_OTHER_NAMES.get(scheme.lower(), scheme)}://{rest}")
    except (OSError, ValueError, NotImplementedError) as error:
        raise SourceError(f"{address}: no way to read it ({str(error).splitlines()[0]}). Give s3://, gs://, abfs://, hdfs:// or file://.") from error
