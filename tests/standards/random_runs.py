"""Runs drawn at random for hypothesis, with all that a run may hold: odd names, frames, people, failures, unsure answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from bioclip_search.results import Answer
from bioclip_search.runs.record import TaggedCrop, TaggedPicture
from tests.standards.runs import LINEAGES, SIZE_WH, answer, picture

SHARES = st.floats(0.001, 1, allow_nan=False).map(lambda share: round(share, 6))
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00/", exclude_categories=("Cs",)), min_size=1, max_size=8)
STAMPS = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)).map(lambda stamp: stamp.replace(microsecond=stamp.microsecond // 1000 * 1000))
ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])


@st.composite
def answers(draw: Any) -> Answer:
    ranks = ("kingdom", "class", "order", "family", "genus", "species", None)
    return answer(draw(st.sampled_from(sorted(LINEAGES))), draw(st.sampled_from(ranks)), draw(SHARES))


@st.composite
def crops(draw: Any, number: int) -> TaggedCrop:
    left, right = sorted(draw(st.tuples(st.integers(0, SIZE_WH[0]), st.integers(0, SIZE_WH[0])).filter(lambda pair: pair[0] != pair[1])))
    top, bottom = sorted(draw(st.tuples(st.integers(0, SIZE_WH[1]), st.integers(0, SIZE_WH[1])).filter(lambda pair: pair[0] != pair[1])))
    category = draw(st.sampled_from(["animal", "person", "vehicle"]))
    told = draw(answers()) if category == "animal" else None
    return TaggedCrop(number, category, min(draw(SHARES), 0.999999), (float(left), float(top), float(right), float(bottom)), told)


@st.composite
def pictures(draw: Any, image: str) -> TaggedPicture:
    if draw(st.integers(0, 5)) == 0:
        return picture(image, error=draw(st.text(st.characters(codec="ascii", categories=("L", "P")), min_size=1, max_size=9)))
    facts: dict[str, Any] = {}
    if draw(st.booleans()):
        facts |= {"timestamp": draw(STAMPS).replace(tzinfo=draw(ZONES))}
    if draw(st.booleans()):
        facts |= {"deployment": draw(st.sampled_from(["north", "south"])), "latitude": 47.5, "longitude": -8.25}
    if draw(st.integers(0, 5)) == 0:
        return picture(image, TaggedCrop(0, None, None, None, draw(answers())), **facts)
    return picture(image, *(draw(crops(number)) for number in range(draw(st.integers(0, 3)))), **facts)


@st.composite
def runs(draw: Any, names: Any = NAMES) -> list[TaggedPicture]:
    images = draw(st.lists(names, unique=True, max_size=4))
    several = [draw(pictures(f"a/{image}.jpg")) for image in images]
    if draw(st.booleans()):
        frames = draw(st.lists(st.integers(0, 99), unique=True, min_size=1, max_size=3).map(sorted))
        several += [
            picture("a/film.mp4", *(draw(crops(number)) for number in range(draw(st.integers(0, 2)))), frame_number=one, frame_rate=25.0) for one in frames
        ]
    return several
