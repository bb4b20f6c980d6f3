"""Which crops of the open run are looked at: by taxon, going down the tree of what was seen, by kind, deployment, day and hour.

Counting is left to `bioclip_search.browsing`.
"""

from __future__ import annotations

from dataclasses import replace

import look
import streamlit as st
from words import _

from bioclip_search.browsing import Browser, Taxon, Wanted
from bioclip_search.runs.record import BLANK, FAILED, IDENTIFIED, PERSON, VEHICLE

Path = tuple[tuple[str, str], ...]

UNNAMED: Path = (("", ""),)
"""Stands for the crops that nobody was sure enough to name."""

MOST_CHILDREN = 30
"""Taxa below one that are offered, those with most crops first."""


def wanted(browser: Browser) -> Wanted:
    """Draws the fields, and gives what they say."""
    chosen = _fields(browser)
    if chosen.statuses != (IDENTIFIED,):
        return chosen
    return _taxon(browser.taxa(chosen), chosen)


def _fields(browser: Browser) -> Wanted:
    kinds = {IDENTIFIED: _("organisms"), PERSON: _("people"), VEHICLE: _("vehicles"), BLANK: _("empty"), FAILED: _("unreadable")}
    there = browser.by_status(Wanted(with_repeats=True))
    names = [place.deployment for place in browser.deployments(Wanted(with_repeats=True))]
    with st.expander(_("Filter"), icon=":material/filter_alt:", key="filter"), st.container(horizontal=True, vertical_alignment="bottom"):
        offered = [kind for kind in kinds if kind == IDENTIFIED or kind in there]
        kind = st.selectbox(_("Kind"), offered, format_func=lambda one: f"{kinds[one]} ({there.get(one, 0):,})", key="kind", width=200)
        deployment = st.selectbox(_("Deployment"), names, index=None, placeholder=_("all"), format_func=lambda one: one or _("of none"), key="place", width=200)
        days = browser.by_day(Wanted(with_repeats=True))
        first = last = None
        if len(days) > 1:
            span = min(days), max(days)
            first = st.date_input(_("From"), None, *span, key="first_day", width=150)
            last = st.date_input(_("Until"), None, *span, key="last_day", width=150)
        hours = st.slider(_("Hours of the day"), 0, 23, (0, 23), key="hours", width=200) if days else (0, 23)
        repeats = st.toggle(_("With what never moves"), key="repeats", help=_("Boxes that stay in one place through a deployment are set aside."))
    return Wanted((), False, (kind,), deployment, first, last, None if hours == (0, 23) else hours, repeats)


def _taxon(tree: Taxon, chosen: Wanted) -> Wanted:
    """The way from the root to the taxon that was chosen, and what is below it."""
    path: Path = tuple(st.session_state.get("taxon") or ())
    if path == UNNAMED:
        _way((), _("not sure enough to name"))
        return replace(chosen, is_unnamed=True)
    node = tree.find(path)
    if node is None:
        node, path = tree, ()
    is_one_kingdom = node is tree and len(tree.children) == 1
    shown = (tree.children[0] if is_one_kingdom else node).branching()
    _way(shown.path)
    below = [(child.path, f"{look.named(child.path[-1][1], child.path[-1][0], child.common_name)} · {child.crops:,}") for child in shown.children]
    if node is tree and tree.own:
        below.append((UNNAMED, f"{_('not sure enough to name')} · {tree.own:,}"))
    if below:
        with st.container(horizontal=True, gap="small", key="taxa"):
            for number, (child, told) in enumerate(below[:MOST_CHILDREN]):
                st.button(told, key=f"taxon_{number}", on_click=_go, args=[child])
        if len(below) > MOST_CHILDREN:
            st.caption(_("… and {count} more with fewer crops").format(count=len(below) - MOST_CHILDREN))
    return replace(chosen, lineage=path)


def _way(path: Path, end: str | None = None) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="way"):
        st.button(_("All life"), key="way_0", type="tertiary", on_click=_go, args=[()], disabled=not path and end is None)
        for depth, (rank, name) in enumerate(path, start=1):
            label = f"› {look.scientific(name, rank)}"
            if depth == len(path):
                st.markdown(f"**{label}** :small[{look.plain(rank)}]")
            else:
                st.button(label, key=f"way_{depth}", type="tertiary", on_click=_go, args=[path[:depth]], help=rank)
        if end:
            st.markdown(f"› {end}")


def _go(path: Path) -> None:
    st.session_state["taxon"] = path
