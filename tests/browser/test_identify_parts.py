"""What only a browser can show of the page Identify: a pasted picture, boxes under the keyboard, an address that brings the fields back."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from bioclip_search.detectors.known import detectors_at_hand
from tests.browser.conftest import settle, upload
from tests.browser.looks import nothing_keeps_anybody_out
from tests.browser.world import picture_of

PASTE = """(field, data) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const clipboard = new DataTransfer();
  clipboard.items.add(new File([bytes], "image.png", { type: "image/png" }));
  field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: clipboard, bubbles: true, cancelable: true }));
}"""
"""What a browser does when a picture is pasted into a field."""


def the_stage(page: Any) -> Any:
    """The picture and its boxes."""
    page.locator(".stage img").wait_for()
    settle(page)
    return page.locator(".stage")


def test_a_picture_is_pasted_and_named(visit):
    page = visit("identify")
    field = page.get_by_test_id("stChatInputTextArea")
    field.evaluate(PASTE, base64.b64encode(picture_of("Lynx lynx")).decode())
    page.get_by_text("image.png").first.wait_for()
    page.get_by_test_id("stChatInputSubmitButton").click()  # enabled when the picture has arrived; Enter before that is not heard
    page.get_by_text("Lynx lynx").first.wait_for()
    assert the_stage(page).locator("img").get_attribute("alt") == "image.png"


def test_a_suggested_clade_is_taken_with_a_click_and_the_address_brings_it_back(visit):
    page = visit("identify")
    upload(page, ("one.png", picture_of("Lynx lynx")))
    the_stage(page)
    page.get_by_label("Only within", exact=True).type("canid")
    page.get_by_role("button", name="Canidae").click()
    page.wait_for_url("**within=Canidae*")
    page.get_by_text("of the rank I say").click()
    page.wait_for_url("**by=rank*")
    again = visit(f"identify?{page.url.partition('?')[2]}")
    assert again.get_by_label("Only within", exact=True).input_value() == "Canidae"
    assert again.get_by_label("Rank", exact=True).is_visible()


@pytest.fixture
def photograph():
    """A photograph in which the detector that is shipped finds something."""
    pytest.importorskip("skimage", reason="the photograph comes with the extra `demo`")
    if "starter" not in detectors_at_hand():
        pytest.skip("the starter's detector is not installed")
    from bioclip_search.demo import demo_photographs

    return demo_photographs()[0].read_bytes()


def test_boxes_are_reached_by_keyboard_and_chips_do_the_same(visit, photograph):
    page = visit("identify?detector=starter")
    upload(page, ("cat.png", photograph))
    boxes = the_stage(page).get_by_role("button")
    assert boxes.count() == 2
    boxes.nth(1).focus()
    page.keyboard.press("Enter")
    page.locator('.stage button[aria-pressed="true"]', has_text="2").wait_for()
    page.get_by_role("radio", name="Whole picture").or_(page.get_by_role("button", name="Whole picture")).first.click()
    page.wait_for_function("() => ![...document.querySelectorAll('*')].some((one) => one.shadowRoot?.querySelector('[aria-pressed=\"true\"]'))")


def test_nothing_of_an_answer_keeps_anybody_out(visit, photograph):
    page = visit("identify?detector=starter")
    upload(page, ("cat.png", photograph))
    the_stage(page)
    page.get_by_role("heading", name="Runners-up").wait_for()
    nothing_keeps_anybody_out(page)
