"""The page "Review": what a run is unsure of, crop by crop, and a person's word on each, by keyboard first.

Holds no logic of its own: the order of work, decisions and what comes of them are `bioclip_search.review`'s. Beside this file:
`review_crop` shows a crop, `review_saying` takes what is said of it, `review_alike` those like it, `review_figures` what comes of it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import chosen
import look
import opened
import review_alike
import review_crop
import review_figures
import review_saying
import streamlit as st
from review_state import Desk, following, worklist
from words import _, several

from bioclip_search import background
from bioclip_search.errors import BioclipSearchError
from bioclip_search.review.queue import DEFAULT_TARGET
from bioclip_search.runs.folder import Run

TARGETS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
LOOK_EVERY_S = 1.0
MOST_LETTERS = 100
"""Of a name of a person."""


def page() -> None:
    """The page from top to bottom."""
    look.heading(
        _("Review"),
        _("What the machine was unsure of, the largest doubt first. Say what each crop shows; its own answers are never changed, yours stand beside them."),
    )
    place = opened.folder()
    if place is None:
        opened.choose()
        return
    job = background.job_of(place)
    if job is not None and job.is_running:
        st.fragment(_tagging, run_every=LOOK_EVERY_S)(place)
        return
    run = opened.run()
    if run is None:
        look.problem((job and job.message) or _("Tagging was stopped before it began. Go on with it on the page Collection."))
        return
    if not run.note.get("is_finished"):
        st.info(_("This run is not finished; what is done of it can be looked at."), icon=":material/hourglass_top:")
    _settings()
    st.fragment(_work)(run, st.session_state["review_target"])
    review_figures.figures(run, st.session_state["review_target"])


def _tagging(place: Path) -> None:
    """How far it is; the page goes on by itself when it is done."""
    job = background.job_of(place)
    if job is None or not job.is_running:
        st.rerun()
    with st.container(border=True):
        told = several("{count} picture looked at", "{count} pictures looked at", job.done).format(count=f"{job.done:,}")
        st.progress(job.share, _("This run is being tagged: {told} …").format(told=told))


def _settings() -> None:
    """Which run, who decides, and what is doubtful."""
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    for key, value in (("review_who", st.session_state.get("reviewer", "")), ("review_target", DEFAULT_TARGET)):
        st.session_state.setdefault(key, value)  # Subtle: a widget that was not drawn for a while, on another page, has forgotten
    told = left.text_input(
        _("Who decides"), key="review_who", max_chars=MOST_LETTERS, placeholder=_("Your name"), help=_("It is kept with each of your decisions.")
    )
    st.session_state["reviewer"] = " ".join(told.split())
    middle.selectbox(
        _("In doubt below"),
        TARGETS,
        key="review_target",
        format_func=lambda share: f"{share:.0%}",
        help=_("Crops whose name is less likely right than this are asked about."),
    )
    right.button(_("Another run"), key="review_close", icon=":material/folder_open:", on_click=opened.show, args=[None], width="stretch")


def _work(run: Run, target: float) -> None:
    """The crop that is asked about, and all that can be said of it. Subtle: runs alone at a click, so the page around it tells no error of its own."""
    try:
        _ask(run, target)
    except BioclipSearchError as error:
        look.problem(str(error))


def _ask(run: Run, target: float) -> None:
    work, follow = worklist(run, target), following(run.folder)
    desk = Desk.at(run, work, follow, st.session_state["reviewer"])
    for told in desk.told():
        st.toast(look.sentence(told))
    name, far = st.columns([1, 2], vertical_alignment="center")
    name.header(opened.title(opened.reference() or ""), anchor=False)
    if not len(work):
        look.empty(
            _("**Nothing is in doubt here.** All that was found was named with a chance of {share} or more. Ask for more above.").format(share=f"{target:.0%}")
        )
        return
    decided = int(desk.decided.sum())
    far.progress(
        decided / len(work),
        several("{decided} of {count} crop decided", "{decided} of {count} crops decided", len(work)).format(decided=f"{decided:,}", count=f"{len(work):,}"),
    )
    if desk.place is None:
        _all_done(desk)
        return
    if not desk.who:
        st.info(_("Write your name above, then decide."), icon=":material/badge:")
    _crop(replace(desk, language=chosen.language()))


def _crop(desk: Desk) -> None:
    """Pictures at the left, what can be said at the right, and below them what helps to tell."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        review_crop.crop(desk)
    with right.container(gap="small"):
        review_crop.answer(desk)
        review_saying.say(desk)
    review_alike.alike(desk)
    review_crop.around(desk)
    desk.read_ahead()


def _all_done(desk: Desk) -> None:
    skipped = int((~desk.decided).sum())
    with st.container(border=True):
        if skipped:
            st.markdown(
                several("**All but {count} crop is decided**, which you skipped.", "**All but {count} crops are decided**, which you skipped.", skipped).format(
                    count=skipped
                )
            )
            st.button(_("Look at those again"), key="review_again", type="primary", on_click=desk.forget_skipped)
        else:
            st.markdown(_("**All is decided.** See below what comes of it, or ask for more above."))
        review_saying.undo_button(desk)
