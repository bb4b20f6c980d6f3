from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from bioclip_search.browsing import ALL, NEWEST, ORDERS, SURE, UNSURE, Browser, Wanted
from bioclip_search.detectors.repeats import REPEATS_FILE, SCHEMA
from bioclip_search.errors import RunError
from bioclip_search.media import Deployment
from bioclip_search.prompts import RANKS
from bioclip_search.review.decisions import ReviewDecision, append
from bioclip_search.runs.record import IDENTIFIED
from bioclip_search.standards.collection import Collection
from tests.standards.random_runs import runs
from tests.standards.runs import crop, picture, small_run

CATS = (("kingdom", "Animalia"), ("phylum", "Chordata"), ("class", "Mammalia"), ("order", "Carnivora"), ("family", "Felidae"))
NIGHT, DAY = datetime(2024, 5, 1, 23, 10), datetime(2024, 5, 3, 12, 0)


@pytest.fixture
def run(tmp_path):
    """Two cats and a fox at two cameras, one crop that nobody named, a person, an empty and a broken picture."""
    return small_run(
        tmp_path / "run",
        [
            picture("north/1.jpg", crop(0, answer=None, species="Panthera leo", probability=0.9), timestamp=NIGHT, deployment="north"),
            picture(
                "north/2.jpg", crop(0, species="Felis catus", rank="genus", probability=0.7), crop(1, category="person"), timestamp=NIGHT, deployment="north"
            ),
            picture("south/1.jpg", crop(0, species="Vulpes vulpes", probability=0.8), timestamp=DAY, deployment="south", latitude=47.5, longitude=8.25),
            picture("south/2.jpg", crop(0, rank=None), timestamp=DAY, deployment="south", latitude=47.5, longitude=8.25),
            picture("south/3.jpg", deployment="south"),
            picture("4.jpg", error="is no picture"),
        ],
        deployments=[Deployment("north", 10.0, 20.0, place="hill"), Deployment("west", 1.0, 2.0)],
    )


def decide(run, name: str, number: int, verdict: str, **told) -> None:
    when = datetime(2024, 6, 1, tzinfo=UTC)
    media_id = picture(name).media_id
    append(run.folder, [ReviewDecision(media_id, number, verdict, "Ann", when, **told)])


def names(browser: Browser, wanted: Wanted = ALL, order: str = ORDERS[-1], **page) -> list[str]:
    return [one.image for one in browser.crops(wanted, order, **page)]


def test_what_was_seen_is_counted_by_kind_hour_and_day(run):
    browser = Browser(run)
    assert browser.count() == 7
    assert browser.by_status() == {"identified": 4, "blank": 1, "failed": 1, "person": 1}
    assert {hour: count for hour, count in enumerate(browser.by_hour()) if count} == {12: 2, 23: 3}
    assert browser.by_day() == {date(2024, 5, 1): 3, date(2024, 5, 3): 2}


def test_the_tree_counts_every_taxon_with_all_below(run):
    tree = Browser(run).taxa()
    assert (tree.crops, tree.own) == (4, 1)  # the one that nobody named is the root's own
    cats = tree.find(CATS)
    assert (cats.crops, cats.own, [child.path[-1][1] for child in cats.children]) == (2, 0, ["Felis", "Panthera"])
    assert tree.find((*CATS, ("genus", "Felis"))).own == 1
    assert tree.find((*CATS, ("genus", "Panthera"), ("species", "Panthera leo"))).common_name == "Lion"
    assert tree.find((("kingdom", "Plantae"),)) is None


def test_ranks_at_which_nothing_branches_are_passed_over(tmp_path):
    tree = Browser(small_run(tmp_path / "run", [picture("1.jpg", crop(species="Felis catus")), picture("2.jpg", crop(species="Vulpes vulpes"))])).taxa()
    assert tree.branching().path[-1] == ("order", "Carnivora")
    assert tree.branching().branching() == tree.branching()
    assert tree.find(CATS).branching().path[-1] == ("species", "Felis catus")


def test_a_decision_stands_over_the_answer_of_the_machine(run):
    decide(run, "south/2.jpg", 0, "corrected", taxon="Felis", rank="genus", lineage=dict([*CATS, ("genus", "Felis")]))
    decide(run, "north/1.jpg", 0, "blank")
    decide(run, "south/3.jpg", -1, "vehicle")
    browser = Browser(run)
    assert browser.by_status() == {"identified": 3, "blank": 1, "failed": 1, "person": 1, "vehicle": 1}
    assert browser.taxa().find((*CATS, ("genus", "Felis"))).crops == 2
    assert browser.taxa().find((*CATS, ("genus", "Panthera"))) is None
    corrected = next(one for one in browser.crops() if one.image == "south/2.jpg")
    assert (corrected.taxon, corrected.verdict, corrected.chance) == ("Felis", "corrected", None)


def test_boxes_set_aside_are_counted_only_where_that_is_wanted(run):
    row = {"media_id": picture("south/1.jpg").media_id, "crop": 0, "place": 0, "pictures": 9}
    parquet.write_table(pa.Table.from_pylist([row], SCHEMA), run.folder / REPEATS_FILE)
    browser = Browser(run)
    assert "south/1.jpg" not in names(browser)
    assert "south/1.jpg" in names(browser, Wanted(with_repeats=True))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param(Wanted(lineage=CATS), ["north/1.jpg", "north/2.jpg"], id="a family"),
        pytest.param(Wanted(is_unnamed=True), ["south/2.jpg"], id="unnamed"),
        pytest.param(Wanted(statuses=("person", "failed")), ["4.jpg", "north/2.jpg"], id="kinds"),
        pytest.param(Wanted(deployment="south"), ["south/1.jpg", "south/2.jpg", "south/3.jpg"], id="a deployment"),
        pytest.param(Wanted(deployment=""), ["4.jpg"], id="no deployment"),
        pytest.param(Wanted(first=date(2024, 5, 2)), ["south/1.jpg", "south/2.jpg"], id="from a day on"),
        pytest.param(Wanted(last=date(2024, 5, 1), statuses=(IDENTIFIED,)), ["north/1.jpg", "north/2.jpg"], id="until a day"),
        pytest.param(Wanted(hours=(22, 3), statuses=(IDENTIFIED,)), ["north/1.jpg", "north/2.jpg"], id="a night"),
        pytest.param(Wanted(hours=(3, 22)), ["south/1.jpg", "south/2.jpg"], id="a day"),
        pytest.param(Wanted(lineage=CATS, deployment="south"), [], id="nothing"),
        pytest.param(Wanted(deployment="'; DROP TABLE rows; --"), [], id="SQL"),
    ],
)
def test_only_what_is_wanted_is_shown(run, wanted, found):
    browser = Browser(run)
    assert names(browser, wanted) == found
    assert browser.count(wanted) == len(found)


def test_pages_follow_each_other_in_the_order_that_was_asked_for(run):
    browser = Browser(run)
    only = Wanted(statuses=(IDENTIFIED,))
    assert names(browser, only, SURE) == ["north/1.jpg", "south/1.jpg", "north/2.jpg", "south/2.jpg"]
    assert names(browser, only, UNSURE) == ["north/2.jpg", "south/1.jpg", "north/1.jpg", "south/2.jpg"]
    assert names(browser, only, NEWEST, limit=1) + names(browser, only, NEWEST, start=1) == ["south/1.jpg", "south/2.jpg", "north/1.jpg", "north/2.jpg"]
    assert names(browser, only, start=100) == []


def test_every_deployment_is_told_with_its_place_also_one_without_pictures(run):
    places = {place.deployment: place for place in Browser(run).deployments()}
    assert list(places) == ["", "north", "south", "west"]
    assert (places["north"].pictures, places["north"].crops, places["north"].latitude) == (2, 3, 10.0)
    assert (places["south"].pictures, places["south"].crops, places["south"].longitude) == (3, 2, 8.25)
    assert (places["west"].pictures, places["west"].first) == (0, None)


def test_points_are_told_by_the_picture_s_place_else_the_deployment_s(run):
    assert [(point.latitude, point.longitude, point.crops, point.where) for point in Browser(run).points()] == [
        (10.0, 20.0, 3, "north"),
        (47.5, 8.25, 2, "south"),
    ]


def test_a_picture_is_found_again_with_all_that_is_known_of_it(run):
    browser = Browser(run)
    seen = browser.seen(picture("north/2.jpg").media_id)
    assert [one.crop.status for one in seen.crops] == ["identified", "person"]
    assert seen.crops[0].crop.answer.alternatives
    assert browser.seen("0" * 16) is None


def test_a_run_without_rows_holds_nothing(tmp_path):
    browser = Browser(small_run(tmp_path / "run", []))
    assert browser.count() == 0
    assert browser.taxa().children == ()
    assert browser.crops() == browser.points() == browser.deployments() == []
    assert browser.by_hour() == [0] * 24


def test_a_damaged_part_is_told(run):
    (run.folder / "rows" / "part-00000.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(RunError, match="rows cannot be read"):
        Browser(run).count()


def test_a_folder_whose_name_looks_like_a_pattern_is_read(tmp_path):
    assert Browser(small_run(tmp_path / "run [1] *?'", [picture("1.jpg", crop())])).count() == 1


def test_an_unknown_rank_is_refused(run):
    with pytest.raises(RunError, match="no rank"):
        Browser(run).count(Wanted(lineage=(('species" = 1 OR "genus', "x"),)))


VERDICTS = st.sampled_from(["accepted", "corrected", "blank", "person", "unsure"])


@settings(max_examples=25)
@given(pictures=runs(), data=st.data())
def test_the_counts_are_those_of_the_records_one_by_one(pictures, data, tmp_path_factory):
    run = small_run(Path(tmp_path_factory.mktemp("any")) / "run", pictures)
    for one in pictures:
        for number in [-1, *(box.number for box in one.crops)]:
            if data.draw(st.integers(0, 2)) == 0:
                told = {"taxon": "Felis", "rank": "genus", "lineage": dict([*CATS, ("genus", "Felis")])}
                append(run.folder, [ReviewDecision(one.media_id, number, data.draw(VERDICTS), "Ann", datetime(2024, 6, 1, tzinfo=UTC), **told)])
    statuses, taxa, hours = Counter(), Counter(), Counter()
    for seen in Collection.open(run).pictures():
        stamp = seen.picture.facts.timestamp
        for stands in [box.stands for box in seen.crops] or [seen.whole or None]:
            status = stands.status if stands is not None and stands.is_decided else seen.picture.status if stands is None else stands.status
            statuses[status] += 1
            hours[stamp.hour if stamp else None] += 1
            if status == IDENTIFIED:
                taxa[tuple((rank, stands.lineage[rank]) for rank in RANKS if stands.lineage.get(rank))] += 1
    browser = Browser(run)
    assert browser.by_status() == dict(statuses)
    assert browser.by_hour() == [hours[hour] for hour in range(24)]
    tree = browser.taxa()
    assert all(tree.find(path).own == count for path, count in taxa.items())
    assert tree.crops == sum(taxa.values())
