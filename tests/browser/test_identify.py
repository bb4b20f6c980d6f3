from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import settle, upload
from tests.browser.world import picture_of, picture_of_nothing_known


def name_told(page: Any) -> Any:
    """The name of the answer."""
    return page.get_by_role("heading", level=2).first


def test_a_photo_is_uploaded_and_its_answer_read(visit):
    page = visit("identify")
    upload(page, ("IMG_0001.png", picture_of("Puma concolor")))
    name_told(page).get_by_text("Puma", exact=True).wait_for()
    settle(page)
    assert page.get_by_text("almost certain").first.is_visible()


def test_the_name_goes_up_and_down_the_ladder_as_the_target_is_moved(visit):
    page = visit("identify")
    upload(page, ("IMG_0002.png", picture_of_nothing_known()))
    target = page.get_by_role("slider", name="Probability from")
    name_told(page).wait_for()
    settle(page)
    target.focus()
    page.keyboard.press("Home")  # any name will do, so that of a species is given
    page.get_by_test_id("stMain").get_by_text("species", exact=True).first.wait_for()
    settle(page)
    lowest = name_told(page).inner_text()
    target.focus()
    page.keyboard.press("End")  # only what is certain will do
    name_told(page).filter(has_not_text=lowest).wait_for()
    settle(page)
    assert page.get_by_text("almost certain").first.is_visible()


@pytest.mark.parametrize(("language", "told"), [("de-DE", "Rotkehlchen"), ("ja-JP", "ヨーロッパコマドリ"), ("es-MX", "Petirrojo europeo")])
def test_the_name_is_told_in_the_language_of_the_browser(visit, language, told):
    page = visit("identify", language=language)
    upload(page, ("bird.png", picture_of("Erithacus rubecula")))
    name_told(page).get_by_text(told, exact=True).wait_for()


def test_two_visitors_do_not_see_each_others_pictures(visit):
    one, other = visit("identify"), visit("identify")
    upload(one, ("mine.png", picture_of("Lynx lynx")))
    name_told(one).get_by_text("Eurasian lynx", exact=True).wait_for()
    other.reload()
    other.get_by_text("Nothing to look at yet").wait_for()
    assert other.get_by_text("Eurasian lynx").count() == 0
