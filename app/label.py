"""The page "Label": own words against own pictures as a heat table; no taxon of any index is asked about.

The table is `bioclip_search.heat`'s, pictures are looked at by `seeing`; here they are only taken in and laid out. Pictures stay in the
visitor's session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import chosen
import look
import numpy as np
import pandas as pd
import streamlit as st
from look import plain
from pandas.io.formats.style import Styler
from remembering_encoder import RememberingEncoder
from words import _

from bioclip_search import seeing
from bioclip_search.demo import CREDITS, demo_photographs
from bioclip_search.errors import MissingExtraError, PictureError
from bioclip_search.heat import MOST_LABELS, Heat, heat, label_vector, labels_in
from bioclip_search.results import percent
from bioclip_search.searcher import Searcher

MOST_PICTURES = 50
"""Looked at at a time; for more there is the command line."""

EXAMPLE_LABELS = "a cat\na dog\na flower\na bird\nan empty scene"

VECTORS_KEPT, PICTURES_KEPT = 500, 100
"""Of one visitor: labels, of some kilobytes each, and pictures, of some 200 kB each for the copy that is shown."""

TILE_PX = 168

SHADES = (
    (0.75, "#00476F", "#FFFFFF"),
    (0.50, "#00639B", "#FFFFFF"),
    (0.25, "#9CCBEB", "#18211D"),
    (0.10, "#CFE6F5", "#18211D"),
    (0.00, "#F0F6FA", "#18211D"),
)
"""From which probability on a cell has which ground and ink; the ink has 4.5:1 at least on each (WCAG 2 AA), by day and by night."""

BEST = "★"
"""Marks the best of a row, for those who do not see the colours."""


@dataclass(frozen=True)
class Picture:
    """A picture as it came; the key is another for each file."""

    key: str
    name: str
    content: bytes = field(repr=False)


KEYS = {Picture: lambda picture: picture.key, RememberingEncoder: lambda encoder: encoder.fingerprint}
"""What tells pictures and encoders apart."""


def page() -> None:
    """The page from top to bottom."""
    look.heading(_("Label"), _("Your own words against your own pictures: which fits best? The words need not be taxa."))
    searcher = chosen.searcher()
    left, right = st.columns(2, gap="large")
    with left:
        files = st.file_uploader(_("Pictures"), type="image", accept_multiple_files=True, key="label_uploads")
    with right:
        told = _("Such as: red fox, roe deer, an empty meadow, a person. One that says “something else” takes what fits none of the others.")
        text = st.text_area(
            _("Words, one label a line"), key="labels", height=150, placeholder="red fox\nroe deer\nan empty scene", help=told, bind="query-params"
        )
    pictures = [Picture(file.file_id, seeing.plain_name(file.name), file.getvalue()) for file in files] or _examples()
    labels = labels_in(text)
    if pictures and labels:
        _show(searcher, pictures, labels)
    else:
        _offer(bool(pictures), bool(labels))


def _offer(has_pictures: bool, has_labels: bool) -> None:
    """What is wanting, and one click to a worked example."""
    if has_pictures or has_labels:
        look.empty(_("Now the words: one label a line, up to {most}.").format(most=MOST_LABELS) if has_pictures else _("Now the pictures: drop some above."))
        return
    told = _("**Nothing to compare yet.** Drop pictures, and say in words what may be on them.")
    try:
        demo_photographs()
    except MissingExtraError as error:
        look.empty(told).info(str(error))
    else:
        look.empty(told, _("Try two example photographs"), key="try_label", on_click=_take_examples)


def _take_examples() -> None:
    st.session_state.update({"label_examples": True, "labels": EXAMPLE_LABELS})


def _examples() -> list[Picture]:
    if not st.session_state.get("label_examples"):
        return []
    st.caption(CREDITS)
    return [Picture(path.name, path.name, path.read_bytes()) for path in demo_photographs()]


def _show(searcher: Searcher, pictures: Sequence[Picture], labels: Sequence[str]) -> None:
    """The table, its download, and each picture with the words that fit it best."""
    if len(pictures) > MOST_PICTURES:
        st.warning(
            _("The first {most} of {count} pictures are compared. For more, use `bioclip-search label`.").format(most=MOST_PICTURES, count=len(pictures))
        )
    seen = {}
    for picture in pictures[:MOST_PICTURES]:
        try:
            seen[picture.key] = picture.name, _seen(searcher.encoder, picture)
        except PictureError as error:
            look.problem(f"{picture.name}: {error}")
    if not seen:
        return
    names, looked = zip(*seen.values(), strict=True)
    texts = np.stack([_text(searcher.encoder, label) for label in labels])  # (l, d)
    table = heat(names, np.stack([one[0] for one in looked]), labels, texts, searcher.encoder.logit_scale)
    st.header(_("How well each fits"), anchor=False)
    st.table(_styled(table))
    st.caption(
        _("Each row is shared out among these words alone: where none of them fits, one of them wins all the same. The best is marked {sign}.").format(
            sign=BEST
        )
    )
    st.download_button(_("Download the table (CSV)"), table.to_csv(), "labels.csv", "text/csv", key="label_csv", icon=":material/download:", on_click="ignore")
    _tiles(table, [one[1] for one in looked])


@st.cache_data(max_entries=PICTURES_KEPT, scope="session", show_spinner="Looking …", hash_funcs=KEYS)
def _seen(encoder: RememberingEncoder, picture: Picture) -> tuple[np.ndarray, bytes]:
    """The vector of a picture as a whole, and the copy of it that is shown."""
    seen = seeing.look(picture.content, encoder)
    return seen.whole, seen.preview


@st.cache_data(max_entries=VECTORS_KEPT, scope="session", show_spinner="Reading the words …", hash_funcs=KEYS)
def _text(encoder: RememberingEncoder, label: str) -> np.ndarray:
    return label_vector(encoder, label)


def _styled(table: Heat) -> Styler:
    """The table in words and colours; names are escaped, for cells are taken for Markdown."""
    rows = table.probabilities.tolist()
    cells = [
        [f"{BEST}\N{NO-BREAK SPACE}" * (column == table.best(row)) + percent(value) for column, value in enumerate(values)] for row, values in enumerate(rows)
    ]
    columns = [plain(label) for label in table.labels]
    frame = pd.DataFrame(cells, index=[f"{number}\\. {plain(name)}" for number, name in enumerate(table.pictures, 1)], columns=columns)
    shades = [[_shade(value) for value in values] for values in rows]
    return frame.style.apply(lambda _frame: pd.DataFrame(shades, index=frame.index, columns=columns), axis=None)


def _shade(probability: float) -> str:
    ground, ink = next((ground, ink) for least, ground, ink in SHADES if probability >= least)
    return f"background-color: {ground}; color: {ink}"


def _tiles(table: Heat, previews: Sequence[bytes]) -> None:
    with st.container(horizontal=True, gap="small", key="label_tiles"):
        for row, (name, preview) in enumerate(zip(table.pictures, previews, strict=True)):
            best = table.best(row)
            with st.container(width=TILE_PX, gap="small"):
                st.image(preview, alt=_("{image}, which {label} fits best").format(image=name, label=table.labels[best]), width="stretch")
                st.markdown(f"**{plain(table.labels[best])}** {percent(float(table.probabilities[row, best]))}  \n:small[{plain(name)}]")
