"""When and where the crops of the open run were seen: by hour and day, on a plain map without tiles, and as a table of deployments.

A map of the world would have to be fetched; this works without a network. Counting is left to `bioclip_search.browsing`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import streamlit as st
from words import _

from bioclip_search.browsing import Browser, Place, Point, Wanted

CHART_PX, MAP_PX = 260, 420
COLOUR = "#0072B2"
"""Blue of Okabe and Ito's palette, told apart on light and dark grounds, also by the colour-blind."""

DOT_PX = (9, 36)
LEAST_SPAN = 0.02
"""Degrees shown at least, some 2 km: a single place would else fill the map."""


def when_and_where(browser: Browser, wanted: Wanted) -> None:
    """The charts, the map and the table."""
    days = browser.by_day(wanted)
    st.subheader(_("Time of day"), anchor=False)
    if not days:
        st.markdown(_("No picture here tells when it was taken."))
    else:
        hours = browser.by_hour(wanted)
        peak = max(range(24), key=hours.__getitem__)
        told = _("Crops by hour of the day; most, {count}, from {hour} o'clock.").format(count=f"{hours[peak]:,}", hour=peak)
        st.plotly_chart(bars([f"{hour:02}" for hour in range(24)], hours, _("hour")), key="by_hour", alt=told, config={"displayModeBar": False})
        st.subheader(_("Date"), anchor=False)
        told = _("Crops by day, from {first} to {last}.").format(first=min(days), last=max(days))
        st.plotly_chart(bars(list(days), list(days.values()), ""), key="by_day", alt=told, config={"displayModeBar": False})
    st.subheader(_("Map"), anchor=False)
    points = browser.points(wanted)
    if points:
        told = _("{count} places, each as large as many crops were seen there.").format(count=f"{len(points):,}")
        st.plotly_chart(map_of(points), key="map", alt=told, config={"displayModeBar": False, "scrollZoom": True})
    else:
        st.markdown(_("No picture here tells where it was taken, nor does its deployment."))
    st.subheader(_("Deployments"), anchor=False)
    places = browser.deployments(wanted)
    if places:
        st.dataframe(table(places), hide_index=True, key="deployments", width="stretch")
    else:
        st.markdown(_("There is nothing to tell of."))


def bars(labels: Sequence[Any], counts: Sequence[int], what: str) -> Any:
    """A bar for each."""
    from plotly import graph_objects

    trace = graph_objects.Bar(x=labels, y=counts, marker={"color": COLOUR}, hovertemplate="%{x}: %{y:,}<extra></extra>")
    layout = {"height": CHART_PX, "margin": {"l": 0, "r": 0, "t": 8, "b": 0}, "bargap": 0.15, "xaxis": {"title": what}}
    return graph_objects.Figure(trace, {**layout, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"})


def map_of(points: Sequence[Point]) -> Any:
    """Dots on a net of degrees, in the proportions that the middle latitude has."""
    from plotly import graph_objects

    most = max(point.crops for point in points)
    least, span = DOT_PX[0], DOT_PX[1] - DOT_PX[0]
    names = [f"{html.escape(point.where or '')}<br>{point.latitude:.3f}, {point.longitude:.3f}<br>{point.crops:,}" for point in points]
    trace = graph_objects.Scatter(
        x=[point.longitude for point in points],
        y=[point.latitude for point in points],
        mode="markers",
        marker={"size": [least + span * math.sqrt(point.crops / most) for point in points], "color": COLOUR, "opacity": 0.7},
        hovertext=names,
        hovertemplate="%{hovertext}<extra></extra>",
    )
    west, east = _span([point.longitude for point in points])
    south, north = _span([point.latitude for point in points])
    stretch = 1 / max(math.cos(math.radians((south + north) / 2)), 0.1)
    layout = {
        "height": MAP_PX,
        "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
        "xaxis": {"range": [west, east], "title": _("longitude"), "ticksuffix": "°"},
        "yaxis": {"range": [south, north], "title": _("latitude"), "ticksuffix": "°", "scaleanchor": "x", "scaleratio": stretch},
        "dragmode": "pan",
    }
    return graph_objects.Figure(trace, {**layout, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"})


def table(places: Sequence[Place]) -> dict[str, list[Any]]:
    """The deployments as columns."""
    return {
        _("Deployment"): [place.deployment or _("of none") for place in places],
        _("Place"): [(place.told.place if place.told else None) or "" for place in places],
        _("Pictures"): [place.pictures for place in places],
        _("Crops"): [place.crops for place in places],
        _("Latitude"): [place.latitude for place in places],
        _("Longitude"): [place.longitude for place in places],
        _("From"): [place.first for place in places],
        _("Until"): [place.last for place in places],
    }


def _span(values: Sequence[float]) -> tuple[float, float]:
    """From the least to the most, with a tenth of room on both sides."""
    low, high = min(values), max(values)
    room = max((high - low) * 0.1, (LEAST_SPAN - (high - low)) / 2, LEAST_SPAN / 10)
    return low - room, high + room
