"""Tells one answer: the name and its chance, the probability as an icicle that can be gone into, runners-up, and why this rank.

Decides nothing: answers come from `question`, the tree of probability from `mass`, lineages from the index.
"""

from __future__ import annotations

import re

import chosen
import look
import numpy as np
import streamlit as st
from identify_icicle import icicle
from look import plain, scientific
from words import _

from bioclip_search.errors import IndexDamagedError
from bioclip_search.mass import mass_tree
from bioclip_search.names.display import common_names
from bioclip_search.question import Question
from bioclip_search.render import UNSURE_REASON
from bioclip_search.results import Alternative, Answer, percent, remarks, shown_chance
from bioclip_search.searcher import Searcher

REASONS = {
    1: _("You asked for this rank, so its most likely taxon is named, however unsure."),
    2: _("From the best match upwards, this is the first name that is as likely as you asked for."),
    3: _("The best single match lies elsewhere, alone; this is the lowest name that is as likely as you asked for."),
    4: _("Nothing is as likely as you asked for, not even at the highest rank, so no name is given."),
    5: _("Of the likely names of all ranks this one tells most for its risk, so that names are right as often as you asked for."),
    6: _("Any name would be wrong too often for the share that you asked for, so none is given."),
}
"""What each rule of `fallback` comes to, in plain words."""


def headline(answer: Answer, told_above: str | None = None) -> None:
    """Name, rank and chance, and what to mind."""
    if told_above:
        st.caption(told_above)
    look.headline(answer)
    if answer.taxon is None:
        st.markdown(_(UNSURE_REASON))
    for remark in remarks(answer):
        st.warning(look.sentence(remark), icon=":material/info:")
    st.markdown(look.ladder_line(answer))


def why(answer: Answer) -> None:
    """The rule in plain words, and in its own."""
    st.markdown(f"### {_('Why this rank')}")
    number = re.match(r"rule (\d)", answer.rule)
    if number:
        st.markdown(REASONS[int(number[1])])
    st.caption(plain(answer.rule[:1].upper() + answer.rule[1:] + "."))
    if answer.chance is not None and answer.taxon:
        told = _("The chance of {chance} is that of the name being right, as learned on labelled pictures; among the names of the index it has {probability}.")
        st.caption(told.format(chance=percent(shown_chance(answer)), probability=percent(answer.probability)))


def probability_picture(searcher: Searcher, question: Question, answer: Answer, vector: np.ndarray, key: str) -> None:
    """The icicle of what the picture may show."""
    nodes = mass_tree(searcher.taxonomy, *question.probabilities(vector))
    taxa = [node.taxon for node in nodes if node.taxon]
    spoken = dict(zip(taxa, common_names(searcher.names, taxa, chosen.language()), strict=True))
    st.markdown(f"### {_('What it may be')}")
    told = _("How likely each group is, from the whole at the top down to species. Click a field to go into it, and the line above to go back.")
    st.caption(told)
    st.plotly_chart(icicle(nodes, spoken, answer), key=key, alt=f"{told} {_spoken_ladder(answer)}", config={"displayModeBar": False})


def runners_up(searcher: Searcher, answer: Answer) -> None:
    """The other taxa of the same rank that come next, each with its lineage."""
    if not answer.alternatives:
        return
    st.markdown(f"### {_('Runners-up')}")
    for other in answer.alternatives:
        lineage = " › ".join(scientific(name, rank) for rank, name in _lineage(searcher, other).items() if rank != other.rank)
        st.markdown(
            f"{look.named(other.taxon, other.rank, other.common_name)} · **{percent(other.probability)}**" + (f"  \n:small[{lineage}]" if lineage else "")
        )


def _lineage(searcher: Searcher, other: Alternative) -> dict[str, str]:
    """The ancestors of a runner-up; none where another taxon of that rank has its name."""
    try:
        taxa = [taxon for taxon in searcher.names.find(other.taxon) if (taxon.name, taxon.rank) == (other.taxon, other.rank)]
    except IndexDamagedError:
        return {}
    return searcher.taxonomy.lineage(taxa[0].start, down_to=other.rank) if len(taxa) == 1 else {}


def _spoken_ladder(answer: Answer) -> str:
    return "; ".join(f"{rung.rank} {rung.taxon} {percent(rung.probability)}" for rung in answer.ladder)
