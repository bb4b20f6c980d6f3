"""Draws a tree of probability as an icicle: the whole on top, every taxon as wide as it is likely. Click to go into a branch.

Takes the nodes of `mass`; decides nothing.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from words import _, several

from bioclip_search.mass import Node
from bioclip_search.render import BAR_CLAIMED, BAR_GUESSED, HAIRLINE, INK, ITALIC_RANKS
from bioclip_search.results import Answer, percent
from bioclip_search.taxonomy import Taxon

ROW_PX, PATHBAR_PX = 52, 28  # of one rank, two lines of text and room; of the line that leads back
LEAST_TEXT_PX = 11
ON_CLAIM = "#FFFFFF"


def icicle(nodes: Sequence[Node], common: Mapping[Taxon, str | None], answer: Answer) -> Any:
    """The figure. What the answer claims is dark, what it guesses light, remainders grey."""
    from plotly import graph_objects

    colours = [_colour(node, answer) for node in nodes]
    trace = graph_objects.Icicle(
        ids=[str(number) for number in range(len(nodes))],
        parents=["" if node.parent is None else str(node.parent) for node in nodes],
        labels=[_label(node, common) for node in nodes],
        values=_totals(nodes),
        customdata=[["" if node.parent is None else percent(node.probability), _told(node, common)] for node in nodes],
        texttemplate="%{label}<br>%{customdata[0]}",
        hovertemplate="%{customdata[1]}<extra></extra>",
        branchvalues="total",
        tiling={"orientation": "v", "pad": 2},
        pathbar={"visible": True, "side": "top", "thickness": PATHBAR_PX},
        marker={"colors": colours, "line": {"width": 0}},
        textfont={"size": 14, "color": [ON_CLAIM if colour == BAR_CLAIMED else INK for colour in colours]},
        sort=False,
    )
    height = ROW_PX * (1 + _depth(nodes)) + PATHBAR_PX
    margin = dict.fromkeys("lrb", 0) | {"t": PATHBAR_PX + 4}  # the line that leads back is drawn in it
    layout = {"height": height, "margin": margin, "uniformtext": {"minsize": LEAST_TEXT_PX, "mode": "hide"}}
    return graph_objects.Figure(trace, {**layout, "paper_bgcolor": "rgba(0,0,0,0)"})


def _totals(nodes: Sequence[Node]) -> list[float]:
    """The width of each: its probability, or the sum of its children's where rounding makes that a little more, or plotly draws nothing."""
    totals = [node.probability for node in nodes]
    below = [0.0] * len(nodes)
    for number in reversed(range(len(nodes))):
        totals[number] = max(totals[number], below[number])
        if (parent := nodes[number].parent) is not None:
            below[parent] += totals[number]
    return totals


def _depth(nodes: Sequence[Node]) -> int:
    """How many rows lie under the root."""
    depth = [0] * len(nodes)
    for number, node in enumerate(nodes[1:], start=1):
        depth[number] = depth[node.parent] + 1
    return max(depth)


def _colour(node: Node, answer: Answer) -> str:
    if node.taxon is None:
        return HAIRLINE
    return BAR_CLAIMED if answer.lineage.get(node.taxon.rank) == node.taxon.name else BAR_GUESSED


def _label(node: Node, common: Mapping[Taxon, str | None]) -> str:
    """In plotly's small HTML, with text from outside escaped."""
    if node.parent is None:
        return _("All taxa in play")
    if node.taxon is None:
        return _("others")
    if spoken := common.get(node.taxon):
        return html.escape(spoken[:1].upper() + spoken[1:])
    name = html.escape(node.taxon.name)
    return f"<i>{name}</i>" if node.taxon.rank in ITALIC_RANKS else name


def _told(node: Node, common: Mapping[Taxon, str | None]) -> str:
    """What is read when the field is pointed at."""
    chance = percent(node.probability)
    if node.taxon is None:
        return (
            chance if node.parent is None else f"{several('{count} more taxon', '{count} more taxa', node.others).format(count=f'{node.others:,}')}: {chance}"
        )
    names = [*filter(None, [common.get(node.taxon)]), node.taxon.name]
    return f"{html.escape(' · '.join(names))}<br>{html.escape(node.taxon.rank)}: {chance}"
