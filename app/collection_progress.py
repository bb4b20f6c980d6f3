"""How far the open run is, brought up to date by itself while it is written, with a stop that loses nothing and a way to go on.

The work is done elsewhere: `bioclip_search.background` starts, tells and stops it.
"""

from __future__ import annotations

import time
from pathlib import Path

import look
import opened
import streamlit as st
from words import _

from bioclip_search import background, durations, rooted
from bioclip_search.background import STOPPING, Job
from bioclip_search.errors import BioclipSearchError
from bioclip_search.progress_file import CLOSING, FAILED, LISTING, PATIENCE_S, STARTING, STOPPED

REFRESH_S = 1.0


def progress(place: Path) -> None:
    """Shows it where the run was started in the background and is not done; nothing else."""
    job = background.job_of(place)
    if job is None:
        return
    if job.is_running:
        st.fragment(_running, run_every=REFRESH_S)(place)
    elif job.state == FAILED:
        look.problem(job.message)
        st.button(_("Try again"), key="resume", on_click=_resume, args=[place])
    elif job.state == STOPPED:
        st.warning(_("Stopped after {done} pictures. What is done is kept.").format(done=f"{job.done:,}"), icon=":material/pause_circle:")
        st.button(_("Go on"), key="resume", type="primary", icon=":material/play_arrow:", on_click=_resume, args=[place])


def _running(place: Path) -> None:
    job = background.job_of(place)
    if job is None or not job.is_running:
        st.rerun()
    with st.container(border=True):
        st.progress(job.share, in_words(job))
        if job.state != STOPPING:
            st.button(_("Stop"), key="stop", icon=":material/stop_circle:", on_click=_stop, args=[place], help=_("Nothing that is done is lost."))
        elif time.monotonic() - st.session_state.get("stop_asked", 0.0) > PATIENCE_S:
            st.button(_("End it now"), key="kill", on_click=background.kill, args=[place])
        st.caption(_("You may close this page; the work goes on, and the address of this page leads back to it."))


def in_words(job: Job) -> str:
    """What is being done, how fast, and how long it takes still."""
    if job.state == STARTING:
        return _("Opening the index and the detector …")
    if job.state == STOPPING:
        return _("Stopping; what is done is kept …")
    if job.state == LISTING:
        return _("{done} pictures looked at; still counting …").format(done=f"{job.done:,}")
    if job.state == CLOSING:
        return _("All pictures are opened; naming the last ones …")
    told = [_("{done} of {total} pictures").format(done=f"{job.done:,}", total=f"{job.total:,}")]
    if job.rate_per_s:
        told.append(_("{rate} a second").format(rate=f"{job.rate_per_s:.1f}"))
    if job.left_s is not None:
        told.append(_("{time} left").format(time=durations.in_words(job.left_s)))
    return " · ".join(told)


def _stop(place: Path) -> None:
    st.session_state["stop_asked"] = time.monotonic()
    background.stop(place)


def _resume(place: Path) -> None:
    """Goes on, but only over pictures that this visitor may have tagged: the order lies in a file, which anybody may have written."""
    try:
        order = background.read_order(place)
        if order is not None:
            rooted.below(opened.allowed_at(place), order.source)
        background.resume(place)
    except BioclipSearchError as error:
        st.session_state["told"] = str(error)
