"""The part "Add a species" of the page "Index": a name, and if there are any a few photographs; of a shipped index a copy is made first.

Adding is `bioclip_search.addition`'s, copying `trim`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import look
import pyarrow as pa
import streamlit as st
from look import plain
from words import _

from bioclip_search import building, places
from bioclip_search.addition import add_taxa
from bioclip_search.errors import BioclipSearchError, IndexFolderError, PictureError
from bioclip_search.images import open_picture
from bioclip_search.index import Index
from bioclip_search.index.folder import stop_if_shipped
from bioclip_search.searcher import Searcher
from bioclip_search.trim import trim_index

MOST_PHOTOS = 50
"""Photographs of one species; more hardly move the mean of their vectors."""

LONGEST_NAME = 200


def show(searcher: Searcher) -> None:
    """The form, or the offer of a copy that may be changed."""
    st.header(_("Add a species"), anchor=False)
    _tell()
    try:
        stop_if_shipped(searcher.index, "")
    except IndexFolderError:
        _offer_copy(searcher)
    else:
        _form(searcher)


def _offer_copy(searcher: Searcher) -> None:
    st.markdown(
        _("**{name}** came with the program and stays as it is. Make a copy of your own first, and add to that.").format(name=plain(searcher.index.card.name))
    )
    with st.form("copy_form", border=True):
        st.text_input(_("Name of the copy"), key="copy_name", value="mine", max_chars=60, help=_("Small letters, digits, - and _."))
        if searcher.calibration is not None:
            st.caption(_("What the index promises holds for its own taxa, so the copy comes without: calibrate it to promise anything."))
        st.form_submit_button(_("Make the copy"), key="copy", icon=":material/content_copy:", on_click=_copy, args=[searcher])


def _copy(searcher: Searcher) -> None:
    """Makes the copy, and chooses it."""
    try:
        name = building.check_name(st.session_state["copy_name"])
        trim_index(searcher.index, places.user_indexes() / name)
    except BioclipSearchError as error:
        st.session_state["index_told"] = (False, str(error))
    else:
        st.session_state["index"] = name
        st.session_state["index_told"] = (True, _("The copy is made, and is the index in use now."))


def _form(searcher: Searcher) -> None:
    st.markdown(_("Its name is enough; photographs make it easier to find, above all one that the model has never heard of. Answers change for all who use this index."))  # fmt: skip
    with st.form("add_form", border=True):
        st.text_input(_("Scientific name"), key="add_name", max_chars=LONGEST_NAME, placeholder="Panthera onca")
        st.text_input(_("Vernacular name"), key="add_common", max_chars=LONGEST_NAME, placeholder=_("jaguar"))
        told = _("The group that it belongs to, where the index does not know its genus.")
        st.text_input(_("Within"), key="add_within", max_chars=LONGEST_NAME, placeholder="Felidae", help=told)
        st.file_uploader(_("Photographs"), type="image", accept_multiple_files=True, key="add_photos", help=_("They are looked at in memory and kept nowhere."))
        st.form_submit_button(_("Add it"), key="add", type="primary", icon=":material/add:", on_click=_add, args=[searcher])


def _add(searcher: Searcher) -> None:
    """Adds what the form says. Whoever asks for this index from now on gets it as it is then."""
    name, common, within = (" ".join(st.session_state[key].split()) for key in ("add_name", "add_common", "add_within"))
    files = st.session_state["add_photos"] or []
    if not name:
        st.session_state["index_told"] = (False, _("Say the scientific name of the species."))
        return
    try:
        photos = _opened(files, searcher.encoder.input_px)
        table = pa.table({"scientific_name": [name], "common_name": pa.array([common or None], pa.string())})
        made = add_taxa(Index(searcher.index.folder), table, searcher.encoder, within=within or None, photos={0: photos} if photos else None)
    except BioclipSearchError as error:
        st.session_state["index_told"] = (False, str(error))
        return
    weight = f" {made.weights[0]}." if made.weights[0] else ""
    st.session_state["index_told"] = (True, _("Added: {lineage}.").format(lineage=" > ".join(made.lineages[0].values())) + weight)
    st.session_state["add_name"] = st.session_state["add_common"] = ""


def _opened(files: Sequence[Any], enough_px: int) -> list[Any]:
    """Raises: PictureError: one cannot be read, or there are too many."""
    if len(files) > MOST_PHOTOS:
        raise PictureError(_("There are {count} photographs; up to {most} are taken. Choose the best.").format(count=len(files), most=MOST_PHOTOS))
    opened = []
    for file in files:
        try:
            opened.append(open_picture(file.getvalue(), enough_px=enough_px))
        except PictureError as error:
            raise PictureError(f"{file.name}: {error}") from error
    return opened


def _tell() -> None:
    """What came of the last click, once."""
    is_good, told = st.session_state.pop("index_told", (True, ""))
    if told and is_good:
        st.success(look.sentence(told), icon=":material/check_circle:")
    elif told:
        look.problem(told)
