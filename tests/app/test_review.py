"""The page Review: decisions by its buttons, whose keys are the shortcuts, over small runs."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime

import numpy as np
import PIL.Image
import pytest

from bioclip_search.background import ORDER_FILE, Order
from bioclip_search.media import media_id
from bioclip_search.results import Alternative
from bioclip_search.review.decisions import DECISIONS_FILE, ReviewDecision, append, standing_decisions
from bioclip_search.runs.folder import JOB_FOLDER
from tests.standards.runs import answer, crop, picture, small_run

EAST, NORTH = np.array([1, 0, 0, 0], np.float16), np.array([0, 1, 0, 0], np.float16)
NINE = datetime(2024, 5, 1, 9, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> *[x](http://example.org)*"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The folder that the server may look into."""
    streamlit = pytest.importorskip("streamlit")
    monkeypatch.setenv("BIOCLIP_SEARCH_APP_ROOT", str(tmp_path))
    streamlit.cache_resource.clear()  # Subtle: how the server was started is read once a process
    streamlit.cache_data.clear()
    yield tmp_path
    streamlit.cache_resource.clear()


def seen(image: str, probability: float, vector: np.ndarray = EAST, **told):
    others = (Alternative("Felis catus", "species", 0.04, "Domestic cat"), Alternative("Vulpes vulpes", "species", 0.02, "Red fox"))
    named = answer(probability=probability, **({"alternatives": others} | told))
    return picture(image, replace(crop(0, answer=named), embedding=vector))


PICTURES = [seen("b.jpg", 0.2), seen("c.jpg", 0.3), seen("d.jpg", 0.4), seen("e.jpg", 0.5, NORTH), seen("f.jpg", 0.6, NORTH), seen("sure.jpg", 0.99)]


def made(root, pictures=PICTURES, **told):
    (root / "photos").mkdir(exist_ok=True)
    for one in pictures:
        if "/" not in one.image:
            PIL.Image.new("RGB", (800, 600), (90, 120, 60)).save(root / "photos" / one.image)
    told.setdefault("note", {"settings": {"encoder": {"name": "tiny", "fingerprint": "f", "dim": 4}, "index": {"name": "starter"}}})
    return small_run(root / "run", pictures, root=root / "photos", **told)


@pytest.fixture
def at_review(open_page, app, root):
    """Opens a run on the page, as Ana."""

    def open_run(name: str = "run"):
        app.query_params["run"] = name
        page = open_page("review")
        assert not page.exception
        return page.text_input(key="review_who").set_value("Ana").run() if page.text_input else page

    return open_run


def click(page, key: str):
    page.button(key=key).click().run()
    assert not page.exception
    return page


def verdicts(run) -> dict[str, tuple[str, str | None]]:
    names = {media_id(one.image): one.image for one in run.pictures()}
    return {names[media]: (one.verdict, one.taxon) for (media, _), one in standing_decisions(run.folder).items()}


def shown(page) -> str:
    return "\n".join(str(element.value) for kind in ("title", "header", "subheader", "markdown", "caption", "info", "error") for element in getattr(page, kind))


def keys(page) -> set[str]:
    return {button.key for button in page.button}


def test_three_crops_are_corrected_by_guess_by_name_and_as_nothing(at_review, root):
    run = made(root)
    page = at_review()
    assert "b\\.jpg" in shown(page)
    click(page, "review_guess_1")
    assert "c\\.jpg" in shown(page)
    page.text_input(key="review_text").set_value("snow leo").run()
    click(page, "review_hit_0")
    assert page.text_input(key="review_text").value == ""
    click(page, "review_blank")
    assert verdicts(run) == {"b.jpg": ("corrected", "Felis catus"), "c.jpg": ("corrected", "Panthera uncia"), "d.jpg": ("blank", None)}
    assert {one.who for one in standing_decisions(run.folder).values()} == {"Ana"}
    assert "e\\.jpg" in shown(page)
    lineage = standing_decisions(run.folder)[media_id("b.jpg"), 0].lineage
    assert lineage["family"] == "Felidae"


def test_each_button_has_its_key(at_review, root):
    made(root)
    page = at_review()
    shortcuts = {button.key: button.proto.shortcut for button in page.button if button.proto.shortcut}
    assert shortcuts == {
        **{"review_accept": "a", "review_name": "n", "review_blank": "b", "review_person": "p", "review_vehicle": "v", "review_unsure": "u"},
        **{"review_skip": "s", "review_undo": "z", "review_all": "g", "review_guess_1": "1", "review_guess_2": "2"},
    }


def test_accepting_and_undoing_leave_the_whole_history(at_review, root):
    run = made(root)
    page = at_review()
    click(page, "review_accept")
    click(page, "review_person")
    assert verdicts(run) == {"b.jpg": ("accepted", "Panthera leo"), "c.jpg": ("person", None)}
    click(page, "review_undo")
    assert "c\\.jpg" in shown(page)
    assert "taken back" in shown(page)
    assert verdicts(run) == {"b.jpg": ("accepted", "Panthera leo")}
    click(page, "review_undo")
    click(page, "review_undo")
    assert verdicts(run) == {}
    assert len((run.folder / DECISIONS_FILE).read_text().splitlines()) == 4


def test_several_alike_crops_are_decided_at_once_and_undone_at_once(at_review, root):
    run = made(root)
    page = at_review()
    click(page, "review_all")
    assert "for 3 crops" in shown(page)
    click(page, "review_guess_2")
    assert verdicts(run) == dict.fromkeys(("b.jpg", "c.jpg", "d.jpg"), ("corrected", "Vulpes vulpes"))
    assert "e\\.jpg" in shown(page)
    click(page, "review_undo")
    assert verdicts(run) == {}


def test_only_the_picked_ones_are_decided_along(at_review, root):
    run = made(root)
    page = at_review()
    page.checkbox(key=f"review_pick_{media_id('d.jpg')}_0").check().run()
    click(page, "review_vehicle")
    assert set(verdicts(run)) == {"b.jpg", "d.jpg"}


def test_skipped_crops_stay_open_and_come_again_when_asked(at_review, root):
    run = made(root, PICTURES[:2])
    page = at_review()
    click(page, "review_skip")
    assert "c\\.jpg" in shown(page)
    click(page, "review_unsure")
    assert "which you skipped" in shown(page)
    click(page, "review_again")
    click(page, "review_accept")
    assert "All is decided" in shown(page)
    assert set(verdicts(run)) == {"b.jpg", "c.jpg"}
    click(page, "review_undo")
    assert "b\\.jpg" in shown(page)


def test_what_another_decides_meanwhile_is_seen_and_nothing_is_lost(at_review, root):
    run = made(root)
    page = at_review()
    append(run.folder, [ReviewDecision(media_id(name), 0, "blank", "Ben", NINE) for name in ("b.jpg", "c.jpg")])
    click(page, "review_accept")
    assert "Ben had decided about it before" in page.toast[0].value
    assert "d\\.jpg" in shown(page)  # c is Ben's already
    lines = [json.loads(line) for line in (run.folder / DECISIONS_FILE).read_text().splitlines()]
    assert [(line["who"], line["verdict"]) for line in lines] == [("Ben", "blank"), ("Ben", "blank"), ("Ana", "accepted")]
    click(page, "review_undo")
    assert verdicts(run) == {"b.jpg": ("blank", None), "c.jpg": ("blank", None)}


def test_nobody_decides_without_a_name(open_page, app, root):
    made(root)
    app.query_params["run"] = "run"
    page = open_page("review")
    assert "Write your name" in shown(page)
    assert all(button.disabled for button in page.button if button.key in ("review_accept", "review_blank", "review_undo", "review_guess_1"))


def test_without_doubt_the_page_says_so_and_more_can_be_asked_for(at_review, root):
    made(root, [seen("a.jpg", 0.95)])
    page = at_review()
    assert "Nothing is in doubt here" in shown(page)
    page.selectbox(key="review_target").set_value(0.99).run()
    assert "a\\.jpg" in shown(page)


def test_a_run_without_vectors_is_reviewed_one_by_one(at_review, root):
    run = made(root, dim=None, note={})
    page = at_review()
    assert "cannot be grouped" in shown(page)
    assert "review_all" not in keys(page)
    click(page, "review_blank")
    assert set(verdicts(run)) == {"b.jpg"}


def test_a_crop_without_an_answer_cannot_be_accepted(at_review, root):
    made(root, [seen("a.jpg", 0.5, rank=None)])
    assert "review_accept" not in keys(at_review())


def test_pictures_that_are_gone_are_told_and_can_still_be_decided(at_review, root):
    run = made(root, [seen("gone/a.jpg", 0.5), seen("gone/b.jpg", 0.6)])
    page = at_review()
    assert "no longer where it was" in shown(page)
    assert not page.image
    click(page, "review_blank")
    assert set(verdicts(run)) == {"gone/a.jpg"}


def test_the_crop_its_picture_and_those_alike_are_shown_with_words_for_each(at_review, root):
    made(root)
    alts = [image.proto.imgs[0].alt for image in at_review().image]
    assert alts == ["The crop: b.jpg", "Alike: c.jpg", "Alike: d.jpg", "The whole picture with the box: b.jpg"]


def test_names_from_outside_are_shown_as_they_are(at_review, root):
    made(root, [seen(f"{HOSTILE}/x.jpg", 0.5, taxon=HOSTILE, common_name=HOSTILE, alternatives=())])
    words = shown(at_review()).replace("\\", "")
    assert "<script>" in words  # and each sign of it was escaped:
    page = at_review()
    told = [element.value for kind in ("subheader", "markdown", "caption", "info") for element in getattr(page, kind)] + [
        button.label for button in page.button
    ]
    assert not any("<script>" in one or "[x](" in one for one in told)


def test_without_its_index_the_names_are_those_of_the_chosen_one_and_this_is_said(at_review, root):
    made(root, note={})
    assert "small, is not here" in shown(at_review()).replace("\\", "")


def test_a_run_outside_of_the_root_is_not_opened(at_review, root):
    page = at_review("../elsewhere")
    assert "is not below" in page.error[0].value.replace("\\", "")


def test_without_a_run_one_click_leads_to_a_worked_example(open_page, root):
    pytest.importorskip("skimage", reason="the example photographs come with the extra `demo`")
    page = open_page("review")
    assert page.button(key="try_run")


def test_what_comes_of_it_is_worked_out_at_a_click(at_review, root):
    made(root)
    page = at_review()
    click(page, "review_accept")
    click(page, "review_blank")
    click(page, "review_figures")
    deadline = time.monotonic() + 60
    while "Effect on calibration" not in shown(page) and time.monotonic() < deadline:
        time.sleep(0.1)
        page.run()
    words = shown(page).replace("\\", "")
    assert "Agreement with the machine" in words
    assert "Of 1 crop that people named" in words
    assert "no vectors of the encoder" in words
    (table,) = page.table
    assert table.value.iloc[0].tolist()[1:3] == [2, 1]
    assert table.value.iloc[0].tolist()[4] == r"\<1 % – \>99 %"  # of two crops nothing can be said, and no sign is taken for Markdown


def test_while_a_run_is_being_tagged_the_page_tells_how_far_it_is(at_review, root):
    run = made(root)
    job = run.folder / JOB_FOLDER
    job.mkdir()
    (job / ORDER_FILE).write_text(json.dumps(asdict(Order("photos")) | {"begun": time.time()}))
    page = at_review()
    assert "review_accept" not in keys(page)
    assert "is being tagged" in page.get("progress")[0].proto.text


def test_a_run_that_is_damaged_meanwhile_is_told(at_review, root):
    run = made(root)
    at_review()
    (run.folder / DECISIONS_FILE).write_text('{"batch": "x"}\n')
    page = at_review()
    assert "is no decision" in page.error[0].value
