"""The page "Species lookup": a name in any language while it is typed, the taxa that it may mean, and all that the index knows of one.

What the index knows is `bioclip_search.species`'s, search while typing `names.search`'s; the taxon is shown by `lookup_taxon`, pictures by
`lookup_pictures`. The name stands in the page's address, and of several taxa the one that is looked at.
"""

from __future__ import annotations

import chosen
import look
import lookup_pictures
import lookup_taxon
import streamlit as st
from look import plain
from words import _, language_name

from bioclip_search.errors import UnknownTaxonError
from bioclip_search.names import Names
from bioclip_search.names.lookup import PATH_SIGN
from bioclip_search.names.search import Hit, search_names
from bioclip_search.species import taxa_called
from bioclip_search.taxonomy import Taxon

HITS_SHOWN = 8
"""As many as are taken in at a glance, and fit above the taxon on a phone."""

EXAMPLES = ("puma", "ピューマ", "Schneeleopard", "Felidae", "rouge-gorge", "Oenanthe")
"""Names of several languages, scripts and ranks; only those that the index knows are offered."""


def page() -> None:
    """The page from top to bottom."""
    look.heading(_("Species lookup"), _("Any taxon of the index by any of its names, in any language."))
    searcher = chosen.searcher()
    typed = st.text_input(
        _("Name"), key="name", type="search", live=True, placeholder=_("puma, ピューマ, Felidae, …"), bind="query-params", on_change=_forget
    ).strip()  # fmt: skip
    taxon = _chosen(searcher.names, typed) if typed else _nothing_typed(searcher.names)
    if taxon is not None:
        lookup_taxon.show(searcher, taxon, go)
    lookup_pictures.show(searcher, taxon)


def go(path: str) -> None:
    """Looks at another taxon, named so that it alone is meant."""
    st.session_state["name"] = path
    _forget()


def _chosen(names: Names, typed: str) -> Taxon | None:
    """The taxon that is looked at; where several may be meant, they stand in a list, the likeliest first and chosen."""
    options = _meant(names, typed)
    if not options:
        _unknown(names, typed)
        return None
    if len(options) == 1:
        return next(iter(options.values()))[0]
    before = st.query_params.get("taxon")
    path = st.radio(
        _("Which one?"),
        list(options),
        index=list(options).index(before) if before in options else 0,
        key=f"which:{typed}",
        format_func=lambda path: _label(*options[path]),
    )
    if path == next(iter(options)):
        st.query_params.pop("taxon", None)
    else:
        st.query_params["taxon"] = path
    return options[path][0]


def _meant(names: Names, typed: str) -> dict[str, tuple[Taxon, Hit | None]]:
    """The taxa that a text may mean by their whole lineages, best first; a whole lineage means one taxon alone."""
    if PATH_SIGN in typed:
        try:
            exactly = taxa_called(names, typed)
        except UnknownTaxonError:
            exactly = []
        if len(exactly) == 1:
            return {names.path(exactly[0]): (exactly[0], None)}
    found: dict[str, tuple[Taxon, Hit | None]] = {}
    for hit in search_names(names, typed, language=chosen.language(), limit=HITS_SHOWN):
        path = f" {PATH_SIGN} ".join(hit.lineage.values())
        taxon = next((taxon for taxon in names.find(path) if names.path(taxon) == path), None)
        if taxon is not None:
            found[path] = taxon, hit
    return found


def _label(taxon: Taxon, hit: Hit) -> str:
    """A taxon in the list: its names, its rank, and the name by which it was found where that is another."""
    told = f"{look.named(taxon.name, taxon.rank, hit.common_name)} · {plain(taxon.rank)}"
    if hit.matched_name not in (hit.common_name, taxon.name):
        told += f" · {plain(hit.matched_name)}" + (f" ({plain(language_name(hit.language))})" if hit.language else "")
    return told


def _unknown(names: Names, typed: str) -> None:
    """No taxon is called so: the nearest names there are, each one click away."""
    look.problem(_("No taxon of this index is called {name!r}. Try another spelling, another language, or another index.").format(name=typed))
    near = names.nearest(typed)
    if near:
        with st.container(horizontal=True):
            for number, name in enumerate(near):
                st.button(plain(name), key=f"near-{number}", on_click=go, args=[name])


def _nothing_typed(names: Names) -> None:
    """Examples, one click each."""
    box = look.empty(_("**Type a name above**, vernacular or scientific, of a species or a group. Beginnings and small slips are understood. Or try:"))
    known = [name for name in EXAMPLES if names.find(name)] or [names.taxonomy.taxon(level.rank, 0).name for level in names.taxonomy.levels[-1:]]
    with box.container(horizontal=True):
        for number, name in enumerate(known):
            st.button(plain(name), key=f"example-{number}", on_click=go, args=[name])


def _forget() -> None:
    """What was chosen for the name before."""
    for told in ("taxon", "like"):
        st.query_params.pop(told, None)
