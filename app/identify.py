"""The page "Identify": pictures in, names out, part by part, with how sure they are and why.

Lays out only: pictures come from `identify_taking`, are looked at once by `seeing`, and asked about at every move of a field
(`asking`); parts are chosen in `identify_picture`, told by `identify_answer`, taken away by `identify_share`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import asking
import chosen
import identify_answer
import look
import streamlit as st
from holding import spare_the_collector
from identify_picture import WHOLE, choose_part
from identify_share import share
from identify_taking import MOST_PICTURES, Picture, offer_examples, take
from words import _, several

from bioclip_search import seeing
from bioclip_search.detect import Detector, load_detector
from bioclip_search.errors import BioclipSearchError, PictureError
from bioclip_search.exports import full_name
from bioclip_search.question import Asked, Question
from bioclip_search.results import Answer, Failure
from bioclip_search.searcher import Searcher
from bioclip_search.seeing import Seen

OPEN_DETECTORS = 2  # held open at a time for all visitors


def page() -> None:
    """The page from top to bottom."""
    look.heading(_("Which organism is this?"), _("Drop, paste or take a photograph. The answer tells how sure it is, and why."))
    searcher = chosen.searcher()
    asked = asking.ask(searcher)
    pictures = take()
    if not pictures:
        offer_examples()
        return
    detector = open_detector(asked.detector)
    looked = look_at_all(searcher, detector, pictures)
    picture = choose_picture(pictures, looked)
    seen = looked[picture.key]
    if isinstance(seen, str):
        return
    try:
        question = asking.question(searcher, asked)
    except BioclipSearchError as error:
        asking.explained(error)
        choose_part(picture.key, picture.name, seen, [], [])
        return
    show(searcher, question, asked, picture, seen, pictures, looked)


def choose_picture(pictures: Sequence[Picture], looked: dict[str, Seen | str]) -> Picture:
    """Which of several pictures is shown; those that could not be read are told at once."""
    for picture in pictures:
        if isinstance(reason := looked[picture.key], str):
            look.problem(f"{picture.name}: {reason}")
    readable = [number for number, picture in enumerate(pictures) if not isinstance(looked[picture.key], str)]
    if len(readable) < 2:
        return pictures[readable[0] if readable else 0]
    if st.session_state.get("picture") not in readable:
        st.session_state["picture"] = readable[0]
    label = several("{count} picture", "{count} pictures", len(readable)).format(count=len(readable))
    number = st.selectbox(label, readable, key="picture", format_func=lambda number: f"{number + 1} · {pictures[number].name}")
    return pictures[number]


def show(
    searcher: Searcher, question: Question, asked: asking.Asking, picture: Picture, seen: Seen, pictures: Sequence[Picture], looked: dict[str, Seen | str]
) -> None:
    """The picture beside its answer, and under them what lies behind it."""
    sure = seen.sure(asked.confidence)
    answers = seeing.answers(seen, question, picture.name, asked.confidence)
    beside, told = st.columns([3, 2], gap="large")
    with beside:
        part = choose_part(picture.key, picture.name, seen, sure, [full_name(one.taxon, one.common_name) for one in answers] if sure else [])
    vector = seen.whole if part == WHOLE else seen.parts[part]
    answer = _of_part(part, sure, answers, question, picture, seen)
    with told:
        above = _("The detector saw no organism at this confidence, so the picture as a whole is named.") if seen.detector and not sure else None
        identify_answer.headline(answer, above)
        identify_answer.why(answer)
        asking.told_of(question.restriction)
    identify_answer.probability_picture(searcher, question, answer, vector, f"icicle-{picture.key}")
    identify_answer.runners_up(searcher, answer)
    st.markdown(f"### {_('Take it with you')}")
    share(picture.content, picture.name, answers, [one.name for one in pictures], lambda: records(question, pictures, looked, asked.confidence))


def records(question: Question, pictures: Sequence[Picture], looked: dict[str, Seen | str], confidence: float) -> list[Answer | Failure]:
    """The answers of all pictures, and the reasons of those that could not be read, in order."""
    found: list[Answer | Failure] = []
    for picture in pictures:
        seen = looked[picture.key]
        found += [Failure(picture.name, seen)] if isinstance(seen, str) else seeing.answers(seen, question, picture.name, confidence)
    return found


def look_at_all(searcher: Searcher, detector: Detector | None, pictures: Sequence[Picture]) -> dict[str, Seen | str]:
    """Each picture looked at, or the reason why it cannot be, by its key; what was looked at before is only looked up."""
    bar = st.progress(0.0, _("Looking …")) if len(pictures) > 1 else None
    looked = {}
    for number, picture in enumerate(pictures):
        if bar:
            bar.progress(number / len(pictures), _("Looking at picture {number} of {count} …").format(number=number + 1, count=len(pictures)))
        looked[picture.key] = look_once(searcher, detector.fingerprint if detector else "", detector, picture)
    if bar:
        bar.empty()
    return looked


@st.cache_resource(
    scope="session",
    max_entries=2 * MOST_PICTURES,
    show_spinner=_("Looking …"),
    hash_funcs={Searcher: lambda searcher: searcher.encoder.fingerprint, Picture: lambda picture: picture.key},
)
def look_once(searcher: Searcher, fingerprint: str, _detector: Detector | None, picture: Picture) -> Seen | str:
    """What is seen in a picture, or why nothing is; of this session only."""
    try:
        with gate():
            return seeing.look(picture.content, searcher.encoder, _detector)
    except PictureError as error:
        return str(error)


@st.cache_resource(max_entries=OPEN_DETECTORS, show_spinner=_("Opening the detector …"))
def open_detector(name: str) -> Detector | None:
    """The detector of this name, held for all visitors; None for none."""
    detector = load_detector(name)
    spare_the_collector()
    return detector


@st.cache_resource
def gate() -> threading.Lock:
    """Lets one picture in at a time, whoever sent it: a large one takes much memory, and detectors are not made for two at once."""
    return threading.Lock()


def _of_part(part: int, sure: Sequence[int], answers: Sequence[Answer], question: Question, picture: Picture, seen: Seen) -> Answer:
    """The answer of a box, or of the picture as a whole, which is asked only if it was chosen."""
    if part in sure:
        return answers[sure.index(part)]
    return answers[0] if not sure else question.answers(seen.whole[None], [Asked(picture.name)])[0]
