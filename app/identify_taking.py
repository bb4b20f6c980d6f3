"""Takes pictures in: dropped, pasted, from the camera, from an address of the web, or the examples.

Gives names and bytes; whether they are pictures at all is found out by `seeing`, addresses are fetched by `fetching`.
What a visitor gave stays in that visitor's session, in memory, and goes with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import look
import streamlit as st
from holding import server
from look import problem
from words import _, several

from bioclip_search.demo import CREDITS, demo_photographs
from bioclip_search.errors import MissingExtraError, PictureError
from bioclip_search.fetching import fetch_picture, name_of
from bioclip_search.seeing import MOST_PIXELS, plain_name

MOST_PICTURES = 50  # looked at in one session at a time: ten seconds' work with the starter; a collection has its own page
MOST_HELD_BYTES = 200 << 20  # of pasted and fetched pictures that a session holds; uploads are held by Streamlit itself
MOST_ADDRESSES = 5  # fetched at a time, one after the other, each for seconds at most
HELD, REFUSED = "held_pictures", "refused_pictures"


@dataclass(frozen=True)
class Picture:
    """A picture as it came: the name that the visitor knows it by, the bytes of the file, and a key that no other picture has."""

    key: str
    name: str
    content: bytes = field(repr=False)


def take() -> list[Picture]:
    """The pictures to name, the latest last; the examples if they were asked for and there are no others."""
    pictures = _dropped()
    with st.container():  # Subtle: in a container the line stays here; else it would stick to the bottom of the window
        _hold(_pasted())
    pictures += st.session_state.get(HELD, [])
    pictures += _photographed()
    _tell_refused()
    if not pictures and st.session_state.get("examples"):
        st.caption(CREDITS)
        return [_picture(path.name, path.read_bytes()) for path in demo_photographs()]
    if len(pictures) > MOST_PICTURES:
        st.warning(_("The first {most} of {count} pictures are shown. For more, use the page Collection.").format(most=MOST_PICTURES, count=len(pictures)))
    return pictures[:MOST_PICTURES]


def offer_examples() -> None:
    """What stands where the answers will be."""
    try:
        demo_photographs()
    except MissingExtraError as error:
        box = look.empty(_("**Nothing to look at yet.** Drop photographs above."))
        box.info(str(error))
    else:
        told = _("**Nothing to look at yet.** Drop photographs above, or see how an answer looks:")
        box = look.empty(told, _("Try two example photographs"), key="try", on_click=st.session_state.update, args=[{"examples": True}])
    limits = _("Up to {most} pictures at a time, each of up to {size} MB and {pixels} million pixels.")
    box.caption(limits.format(most=MOST_PICTURES, size=server().max_upload_mb, pixels=MOST_PIXELS // 1_000_000))
    box.caption(_("Pictures are answered in memory; nothing of them is kept on disk, and no other visitor sees them."))


def _dropped() -> list[Picture]:
    files = st.file_uploader(_("Pictures"), type="image", accept_multiple_files=True, key="uploads", label_visibility="collapsed")
    return [Picture(file.file_id, plain_name(file.name), file.getvalue()) for file in files[: MOST_PICTURES + 1]]


def _photographed() -> list[Picture]:
    if not st.toggle(_("Take a photograph"), key="camera_on"):  # the browser asks for the camera only then
        return []
    file = st.camera_input(_("Camera"), key="camera", label_visibility="collapsed")
    return [] if file is None else [Picture(file.file_id, plain_name(file.name), file.getvalue())]


def _pasted() -> Iterable[Picture]:
    """The pictures of the line that was just sent: files, and those at its addresses."""
    sent = st.chat_input(_("Paste a picture, or its address"), key="paste", accept_file="multiple", file_type="image")
    if not sent:
        return
    for file in sent.files:
        yield _picture(file.name, file.getvalue())
    addresses = sent.text.split()
    if len(addresses) > MOST_ADDRESSES:
        _refuse(_("Up to {most} addresses are fetched at a time; the others were left out.").format(most=MOST_ADDRESSES))
    for address in addresses[:MOST_ADDRESSES]:
        try:
            with st.spinner(_("Fetching …")):
                yield _picture(name_of(address), fetch_picture(address))
        except PictureError as error:
            _refuse(f"{address[:100]}: {error}")


def _hold(pictures: Iterable[Picture]) -> None:
    """Adds pictures to those that the session holds, each once, as long as there is room; draws the button that drops them all."""
    held = st.session_state.setdefault(HELD, [])
    for picture in pictures:
        if sum(len(one.content) for one in held) + len(picture.content) > MOST_HELD_BYTES or len(held) >= MOST_PICTURES:
            _refuse(_("{name}: there is no room for it beside the others; remove those first.").format(name=picture.name))
        elif all(one.key != picture.key for one in held):
            held.append(picture)
    if held:
        label = several("Remove {count} pasted picture", "Remove {count} pasted pictures", len(held)).format(count=len(held))
        st.button(label, key="drop_pasted", icon=":material/close:", type="tertiary", on_click=held.clear)


def _picture(name: str, content: bytes) -> Picture:
    name = plain_name(name)
    return Picture(hashlib.sha256(name.encode("utf-8", "replace") + b"\0" + content).hexdigest(), name, content)


def _refuse(told: str) -> None:
    st.session_state.setdefault(REFUSED, []).append(told)


def _tell_refused() -> None:
    """Says once what was not taken, and why."""
    for told in st.session_state.pop(REFUSED, []):
        problem(told)
