"""The run that a visitor has open, for all pages that show one: named in the address, so that a reload finds it again.

A run below the server's root is named by its path from there, one over pictures that were handed in by the token that only the
visitor knows. What is held here for all visitors is found by the run's folder alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chosen
import streamlit as st
from holding import folder_of_server, server
from look import plain
from words import _

from bioclip_search import background, places, uploads
from bioclip_search.browsing import Browser
from bioclip_search.decoding import Decoders
from bioclip_search.demo import demo_photographs
from bioclip_search.errors import BioclipSearchError, SourceError
from bioclip_search.rooted import found_below
from bioclip_search.runs.folder import NOTE_FILE, Run
from bioclip_search.thumbnails import Thumbnails

UPLOADED = "upload:"
"""How a reference to a run over handed-in pictures begins."""

OPEN_BROWSERS, OPEN_THUMBNAILS, DECODERS = 8, 8, 2
THUMBNAIL_BYTES = 32 << 20
"""Of one folder's pictures that are kept in memory."""

FOUND_FOR_S = 10


def reference() -> str | None:
    """What names the open run: a path below the root, or "upload:" and a token; None where none is open."""
    told = st.query_params.get("run") or st.session_state.get("run")
    if told:
        st.session_state["run"] = st.query_params["run"] = told  # Subtle: another page has another address
    return told


def show(told: str | None) -> None:
    """Opens another run, None closes the one that is open; from the next look at the page on."""
    st.session_state.pop("run", None)
    st.query_params.pop("run", None)
    if told:
        st.session_state["run"] = st.query_params["run"] = told


def folder() -> Path | None:
    """The folder of the open run, where the run may have yet to be begun; None where none is open.

    Raises:
        SourceError: It is gone, or not below the root.
    """
    told = reference()
    if told is None:
        return None
    if told.startswith(UPLOADED):
        return uploads.place_of(told.removeprefix(UPLOADED)) / uploads.RUN_FOLDER
    return not_handed_in(folder_of_server(told))


def not_handed_in(place: Path) -> Path:
    """The folder, unless pictures lie there that somebody handed in: a root may well be the home of whoever runs the server.

    Raises:
        SourceError: They do.
    """
    handed_in = places.user_uploads().resolve()
    if place.is_relative_to(handed_in) or handed_in.is_relative_to(place):
        raise SourceError(_("Pictures that visitors handed in lie in that folder, so it is not opened. Choose another."))
    return place


def run() -> Run | None:
    """The open run, finished or not; None where none is open, or it has yet to be begun.

    Raises:
        SourceError, RunError: It is gone, or cannot be read.
    """
    place = folder()
    if place is None or (not (place / NOTE_FILE).exists() and background.job_of(place) is not None):
        return None
    return Run.open(place)


def browser(run: Run) -> Browser:
    """What looks through the run, as it stands now."""
    return _browser(str(run.folder), _state(run.folder))


def thumbnails(run: Run) -> Thumbnails:
    """What shows pictures of the run: those below the root, or of handed-in pictures their own folder."""
    return _thumbnails(allowed(run))


def allowed(run: Run) -> Path:
    """The folder below which pictures of the run may be opened."""
    return allowed_at(run.folder)


def allowed_at(folder: Path) -> Path:
    """As `allowed`, for the folder of a run that has yet to be begun."""
    return folder.parent if folder.is_relative_to(places.user_uploads().resolve()) else server().root


@st.cache_data(ttl=FOUND_FOR_S, show_spinner=False)
def found() -> list[str]:
    """The runs below the root, the nearest first."""
    root, handed_in = server().root, places.user_uploads().resolve()
    return [told for told in found_below(root, NOTE_FILE) if not (root / told).is_relative_to(handed_in)]


def example() -> None:
    """Tags the example photographs in the background, and opens that run."""
    token, _refused = uploads.keep((path.name, path.read_bytes()) for path in demo_photographs())
    place = uploads.place_of(token)
    background.start(background.Order(str(place / uploads.PICTURES_FOLDER), index=index()), place / uploads.RUN_FOLDER)
    st.session_state["mine"] = [*st.session_state.get("mine", []), UPLOADED + token]
    show(UPLOADED + token)


def index() -> str:
    """The name of the index that the visitor chose."""
    return st.session_state.get("index") or chosen.STARTER


def choose() -> None:
    """What stands on a page that shows a run where none is open: those that are there, and one click to a worked example."""
    with st.container(border=True):
        st.markdown(_("**No run is open.** Open one, tag pictures on the page Collection, or see how it looks with two example photographs."))
        if there := found():
            told = st.selectbox(_("Runs of this server"), there, index=None, key="found_run", placeholder=_("Choose one"))
            if told is not None:
                show(told)
                st.rerun()
        st.button(_("Try it with the example photographs"), key="try_run", on_click=_try)


def title(told: str) -> str:
    """What a run is called, as Markdown."""
    return _("Pictures handed in") if told.startswith(UPLOADED) else plain(told)


def _try() -> None:
    try:
        example()
    except BioclipSearchError as error:
        st.session_state["told"] = str(error)


@st.cache_resource(max_entries=OPEN_BROWSERS, show_spinner=False)
def _browser(folder: str, state: tuple[Any, ...]) -> Browser:
    return Browser(Run.open(folder))


@st.cache_resource(max_entries=OPEN_THUMBNAILS, show_spinner=False)
def _thumbnails(allowed: Path) -> Thumbnails:
    return Thumbnails(_decoders(), [allowed], THUMBNAIL_BYTES)


@st.cache_resource(on_release=Decoders.close)
def _decoders() -> Decoders:
    """Held open as long as the server runs, or until its caches are cleared; its children end with it."""
    return Decoders(DECODERS)


def _state(folder: Path) -> tuple[Any, ...]:
    """Differs as soon as a file of the run does."""
    files = [*folder.glob("*.json*"), *folder.glob("*.parquet"), *(folder / "rows").glob("part-*.parquet")]
    return tuple(sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files))
