"""What the page "Collection" shows where no run is open: three ways to one, and one click to a worked example.

Starting is left to `bioclip_search.background`, keeping what is handed in to `uploads`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chosen
import look
import opened
import streamlit as st
from holding import folder_of_server, server
from words import _

from bioclip_search import background, rooted, uploads
from bioclip_search.background import Order
from bioclip_search.demo import demo_photographs
from bioclip_search.detectors.known import KNOWN_DETECTORS, STARTER, known_files
from bioclip_search.errors import BioclipSearchError, MissingExtraError
from bioclip_search.fallback import DEFAULT_THRESHOLD

RUNS_FOLDER = "runs"
USUAL_ACCURACY = 0.9
KINDS = ["image", "video"]


def offer() -> None:
    """The ways to a run."""
    _example()
    with_folder, with_upload, with_run = st.tabs([_("Tag a folder"), _("Hand pictures in"), _("Open a run")], key="ways")
    with with_folder:
        _folder()
    with with_upload:
        _upload()
    with with_run:
        _open()


def _example() -> None:
    try:
        demo_photographs()
    except MissingExtraError:
        return
    look.empty(
        _("**No run is open.** Choose one of the ways below, or see how it looks with two photographs:"),
        _("Try it with the example photographs"),
        "try_run",
        _started,
        [opened.example],
    )


def _folder() -> None:
    st.caption(_("Folders below {root} can be tagged where they lie; nothing in them is changed.").format(root=look.plain(str(server().root))))
    typed = st.text_input(_("Folder with pictures"), key="source", placeholder=_("from {root}: photos/summer").format(root=server().root.name or "/"))
    try:
        place = opened.not_handed_in(folder_of_server(typed)) if typed.strip() else server().root
    except BioclipSearchError as error:
        look.problem(str(error))
        return
    below = rooted.folders_below(place) if place.is_dir() else []
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if below:
            label = _("Go into a folder")
            st.selectbox(
                label, below, index=None, key="into", placeholder=_("{count} folders").format(count=f"{len(below):,}"), on_change=_go_into, args=[place]
            )
        if place != server().root:
            st.button(_("Up"), key="up", icon=":material/arrow_upward:", on_click=_go_to, args=[place.parent])
    if not typed.strip():
        return
    default = _free_name(place)
    out = st.text_input(_("Keep the run in"), key="out", placeholder=default, help=_("A new folder below {root}.").format(root=look.plain(str(server().root))))
    detector, options = _how("folder")
    st.button(_("Tag this folder"), key="tag_folder", type="primary", on_click=_started, args=[_tag_folder, place, out.strip() or default, detector, options])


def _upload() -> None:
    most = f"{uploads.MOST_FILES:,}"
    st.caption(_("Up to {count} pictures and videos. They are kept on this computer, in a folder that only you are told of.").format(count=most))
    files = st.file_uploader(_("Pictures and videos"), type=KINDS, accept_multiple_files=True, key="handed_in", label_visibility="collapsed")
    if files:
        detector, options = _how("upload")
        st.button(_("Tag these pictures"), key="tag_upload", type="primary", on_click=_started, args=[_tag_upload, files, detector, options])


def _open() -> None:
    mine = st.session_state.get("mine", [])
    for number, name in enumerate(mine, start=1):
        st.button(_("Pictures handed in, {number}").format(number=number), key=f"mine_{number}", on_click=opened.show, args=[name])
    there = opened.found()
    if there:
        st.selectbox(_("Runs of this server"), there, index=None, key="found_run", placeholder=_("Choose one"), on_change=_show_found)
    elif not mine:
        st.markdown(_("There is no run below {root} yet.").format(root=look.plain(str(server().root))))
    typed = st.text_input(_("Or the folder of a run"), key="typed_run", placeholder="runs/summer")
    if typed.strip():
        st.button(_("Open"), key="open_run", on_click=opened.show, args=[typed.strip()])


def _how(key: str) -> tuple[str, dict[str, Any]]:
    """The detector, and what is asked."""
    with st.expander(_("How to look at them")):
        told = {STARTER: _("the small one that is here"), "none": _("none: each picture as a whole")}
        offered = [STARTER, "none", *(known.name for known in KNOWN_DETECTORS if not known.obstacle and known_files(known)[0].is_file())]
        detector = st.selectbox(_("What finds the animals"), offered, format_func=lambda name: told.get(name, name), key=f"detector_{key}")
        options: dict[str, Any] = {"language": chosen.language()}
        if chosen.searcher().calibration is not None and st.toggle(_("Promise a share of right names"), key=f"promise_{key}"):
            options["target_accuracy"] = st.slider(_("Right names"), 0.5, 0.99, USUAL_ACCURACY, 0.01, format="percent", key=f"accuracy_{key}")
        else:
            options["threshold"] = st.slider(_("Probability that a name must reach"), 0.0, 1.0, DEFAULT_THRESHOLD, 0.01, format="percent", key=f"sure_{key}")
        options["within"] = st.text_input(_("Only within"), key=f"clade_{key}", placeholder=_("birds, Felidae, …")).strip() or None
        options["country"] = st.text_input(_("Country, three letters"), key=f"country_{key}", max_chars=3, placeholder="KEN").strip().upper() or None
    return detector, options


def _tag_folder(place: Path, out: str, detector: str, options: dict[str, Any]) -> None:
    chosen.searcher().restrict(**{name: options[name] for name in ("within", "country") if options[name]})  # what is unknown is told at once
    folder = opened.not_handed_in(rooted.new_below(server().root, out))
    background.start(Order(str(place), opened.index(), detector, options), folder)
    opened.found.clear()
    opened.show(folder.relative_to(server().root).as_posix())


def _tag_upload(files: list[Any], detector: str, options: dict[str, Any]) -> None:
    chosen.searcher().restrict(**{name: options[name] for name in ("within", "country") if options[name]})
    token, refused = uploads.keep((file.name, file.getvalue()) for file in files)
    place = uploads.place_of(token)
    background.start(Order(str(place / uploads.PICTURES_FOLDER), opened.index(), detector, options), place / uploads.RUN_FOLDER)
    name = opened.UPLOADED + token
    st.session_state["mine"] = [*st.session_state.get("mine", []), name]
    opened.show(name)
    if refused:
        st.session_state["told"] = "; ".join(f"{file} {why}" for file, why in refused.items())


def _started(start: Any, *args: Any) -> None:
    """Calls it, and keeps what went wrong for the next look at the page. Subtle: an error in a callback would show as a crash."""
    try:
        start(*args)
    except BioclipSearchError as error:
        st.session_state["told"] = str(error)


def _show_found() -> None:
    opened.show(st.session_state.get("found_run"))


def _go_into(place: Path) -> None:
    if name := st.session_state.pop("into", None):
        _go_to(place / name)


def _go_to(place: Path) -> None:
    st.session_state["source"] = "" if place == server().root else place.relative_to(server().root).as_posix()


def _free_name(place: Path) -> str:
    """runs/NAME, or with a number where that is taken."""
    name, number = f"{RUNS_FOLDER}/{place.name or 'run'}", 1
    while (server().root / (told := name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return told
