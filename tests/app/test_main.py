from __future__ import annotations

import csv
import io
import shutil
import sys

import PIL.Image
import pytest

from bioclip_search import places
from tests.app.conftest import png


def shown(page) -> str:
    """All words that the page shows."""
    assert not page.exception
    return "\n".join(str(element.value) for kind in ("title", "markdown", "caption", "info", "error") for element in getattr(page, kind))


def upload(page, **files: bytes):
    """The page after these files were uploaded, each named by its key, as `name.png`."""
    return page.file_uploader(key="uploads").set_value([(f"{name}.png", content, "image/png") for name, content in files.items()]).run()


def test_an_empty_page_says_what_to_do_and_answers_nothing(page):
    assert "Nothing to look at yet" in shown(page)
    assert page.button(key="try").label == "Try two example photographs"
    assert not page.image
    assert not page.error


def test_one_click_answers_the_example_photographs(page):
    pytest.importorskip("skimage", reason="the example photographs come with the extra `demo`")
    pytest.importorskip("sklearn", reason="the example photographs come with the extra `demo`")
    page.button(key="try").click().run()
    words = shown(page)
    assert "chelsea\\.png" in words
    assert "flower\\.jpg" in words
    assert "CC BY 2.0" in words
    assert len(page.image) == 2


def test_without_the_examples_the_page_says_how_to_get_them(page, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert "pip install 'bioclip-search[demo]'" in shown(page.run())
    assert not page.button


def test_an_uploaded_picture_is_answered_under_its_own_name(page):
    upload(page, IMG_0001=png(1))
    assert "IMG\\_0001\\.png" in shown(page)
    assert len(page.image) == 1
    assert not page.button


def test_a_broken_upload_shows_its_reason_and_the_others_are_answered(page):
    upload(page, first=png(1), empty=b"", words=b"no picture", last=png(2))
    reasons = [error.value.replace("\\", "") for error in page.error]
    assert reasons[0] == "empty.png: the file is empty (0 bytes)"
    assert reasons[1].startswith("words.png: is no picture of a known kind")
    assert len(page.image) == 2


def test_a_picture_from_the_camera_is_answered(page):
    page.toggle(key="camera_on").set_value(True).run()
    page.camera_input(key="camera").set_value(("camera.jpg", png(3), "image/jpeg")).run()
    assert "camera\\.jpg" in shown(page)
    assert len(page.image) == 1


def test_an_unknown_clade_shows_the_suggestion_and_a_known_one_answers(page):
    upload(page, bird=png(1))
    page.text_input(key="within").set_value("Avess").run()
    assert "did you mean Aves" in page.error[0].value
    assert not page.image
    page.text_input(key="within").set_value("felidae").run()
    page.selectbox(key="rank").set_value("family").run()
    assert "Felidae" in shown(page)
    assert page.slider(key="threshold").disabled


def test_the_threshold_decides_how_far_down_the_answer_goes(page):
    upload(page, one=png(1))
    page.slider(key="threshold").set_value(0.0).run()
    assert "· species ·" in shown(page)
    page.slider(key="threshold").set_value(1.0).run()
    assert "· species ·" not in shown(page)


def test_all_answers_are_downloaded_as_csv(page, served):
    upload(page, good=png(1), bad=b"")
    assert page.download_button(key="download").label == "Download all answers (CSV)"
    rows = list(csv.DictReader(io.StringIO(served["text/csv"][-1].decode())))
    assert [row["image"] for row in rows] == ["good.png", "bad.png"]
    assert rows[0]["index"] == "starter"
    assert rows[1]["error"] == "the file is empty (0 bytes)"


def test_the_sheet_is_the_annotated_picture(page, served):
    upload(page, one=png(1))
    (content,) = served["image/jpeg"]
    with PIL.Image.open(io.BytesIO(content)) as sheet:
        assert sheet.width > 1000
    assert page.image[0].proto.imgs[0].alt == "one.png, annotated with its answer"


def test_nothing_that_a_user_uploads_is_written_to_disk(page, opened_for_writing):
    upload(page, one=png(11), broken=png(12)[:-900])
    assert len(page.image) == 1
    assert opened_for_writing == []


def test_a_file_name_is_shown_as_it_is_whatever_markdown_would_make_of_it(page):
    upload(page, **{"![x](http://example.org)": png(1)})
    assert r"\!\[x\]\(http\:\/\/example\.org\)\.png" in shown(page)


def test_without_any_index_the_page_says_how_to_get_one(app, monkeypatch):
    monkeypatch.setattr(places, "shipped", lambda name: None)  # an installation that brings no starter index
    app.run()
    assert "bioclip-search index build" in app.error[0].value
    assert not app.exception


def test_a_damaged_index_is_told_and_another_can_be_chosen(app, tiny_home, tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))
    for name in ("starter", "torn"):
        shutil.copytree(tiny_home / "data" / "index" / "starter", places.user_indexes() / name)
    (places.user_indexes() / "torn" / "taxa.parquet").write_bytes(b"")
    app.run()
    app.selectbox(key="index").set_value("torn").run()
    assert "Get the index again or rebuild it" in app.error[0].value
    app.selectbox(key="index").set_value("starter").run()
    assert not app.error
