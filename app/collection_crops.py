"""The crops of the open run, a page at a time, each with its name and chance; one click shows the whole picture and why.

Finding them is left to `bioclip_search.browsing`, their pictures to `thumbnails`.
"""

from __future__ import annotations

import math
from pathlib import PurePosixPath

import look
import opened
import streamlit as st
from words import _

from bioclip_search.browsing import NAME, NEWEST, OLDEST, SURE, UNSURE, Browser, ShownCrop, Wanted
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import IDENTIFIED

PER_PAGE = 20
CARD_PX = 164
"""Two stand side by side on a phone of 390 pixels, five on a laptop."""

MOST_PAGES = 1000
"""Further on nobody turns pages; a filter leads there."""


def crops(run: Run, browser: Browser, wanted: Wanted, count: int) -> None:
    """The page, under the fields that turn and order them."""
    if not count:
        st.markdown(_("Nothing in this run is like that. Take a filter away to see more."))
        return
    orders = {SURE: _("surest first"), UNSURE: _("least sure first"), OLDEST: _("oldest first"), NEWEST: _("newest first"), NAME: _("by picture")}
    pages = min(math.ceil(count / PER_PAGE), MOST_PAGES)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", key="turning"):
        order = st.selectbox(_("Order"), list(orders), format_func=orders.get, key="order", width=200)
        number = st.pagination(pages, key=f"page_{hash((wanted, order))}") if pages > 1 else 1
    page = browser.crops(wanted, order, start=(number - 1) * PER_PAGE, limit=PER_PAGE)
    with st.spinner(_("Opening the pictures …"), show_time=False):
        pictures = opened.thumbnails(run).crops(run, [(one.image, one.box_xyxy, one.frame_number) for one in page])
    with st.container(horizontal=True, gap="small", key="crops"):
        for place, (one, picture) in enumerate(zip(page, pictures, strict=True)):
            with st.container(width=CARD_PX, gap="small", key=f"card_{place}"):
                if picture.jpeg is not None:
                    st.image(picture.jpeg, width="stretch", alt=_("{name} in {image}").format(name=spoken(one), image=one.image))
                else:
                    st.container(border=True).caption(look.sentence(picture.why))
                st.markdown(told(one))
                if st.button(_("Look closer"), key=f"closer_{place}", type="tertiary", help=_("The whole picture, and why")):
                    closer(run, browser, one)


@st.dialog(_("A closer look"), width="large")
def closer(run: Run, browser: Browser, one: ShownCrop) -> None:
    """The whole picture with the box, the answer that stands, what the machine said, and where it is from."""
    picture = opened.thumbnails(run).picture(run, one.image, one.box_xyxy, one.frame_number)
    if picture.jpeg is not None:
        st.image(picture.jpeg, width="stretch", alt=_("{image}, the whole picture").format(image=one.image))
    else:
        st.caption(look.sentence(picture.why))
    st.markdown(told(one))
    seen = browser.seen(one.media_id)
    answer = next((crop.crop.answer for crop in seen.crops if crop.crop.number == one.crop), None) if seen else None
    if answer is not None:
        if one.verdict:
            st.caption(_("The machine said:"))
        st.markdown(look.ladder_line(answer))
        st.caption(look.sentence(answer.rule))
        if answer.alternatives:
            others = ", ".join(
                f"{look.named(other.taxon, other.rank, other.common_name)} {look.chance_in_words(other.probability)}" for other in answer.alternatives
            )
            st.markdown(_("Runners-up: {others}").format(others=others))
    facts = [one.image, str(one.timestamp or ""), one.deployment or "", one.reason or ""]
    st.caption(" · ".join(look.plain(fact) for fact in facts if fact))


def told(one: ShownCrop) -> str:
    """Name, chance, and the picture's name, as Markdown."""
    name = look.named(one.taxon, one.rank, one.common_name) if one.taxon else spoken(one)
    if one.verdict:
        sure = f":green-badge[{_('decided by a person')}]"
    elif one.chance is not None:
        sure = look.chance_chip(one.chance)
    else:
        sure = ""
    return "  \n".join(part for part in (f"**{name}**", sure, f":small[{look.plain(PurePosixPath(one.image).name)}]") if part)


def spoken(one: ShownCrop) -> str:
    """The name without marks, for those who hear it."""
    if one.status != IDENTIFIED:
        return {"person": _("a person"), "vehicle": _("a vehicle"), "blank": _("nothing seen"), "failed": _("cannot be read")}.get(one.status, one.status)
    return one.common_name or one.taxon or _("not sure enough to name")
