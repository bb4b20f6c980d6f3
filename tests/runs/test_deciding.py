from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from bioclip_search.errors import TableError
from bioclip_search.media import Facts
from bioclip_search.runs.deciding import Deciding
from bioclip_search.runs.record import TaggedCrop, TaggedPicture
from bioclip_search.runs.tag import tag

NORWAY, PERU = Facts(datetime(2020, 6, 1), 60.0, 10.0), Facts(datetime(2020, 6, 1), -12.0, -70.0)
OUT_OF_THE_BLUE = Facts()


@pytest.fixture
def records(tmp_path):
    lines = ["species,lat,lon,month"] + ["Vulpes vulpes,60,10,6"] * 50 + ["Panthera leo,-12,-70,6"] * 50
    (tmp_path / "seen.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "seen.csv"


def picture(searcher, facts: Facts, number: int = 0) -> TaggedPicture:
    """Half a fox and half a lion, so that the place decides."""
    species = searcher.taxonomy.leaves["species"].to_pylist()
    vectors = searcher.encoder.encode_prepared([species.index("Vulpes vulpes"), species.index("Panthera leo")])
    mean = vectors.mean(axis=0) / np.linalg.norm(vectors.mean(axis=0))
    return TaggedPicture(f"{number}.jpg", facts=facts, crops=(TaggedCrop(0, embedding=mean.astype(np.float16)),))


def test_records_are_weighed_at_each_pictures_own_place(searcher, records):
    deciding = Deciding(searcher, {"occurrences": records, "rank": "species"}, is_local=True)
    asked = [picture(searcher, facts, number) for number, facts in enumerate((NORWAY, PERU, NORWAY, OUT_OF_THE_BLUE))]
    answers = [one.crops[0].answer for one in deciding.answered(asked)]
    assert [answer.taxon for answer in answers[:3]] == ["Vulpes vulpes", "Panthera leo", "Vulpes vulpes"]
    assert answers[0].place != answers[1].place
    assert answers[3].place is None


def test_a_picture_is_answered_the_same_beside_others_and_alone(searcher, records):
    deciding = Deciding(searcher, {"occurrences": records}, is_local=True)
    asked = [picture(searcher, facts, number) for number, facts in enumerate((NORWAY, PERU, OUT_OF_THE_BLUE))]
    together = [one.crops[0].answer for one in deciding.answered(asked)]
    assert together == [deciding.answered([one])[0].crops[0].answer for one in asked]


def test_a_crop_without_a_vector_has_no_answer(searcher):
    person = replace(picture(searcher, NORWAY), crops=(TaggedCrop(0, "person", 0.9, (0.0, 0.0, 1.0, 1.0)),))
    assert Deciding(searcher, {}).answered([person])[0].crops[0].answer is None


def test_records_that_cannot_be_read_are_an_error_before_the_first_picture_with_a_place(searcher, tmp_path):
    (tmp_path / "list.csv").write_text("file\na.jpg\n")
    with pytest.raises(TableError, match=r"list\.csv"):
        Deciding(searcher, {"occurrences": tmp_path / "list.csv"}, is_local=True)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param({}, "give --occurrences", id="no records"),
        pytest.param({"occurrences": "seen.csv", "month": 6}, "give only one of the two", id="a month of all pictures"),
        pytest.param({"occurrences": "seen.csv", "near": (1.0, 2.0)}, "give only one of the two", id="a place of all pictures"),
    ],
)
def test_the_place_of_pictures_needs_records_and_is_the_only_one(tmp_path, asked, told):
    with pytest.raises(TableError, match=told):
        tag(tmp_path, tmp_path / "run", place_of_pictures=True, **asked)
