from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import settle
from tests.browser.world import picture_of


def upload(page: Any, *pictures: tuple[str, bytes]) -> None:
    files = [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in pictures]
    page.locator("input[type=file]").first.set_input_files(files)


def test_a_photo_is_uploaded_and_its_answer_read(visit):
    page = visit("identify")
    upload(page, ("IMG_0001.png", picture_of("Puma concolor")))
    page.get_by_text("Puma concolor").first.wait_for()
    settle(page)
    assert page.get_by_text("IMG_0001.png").first.is_visible()
    assert page.get_by_text(">99").first.is_visible()


@pytest.mark.parametrize(("language", "told"), [("de-DE", "Rotkehlchen"), ("ja-JP", "ヨーロッパコマドリ"), ("es-MX", "Petirrojo europeo")])
def test_the_name_is_told_in_the_language_of_the_browser(visit, language, told):
    page = visit("identify", language=language)
    upload(page, ("bird.png", picture_of("Erithacus rubecula")))
    page.get_by_text(told).first.wait_for()
