"""The crops that look like the one that is shown, to be picked, so that one decision is for all of them."""

from __future__ import annotations

import opened
import streamlit as st
from review_crop import short, show
from review_saying import KEYS
from review_state import Desk, pick_key
from words import _, several


def alike(desk: Desk) -> None:
    """Their pictures with a box each, and one button that picks all; a word where the run keeps no vectors."""
    if not desk.work.is_grouped:
        st.caption(_("The run keeps no vectors, so crops cannot be grouped by likeness."))
        return
    places = desk.alike()
    if not places:
        return
    doubts = desk.work.doubts(places)
    keys = [pick_key(desk.work.key(place)) for place in places]
    count = sum(bool(st.session_state.get(key)) for key in keys)
    st.subheader(_("Alike"), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        is_all = count == len(keys)
        label = _("Pick none") if is_all else several("Pick {count} alike crop", "Pick all {count} alike crops", len(keys)).format(count=len(keys))
        st.button(label, key="review_all", icon=":material/select_all:", shortcut=KEYS["review_all"], on_click=_pick, args=[keys, not is_all])
        if count:
            st.markdown(several("**What you say is for {count} crop.**", "**What you say is for {count} crops.**", count + 1).format(count=count + 1))
    shown = opened.thumbnails(desk.run).crops(desk.run, [(doubt.image, doubt.box_xyxy, doubt.frame_number) for doubt in doubts])
    with st.container(horizontal=True, key="review_alike"):
        for doubt, key, thumbnail in zip(doubts, keys, shown, strict=True):
            with st.container(width=180):
                show(thumbnail, _("Alike: {image}").format(image=doubt.image))
                st.checkbox(short(doubt.answer), key=key)


def _pick(keys: list[str], is_picked: bool) -> None:
    st.session_state.update(dict.fromkeys(keys, is_picked))
