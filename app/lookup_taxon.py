"""A taxon as the page "Species lookup" shows it: lineage, names, what lies below and near, and what the index knows of it.

All of that is told by `bioclip_search.species`; here it is only laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import chosen
import look
import streamlit as st
from look import plain
from words import _, language_name, several

from bioclip_search.errors import BioclipSearchError
from bioclip_search.names.display import common_names
from bioclip_search.names.languages import plain_language
from bioclip_search.nearness import Means, means_of
from bioclip_search.results import percent
from bioclip_search.searcher import Searcher
from bioclip_search.species import Named, Species, call, species, tried
from bioclip_search.taxonomy import Taxon

CHILDREN_SHOWN = 40
"""Children that stand on the page at first; a genus of insects has a thousand."""

LANGUAGES_OPEN = 6
"""Languages whose names stand open; more are folded away."""

RANKS_KEPT = 8
"""Ranks whose means the process keeps: 24 bytes a taxon."""

Go = Callable[[str], None]

TAXA_KEPT = 32
"""Taxa that the process keeps ready; one with 2,000 children takes some 300 kB."""


def show(searcher: Searcher, taxon: Taxon, go: Go) -> None:
    """The taxon, from its lineage down to what it is near to; `go` is called with the name of one that is clicked."""
    told = _species(searcher, taxon)
    _lineage(searcher, told, go)
    (common,) = common_names(searcher.names, [taxon], chosen.language())
    _heading(told, common)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _known(searcher, told)
        _children(searcher, told, go)
    with right:
        _names(told)
        _near(searcher, told, go)


@st.cache_resource(
    max_entries=TAXA_KEPT, show_spinner=False, hash_funcs={Searcher: lambda searcher: repr(searcher.index.card), Taxon: lambda taxon: repr(taxon)}
)  # fmt: skip
def _species(searcher: Searcher, taxon: Taxon) -> Species:
    return species(searcher.catalogue, taxon, encoder=searcher.encoder, means=_means(searcher, taxon.rank))


@st.cache_resource(max_entries=RANKS_KEPT, show_spinner=False, hash_funcs={Searcher: lambda searcher: repr(searcher.index.card)})
def _means(searcher: Searcher, rank: str) -> Means:
    return means_of(searcher.catalogue, rank)


def _lineage(searcher: Searcher, told: Species, go: Go) -> None:
    """The taxa above, each a click away."""
    if told.lineage:
        with st.container(horizontal=True, gap="small", key="lineage"):
            for above in told.lineage:
                _link(searcher, above, f"{look.scientific(above.name, above.rank)} ›", f"above-{above.rank}", go, help=above.rank)


def _heading(told: Species, common: str | None) -> None:
    lead, *second = look.named(told.taxon.name, told.taxon.rank, common).split(" · ", 1)
    st.header(lead, anchor=False)
    author = f" {plain(told.authorship)}" if told.authorship else ""
    st.markdown("  \n".join([*(f"{name}{author}" for name in second), f":small[{plain(told.taxon.rank)}{'' if second else author}]"]))


def _known(searcher: Searcher, told: Species) -> None:
    """Whether and how well the index knows it, in sentences."""
    st.subheader(_("In this index"), anchor=False)
    st.markdown("\n".join(f"- {line}" for line in [*_vectors(told), *_how_well(searcher, told)]))
    if told.keys:
        st.caption(" · ".join(f"{plain(name)} {plain(value)}" for name, value in told.keys))


def _vectors(told: Species) -> list[str]:
    known, below = told.knowledge, told.knowledge.leaves - told.knowledge.silent
    lines = []
    if not known.is_known:
        lines.append(_(":material/block: It cannot be an answer: the model makes nothing of its name."))
    elif told.children:
        lines.append(several(":material/check: {count} taxon at or below it can be an answer.", ":material/check: {count} taxa at or below it can be answers.", below).format(count=f"{below:,}"))  # fmt: skip
    else:
        lines.append(_(":material/check: It can be an answer: the index holds a vector for it."))
    if known.silent and known.is_known:
        lines.append(_("{count} below it cannot: the model makes nothing of their names.").format(count=f"{known.silent:,}"))
    if known.added:
        words = _("It was added after the index was built.") if known.leaves == 1 else _("{count} of them were added after the index was built.")
        lines.append(words.format(count=f"{known.added:,}"))
    if known.has_photos is not None:
        lines.append(_("Photographs count in its vector, beside its name.") if known.has_photos else _("Its vector is that of its name alone."))
    if known.same_text:
        twins = ", ".join(look.scientific(twin.name, twin.rank) for twin in known.same_text)
        lines.append(_("It is described by the same words as {taxa}, so no picture can tell them apart.").format(taxa=twins))
    return lines


def _how_well(searcher: Searcher, told: Species) -> list[str]:
    try:
        found = tried(searcher.calibration, searcher.taxonomy, told.taxon.rank)
    except BioclipSearchError as error:
        return [look.sentence(str(error))]
    if found is None:
        return [_("How often it is right was never tried, neither for this taxon nor for others of its rank.")]
    words = _("Tried on {pictures} pictures of all its taxa, the index named the right {rank} for {share} of them. Of single taxa no count is kept.")
    return [words.format(pictures=f"{found.pictures:,}", rank=plain(found.rank), share=percent(found.right))]


def _names(told: Species) -> None:
    """Vernacular names by language, the visitor's own first, and synonyms."""
    st.subheader(_("Names"), anchor=False)
    spoken: dict[str, list[str]] = {}
    for one in told.vernacular:
        spoken.setdefault(one.language or "", []).append(one.name)
    if not spoken and not told.synonyms:
        st.caption(_("Only its scientific name is known here."))
    codes = sorted(spoken, key=lambda code: (plain_language(code) != plain_language(chosen.language() or ""), code != "", language_name(code).casefold()))
    if len(codes) > LANGUAGES_OPEN:
        first = [code for code in codes if code in ("", codes[0])]
        st.markdown(_table(spoken, first))
        with st.expander(_("Names in {count} languages").format(count=len([code for code in codes if code]))):
            st.markdown(_table(spoken, [code for code in codes if code not in first]))
    elif codes:
        st.markdown(_table(spoken, codes))
    if told.synonyms:
        st.markdown("**" + _("Synonyms") + "** " + ", ".join(_synonym(one) for one in told.synonyms))


def _table(spoken: dict[str, list[str]], codes: Sequence[str]) -> str:
    """Languages and names as a table of Markdown."""
    rows = [f"| {plain(language_name(code) or _('of the index'))} | {', '.join(map(plain, spoken[code]))} |" for code in codes]
    return "\n".join([f"| {_('Language')} | {_('Names')} |", "|---|---|", *rows])


def _synonym(one: Named) -> str:
    return f"*{plain(one.name)}*" + (f" {plain(one.authorship)}" if one.authorship else "")


def _children(searcher: Searcher, told: Species, go: Go) -> None:
    """What lies right below, with the number of taxa in each."""
    if not told.children:
        return
    st.subheader(_("Below it"), anchor=False)
    key = f"children:{told.taxon.start}:{told.taxon.rank}"
    most = st.session_state.get(key, CHILDREN_SHOWN)
    with st.container(horizontal=True, gap="small", key="children"):
        shown = told.children[:most]
        for number, (child, common) in enumerate(zip(shown, common_names(searcher.names, shown, chosen.language()), strict=True)):
            count = f" · {child.stop - child.start:,}" if child.stop - child.start > 1 else ""
            _link(searcher, child, look.named(child.name, child.rank, common) + count, f"child-{number}", go, help=child.rank)
    if len(told.children) > most:
        left = len(told.children) - most
        st.button(_("{count} more").format(count=f"{left:,}"), key="more_children", on_click=st.session_state.update, args=[{key: most * 4}])


def _near(searcher: Searcher, told: Species, go: Go) -> None:
    """Taxa of its rank that the model thinks of alike."""
    if not told.near:
        return
    st.subheader(_("Nearest to the model"), anchor=False)
    taxa = [one.taxon for one in told.near]
    with st.container(gap=None, key="near"):
        for number, (one, common) in enumerate(zip(told.near, common_names(searcher.names, taxa, chosen.language()), strict=True)):
            _link(searcher, one.taxon, f"{look.named(one.taxon.name, one.taxon.rank, common)} · {one.score:.2f}", f"kin-{number}", go)
    st.caption(
        _(
            "The number is the cosine between what the model makes of their names: 1 for the same, about 0 for what has nothing in common. Near ones are mixed up most easily."
        )
    )


def _link(searcher: Searcher, taxon: Taxon, label: str, key: str, go: Go, help: str | None = None) -> None:
    """A button that leads to a taxon."""
    st.button(label, key=key, type="tertiary", help=help, on_click=_named_alone, args=[searcher, taxon, go])


def _named_alone(searcher: Searcher, taxon: Taxon, go: Go) -> None:
    go(call(searcher.names, taxon))
