"""Lets an answer be taken away: as a picture with its card, as a table, as JSON, and the settings as a link.

Drawing is left to `render`, writing to `exports`; each is made only when it is asked for.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st
from words import _

from bioclip_search.exports import full_name, write_records
from bioclip_search.images import open_picture
from bioclip_search.render import annotate
from bioclip_search.results import Answer, Failure, percent, shown_chance
from bioclip_search.seeing import stem_of

Records = Callable[[], Sequence[Answer | Failure]]


def share(content: bytes, name: str, answers: Sequence[Answer], names: Sequence[str], everything: Records) -> None:
    """The downloads, and the link.

    Args:
        content, name, answers: Of the picture that is shown.
        names: Of all pictures; `everything` gives all their records.
    """
    if len(names) > 1 and st.toggle(_("Show the answers of all pictures"), key="all"):
        st.dataframe([_row(record) for record in everything()], hide_index=True, key="table")
    of_all = _(" of all {count} pictures").format(count=len(names)) if len(names) > 1 else ""
    stem = stem_of(names)
    with st.container(horizontal=True, key="share"):
        _button("card", _("Card (PNG)"), lambda: card(content, answers), f"{stem_of([name])}.png", "image/png")
        _button("download", _("Table (CSV)") + of_all, lambda: table(everything()), f"{stem}.csv", "text/csv")
        _button("json", "JSON" + of_all, lambda: as_json(everything()), f"{stem}.json", "application/json")
        with st.popover(_("Link to these settings"), icon=":material/link:", key="link"):
            st.code(link(), language=None, wrap_lines=True)
            st.caption(_("It brings back the fields on the left, but never a picture, nor a list that was sent."))


def card(content: bytes, answers: Sequence[Answer]) -> bytes:
    """The picture with its boxes and one card for each answer, a PNG."""
    file = io.BytesIO()
    annotate(open_picture(content), answers).save(file, "PNG")
    return file.getvalue()


def table(records: Sequence[Answer | Failure]) -> str:
    """One row for each part that was named, and for each picture that could not be read."""
    text = io.StringIO()
    for _record in write_records(records, "csv", text):
        pass
    return text.getvalue()


def as_json(records: Sequence[Answer | Failure]) -> str:
    """The records as a list, as `identify --format jsonl` tells each."""
    return json.dumps([record.to_dict() for record in records], ensure_ascii=False, indent=1)


def link() -> str:
    """The address of this page with the fields as they stand."""
    asked = urlencode(sorted(st.query_params.to_dict().items()))
    place = urlsplit(st.context.url or "")
    return urlunsplit((place.scheme, place.netloc, place.path or "/", asked, ""))


def _row(record: Answer | Failure) -> dict[str, str]:
    """A record as a person reads it; cells of a table are text and nothing else."""
    if isinstance(record, Failure):
        return {_("Picture"): record.image, _("Name"): record.error, _("Rank"): "", _("Chance"): ""}
    chance = percent(shown_chance(record)) if record.taxon else ""
    return {_("Picture"): record.image, _("Name"): full_name(record.taxon, record.common_name), _("Rank"): record.rank or "", _("Chance"): chance}


def _button(key: str, label: str, data: Callable[[], bytes | str], file_name: str, kind: str) -> None:
    st.download_button(label, data, file_name, kind, key=key, icon=":material/download:", on_click="ignore")
