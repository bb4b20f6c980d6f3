"""What a visitor chose once for all pages: the index, and the language of vernacular names.

The widgets stand in the sidebar (`choose`); the index is opened by `holding`, and only when a page asks for it.
"""

from __future__ import annotations

from typing import Any

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
        _kept_choice(_("Index"), sorted(names, key=lambda name: (name != STARTER, name)), "index", help=_("The taxa that a picture can be named as."))
        try:
            opened = searcher()
        except BioclipSearchError:
            return  # the page that needs the index tells why; others work without
        st.caption(_("{count} taxa").format(count=f"{len(opened.taxonomy):,}"))
        if languages := opened.names.languages:
            codes = [OF_THE_INDEX, *sorted(languages, key=language_name)]
            codes.insert(0, codes.pop(_first_language(codes)))
            _kept_choice(_("Names in"), codes, "language", format_func=lambda code: language_name(code) or _("the index's own"))


def searcher() -> Searcher:
    """The index that the visitor chose, opened.

    Raises:
        IndexFolderError: There is none of that name, or it is damaged.
    """
    return open_searcher(find_index(st.session_state.get("index") or STARTER))


def language() -> str | None:
    """The code of the language for vernacular names; None for those that the index itself tells."""
    return st.session_state.get("language") or None


def _kept_choice(label: str, options: list[str], key: str, **shown: Any) -> None:
    """A choice that the address of the page keeps, by its code, unless it is the first one."""
    asked = st.session_state.get(key, st.query_params.get(key))
    st.session_state[key] = asked if asked in options else options[0]
    chosen = st.selectbox(label, options, key=key, **shown)
    if chosen != options[0]:
        st.query_params[key] = chosen
    elif key in st.query_params:
        del st.query_params[key]


def _first_language(codes: list[str]) -> int:
    """Where the language of the visitor's browser stands among the codes, best as spoken in that country; 0 if it does not."""
    spoken = (st.context.locale or "").lower().replace("-", "_")
    alike = [code for code in codes if code and plain_language(code) == plain_language(spoken)]
    return codes.index(min(alike, key=lambda code: (code.lower() != spoken, len(code)))) if alike else 0
