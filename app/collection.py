"""The page "Collection": a folder or many pictures are tagged in the background, and the run is looked through and taken away.

Lays out only: starting is `collection_start`'s, how far it is `collection_progress`'s, what is in it `collection_crops`' and
`collection_where`'s, files `collection_export`'s. Which run is open, `opened` knows.
"""

from __future__ import annotations

import look
import opened
import streamlit as st
from collection_crops import crops
from collection_export import take_away
from collection_filter import wanted
from collection_progress import progress
from collection_start import offer
from collection_where import when_and_where
from words import _, several

from bioclip_search import background, uploads
from bioclip_search.errors import BioclipSearchError
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import BLANK, FAILED, IDENTIFIED

CROPS, WHERE, AWAY = "crops", "where", "away"


def page() -> None:
    """The page from top to bottom."""
    look.heading(_("Collection"), _("Name every organism in a folder of pictures, then look through them by taxon, place and time, and take the results away."))
    if told := st.session_state.pop("told", None):
        look.problem(told)
    name = opened.reference()
    if name is None:
        offer()
        return
    head(name)
    try:
        place = opened.folder()
        progress(place)
        run = opened.run()
        if run is not None and (run.parts or run.note.get("is_finished")):
            show(run, name)
    except BioclipSearchError as error:
        look.problem(str(error))


def head(name: str) -> None:
    """Which run is open, and the ways out of it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(opened.title(name), anchor=False)
        st.button(_("Close"), key="close_run", icon=":material/close:", on_click=opened.show, args=[None], help=_("The run stays where it is."))
        if name.startswith(opened.UPLOADED):
            with st.popover(_("Delete"), icon=":material/delete:", key="delete"):
                st.markdown(_("The pictures handed in and all that was found in them are deleted for good."))
                st.button(_("Delete them"), key="delete_run", type="primary", on_click=_delete, args=[name])
    if name.startswith(opened.UPLOADED):
        st.caption(_("Only who has the address of this page can see these pictures. They stay on this computer until they are deleted."))


def show(run: Run, name: str) -> None:
    """What is in the run."""
    counts = run.note.get("counts") or {}
    with st.container(horizontal=True, key="counts"):
        for told, count in ((_("Pictures"), counts.get("pictures")), (_("Organisms"), counts.get(IDENTIFIED, 0)), (_("Empty"), counts.get(BLANK, 0))):
            if count is not None:
                st.metric(told, f"{count:,}", width="content")
        if failed := counts.get(FAILED):
            st.metric(_("Unreadable"), f"{failed:,}", width="content", help=_("Choose the kind “unreadable” below to see which, and why."))
    for note in (run.note.get("notes") or ())[:NOTES_TOLD]:
        st.caption(look.sentence(str(note)))
    ways = {CROPS: _("Pictures"), WHERE: _("When and where"), AWAY: _("Take away")}
    view = st.segmented_control(_("View"), list(ways), default=CROPS, key="view", format_func=ways.get, label_visibility="collapsed", required=True)
    browser = opened.browser(run)
    if view == AWAY:
        take_away(run, browser, name)
        return
    chosen = wanted(browser)
    if view == WHERE:
        when_and_where(browser, chosen)
    else:
        count = browser.count(chosen)
        st.markdown(several("**{count}** crop", "**{count}** crops", count).format(count=f"{count:,}"))
        crops(run, browser, chosen, count)


NOTES_TOLD = 3


def _delete(name: str) -> None:
    place = opened.folder()
    if place is not None:
        background.kill(place)
    uploads.forget(name.removeprefix(opened.UPLOADED))
    st.session_state["mine"] = [one for one in st.session_state.get("mine", []) if one != name]
    opened.show(None)
