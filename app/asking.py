"""The fields in the sidebar that make a question, each of them kept in the page's address, so that a link brings them back.

Gives what `Searcher.question` takes; resolving names and rules is left to the searcher, files that were sent to `sent`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import chosen
import streamlit as st
from look import plain, problem
from words import _

from bioclip_search.catalogue import Restriction
from bioclip_search.countries import ALPHA3
from bioclip_search.country_names import country_name
from bioclip_search.detectors.known import STARTER, detectors_at_hand
from bioclip_search.errors import BioclipSearchError, UnknownTaxonError
from bioclip_search.fallback import DEFAULT_THRESHOLD
from bioclip_search.geography.distribution import COUNTRIES
from bioclip_search.names.lookup import PATH_SIGN
from bioclip_search.names.search import Hit, search_names
from bioclip_search.question import Question
from bioclip_search.searcher import Searcher
from bioclip_search.seeing import LEAST_CONFIDENCE
from bioclip_search.sent import LIST_SUFFIXES, sent_geofence, sent_names

BY_PROBABILITY, BY_ACCURACY, BY_RANK = "probability", "accuracy", "rank"
USUAL_ACCURACY = 0.9  # nine right names of ten: what a person with a field guide is content with
USUAL_CONFIDENCE = 0.2  # the usual threshold of MegaDetector v5, as in `crops`
NO_DETECTOR, ANYWHERE = "none", ""
HITS_SHOWN = 6  # as many as fit under a field on a phone
RUNNERS_UP = 5
RESTRICTIONS_KEPT = 6  # resolved filters that a session keeps; each is a few ranges of leaves

IN_THE_ADDRESS = {"bind": "query-params"}  # a widget whose value the page's address holds, under the widget's key; see also `_choice`


@dataclass(frozen=True)
class Sent:
    """A file that the visitor sent; the key is another for each file."""

    key: str
    name: str
    content: bytes


@dataclass(frozen=True)
class Asking:
    """What the fields say: filters that are resolved once, rules that may change at every move of a slider, and how organisms are found."""

    within: str | None
    country: str | None
    checklist: Sent | None
    geofence: Sent | None
    rules: dict[str, Any]
    detector: str
    confidence: float


def ask(searcher: Searcher) -> Asking:
    """The fields, in the sidebar, and what they say."""
    with st.sidebar:
        rules = _how_sure(searcher)
        within = _clade(searcher)
        with st.expander(_("Place and checklist"), expanded=bool(st.query_params.get("country"))):
            checklist = _file(_("Checklist"), "checklist", LIST_SUFFIXES, _("Only the taxa on this list: one name per line, a table, or a download of GBIF."))
            geofence = _file(_("Rules of where taxa live"), "geofence", ("json", "csv"), _("A geofence as SpeciesNet has it; it is asked about the country."))
            country = _country(searcher, geofence)
        detector, confidence = _finding()
    return Asking(within, country, checklist, geofence, rules, detector, confidence)


def question(searcher: Searcher, asking: Asking) -> Question:
    """The question that the fields make.

    Raises:
        BioclipSearchError: A name is unknown, a file cannot be read, nothing is left in play, or an accuracy cannot be promised.
    """
    restriction = restricted(searcher, asking.within, asking.country, asking.checklist, asking.geofence)
    return searcher.question(restriction=restriction, top=RUNNERS_UP, language=chosen.language(), **asking.rules)


@st.cache_resource(
    scope="session",
    max_entries=RESTRICTIONS_KEPT,
    show_spinner=_("Looking the names up …"),
    hash_funcs={Searcher: lambda searcher: repr(searcher.index.card), Sent: lambda sent: sent.key},
)
def restricted(searcher: Searcher, within: str | None, country: str | None, checklist: Sent | None, geofence: Sent | None) -> Restriction:
    """What the filters leave in play; the names of a list are looked up once, not at every move of a slider."""
    filters: dict[str, Any] = {"within": within, "country": country}
    notes: tuple[str, ...] = ()
    if checklist:
        filters["checklist"], notes = sent_names(checklist.name, checklist.content)
    if geofence and country:
        filters["geofence"] = sent_geofence(geofence.name, geofence.content)
    found = searcher.restrict(**{name: value for name, value in filters.items() if value})
    return Restriction(found.leaves, found.unknown, found.notes + notes, found.wider, found.place)


def _how_sure(searcher: Searcher) -> dict[str, Any]:
    """How far down a name may go."""
    is_calibrated = searcher.calibration is not None
    ways = {BY_PROBABILITY: _("as likely as I say"), BY_ACCURACY: _("right as often as I say"), BY_RANK: _("of the rank I say, however unsure")}
    offered = [way for way in ways if way != BY_ACCURACY or is_calibrated]
    way = _choice(st.radio, _("Give a name that is"), offered, "by", format_func=ways.get)
    if not is_calibrated:
        st.caption(
            _("No share of right names can be promised with this index: it was never tried on pictures with known names. `bioclip-search calibrate` does that.")
        )
    if way == BY_RANK:
        return {"rank": st.selectbox(_("Rank"), searcher.taxonomy.ranks, index=len(searcher.taxonomy.ranks) - 1, key="rank", **IN_THE_ADDRESS)}
    if way == BY_ACCURACY:
        told = _(
            "Of the names given to pictures like those that the index was tried on, so many are right. The surer, the more often the name is a genus or a family."
        )
        return {"target_accuracy": st.slider(_("Right names"), 0.5, 0.99, USUAL_ACCURACY, 0.01, key="accuracy", format="percent", help=told, **IN_THE_ADDRESS)}
    told = _("The lowest taxon that is at least so likely, among those of the index, is the answer.")
    return {"threshold": st.slider(_("Probability from"), 0.0, 1.0, DEFAULT_THRESHOLD, 0.01, key="threshold", format="percent", help=told, **IN_THE_ADDRESS)}


def _clade(searcher: Searcher) -> str | None:
    """A clade by any of its names, with what may be meant while it is typed."""
    typed = st.text_input(
        _("Only within"),
        key="within",
        type="search",
        live=True,
        placeholder=_("birds, Felidae, …"),
        help=_("A group by any of its names, in any language. Leave it empty for all taxa."),
        **IN_THE_ADDRESS,
    ).strip()
    if not typed:
        return None
    try:
        taxon = searcher.names.the_one(typed)
        st.caption(f"{plain(taxon.name)}, {plain(taxon.rank)} · " + _("{count} taxa").format(count=f"{taxon.stop - taxon.start:,}"))
    except UnknownTaxonError:
        for number, hit in enumerate(search_names(searcher.names, typed, language=chosen.language(), limit=HITS_SHOWN)):
            label = f"{plain(hit.display_name)} · {plain(hit.rank)}"
            st.button(label, key=f"within-{number}", on_click=_take, args=[_path(searcher, hit)], type="tertiary")
    return typed


def _path(searcher: Searcher, hit: Hit) -> str:
    """The shortest that means this taxon alone: its name, else its whole lineage."""
    return hit.taxon if len(searcher.names.find(hit.taxon)) == 1 else f" {PATH_SIGN} ".join(hit.lineage.values())


def _take(path: str) -> None:
    st.session_state["within"] = path


def _country(searcher: Searcher, geofence: Sent | None) -> str | None:
    knows = geofence is not None or COUNTRIES in searcher.taxonomy.leaves.column_names
    codes = [ANYWHERE, *sorted(ALPHA3, key=country_name)]
    country = _choice(st.selectbox, _("Country"), codes, "country", disabled=not knows, format_func=lambda code: country_name(code) if code else _("anywhere"))
    if not knows:
        st.caption(_("This index does not know where its taxa live. Give rules of where taxa live, and the country counts."))
    return country if knows and country else None


def _choice(widget: Callable[..., str], label: str, options: Sequence[str], key: str, **told: Any) -> str:
    """A choice that the address holds by its code; the first is the usual one, and left out.

    Subtle: `bind` would hold what a person reads, which is another in each language.
    """
    if key not in st.session_state and st.query_params.get(key) in options:
        st.session_state[key] = st.query_params[key]
    choice = widget(label, options, key=key, **told)
    if choice == options[0]:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != choice:
        st.query_params[key] = choice
    return choice


def _file(label: str, key: str, endings: tuple[str, ...], told: str) -> Sent | None:
    file = st.file_uploader(label, type=list(endings), key=key, help=told)
    return None if file is None else Sent(file.file_id, file.name, file.getvalue())


def _finding() -> tuple[str, float]:
    """Which detector looks for organisms, and from which confidence its boxes count."""
    names = [NO_DETECTOR, *detectors_at_hand()]
    told = _("Draws a box around each organism, and each is named by itself. Where it finds none, the picture as a whole is named.")
    labels = {NO_DETECTOR: _("nothing: name the whole picture"), STARTER: _("starter (small, for any organism)")}
    detector = _choice(st.selectbox, _("Find organisms with"), names, "detector", help=told, format_func=lambda name: labels.get(name, name))
    if detector == NO_DETECTOR:
        return detector, LEAST_CONFIDENCE
    told = _("Boxes that the detector is less sure of are left out.")
    return detector, st.slider(_("Boxes from"), LEAST_CONFIDENCE, 0.95, USUAL_CONFIDENCE, 0.01, key="confidence", format="percent", help=told, **IN_THE_ADDRESS)


def told_of(restriction: Restriction) -> None:
    """What a person should know of the filters: names that were not found, and what else their files say."""
    if restriction.unknown:
        shown = "; ".join(map(str, restriction.unknown[:5]))
        more = len(restriction.unknown) - 5
        problem(shown + (_("; and {count} more names").format(count=f"{more:,}") if more > 0 else ""))
    for note in restriction.notes:
        st.caption(plain(note))


def explained(error: BioclipSearchError) -> None:
    """Why a question cannot be asked, in the place where its answer would be."""
    problem(str(error))
