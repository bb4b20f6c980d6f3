"""Pictures that somebody hands in, kept with the run over them in a folder of their own, which only those find who know its name.

Tagging them is left to `background`; whether a file is the picture that its name says, shows when it is opened.

    uploads/TOKEN/pictures/   the files, under safe names
    uploads/TOKEN/run/        what `tag` makes of them
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from bioclip_search import places
from bioclip_search.errors import SourceError
from bioclip_search.sources.paths import is_picture, is_video
from bioclip_search.standards.file_names import free_path, safe_parts

PICTURES_FOLDER, RUN_FOLDER = "pictures", "run"
TOKEN_BYTES = 16
"""Random bytes of a name: nobody finds another's by trying."""

MOST_FILES, MOST_BYTES = 2000, 4 << 30
"""Of one lot: more is better tagged where it lies."""

_TOKEN = re.compile(rf"[0-9a-f]{{{2 * TOKEN_BYTES}}}")


def keep(files: Iterable[tuple[str, bytes]]) -> tuple[str, dict[str, str]]:
    """Keeps the files (name, content) in a new folder; gives its token, and why some were refused, by name.

    Raises:
        SourceError: None of them could be kept, there are too many, or the disk is full; then nothing is kept.
    """
    token = secrets.token_hex(TOKEN_BYTES)
    folder, refused = places.user_uploads() / token / PICTURES_FOLDER, {}
    try:
        folder.mkdir(parents=True)
        for name, content in _within_limits(files):
            path = folder / safe_parts(name)[-1]
            if is_picture(path.name) or is_video(path.name):
                free_path(path, "again").write_bytes(content)
            else:
                refused[name] = "is neither a picture nor a video by the ending of its name"
        if not any(folder.iterdir()):
            raise SourceError("None of these files is a picture or a video by the ending of its name. Hand in JPEG, PNG, TIFF, WebP, MP4 …")
    except OSError as error:
        forget(token)
        raise SourceError(f"The files cannot be kept in {places.user_uploads()} ({error.strerror or error}). Make room there.") from error
    except SourceError:
        forget(token)
        raise
    return token, refused


def place_of(token: str) -> Path:
    """The folder of a token.

    Raises:
        SourceError: It is no token, or there is no such folder any more.
    """
    folder = places.user_uploads() / token
    if not _TOKEN.fullmatch(token) or not folder.is_dir():
        raise SourceError("These pictures are not here any more, or the address is incomplete. Hand them in again.")
    return folder.resolve()


def forget(token: str) -> None:
    """Takes the pictures of a token away, with their run; nothing where there are none."""
    if _TOKEN.fullmatch(token):
        shutil.rmtree(places.user_uploads() / token, ignore_errors=True)


def _within_limits(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    size = 0
    for number, (name, content) in enumerate(files, start=1):
        size += len(content)
        if number > MOST_FILES or size > MOST_BYTES:
            raise SourceError(
                f"At most {MOST_FILES:,} files and {MOST_BYTES >> 30} GiB are taken at once. Put more into a folder of this computer, and tag that folder."
            )
        yield name, content
