"""What comes of the decisions: how often the machine was right, and what they would teach it; worked out in the background at a click."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import chosen
import look
import streamlit as st
from words import _, several

from bioclip_search.calibration.promise import CONFIDENCE
from bioclip_search.errors import BioclipSearchError
from bioclip_search.results import percent
from bioclip_search.review.agreement import Agreement, agreement
from bioclip_search.review.effect import Effect, effect
from bioclip_search.runs.folder import Run

FUTURE = "review_future"
LOOK_EVERY_S = 1.0
RUN = "RUN"
"""Stands for the folder of the run, whose path is the server's own affair."""


def figures(run: Run, target: float) -> None:
    """A button, then how far it is, then the figures as they were when it was pressed."""
    st.header(_("What comes of it"), anchor=False)
    st.markdown(_("How often the machine was right where people looked, and how many such crops need no person once it has learned from that."))
    st.button(_("Work it out"), key="review_figures", icon=":material/calculate:", on_click=_start, args=[run, target])
    told, future = st.session_state.get(FUTURE, (None, None))
    if future is None or told != str(run.folder):
        return
    if not future.done():
        st.fragment(_wait, run_every=LOOK_EVERY_S)(future)
        return
    try:
        agreed, found = future.result()
    except BioclipSearchError as error:
        look.problem(str(error))
        return
    _agreement(agreed)
    _effect(found, run.folder)


def _start(run: Run, target: float) -> None:
    try:
        searcher = chosen.searcher()
    except BioclipSearchError as error:
        look.problem(str(error))
        return
    st.session_state[FUTURE] = (str(run.folder), _workers().submit(lambda: (agreement(run), effect(run, target, lambda: searcher))))


def _wait(future: Future) -> None:
    if future.done():
        st.rerun()
    st.caption(_(":material/hourglass_top: Working it out; go on meanwhile."))


@st.cache_resource
def _workers() -> ThreadPoolExecutor:
    """One at a time, for fitting takes all the processor there is."""
    return ThreadPoolExecutor(1, thread_name_prefix="review-figures")


def _agreement(agreed: list[Agreement]) -> None:
    st.subheader(_("Agreement with the machine"), anchor=False)
    if not agreed:
        st.markdown(_("Nobody decided yet about a crop that the machine had named."))
        return
    rows = [
        {
            _("Named at"): look.plain(one.rank or _("any rank")),
            _("Decided"): one.decided,
            _("Right"): one.right,
            _("Share"): look.sentence(percent(one.share)),
            _("95 % interval"): "–" if one.low is None or one.high is None else look.sentence(f"{percent(one.low)} – {percent(one.high)}"),
        }
        for one in agreed
    ]
    st.table(rows)
    st.caption(_("Crops that people looked at are as a rule the doubtful ones; the rest of the run is more often right."))


def _effect(found: Effect, folder: Path) -> None:
    st.subheader(_("Effect on calibration"), anchor=False)
    target = f"{found.target:.0%}"
    lines = [
        several("Of {count} crop that people named", "Of {count} crops that people named", found.decided).format(count=f"{found.decided:,}")
        + _(", the machine had named {sure} with a chance of {target} or more; {right} of these names hold.").format(
            sure=f"{found.spared:,}", right=f"{found.right:,}", target=target
        )
    ]
    if found.after is not None:
        lines.append(
            _(
                "Calibrated on these decisions it would name {share} of such crops, and {target} of the names would be right, at {confidence} confidence."
            ).format(share=percent(found.after.coverage), target=target, confidence=f"{CONFIDENCE:.0%}")
        )
    elif found.decided:
        lines.append(look.sentence(found.why.replace(str(folder), RUN)))
    else:
        lines.append(_("Give some crops a name first: nothing there, a person or a vehicle teaches it nothing."))
    if found.run.threshold is None and not found.run.drawn:
        lines.append(_("What holds for the whole run only a fair draw of its crops can show, sure ones too: `bioclip-search review RUN --sample 200`."))
    else:
        lines += [look.sentence(line.replace(str(folder), RUN)) for line in found.run.lines()]
    st.markdown("\n".join(f"- {line}" for line in lines))
