"""A crop as a reviewer sees it: large, in its whole picture, beside the rest of its burst, with the machine's answer and what was decided before."""

from __future__ import annotations

import look
import opened
import streamlit as st
from review_state import Desk
from words import _

from bioclip_search.results import Answer
from bioclip_search.review.decisions import ReviewDecision
from bioclip_search.review.queue import Doubt
from bioclip_search.thumbnails import Thumbnail

VERDICTS = {
    "accepted": _("accepted"),
    "corrected": _("corrected"),
    "blank": _("nothing there"),
    "person": _("a person"),
    "vehicle": _("a vehicle"),
    "unsure": _("nobody can tell"),
}


def crop(desk: Desk) -> None:
    """The crop alone."""
    doubt = desk.doubt
    with st.container(key="review_crop"):
        show(opened.thumbnails(desk.run).large(desk.run, doubt.image, doubt.box_xyxy, doubt.frame_number), _("The crop: {image}").format(image=doubt.image))
    st.caption(look.plain(where(doubt)))


def answer(desk: Desk) -> None:
    """What the machine says of it, why it is asked about, and who said what before."""
    doubt = desk.doubt
    look.headline(doubt.answer)
    if line := look.ladder_line(doubt.answer):
        st.caption(line)
    for reason in doubt.reasons:
        st.caption(f":material/help: {look.sentence(reason)}")
    before = desk.follow.history(doubt_key(doubt))
    if before:
        with st.expander(_("What was decided before"), key="review_history", expanded=bool(desk.decided[desk.place or 0])):
            for one, is_undone in before:
                st.markdown(_past(one, is_undone))


def around(desk: Desk) -> None:
    """The whole picture with the box, and the others of the burst."""
    doubt, thumbnails = desk.doubt, opened.thumbnails(desk.run)
    st.subheader(_("In its picture"), anchor=False)
    with st.container(key="review_whole"):
        show(
            thumbnails.picture(desk.run, doubt.image, doubt.box_xyxy, doubt.frame_number),
            _("The whole picture with the box: {image}").format(image=doubt.image),
        )
    burst = desk.work.burst(desk.place or 0)
    if burst:
        st.subheader(_("The same burst"), anchor=False)
        shown = thumbnails.crops(desk.run, [(other.image, other.box_xyxy, other.frame_number) for other in burst])
        with st.container(horizontal=True, key="review_burst"):
            for other, thumbnail in zip(burst, shown, strict=True):
                with st.container(width=180):
                    show(thumbnail, _("Of the same burst: {image}").format(image=other.image))
                    st.caption(short(other.answer))


def show(thumbnail: Thumbnail, alt: str) -> None:
    """The picture, or why there is none."""
    if thumbnail.jpeg is None:
        st.info(look.sentence(thumbnail.why), icon=":material/hide_image:")
    else:
        st.image(thumbnail.jpeg, alt=alt, width="stretch")


def short(answer: Answer) -> str:
    """The machine's answer in few words, as Markdown."""
    return look.named(answer.taxon, answer.rank, answer.common_name) if answer.taxon else _("not named")


def where(doubt: Doubt) -> str:
    """What a crop is called."""
    frame = "" if doubt.frame_number is None else _(", frame {number}").format(number=doubt.frame_number)
    return f"{doubt.image}{frame} · {_('crop {number}').format(number=doubt.crop + 1)}"


def doubt_key(doubt: Doubt) -> tuple[str, int]:
    return doubt.media_id, doubt.crop


def _past(one: ReviewDecision, is_undone: bool) -> str:
    name = look.scientific(one.taxon, one.rank) if one.taxon else ""
    told = f"{look.plain(one.who)}, {one.when:%Y-%m-%d %H:%M}: {VERDICTS[one.verdict]} {name}".strip()
    return f"~~{told}~~ {_('(taken back)')}" if is_undone else told
