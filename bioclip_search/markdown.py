"""Names of any kind (taxa, files, deployments) in a page of Markdown, so that they are read as names and nothing else; and tables.

What a page says is left to the rooms that write one.

What may mean something is written with a backslash or as an entity of HTML, by CommonMark 0.31 (spec.commonmark.org, "Backslash escapes") and
the tables of GitHub's Markdown: a `<script>` or a `|` in the name of a file stays a part of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
ESCAPED = re.compile(r"[\\`*_\[\]|~$]")
"""Signs that mean something anywhere in a line."""

BEGINNING = re.compile(r"^([#+=-]|\d+(?=[.)]))")
"""What makes a heading or a list where a line begins with it; a number before a dot or a bracket counts."""

JOINERS = "\u200c\u200d"
"""Signs that are not seen and belong to the spelling of Persian and Indic names."""

FENCE = "```"


def plain(words: str) -> str:
    r"""The words as Markdown for just these words, on one line; signs that cannot be seen are left out.

    >>> print(plain("IMG_1 | <b>\n# fox"))
    IMG\_1 \| &lt;b&gt; # fox
    """
    line = _one_line(words)
    safe = ESCAPED.sub(r"\\\g<0>", "".join(ENTITIES.get(letter, letter) for letter in line))
    begins = BEGINNING.match(safe)
    if begins is None:
        return safe
    return f"\\{safe}" if not begins[0].isdigit() else f"{begins[0]}\\{safe[begins.end() :]}"


def code(words: str) -> str:
    """The words between backticks, more of them than the words hold in a row."""
    line = _one_line(words)
    ticks = "`" * (_longest_run(line) + 1)
    space = " " if "`" in line else ""
    return f"{ticks}{space}{line}{space}{ticks}"


def fenced(lines: Iterable[str]) -> list[str]:
    """The lines as a block that is shown as it stands, whatever they hold."""
    whole = [part for line in lines for part in line.splitlines() or [""]]
    fence = "`" * max(len(FENCE), 1 + max(map(_longest_run, whole), default=0))
    return [fence, *whole, fence]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; names in its cells are made `plain` by whoever asks."""
    for cells in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(cells)} |"


def _one_line(words: str) -> str:
    return "".join(letter for letter in " ".join(words.split()) if letter.isprintable() or letter in JOINERS)


def _longest_run(line: str) -> int:
    """Backticks in a row."""
    return max(map(len, re.findall("`+", line)), default=0)
