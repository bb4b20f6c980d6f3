"""The page "Identify": pictures in, annotated pictures out, in the browser.

Holds no logic of its own: answering is left to `bioclip_search.searcher`, drawing to `render`, writing to `exports`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import chosen
import streamlit as st
from look import plain

from bioclip_search.demo import CREDITS, demo_photographs
from bioclip_search.errors import MissingExtraError
from bioclip_search.exports import full_name, write_records
from bioclip_search.fallback import DEFAULT_THRESHOLD
from bioclip_search.images import open_picture
from bioclip_search.render import annotate
from bioclip_search.results import Answer, Failure, percent
from bioclip_search.searcher import Searcher

ANY_RANK = "lowest sure enough"
SHEETS_KEPT = 100  # annotated pictures that a visitor's session keeps in memory, about 300 kB each; they go when the page is closed
JPEG_QUALITY = 92  # with full colour resolution, so that text stays sharp

PRIVACY = "Pictures are answered in memory; nothing of them is kept on disk."


@dataclass(frozen=True)
class Picture:
    """A picture as it came: the name that the user knows it by, and the bytes of the file."""

    name: str
    content: bytes


def page() -> None:
    """The page from top to bottom."""
    st.title("Which organism is this?")
    searcher, question = ask()
    pictures = take_pictures()
    if question["within"]:
        searcher.restrict(within=question["within"])  # an unknown clade is told before any picture is looked at
    if pictures:
        show_answers(searcher, pictures, question)
    else:
        offer_examples()


def ask() -> tuple[Searcher, dict[str, Any]]:
    """The index, opened, and what `Searcher.identify` shall be asked by the settings in the sidebar."""
    searcher = chosen.searcher()
    with st.sidebar:
        within = st.text_input("Only within", key="within", placeholder="Aves, Felidae, …", help="A clade by any of its names. Leave it empty for all taxa.")
        rank = st.selectbox("Rank of the answer", [ANY_RANK, *searcher.taxonomy.ranks], key="rank")
        rank = None if rank == ANY_RANK else rank
        threshold = st.slider(
            "Sure enough from",
            *(0.0, 1.0, DEFAULT_THRESHOLD, 0.01),
            key="threshold",
            format="percent",
            disabled=rank is not None,
            help="The probability that a taxon must reach to be the answer. Not used where a rank is asked for.",
        )
    return searcher, {"within": within.strip() or None, "rank": rank, "threshold": None if rank else threshold, "language": chosen.language()}


def take_pictures() -> list[Picture]:
    """The pictures to answer: uploads, then a photograph just taken; the examples if they were asked for and there are no others."""
    files = list(st.file_uploader("Pictures", type="image", accept_multiple_files=True, key="uploads"))
    if st.toggle("Take one with the camera", key="camera_on"):  # the browser asks for the camera only then
        files.append(st.camera_input("Camera", key="camera", label_visibility="collapsed"))
    pictures = [Picture(file.name, file.getvalue()) for file in files if file is not None]
    if not pictures and st.session_state.get("examples"):
        st.caption(CREDITS)
        return [Picture(path.name, path.read_bytes()) for path in demo_photographs()]
    return pictures


def offer_examples() -> None:
    """What stands where the answers will be."""
    with st.container(border=True):
        st.markdown("**Nothing to look at yet.** Drop photographs above, or see how an answer looks:")
        try:
            demo_photographs()
        except MissingExtraError as error:
            st.info(str(error))
        else:
            st.button("Try two example photographs", key="try", on_click=st.session_state.update, args=[{"examples": True}])
        st.caption(PRIVACY)


def show_answers(searcher: Searcher, pictures: Sequence[Picture], question: dict[str, Any]) -> None:
    """Each picture's sheet or the reason why it has none, as they come, under the download of all answers."""
    above, records = st.container(), []
    for picture in pictures:
        with st.container(border=True):
            answers, sheet = answer(searcher, picture, question)
            for one in answers:
                if isinstance(one, Failure):
                    st.error(f"{plain(one.image)}: {plain(one.error)}")
                else:
                    st.markdown(in_words(one))
            if sheet:
                st.image(sheet, width="stretch", alt=f"{picture.name}, annotated with its answer")
        records += answers
    table = io.StringIO()
    for _ in write_records(records, "csv", table):
        pass
    above.download_button(
        "Download all answers (CSV)", table.getvalue(), "bioclip-search.csv", "text/csv", key="download", icon=":material/download:", on_click="ignore"
    )


@st.cache_data(max_entries=SHEETS_KEPT, scope="session", show_spinner="Looking …", hash_funcs={Searcher: lambda searcher: repr(searcher.index.card)})
def answer(searcher: Searcher, picture: Picture, question: dict[str, Any]) -> tuple[list[Answer | Failure], bytes | None]:
    """The records of one picture under its own name, and the annotated picture as a JPEG, None if it cannot be read."""
    records = [replace(record, image=picture.name) for record in searcher.identify(picture.content, **question)]
    if any(isinstance(record, Failure) for record in records):
        return records, None
    sheet = io.BytesIO()
    annotate(open_picture(picture.content), records).save(sheet, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return records, sheet.getvalue()


def in_words(answer: Answer) -> str:
    """The answer as a line of Markdown, for small screens and screen readers."""
    name = full_name(answer.taxon, answer.common_name)
    chance = f" · {answer.rank} · {percent(answer.probability)}" if answer.taxon else ""
    return f"**{plain(name[:1].upper() + name[1:])}**{chance}  \n:small[{plain(answer.image)}]"
