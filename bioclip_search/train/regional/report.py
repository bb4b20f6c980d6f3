"""The words and files of a regional training: what was gained on the region's taxa, what was lost on others, which weights were tried.

The figures are left to `gain`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioclip_search.errors import TableError
from bioclip_search.evaluation.candidates import INDEX
from bioclip_search.markdown import code, plain, table
from bioclip_search.swapping import whole_file
from bioclip_search.train.regional.gain import OTHERS, REGION, Gain

JSON_FILE, MARKDOWN_FILE = "regional.json", "regional.md"

NOTE = (
    "No picture asked here was taught or helped to choose the weights, and no burst has pictures on both sides. What the start was taught "
    "before is another matter: it may know some of them. The figures hold for pictures like these."
)
NOT_ASKED = "What was lost on other taxa was not measured: give labelled pictures of some with --others, and the weights are chosen by them too."

COLUMNS = ("pictures", "among", "rank", "n", "before", "after", "gain")


@dataclass(frozen=True)
class RegionalReport:
    """All that is told of a training.

    Attributes:
        tried: What `train.finish` tried: the share of the start that was kept, and what the choosing pictures said.
    """

    start: str
    mode: str
    model: str
    index: str
    taught: int
    kept_of_start: float
    tried: tuple[dict[str, Any], ...]
    gains: tuple[Gain, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Only JSON types."""
        told = {name: getattr(self, name) for name in ("start", "mode", "model", "index", "taught", "kept_of_start")}
        return told | {"note": NOTE, "tried": list(self.tried), "gains": [gain.to_dict() for gain in self.gains], "notes": list(self.notes)}

    def write(self, folder: Path) -> None:
        """Both files, each whole or not at all.

        Raises:
            TableError: The folder cannot be written to.
        """
        texts = {JSON_FILE: json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", MARKDOWN_FILE: "\n".join(self._markdown()) + "\n"}
        try:
            for name, text in texts.items():
                with whole_file(folder / name) as part:
                    part.write_text(text, encoding="utf-8")
        except OSError as error:
            raise TableError(f"{folder}: the report cannot be written ({error.strerror or error}).") from error

    @property
    def has_others(self) -> bool:
        return any(gain.pictures == OTHERS for gain in self.gains)

    def _markdown(self) -> Iterator[str]:
        yield f"# {plain(self.start)}, adapted ({self.mode})\n"
        yield f"{self.taught:,} pictures were taught. The result is {code(self.model)}, the index {code(self.index)}. Of the start's weights {self.kept_of_start:.0%} were kept.\n"
        yield "## Gained and lost\n"
        yield from table(COLUMNS, rows_of(self.gains))
        yield f"\nShares of pictures whose nearest name is right at the rank, 95 % intervals in brackets; the gain is drawn in pairs. {NOTE}"
        if not self.has_others:
            yield f"\n{NOT_ASKED}"
        if len(self.tried) > 1:
            yield "\n## Shares of the start that were tried\n"
            header, rows = tried_table(self.tried)
            yield from table([plain(name) for name in header], rows)
            yield "\nWiSE-FT (Wortsman et al. 2022): right at the label among the labels of the set, on the pictures that choose."
        if self.notes:
            yield "\n## Notes\n"
            yield from (f"- {plain(note)}" for note in self.notes)


def rows_of(gains: Sequence[Gain]) -> list[list[str]]:
    """The cells of a table, a row for each line."""
    return [[_who(gain.pictures), _among(gain), gain.rank, f"{gain.figures['n']:,}", *(_cell(gain.figures, name) for name in COLUMNS[4:])] for gain in gains]


def tried_table(tried: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """The header and the cells of what was tried."""
    parts = [name for name in tried[0] if name not in ("keep_start", "px")]
    header = ["kept of the start", *("mean" if name == "metric" else name for name in parts)]
    return header, [[f"{row['keep_start']:.0%}", *(f"{row[name]:.3f}" for name in parts)] for row in tried]


def _who(pictures: str) -> str:
    return "the region's taxa" if pictures == REGION else "other taxa"


def _among(gain: Gain) -> str:
    return f"{gain.figures['candidates']:,} {'taxa of the index' if gain.among == INDEX else 'labels of the sets'}"


def _cell(figures: dict[str, float], name: str) -> str:
    sign = "+" if name == "gain" else ""
    value = format(figures[name], f"{sign}.3f")
    if f"{name}_low" not in figures:
        return value
    return f"{value} [{format(figures[f'{name}_low'], f'{sign}.3f')}, {format(figures[f'{name}_high'], f'{sign}.3f')}]"
