"""The part "In my pictures" of the page "Species lookup": which crops of the open run are most like a taxon, some words, or a picture.

Searching is `bioclip_search.likeness`'s, the run is `opened`'s; the crop whose likes are looked for stands in the page's address.
"""

from __future__ import annotations

import chosen
import look
import numpy as np
import opened
import streamlit as st
from look import plain
from words import _, several

from bioclip_search import seeing
from bioclip_search.encoder import encode_recipe
from bioclip_search.errors import BioclipSearchError
from bioclip_search.likeness import Found, Likeness, most_alike, stop_if_foreign, vector_of
from bioclip_search.names.display import common_names
from bioclip_search.prompts import TextRecipe
from bioclip_search.runs.folder import Run
from bioclip_search.searcher import Searcher
from bioclip_search.species import direction
from bioclip_search.taxonomy import Taxon

SHOWN, MOST_SHOWN = 12, 96
"""Crops shown at first, and at most."""

SEARCHES_KEPT = 16
"""Results that a visitor's session keeps, some 50 kB each."""

TILE_PX = 168
"""Two side by side on a phone of 390 px."""


def show(searcher: Searcher, taxon: Taxon | None) -> None:
    """The part of the page, whichever run is open or none."""
    st.header(_("In my pictures"), anchor=False)
    try:
        run = opened.run()
        if run is None:
            opened.choose()
            return
        stop_if_foreign(run, searcher.encoder.fingerprint)
        _look(searcher, run, taxon)
    except BioclipSearchError as error:
        look.problem(str(error))
        st.button(_("Close this run"), key="close_run", on_click=opened.show, args=[None])


def _look(searcher: Searcher, run: Run, taxon: Taxon | None) -> None:
    st.caption(opened.title(opened.reference() or ""))
    like = _of_address(st.query_params.get("like"))
    if like is not None:
        _tiles(run, _search(str(run.folder), _state(run), vector_of(run, *like), _most(), like), _("Pictures like this one, the most alike first:"), like)
        return
    query = _of_upload(searcher)
    if query is not None:
        _tiles(run, _search(str(run.folder), _state(run), query, _most(), None), _("Those most like the picture come first:"))
        return
    words = st.text_input(_("Look for"), key="words", placeholder=_told(searcher, taxon) or _("a fox at night, an empty meadow, …"), max_chars=300).strip()
    if not words and taxon is None:
        st.caption(_("Say in words what shall be on them, or look a taxon up above."))
        return
    query = _of_words(searcher, words) if words else direction(searcher.catalogue, taxon)
    if query is None:
        st.caption(_("The model makes nothing of this taxon's name, so nothing can be compared with it. Look for it in words."))
        return
    _tiles(run, _search(str(run.folder), _state(run), query, _most(), None), _("Those that fit best come first; that says nothing of whether they fit."))


def _of_upload(searcher: Searcher) -> np.ndarray | None:
    """The vector of a picture that the visitor gave, None where none was."""
    with st.popover(_("By a picture of your own"), icon=":material/image_search:"):
        file = st.file_uploader(_("Picture"), type="image", key="like_upload", help=_("It is compared in memory and kept nowhere."))
    return None if file is None else seeing.look(file.getvalue(), searcher.encoder).whole


def _told(searcher: Searcher, taxon: Taxon | None) -> str:
    """What the taxon is called where no words are given."""
    return "" if taxon is None else common_names(searcher.names, [taxon], chosen.language())[0] or taxon.name


def _of_words(searcher: Searcher, words: str) -> np.ndarray:
    recipe = TextRecipe.from_card(searcher.index.card.recipe)
    return encode_recipe(searcher.encoder, [recipe.sentences(words)])[0]


@st.cache_data(max_entries=SEARCHES_KEPT, scope="session", show_spinner="Looking through the pictures …")
def _search(folder: str, state: tuple, query: np.ndarray, most: int, besides: tuple[str, int] | None) -> Likeness:
    return most_alike(Run.open(folder), query, most, besides=besides)


def _state(run: Run) -> tuple:
    """Differs as soon as a part of the run does."""
    return tuple((part.name, part.stat().st_size, part.stat().st_mtime_ns) for part in run.parts)


def _tiles(run: Run, likeness: Likeness, told: str, like: tuple[str, int] | None = None) -> None:
    """The crops in their order, each with what the run calls it, and a button for those like it."""
    if like is not None:
        st.button(_("Back to the words"), key="unlike", icon=":material/arrow_back:", on_click=_like, args=[None])
    if not likeness.found:
        st.caption(_("No crop of this run can be compared: nothing was found in its pictures, or only people and vehicles."))
        return
    count = several("{count} crop was compared.", "{count} crops were compared.", likeness.compared).format(count=f"{likeness.compared:,}")
    st.markdown(f"{told} {count}")
    pictures = opened.thumbnails(run).crops(run, [(one.image, one.box_xyxy, one.frame_number) for one in likeness.found])
    with st.container(horizontal=True, gap="small", key="tiles"):
        for number, (one, picture) in enumerate(zip(likeness.found, pictures, strict=True)):
            with st.container(width=TILE_PX, gap="small"):
                if picture.jpeg is None:
                    st.caption(plain(picture.why))
                else:
                    st.image(picture.jpeg, alt=_alt(number, one), width="stretch")
                st.markdown(_caption(number, one))
                st.button(_("Like this"), key=f"like-{number}", help=_("Pictures like this one"), on_click=_like, args=[(one.media_id, one.crop)])
    if len(likeness.found) == _most() < min(MOST_SHOWN, likeness.compared):
        st.button(_("Show more"), key="more_tiles", on_click=st.session_state.update, args=[{"tiles": min(MOST_SHOWN, 2 * _most())}])


def _caption(number: int, one: Found) -> str:
    """Its place, what the run calls it, and the file."""
    name = look.named(one.taxon, one.rank, one.common_name) if one.taxon else _("not named")
    return f"**{number + 1}** {name}  \n:small[{plain(one.image)}]"


def _alt(number: int, one: Found) -> str:
    return _("Crop {number}, {name}, of {image}").format(number=number + 1, name=one.common_name or one.taxon or _("not named"), image=one.image)


def _most() -> int:
    return st.session_state.get("tiles", SHOWN)


def _like(crop: tuple[str, int] | None) -> None:
    if crop is None:
        st.query_params.pop("like", None)
    else:
        st.query_params["like"] = f"{crop[0]}.{crop[1]}"


def _of_address(told: str | None) -> tuple[str, int] | None:
    """The crop that the address names, None where it names none."""
    media_id, _dot, number = (told or "").rpartition(".")
    return (media_id, int(number)) if media_id and number.isascii() and number.isdigit() and len(number) <= 9 else None
