"""The app: its pages, the choices that all pages share, and the one place where errors become messages.

Holds no page itself: one file beside this one is one page. Run it with `bioclip-search app`. Subtle: Streamlit runs this
file at every click; what shall outlive a click is held by `holding`, or by the visitor's session.
"""

from __future__ import annotations

import chosen
import collection
import identify
import indexes
import label
import look
import lookup
import review
import streamlit as st
from words import _

from bioclip_search.errors import BioclipSearchError

st.set_page_config("bioclip-search", "🌿", layout="wide")
look.dress()
page = st.navigation(
    [
        st.Page(identify.page, title=_("Identify"), icon=":material/center_focus_strong:", url_path="home", default=True),
        st.Page(identify.page, title=_("Identify"), url_path="identify", visibility="hidden"),  # Subtle: the first page has no path of its own
        st.Page(lookup.page, title=_("Species lookup"), icon=":material/travel_explore:", url_path="lookup"),
        st.Page(collection.page, title=_("Collection"), icon=":material/photo_library:", url_path="collection"),
        st.Page(review.page, title=_("Review"), icon=":material/rate_review:", url_path="review"),
        st.Page(indexes.page, title=_("Index"), icon=":material/account_tree:", url_path="index"),
        st.Page(label.page, title=_("Label"), icon=":material/grid_on:", url_path="label"),
    ]
)
chosen.choose()
try:
    page.run()
except BioclipSearchError as error:
    look.problem(str(error))
