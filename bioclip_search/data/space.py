"""Looks whether a disk has room for what is to come, before it comes.

What comes, and how large it is, is left to `pull`, `repository` and `unpacking`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bioclip_search.errors import FetchError


def refuse_full(folder: Path, size_bytes: int) -> None:
    """Returns where there is room, and for nothing at all.

    Raises:
        FetchError: The disk of the folder, which exists, has less room left.
    """
    free = shutil.disk_usage(folder).free
    if size_bytes > free:
        raise FetchError(
            f"{size_bytes / 1e9:,.2f} GB are to come, and the disk of {folder} has {free / 1e9:,.2f} GB left. "
            "Make room, ask for a part of it, or give another folder with --out."
        )
