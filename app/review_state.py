"""Where a visitor stands in the review of a run, and what all visitors share of it: the order of work and the decisions.

The session holds the crop that is shown, what was skipped, and what is to be told; nothing else is a visitor's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chosen
import numpy as np
import opened
import streamlit as st
from words import _, several

from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import BioclipSearchError
from bioclip_search.index import list_indexes
from bioclip_search.names import Names
from bioclip_search.review.decisions import ReviewDecision
from bioclip_search.review.following import Following
from bioclip_search.review.queue import Doubt
from bioclip_search.review.worklist import Key, Worklist
from bioclip_search.runs.folder import Run

AT, SKIPPED, TOLD, NAMING, AHEAD = "review_at", "review_skipped", "review_told", "review_naming", "review_ahead"
"""What the session keeps: the key of the crop that is shown, the keys that were skipped, by run; messages; how often a name was asked for; what is
read ahead."""

WORKLISTS, FOLLOWED, OPEN_NAMES = 8, 64, 2
PICTURES_AHEAD = 3
"""Crops whose pictures are opened before they are asked for."""


@dataclass(frozen=True)
class Desk:
    """What one visitor has before them.

    Attributes:
        place: That of the crop that is shown; None where nothing is open.
        decided: (k,) bool, by whomever.
    """

    run: Run
    work: Worklist
    follow: Following
    who: str
    place: int | None
    decided: np.ndarray
    language: str | None = None

    @classmethod
    def at(cls, run: Run, work: Worklist, follow: Following, who: str) -> Desk:
        """Where the visitor stands: at the crop that was shown last, or the first that is open."""
        decided = work.decided(follow.standing())
        closed = decided | work.decided(_skipped(run))
        shown = st.session_state.get(AT, (None, None))
        place = work.place(shown[1]) if shown[0] == str(run.folder) else None
        if place is None:
            place = work.next_open(closed)
            st.session_state[AT] = (str(run.folder), work.key(place)) if place is not None else (None, None)
        return cls(run, work, follow, who, place, decided)

    @property
    def doubt(self) -> Doubt:
        assert self.place is not None
        return self.work.doubt(self.place)

    def alike(self) -> list[int]:
        """The places of those like the crop that is shown which nobody decided yet."""
        return [place for place in self.work.alike(self.place or 0) if place != self.place and not self.decided[place]]

    def picked(self) -> list[Doubt]:
        """The crop that is shown, and those that were picked with it."""
        picked = [place for place in self.alike() if st.session_state.get(pick_key(self.work.key(place)))]
        return self.work.doubts([*([] if self.place is None else [self.place]), *picked])

    def keep(self, decision: Callable[..., ReviewDecision], *details: Any) -> None:
        """Keeps the decision about each picked crop, and goes on to the next."""
        try:
            taken = [decision(doubt, *details, self.who) for doubt in self.picked()]
            others = self.follow.add(taken)
        except BioclipSearchError as error:
            _tell(str(error))
            return
        if len(taken) > 1:
            _tell(_("{count} crops decided at once. Z takes them back.").format(count=len(taken)))
        for who in sorted({one.who for one in others}):
            _tell(_("{who} had decided about it before. Both are kept, yours stands.").format(who=who))
        self.go_on()

    def go_on(self) -> None:
        """To the next crop that is open."""
        closed = self.work.decided(self.follow.standing()) | self.work.decided(_skipped(self.run))
        place = self.work.next_open(closed, -1 if self.place is None else self.place)
        st.session_state[AT] = (str(self.run.folder), self.work.key(place)) if place is not None else (None, None)
        st.session_state["review_text"] = ""

    def skip(self) -> None:
        """Leaves the crop open, for others or for later."""
        if self.place is not None:
            _skipped(self.run).add(self.work.key(self.place))
        self.go_on()

    def forget_skipped(self) -> None:
        _skipped(self.run).clear()
        st.session_state.pop(AT, None)

    def undo(self) -> None:
        """Takes back what this person decided last, and shows it again."""
        try:
            batch = self.follow.undo(self.who)
        except BioclipSearchError as error:
            _tell(str(error))
            return
        if batch is None:
            _tell(_("There is no decision of yours to take back."))
            return
        _tell(several("Taken back: {count} decision.", "Taken back: {count} decisions.", len(batch.decisions)).format(count=len(batch.decisions)))
        st.session_state[AT] = (str(self.run.folder), batch.decisions[0].key)

    def told(self) -> Sequence[str]:
        """What is to be told once."""
        return st.session_state.pop(TOLD, ())

    def names(self) -> tuple[Names | None, str]:
        """The names of the index that the run was made with, else of the one that the visitor chose; and in words which, where they are not the run's."""
        made_with = self.run.note["settings"].get("index", {}).get("name")
        own = next((folder for folder in list_indexes() if folder.name == made_with), None)
        try:
            searcher = chosen.searcher()
            if own is None:
                told = _("The run's own index, {own}, is not here; names are those of the index {other}.")
                return searcher.names, told.format(own=made_with or "–", other=searcher.index.card.name)
            return (searcher.names if searcher.index.folder == own else _names(own)), ""
        except BioclipSearchError as error:
            return None, str(error)

    def read_ahead(self) -> None:
        """Has the pictures of the next crops opened meanwhile, so that they show at once."""
        thumbnails, places, place = opened.thumbnails(self.run), [], self.place
        closed = self.decided | self.work.decided(_skipped(self.run))
        for _number in range(PICTURES_AHEAD):
            place = self.work.next_open(closed, -1 if place is None else place)
            if place is None or place == self.place:
                break
            places.append(place)
        under_way: Future | None = st.session_state.get(AHEAD)
        if under_way is None or under_way.done():
            st.session_state[AHEAD] = _reader().submit(_read, self.work, self.run, thumbnails, places)


def pick_key(key: Key) -> str:
    """The key of the box that picks a crop."""
    return f"review_pick_{key[0]}_{key[1]}"


def worklist(run: Run, target: float) -> Worklist:
    """The order of work over a run, the same for all visitors."""
    files = [run.folder / "run.json", *run.folder.glob("*.parquet"), *run.parts]
    state = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return _worklist(str(run.folder), target, state)


@st.cache_resource(max_entries=FOLLOWED, show_spinner=False)
def following(folder: Path) -> Following:
    """The decisions about a run, the same for all visitors."""
    return Following(folder)


@st.cache_resource(max_entries=WORKLISTS, show_spinner=_("Putting alike crops together …"))
def _worklist(folder: str, target: float, state: tuple[Any, ...]) -> Worklist:
    return Worklist(Run.open(folder), target, Following(folder).standing())


@st.cache_resource(max_entries=OPEN_NAMES, show_spinner=False)
def _names(index: Path) -> Names:
    return Catalogue.open(index).names


@st.cache_resource
def _reader() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="review-ahead")


def _read(work: Worklist, run: Run, thumbnails: Any, places: list[int]) -> None:
    """Opens pictures for their being kept. Subtle: whatever fails here is told when the crop is shown."""
    with suppress(BioclipSearchError):
        for doubt in work.doubts(places):
            thumbnails.large(run, doubt.image, doubt.box_xyxy, doubt.frame_number)
            thumbnails.picture(run, doubt.image, doubt.box_xyxy, doubt.frame_number)


def _skipped(run: Run) -> set[Key]:
    return st.session_state.setdefault(SKIPPED, {}).setdefault(str(run.folder), set())


def _tell(words: str) -> None:
    st.session_state[TOLD] = [*st.session_state.get(TOLD, ()), words]
