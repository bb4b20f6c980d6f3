"""The whole page as one file: style and pictures inside, no script and nothing from the network.

The parts come from `sections`; a policy in the page forbids the browser to load anything else, whatever a name may hold.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path

from bioclip_search.evaluation.report.sections import (
    closing,
    curves_section,
    headline,
    mistakes_section,
    opening,
    ranks_section,
    reliability_section,
    scores_section,
    sisters_section,
)
from bioclip_search.evaluation.report.subject import Subject
from bioclip_search.swapping import whole_file

MOST_BYTES = 5_000_000
"""A page that can be sent by mail."""

MOST_PARTS = 8
"""Parts that are drawn one by one."""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(path: Path, subject: Subject) -> None:
    """Writes the page; it is never seen half-written.

    Raises:
        OSError: The folder is missing or cannot be written to; nothing is left behind.
    """
    with whole_file(path) as part:
        part.write_text(html_of(subject), encoding="utf-8", newline="\n")


def html_of(subject: Subject) -> str:
    """The page as text."""
    body = [
        opening(subject),
        headline(subject),
        mistakes_section(subject),
        ranks_section(subject.whole, subject.ranks),
        curves_section(subject.whole),
        reliability_section(subject.whole, subject.ranks),
        sisters_section(subject),
        scores_section(subject),
        _part_by_part(subject),
        closing(subject),
    ]
    style = (files(__package__) / "style.css").read_text(encoding="utf-8")
    title = escape(f"How often is {subject.index} right?")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="color-scheme" content="light dark"><title>{title}</title><style>{style}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>{"".join(body)}</main></body></html>\n'


def _part_by_part(subject: Subject) -> str:
    """The drawings of each part, folded away."""
    if len(subject.parts) == 1:
        return ""
    folded = [
        f"<details class='part'><summary>{escape(score.title)} <small>{score.metrics['n']:,} pictures</small></summary>{ranks_section(score, subject.ranks)}{curves_section(score)}</details>"
        for score in subject.parts[:MOST_PARTS]
    ]
    return "".join(folded).replace('id="ranks"', "").replace('id="curves"', "")
