"""What one server process holds for all its visitors: how it was started, and the indexes that it keeps open.

Nothing of a visitor's is ever in here: no picture, no vector that names one, no answer, no choice; those live in the session.
"""

from __future__ import annotations

import atexit
import gc
import os
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from remembering_encoder import RememberingEncoder

from bioclip_search import rooted
from bioclip_search.index import Card
from bioclip_search.searcher import Searcher

ROOT_VARIABLE = "BIOCLIP_SEARCH_APP_ROOT"
"""Environment variable with the one folder of the server that visitors may look into; `bioclip-search app --root` sets it."""

OPEN_SEARCHERS = 2
"""Indexes held open at a time, each with its encoder."""


@dataclass(frozen=True)
class Server:
    """How this process was started."""

    root: Path
    max_upload_mb: int


@st.cache_resource
def server() -> Server:
    """How this process was started; read once."""
    return Server(Path(os.environ.get(ROOT_VARIABLE) or Path.cwd()).resolve(), int(st.get_option("server.maxUploadSize")))


def folder_of_server(asked: str) -> Path:
    """The folder or file of the server that a visitor named, absolute or from the root.

    Raises:
        SourceError: It is not below the root, or not there.
    """
    return rooted.below(server().root, asked)


@st.cache_resource(max_entries=OPEN_SEARCHERS, show_spinner="Opening the index …", validate=lambda kept: kept.index.card == Card.read(kept.index.folder))
def open_searcher(folder: Path) -> Searcher:
    """The searcher of an index folder, opened once for all visitors, and again after the index was rebuilt."""
    searcher = Searcher.open(folder)
    opened = Searcher(searcher.index, RememberingEncoder(searcher.encoder))
    spare_the_collector()
    return opened


def spare_the_collector() -> None:
    """Takes what is held now out of the rounds of Python's garbage collector; to be called when something large was opened.

    Subtle: Streamlit lets the collector go through everything after every click. Torch and an index are a million objects
    that never become garbage; going through them takes 0.3 s a click, and without them 0.02 s.
    """
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)  # else libraries that count what is left at the end complain
    gc.unfreeze()  # what was closed since is garbage now
    gc.collect()
    gc.freeze()
