"""The open run as a file in any format: one click makes it, and says what was left out; a format that wants to know more asks for it.

Writing is left to `bioclip_search.standards`, making one file of it to `packing`.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import look
import opened
import streamlit as st
from words import _

from bioclip_search.browsing import Browser
from bioclip_search.errors import BioclipSearchError, ExportError
from bioclip_search.packing import Packed, pack, placed
from bioclip_search.runs.folder import Run
from bioclip_search.standards import FORMATS
from bioclip_search.standards.camtrap_rules import DESIGNS, METHODS
from bioclip_search.standards.file_names import safe_name
from bioclip_search.standards.zones import zone_named

CAMTRAP, INSIGHTS = "camtrap-dp", "wildlife-insights"
TITLES = {
    "csv": "CSV",
    "xlsx": "Excel",
    "megadetector": "MegaDetector JSON",
    CAMTRAP: "Camtrap DP",
    "darwin-core": "Darwin Core",
    "timelapse": "Timelapse",
    INSIGHTS: "Wildlife Insights",
    "coco": "COCO Camera Traps",
    "geojson": "GeoJSON",
    "species-folders": _("Folders by species"),
    "annotated": _("Pictures with boxes"),
}
WHAT = {CAMTRAP: _("Camtrap DP 1.0.2, a zip of three tables"), "darwin-core": _("occurrences, an archive for GBIF")}
"""Where the words of the command line would mislead here."""

MOST_PLACES = 40
"""Deployments whose places are asked for here; those of more are better told in a table."""


def take_away(run: Run, browser: Browser, name: str) -> None:
    """The formats, each with a button; below, what was made last."""
    options = _common()
    with st.expander(_("Facts of the project, for Camtrap DP and Wildlife Insights"), expanded=bool(st.session_state.get("wants_facts"))):
        project, places = _facts(browser)
    for to, (_module, what) in FORMATS.items():
        with st.container(horizontal=True, vertical_alignment="center", key=f"row_{to}"):
            is_asked = st.button(TITLES[to], key=f"export_{to}", icon=":material/download:", width=230)
            st.caption(WHAT.get(to) or _(what))
        if is_asked:
            _make(run, to, name, options, project, places)
        _made(to, run)


def _common() -> dict[str, Any]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        zone = st.text_input(_("Time zone of the cameras"), key="zone", placeholder="Africa/Nairobi, +02:00", width=230)
        people = st.toggle(_("Leave out pictures with people"), key="without_people")
        repeats = st.toggle(_("Leave out what never moves"), key="without_repeats")
    return {"zone": zone.strip(), "without_people": people, "without_repeats": repeats}


def _facts(browser: Browser) -> tuple[dict[str, Any], dict[str, str]]:
    """What standards want to know of the project, by their own words; and what was typed for the places of deployments."""
    title = st.text_input(_("Title of the project"), key="project_title")
    number = st.text_input(_("Its id"), key="project_id", help=_("Wildlife Insights gives a number to each project."))
    who = st.text_input(_("Whom to ask about it: a person or institution"), key="project_who")
    design = st.selectbox(_("How the places were chosen"), DESIGNS, index=DESIGNS.index("opportunistic"), key="project_design")
    methods = st.multiselect(_("What made the cameras take pictures"), METHODS, default=METHODS[:1], key="project_methods")
    lacking = [place for place in browser.deployments() if place.first and (place.latitude is None or place.longitude is None)]
    typed = {}
    if lacking:
        st.markdown(_("Where these cameras stood, as latitude and longitude:"))
    for number_of, place in enumerate(lacking[:MOST_PLACES]):
        label = look.plain(place.deployment) or _("Pictures of no deployment")
        typed[place.deployment or "unnamed"] = st.text_input(label, key=f"place_{number_of}", placeholder="-1.95, 30.06")
    if len(lacking) > MOST_PLACES:
        st.caption(_("… and {count} more: give them by --deployments on the command line.").format(count=len(lacking) - MOST_PLACES))
    project = {"title": title, "id": number, "samplingDesign": design, "captureMethod": methods}
    project["contributors"] = [{"title": who, "role": "contact"}] if who else []
    return {key: value for key, value in project.items() if value}, typed


def _make(run: Run, to: str, name: str, options: dict[str, Any], project: dict[str, Any], places: dict[str, str]) -> None:
    """Makes the file, or tells why not; what is kept is the last one only, for it lies in memory."""
    st.session_state.pop("made", None)
    try:
        with st.spinner(_("Writing {format} …").format(format=TITLES[to])):
            st.session_state["made"] = _packed(run, to, name, options, project, places)
        st.session_state["wants_facts"] = False
    except BioclipSearchError as error:
        st.session_state["wants_facts"] = to in (CAMTRAP, INSIGHTS)
        st.session_state["made"] = (to, str(run.folder), _in_the_words_of_the_page(str(error)))
    st.rerun()  # the fields that are wanted stand above


def _packed(run: Run, to: str, name: str, options: dict[str, Any], project: dict[str, Any], places: dict[str, str]) -> tuple[str, str, Packed]:
    zone = zone_named(options["zone"]) if options["zone"] else None
    if options["zone"] and zone is None:
        raise ExportError(f"{options['zone']!r} is no time zone. Expected a name such as Europe/Brussels, or an offset such as +02:00.")
    asked = {key: options[key] for key in ("without_people", "without_repeats")} | {"timezone": zone, "deployments": placed(places)}
    if to in (CAMTRAP, INSIGHTS):
        asked["project"] = project
    if to == CAMTRAP and not (run.folder / "sequences.parquet").exists():
        asked["level"] = "media"
    called = "pictures" if name.startswith(opened.UPLOADED) else safe_name(PurePosixPath(name).name)
    return to, str(run.folder), pack(run, to, name=f"{called}-{to}", allowed=opened.allowed(run), **asked)


def _made(to: str, run: Run) -> None:
    """The file that was made last, ready to be saved, or why there is none."""
    made = st.session_state.get("made")
    if made is None or made[:2] != (to, str(run.folder)):
        return
    found = made[2]
    if not isinstance(found, Packed):
        look.problem(found)
        return
    with st.container(border=True, key="made_box"):
        size = f"{max(1, len(found.content) >> 10):,} kB"
        label = _("Save {name} ({size})").format(name=look.plain(found.name), size=size)
        st.download_button(label, found.content, found.name, found.mime, key="save", type="primary", on_click="ignore", icon=":material/save:")
        for line in found.lines:
            st.caption(look.sentence(line))


def _in_the_words_of_the_page(told: str) -> str:
    """The message, whose options of the command line are fields here."""
    words = {
        "--timezone": _("the field “Time zone of the cameras”"),
        "--project": _("the facts of the project above"),
        "--deployments": _("the places of the cameras above"),
    }
    first = told.split(", such as:\n")[0].split(" Give them with ")[0].split(" Give it with ")[0].split(" Give that of the cameras")[0]
    asked = next((field for option, field in words.items() if option in told), None)
    return _("{told} Fill in {field}.").format(told=first.rstrip(". ") + ".", field=asked) if asked else told
