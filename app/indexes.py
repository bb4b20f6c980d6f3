"""The page "Index": what is loaded and how good it is, in plain words, a health check, more species, and a new index from a checklist.

Facts come from `bioclip_search.portrait`, findings from `check`; adding is shown by `index_adding`, building by `index_building`.
"""

from __future__ import annotations

import chosen
import index_adding
import index_building
import look
import streamlit as st
from look import plain
from words import _, several

from bioclip_search.check import FAULT, Finding, check_index
from bioclip_search.portrait import Portrait, Promise, portrait
from bioclip_search.results import percent
from bioclip_search.searcher import Searcher

WORDS = {
    "intended_use": _("What it is for"),
    "limits": _("What it cannot do"),
    "taxa": _("Where its taxa are from"),
    "vectors": _("Where its vectors are from"),
    "licence": _("Licence"),
    "citation": _("To be cited as"),
}
"""What a card may say of itself, and how that is headed, in this order."""

FINDINGS_KEPT = 8


def page() -> None:
    """The page from top to bottom; each part in a tab of its own."""
    look.heading(_("Index"), _("An index is the list of taxa that pictures are named from, with the model that knows them."))
    about, health, more, new = st.tabs([_("What it is"), _("Health check"), _("Add a species"), _("Build a new one")], key="index_part")
    with new:
        index_building.show()
    searcher = chosen.searcher()
    told = portrait(searcher.index, searcher.taxonomy, searcher.calibration, len(searcher.names.languages))
    with about:
        _about(told)
    with health:
        _health(searcher)
    with more:
        index_adding.show(searcher)


def _about(told: Portrait) -> None:
    st.header(plain(told.name), anchor=False)
    if description := told.words.get("description"):
        st.markdown(look.sentence(description))
    added = _(", {count} of them added later").format(count=f"{told.added:,}") if told.added else ""
    ranks = " · ".join(f"{plain(rank)} {count:,}" for rank, count in told.by_rank)
    facts = [_("**{taxa} taxa**{added}: {ranks}.").format(taxa=f"{told.taxa:,}", added=added, ranks=ranks)]
    if told.languages:
        facts.append(several("Vernacular names in {count} language.", "Vernacular names in {count} languages.", told.languages).format(count=told.languages))
    st.markdown(" ".join([*facts, _("{size} MB.").format(size=f"{told.size_mb:,.1f}")]))
    st.subheader(_("How often it is right"), anchor=False)
    _promises(told)
    for name, title in WORDS.items():
        if name in told.words:
            st.subheader(title, anchor=False)
            st.markdown(look.sentence(told.words[name]))
    if not told.words:
        st.caption(_("Its card says nothing of its licence or its limits; ask whoever made it."))
    st.caption(_("Model: {encoder}, {dim} numbers a vector, kept as {vectors}.").format(encoder=plain(told.encoder), dim=told.dim, vectors=plain(told.vectors)))


def _promises(told: Portrait) -> None:
    if told.fitted_on is None:
        st.markdown(_("It was never tried on pictures with known names, so nothing can be promised. `bioclip-search calibrate` does that."))
        return
    st.markdown(_("Tried on: {pictures}. For pictures like those:").format(pictures=look.sentence(told.fitted_on)))
    st.markdown("\n".join(f"- {_promise(promise)}" for promise in told.promises))


def _promise(promise: Promise) -> str:
    if promise.coverage is None:
        return _("That {share} of its names are right cannot be promised.").format(share=percent(promise.target))
    words = _("If {share} of its names shall be right, {named} of the pictures get a name, {lowest} one of the lowest rank.")
    return words.format(share=percent(promise.target), named=percent(promise.coverage), lowest=percent(promise.lowest))


def _health(searcher: Searcher) -> None:
    """A look through the index, and what was found the last time in this session."""
    st.header(_("Is it sound?"), anchor=False)
    st.markdown(_("Looks through every file of the index for damage, and for oddities of its names. It changes nothing; a large index takes minutes."))
    kept = st.session_state.setdefault("findings", {})
    key = repr(searcher.index.card)
    if st.button(_("Check it"), key="check_index", icon=":material/health_and_safety:"):
        bar = st.progress(0.0, _("Checking …"))
        kept[key] = check_index(searcher.index.folder, lambda done, steps: bar.progress(done / steps, _("Checking …")))
        bar.empty()
        for oldest in list(kept)[:-FINDINGS_KEPT]:
            del kept[oldest]
    if key in kept:
        _findings(kept[key])


def _findings(found: list[Finding]) -> None:
    faults = [one for one in found if one.severity == FAULT]
    if faults:
        st.error(_("It is damaged."), icon=":material/error:")
    else:
        st.success(_("It is sound."), icon=":material/check_circle:")
    for one in [*faults, *(one for one in found if one.severity != FAULT)]:
        examples = f" ({'; '.join(one.examples)}{' …' if one.count > len(one.examples) else ''})" if one.examples else ""
        with st.container(border=True):
            st.markdown(look.sentence(f"{one.what}{examples}.") + f"  \n:small[{look.sentence(one.advice)}]")
