"""Lets a folder that is whole take the place of another, which goes only then.

Where the new one is written, and what stands in it, is left to `index.replacing` and `checklists`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def swap(fresh: Path, folder: Path, old: Path) -> None:
    """Gives `fresh` the name of `folder`, which is called `old` until it is gone; if that fails, `folder` is as it was.

    Subtle: no system exchanges two folders everywhere, so for a moment neither has the name. Whoever is stopped just
    then finds both, whole. Windows keeps a file of the old one that is still mapped.
    """
    os.replace(folder, old)
    try:
        os.replace(fresh, folder)
    except BaseException:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
