"""Where files live: what is shipped with the package, and the user's own folders."""

from __future__ import annotations

import os
from pathlib import Path

HOME_VARIABLE = "BIOCLIP_SEARCH_HOME"
"""Environment variable that moves all of the user's folders to one place."""

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path | None:
    """The folder `index`, `app` or `data_manifest`: inside an installed wheel, or beside the package in a checkout; None if neither."""
    for folder in (_PACKAGE / "_shipped" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    return None


def user_indexes() -> Path:
    """Where the user's own indexes are found by name."""
    return _user("data") / "index"


def user_models() -> Path:
    """Where detectors are found by name."""
    return _user("data") / "models"


def user_datasets() -> Path:
    """Where copies of named data sets are found, a folder each."""
    return _user("data") / "datasets"


def user_uploads() -> Path:
    """Where pictures lie that were handed in through the app, with the runs over them."""
    return _user("data") / "uploads"


def user_cache() -> Path:
    """What may be deleted at any time."""
    return _user("cache")


def _user(kind: str) -> Path:
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser() / kind
    import platformdirs

    return Path({"data": platformdirs.user_data_dir, "cache": platformdirs.user_cache_dir}[kind]("bioclip-search", appauthor=False))
