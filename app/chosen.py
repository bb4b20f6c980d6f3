"""What a visitor chose once for all pages: the index, and the language of vernacular names.

The widgets stand in the sidebar (`choose`); the index is opened by `holding`, and only when a page asks for it.
"""

from __future__ import annotations

import streamlit as st
from holding import open_searcher
from words import _, language_name

from bioclip_search.errors import BioclipSearchError
from bioclip_search.index import find_index, list_indexes
from bioclip_search.names.languages import plain_language
from bioclip_search.searcher import Searcher

STARTER = "starter"
OF_THE_INDEX = ""
"""The choice of no language: names as the index itself tells them."""


def choose() -> None:
    """The sidebar's index and language."""
    with st.sidebar:
        names = {folder.name for folder in list_indexes()} or {STARTER}  # opening what is not there says how to get one
        st.selectbox(_("Index"), sorted(names, key=lambda name: (name != STARTER, name)), key="index", help=_("The taxa that a picture can be named as."))
        try:
            opened = searcher()
        except BioclipSearchError:
            return  # the page that needs the index tells why; others work without
        st.caption(_("{count} taxa").format(count=f"{len(opened.taxonomy):,}"))
        if languages := opened.names.languages:
            codes = [OF_THE_INDEX, *sorted(languages, key=language_name)]
            st.selectbox(
                _("Names in"), codes, key="language", index=_first_language(codes), format_func=lambda code: language_name(code) or _("the index's own")
            )


def searcher() -> Searcher:
    """The index that the visitor chose, opened.

    Raises:
        IndexFolderError: There is none of that name, or it is damaged.
    """
    return open_searcher(find_index(st.session_state.get("index") or STARTER))


def language() -> str | None:
    """The code of the language for vernacular names; None for those that the index itself tells."""
    return st.session_state.get("language") or None


def _first_language(codes: list[str]) -> int:
    """Where the language of the visitor's browser stands among the codes; 0 if it does not."""
    spoken = plain_language(st.context.locale or "")
    return next((place for place, code in enumerate(codes) if code and plain_language(code) == spoken), 0)
