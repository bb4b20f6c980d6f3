"""The part "Build a new one" of the page "Index": a checklist becomes an index in the background, told while it goes on.

The work is `bioclip_search.building`'s. A checklist is sent by the browser, or is a file below the server's root.
"""

from __future__ import annotations

import chosen
import look
import opened
import streamlit as st
from holding import folder_of_server, server
from look import plain
from words import _, several

from bioclip_search import building
from bioclip_search.building import STOPPING, SUFFIXES, Building
from bioclip_search.errors import BioclipSearchError, TableError
from bioclip_search.index import Index, find_index
from bioclip_search.progress_file import DONE, STARTING, STOPPED

REFRESH_S = 1.0
LINES_SHOWN = 8

EXAMPLE = """kingdom,phylum,class,order,family,genus,species,common_name
Animalia,Chordata,Mammalia,Carnivora,Felidae,Puma,Puma concolor,puma
Animalia,Chordata,Mammalia,Carnivora,Canidae,Vulpes,Vulpes vulpes,red fox
Animalia,Chordata,Aves,Strigiformes,Strigidae,Bubo,Bubo bubo,Eurasian eagle-owl
"""


def show() -> None:
    """What is being built, and the form for a new one."""
    st.header(_("Build an index from a checklist"), anchor=False)
    for one in building.under_way():
        _one(one.name)
    st.markdown(_("A table with columns kingdom … species and common_name (CSV, TSV, Parquet), or a checklist as Darwin Core Archive, ColDP or NCBI gives it (zip). The names are encoded by the model of the index that is chosen now."))  # fmt: skip
    st.download_button(_("An example checklist"), EXAMPLE, "checklist.csv", "text/csv", key="example_checklist", icon=":material/download:", on_click="ignore")
    _tell()
    with st.form("build_form", border=True):
        st.text_input(_("Name of the new index"), key="build_name", max_chars=60, placeholder="my-birds", help=_("Small letters, digits, - and _."))
        st.file_uploader(_("Checklist"), type=list(SUFFIXES), key="build_checklist", help=_("Up to {size} MB.").format(size=server().max_upload_mb))
        told = _("Below {root}.").format(root=server().root)
        st.text_input(_("Or a file of this server"), key="build_path", placeholder="checklists/birds.csv", help=plain(told))
        st.form_submit_button(_("Build it"), key="build", type="primary", icon=":material/construction:", on_click=_build)


def _build() -> None:
    """Starts it; what stands in the way is told beside the form."""
    file, path = st.session_state["build_checklist"], st.session_state["build_path"].strip()
    try:
        if file is None and not path:
            raise TableError(_("Choose a checklist first."))
        source = (file.name, file.getvalue()) if file is not None else opened.not_handed_in(folder_of_server(path))
        index = Index(find_index(st.session_state.get("index") or chosen.STARTER), verify=False)
        building.start(st.session_state["build_name"], source, index.encoder_source, preprocess=index.card.encoder.preprocess)
    except BioclipSearchError as error:
        st.session_state["build_told"] = str(error)
    else:
        st.session_state["build_name"] = st.session_state["build_path"] = ""


def _tell() -> None:
    if told := st.session_state.pop("build_told", ""):
        look.problem(told)


def _one(name: str) -> None:
    """How far one is; it looks again by itself while it goes on."""
    told = building.building(name)
    if told is None:
        return
    if told.is_running:
        st.fragment(_running, run_every=REFRESH_S)(name)
    else:
        _ended(told)


def _running(name: str) -> None:
    told = building.building(name)
    if told is None or not told.is_running:
        st.rerun()
    with st.container(border=True):
        st.progress(told.share, f"{plain(name)}: {_in_words(told)}")
        if told.state != STOPPING:
            st.button(_("Stop"), key=f"stop_{name}", icon=":material/stop_circle:", on_click=building.stop, args=[name])
        st.caption(_("You may close this page; the work goes on."))


def _in_words(told: Building) -> str:
    if told.state == STOPPING:
        return _("stopping …")
    if told.state == STARTING or told.total is None:
        return _("reading the checklist …")
    if told.done >= told.total:
        return _("writing the index …")
    return _("{done} of {total} names encoded").format(done=f"{told.done:,}", total=f"{told.total:,}")


def _ended(told: Building) -> None:
    with st.container(border=True):
        if told.state == DONE:
            st.success(_("The index {name} is there.").format(name=plain(told.name)), icon=":material/check_circle:")
            st.button(_("Use it"), key=f"use_{told.name}", type="primary", on_click=_use, args=[told.name])
        elif told.state == STOPPED:
            st.warning(_("The build of {name} was stopped. What was encoded is kept, so that a second try is faster.").format(name=plain(told.name)))
        else:
            look.problem(_("The index {name} could not be built: {why}").format(name=told.name, why=told.said[-1] if told.said else ""))
        if len(told.said) > 1:
            with st.expander(several("What was found: {count} line", "What was found: {count} lines", len(told.said)).format(count=len(told.said))):
                st.markdown("\n".join(f"- {look.sentence(line)}" for line in told.said[-LINES_SHOWN:]))
        st.button(_("Put this away"), key=f"away_{told.name}", on_click=building.put_away, args=[told.name])


def _use(name: str) -> None:
    """Chooses the new index for all pages."""
    building.put_away(name)
    st.session_state["index"] = name
