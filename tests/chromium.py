"""Where Chromium is, and how it is started for tests: without a window, and without a word to the network."""

from __future__ import annotations

import os
import shutil

CHROMIUM_VARIABLE = "BIOCLIP_SEARCH_CHROMIUM"
"""Environment variable with the path of a Chromium that is found under none of the usual names."""

USUAL_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")


def find_chromium() -> str | None:
    """The path of a Chromium, None if there is none."""
    return os.environ.get(CHROMIUM_VARIABLE) or next((path for path in map(shutil.which, USUAL_NAMES) if path), None)
