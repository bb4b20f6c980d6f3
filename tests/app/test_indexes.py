from __future__ import annotations

import shutil
import time

import pytest

from bioclip_search import building, places
from bioclip_search.catalogue import Catalogue
from tests.app.conftest import png
from tests.test_building import CHECKLIST, PATIENCE_S, left_behind


@pytest.fixture
def page(open_page, tiny_home, tmp_path, monkeypatch):
    """The page over a copy of the tiny index, which may be changed."""
    shutil.copytree(tiny_home / "data", tmp_path / "data")
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))
    return open_page("index")


@pytest.fixture
def shipped(page, tmp_path, monkeypatch):
    """The same with the index as one that came with the program."""
    (tmp_path / "data" / "index").rename(tmp_path / "shipped")
    monkeypatch.setattr(places, "shipped", lambda name: tmp_path / "shipped" if name == "index" else None)
    return page.run()


def shown(page) -> str:
    assert not page.exception
    kinds = ("title", "header", "subheader", "markdown", "caption", "error", "success", "warning")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(page, kind)).replace("\\", "")


def errors(page):
    return [error.value.replace("\\", "") for error in page.error]


def test_what_is_loaded_is_told_in_plain_words(page):
    words = shown(page)
    assert "**9 taxa**: kingdom 2 · phylum 2 · class 3 · order 4 · family 6 · genus 7 · species 8." in words
    assert "never tried on pictures with known names" in words
    assert "Its card says nothing of its licence" in words


def test_a_check_says_whether_it_is_sound(page, tmp_path):
    assert "It is sound." not in shown(page)
    page.button(key="check_index").click().run()
    assert "It is sound." in shown(page)
    assert "no family" in shown(page) or "no class" in shown(page)


def test_a_damaged_file_is_found_by_the_check(page, tmp_path):
    path = tmp_path / "data" / "index" / "starter" / "vectors.faiss"
    path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
    page.button(key="check_index").click().run()
    assert "vectors.faiss was changed" in shown(page)
    assert "It is damaged." in errors(page)


def test_a_species_is_added_by_its_name_and_photographs(page):
    page.text_input(key="add_name").set_value("Panthera onca")
    page.text_input(key="add_common").set_value("jaguar")
    page.file_uploader(key="add_photos").set_value([("1.png", png(1), "image/png"), ("2.png", png(2), "image/png")])
    page.button(key="add").click().run()
    words = shown(page)
    assert "Added: Animalia > Chordata > Mammalia > Carnivora > Felidae > Panthera > Panthera onca. 2 photographs count" in words
    assert "**10 taxa**, 1 of them added later" in words
    assert Catalogue.open("starter").names.the_one("jaguar").name == "Panthera onca"


def test_what_stands_in_the_way_of_adding_is_said_and_nothing_is_added(page):
    page.button(key="add").click().run()
    assert errors(page) == ["Say the scientific name of the species."]
    page.text_input(key="add_name").set_value("Panthera leo")
    page.button(key="add").click().run()
    assert "is among the taxa already" in errors(page)[0]
    page.text_input(key="add_name").set_value("Nonsensia <script>")
    page.button(key="add").click().run()
    assert errors(page)
    page.text_input(key="add_name").set_value("Panthera onca")
    page.file_uploader(key="add_photos").set_value([("bad.png", b"<html>", "image/png")])
    page.button(key="add").click().run()
    assert errors(page)[0].startswith("bad.png: is no picture of a known kind")
    assert "**9 taxa**:" in shown(page)


def test_of_a_shipped_index_a_copy_is_made_first_and_is_then_in_use(shipped, tmp_path):
    assert "came with the program and stays as it is" in shown(shipped)
    shipped.text_input(key="copy_name").set_value("../mine")
    shipped.button(key="copy").click().run()
    assert "cannot be the name of an index" in errors(shipped)[0]
    shipped.text_input(key="copy_name").set_value("mine")
    shipped.button(key="copy").click().run()
    assert "The copy is made" in shown(shipped)
    assert shipped.selectbox(key="index").value == "mine"
    assert shipped.text_input(key="add_name").value == ""
    assert (tmp_path / "data" / "index" / "mine" / "card.json").is_file()


def test_a_checklist_becomes_an_index_and_is_used_with_one_click(page):
    page.text_input(key="build_name").set_value("my-cats")
    page.file_uploader(key="build_checklist").set_value([("cats.csv", CHECKLIST, "text/csv")])
    page.button(key="build").click().run()
    assert not page.error
    deadline = time.monotonic() + PATIENCE_S
    while building.building("my-cats").is_running and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "The index my-cats is there." in shown(page.run())
    page.button(key="use_my-cats").click().run()
    assert page.selectbox(key="index").value == "my-cats"
    assert "**2 taxa**" in shown(page)


def test_what_stands_in_the_way_of_building_is_said(page):
    page.text_input(key="build_name").set_value("my-cats")
    page.button(key="build").click().run()
    assert errors(page) == ["Choose a checklist first."]
    page.text_input(key="build_path").set_value("../../etc/passwd")
    page.button(key="build").click().run()
    assert "the only folder that this server opens" in errors(page)[0]
    page.text_input(key="build_name").set_value("starter")
    page.file_uploader(key="build_checklist").set_value([("cats.csv", CHECKLIST, "text/csv")])
    page.button(key="build").click().run()
    assert "There is an index 'starter' already" in errors(page)[0]
    assert building.under_way() == []


def test_a_build_that_failed_says_why_as_text_and_is_put_away(page, tmp_path):
    left_behind(tmp_path, "wrong", state="failed", message="<b>column</b> is missing")
    page.run()
    assert "could not be built: <b>column</b> is missing" in errors(page)[0]
    assert "<b>" not in page.error[0].value
    page.button(key="away_wrong").click().run()
    assert not page.error
