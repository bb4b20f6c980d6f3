"""What can be said of a crop: a button and a key for each. `KEYS` tells which key does what.

The keys C and R are Streamlit's own, so N asks for a name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import look
import streamlit as st
from review_state import NAMING, Desk
from words import _

from bioclip_search.names import Names
from bioclip_search.names.search import search_names
from bioclip_search.results import percent
from bioclip_search.review.choosing import MOST_CHOICES, accepted, called, named_by, other_guesses, without_name
from bioclip_search.review.decisions import BLANK, PERSON, UNSURE, VEHICLE

KEYS = {
    "review_accept": "A",
    "review_name": "N",
    "review_blank": "B",
    "review_person": "P",
    "review_vehicle": "V",
    "review_unsure": "U",
    "review_skip": "S",
    "review_undo": "Z",
    "review_all": "G",
    **{f"review_guess_{number}": str(number) for number in range(1, MOST_CHOICES + 1)},
}
"""The shortcut of each button, by the key of its element."""

MOST_HITS, MOST_LETTERS = 6, 200

FOCUS = """<script>
for (const wait of [0, 60, 200]) setTimeout(() => document.querySelector('.st-key-review_text input')?.focus(), wait);
</script><!-- {count} -->"""
"""Puts the cursor into the field of names; holds no text from outside."""


def say(desk: Desk) -> None:
    """All buttons, those of most use first."""
    doubt, is_shut = desk.doubt, not desk.who
    names, told = desk.names()
    guesses = other_guesses(doubt.answer, names) if names else []
    with st.container(horizontal=True):
        if doubt.answer.taxon:
            _button(_("Accept"), "review_accept", ":material/check:", desk.keep, [accepted], is_shut, type="primary")
        _button(_("Nothing there"), "review_blank", ":material/block:", desk.keep, [without_name, BLANK], is_shut)
        _button(_("Skip"), "review_skip", ":material/skip_next:", desk.skip, [], is_shut)
        undo_button(desk)
    if guesses:
        with st.container(key="review_guesses"):
            st.markdown(_("**Or is it**"))
            for number, guess in enumerate(guesses, start=1):
                chance = "" if guess.probability is None else f" · {percent(guess.probability)}"
                label = f"{look.named(guess.taxon, guess.rank, guess.common_name)} · {look.plain(guess.rank)}{chance}"
                _button(label, f"review_guess_{number}", None, desk.keep, [called, guess], is_shut, width="stretch")
    _another_name(desk, names, told)
    with st.container(horizontal=True):
        _button(_("Person"), "review_person", ":material/person:", desk.keep, [without_name, PERSON], is_shut)
        _button(_("Vehicle"), "review_vehicle", ":material/directions_car:", desk.keep, [without_name, VEHICLE], is_shut)
        _button(_("Nobody can tell"), "review_unsure", ":material/question_mark:", desk.keep, [without_name, UNSURE], is_shut)


def undo_button(desk: Desk) -> None:
    """Takes back what this person decided last."""
    _button(_("Undo"), "review_undo", ":material/undo:", desk.undo, [], not desk.who)


def _another_name(desk: Desk, names: Names | None, told: str) -> None:
    """A field that finds names while they are typed, and a button for each that is found."""
    if names is None:
        st.caption(look.sentence(told))
        return
    is_shut = not desk.who
    field, button = st.columns([3, 2], vertical_alignment="bottom")
    text = field.text_input(
        _("Another name, in any language"), key="review_text", live=True, max_chars=MOST_LETTERS, disabled=is_shut, placeholder=_("puma, ピューマ, Felidae …")
    )
    with button:
        _button(_("Name it"), "review_name", ":material/edit:", _ask_for_name, [], is_shut)
    if count := st.session_state.pop(NAMING, None):
        st.html(FOCUS.format(count=count), unsafe_allow_javascript=True)
    if told:
        st.caption(look.sentence(told))
    hits = search_names(names, text, language=desk.language, limit=MOST_HITS) if text else []
    for number, hit in enumerate(hits):
        found_by = "" if hit.matched_name.casefold() in (hit.taxon.casefold(), (hit.common_name or "").casefold()) else f" · {look.plain(hit.matched_name)}"
        label = f"{look.named(hit.taxon, hit.rank, hit.common_name)} · {look.plain(hit.rank)}{found_by}"
        st.button(label, key=f"review_hit_{number}", disabled=is_shut, width="stretch", on_click=desk.keep, args=[called, named_by(hit)])
    if text and not hits:
        st.caption(_("No name of the index begins so."))


def _button(label: str, key: str, icon: str | None, on_click: Callable[..., None], args: list[Any], is_shut: bool, **look_of: Any) -> None:
    st.button(label, key=key, icon=icon, shortcut=KEYS[key], on_click=on_click, args=args, disabled=is_shut, **look_of)


def _ask_for_name() -> None:
    st.session_state["review_asked"] = st.session_state[NAMING] = st.session_state.get("review_asked", 0) + 1
