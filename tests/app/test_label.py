from __future__ import annotations

import csv
import io

import pytest

from tests.app.conftest import png


@pytest.fixture
def page(open_page):
    return open_page("label")


def upload(page, *files):
    return page.file_uploader(key="label_uploads").set_value([(name, content, "image/png") for name, content in files]).run()


def say(page, *labels):
    return page.text_area(key="labels").set_value("\n".join(labels)).run()


def shown(page) -> str:
    assert not page.exception
    return "\n".join(str(element.value) for kind in ("title", "markdown", "caption", "error", "warning") for element in getattr(page, kind))


def test_an_empty_page_says_what_to_do(page):
    assert "Nothing to compare yet" in shown(page)
    assert not page.table


def test_one_click_shows_a_worked_example(page):
    pytest.importorskip("skimage", reason="the example photographs come with the extra `demo`")
    pytest.importorskip("sklearn", reason="the example photographs come with the extra `demo`")
    page.button(key="try_label").click().run()
    assert "CC BY 2.0" in shown(page)
    assert page.text_area(key="labels").value.startswith("a cat\n")
    assert page.table[0].value.shape == (2, 5)


def test_what_is_wanting_is_said(page):
    assert "Now the words" in shown(upload(page, ("a.png", png(1))))
    upload(page)
    assert "Now the pictures" in shown(say(page, "fox"))


def test_each_row_is_shared_out_among_the_words_and_its_best_is_marked(page):
    upload(page, ("a.png", png(1)), ("b.png", png(2)))
    say(page, "red fox", "roe deer", "an empty scene")
    table = page.table[0].value
    assert list(table.columns) == ["red fox", "roe deer", "an empty scene"]
    assert list(table.index) == [r"1\. a\.png", r"2\. b\.png"]
    for cells in table.to_numpy().tolist():
        assert sum(cell.startswith("★") for cell in cells) == 1
    assert len(page.image) == 2


def test_the_table_is_downloaded_as_csv(page, served):
    upload(page, ("a.png", png(1)))
    say(page, "red fox", "roe deer")
    (row,) = csv.DictReader(io.StringIO(served["text/csv"][-1].decode()))
    assert row["image"] == "a.png"
    assert row["best"] == max(("red fox", "roe deer"), key=lambda label: float(row[label]))
    assert float(row["red fox"]) + float(row["roe deer"]) == pytest.approx(1, abs=1e-5)


def test_a_broken_picture_shows_its_reason_and_the_others_are_compared(page):
    upload(page, ("bad.png", b"<svg/>"), ("good.png", png(1)))
    say(page, "fox")
    assert "bad.png: is no picture of a known kind" in page.error[0].value.replace("\\", "")
    assert list(page.table[0].value.index) == [r"1\. good\.png"]


def test_names_and_words_with_markup_stay_text(page):
    upload(page, ("<b>x</b>.png", png(1)))
    say(page, "<script>alert(1)</script>", "![x](http://example.org)")
    words = shown(page)
    assert "<script>" not in words
    assert list(page.table[0].value.columns) == [r"\<script\>alert\(1\)\<\/script\>", r"\!\[x\]\(http\:\/\/example\.org\)"]


def test_too_many_words_are_refused_in_words(page):
    upload(page, ("a.png", png(1)))
    assert "up to 40 are compared" in shown(say(page, *map(str, range(41))))


def test_nothing_of_it_is_written_to_disk(page, opened_for_writing):
    upload(page, ("a.png", png(21)))
    say(page, "fox")
    assert page.table
    assert opened_for_writing == []
