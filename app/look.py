"""The look: what the theme cannot say in CSS, and the small parts that every page is made of.

Colours, type sizes and corners are the theme's (`.streamlit/config.toml`); nothing here fetches or decides. Text from
outside goes through `plain` before it is Markdown; HTML is written here only, and never with such text in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
from words import _

from bioclip_search.render import ITALIC_RANKS
from bioclip_search.results import Answer, percent, shown_chance

CHANCE_BANDS = (
    (0.99, _("almost certain")),
    (0.90, _("very likely")),
    (0.66, _("likely")),
    (0.33, _("as likely as not")),
    (0.10, _("unlikely")),
    (0.0, _("very unlikely")),
)
"""From which probability on a chance is called what: the bands of the IPCC's calibrated language (Mastrandrea et al. 2010), "almost" for "virtually"."""

SIGNS_OF_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")
SIGNS_WITHIN_A_LINE = re.compile(r"([\\*_\[\]<>$:#|~&^`!{}]|^[-+=.)])")
"""Those that mean something amid a line of Markdown, or at its start; the rest of a sentence stays as it was written."""

STYLE = """
/* bioclip-search */
/* Room: a column that can be read, less of it on a phone. */
[data-testid="stMainBlockContainer"] { max-width: 76rem; padding: 3.5rem clamp(1rem, 4vw, 3rem) 6rem; }
[data-testid="stMain"] p, [data-testid="stMain"] li { text-wrap: pretty; overflow-wrap: anywhere; }
[data-testid="stMain"] [data-testid="stMarkdownContainer"] > p { max-width: 46rem; }
[data-testid="stHeading"] h1, [data-testid="stHeading"] h2 { letter-spacing: -0.015em; text-wrap: balance; overflow-wrap: anywhere; }
/* Small print: quieter than the text, never too faint to read. */
[data-testid="stCaptionContainer"] { color: inherit; opacity: 0.8; }
/* Focus: seen on every ground, for those who work by keyboard. */
:is(a, button, input, textarea, summary, [role="button"], [role="tab"], [role="slider"], [tabindex="0"]):focus-visible {
  outline: 3px solid currentColor !important; outline-offset: 2px; }
/* Names that lead to another taxon are buttons that read as links. */
:is([class*="st-key-lineage"], [class*="st-key-children"], [class*="st-key-near"]) button p { text-decoration: underline; text-underline-offset: 0.2em; }
/* One crop at a time, never higher than what is said of it leaves room for. */
.st-key-review_crop img { max-height: 58vh; width: auto; max-width: 100%; border-radius: 0.5rem; }
.st-key-review_whole img { max-height: 50vh; width: auto; max-width: 100%; }
.st-key-review_guesses { gap: 0.375rem; }
/* A finger's width for what is clicked. */
@media (max-width: 40rem) {
  [data-testid="stMainBlockContainer"] { padding-top: 3.5rem; }
  [data-testid="stMain"] button { min-height: 2.75rem; }
}
/* A chance is read, so it has the ink of the text: Streamlit's own on its tinted ground has 4.2:1 in the dark. */
[data-testid="stMarkdownContainer"] .stMarkdownBadge { color: inherit !important; }
@media (prefers-reduced-motion: reduce) { *, *::before, *::after { animation-duration: 1ms !important; transition-duration: 1ms !important; } }
"""


def dress() -> None:
    """Puts the style on the page; once a run, before anything is drawn."""
    st.html(f"<style>{STYLE}</style>")


def heading(title: str, lead: str | None = None) -> None:
    """The page's one title, and under it what can be done here, in a sentence. Both are Markdown."""
    st.title(title, anchor=False)
    if lead:
        st.markdown(lead)


def plain(text: str) -> str:
    """The text on one line with every sign escaped that Markdown would take for its own: file names and names of taxa come from outside.

    >>> print(plain("<b>*IMG_1*.jpg"))
    \\<b\\>\\*IMG\\_1\\*\\.jpg
    """
    return SIGNS_OF_MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def sentence(text: str) -> str:
    """A sentence with text from outside in it, as Markdown that shows it on one line as it is; easier to read in a test than `plain`."""
    return SIGNS_WITHIN_A_LINE.sub(r"\\\1", " ".join(text.split()))


def scientific(taxon: str, rank: str | None) -> str:
    """The scientific name as Markdown, escaped; in italics from the genus down, as the codes have it."""
    return f"*{plain(taxon)}*" if rank in ITALIC_RANKS else plain(taxon)


def named(taxon: str, rank: str | None, common_name: str | None = None) -> str:
    """Both names on a line of Markdown, the vernacular one first: "Snow leopard · *Panthera uncia*"."""
    return " · ".join(_names(taxon, rank, common_name))


def chance_in_words(chance: float | None) -> str:
    """A chance in words and number: "very likely · 93 %"; a dash where there is none.

    Subtle: the band is chosen by the percentage that is shown, so that "90 %" is never "likely".
    """
    if chance is None or math.isnan(chance):
        return "–"
    rounded = chance if chance > CHANCE_BANDS[0][0] else min(round(chance, 2), CHANCE_BANDS[0][0] - 0.005)
    words = next(words for least, words in CHANCE_BANDS if rounded >= least)
    return f"{words} · {percent(chance)}"


def headline(answer: Answer) -> None:
    """The answer in a person's words: the vernacular name large, the scientific one under it, then rank and chance."""
    if answer.taxon is None:
        st.header(_("No organism found") if answer.probability is None else _("Not sure enough to name"), anchor=False)
        return
    lead, *second = _names(answer.taxon, answer.rank, answer.common_name)
    st.header(lead, anchor=False)
    told = f":small[{plain(answer.rank or '')}]  {chance_chip(shown_chance(answer))}"
    st.markdown(f"{second[0]}  \n{told}" if second else told)


def chance_chip(chance: float | None) -> str:
    """The chance in words and number as Markdown, set apart from the text around it."""
    return f":primary-badge[{chance_in_words(chance)}]"


def ladder_line(answer: Answer) -> str:
    """The ladder on a line of Markdown, highest rank first, the answer's own rung bold."""
    rungs = []
    for rung in answer.ladder:
        told = f"{scientific(rung.taxon, rung.rank)} {percent(rung.probability)}"
        rungs.append(f"**{told}**" if (rung.rank, rung.taxon) == (answer.rank, answer.taxon) else told)
    return " › ".join(rungs)


def empty(told: str, button: str | None = None, key: str | None = None, on_click: Callable[..., Any] | None = None, args: Sequence[Any] = ()) -> Any:
    """What stands where results will be: what to do (Markdown), and one click to a worked example. Gives the container, for more."""
    box = st.container(border=True)
    box.markdown(told)
    if button:
        box.button(button, key=key, on_click=on_click, args=args)
    return box


def problem(told: str) -> None:
    """What went wrong, in the plain words of the error; it may hold text from outside."""
    st.error(sentence(told), icon=":material/error:")


def _names(taxon: str, rank: str | None, common_name: str | None) -> list[str]:
    if not common_name or common_name.casefold() == taxon.casefold():
        return [scientific(taxon, rank)]
    return [plain(common_name[:1].upper() + common_name[1:]), scientific(taxon, rank)]
