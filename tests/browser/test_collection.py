"""A folder is tagged, doubtful crops are corrected by keyboard, and all is taken away as Camtrap DP: each on its own page."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bioclip_search.review.decisions import standing_decisions
from tests.browser.conftest import PATIENCE_MS, settle
from tests.browser.world import UNKNOWNS, species
from tests.standards.test_camtrap_dp import validate

TAGGING_MS = 3 * PATIENCE_MS
PHOTOS = len(species()) + UNKNOWNS


def choose(page: Any, label: str, option: str) -> None:
    """Takes an option of a list."""
    page.get_by_test_id("stMain").get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()
    settle(page)


def test_a_folder_is_tagged_and_what_was_found_is_shown(visit, served):
    page = visit("collection")
    field = page.get_by_role("textbox", name="Folder with pictures")
    field.fill("alps")
    field.press("Enter")
    settle(page)
    page.get_by_text("How to look at them").first.click()
    settle(page)
    choose(page, "What finds the animals", "none")
    page.get_by_role("button", name="Tag this folder").click()
    page.get_by_test_id("stMetric").get_by_text(str(PHOTOS)).first.wait_for(timeout=TAGGING_MS)
    settle(page)
    assert (served.root / "runs" / "alps").is_dir()
    assert "run=runs" in page.url
    page.reload()
    page.get_by_test_id("stMetric").get_by_text(str(PHOTOS)).first.wait_for()


@pytest.mark.parametrize("asked", ["../", "/etc", "alps/../.."])
def test_no_folder_outside_of_the_root_is_opened(visit, asked):
    page = visit("collection")
    field = page.get_by_role("textbox", name="Folder with pictures")
    field.fill(asked)
    field.press("Enter")
    page.get_by_text("is not below").first.wait_for()


@pytest.mark.filterwarnings("default")
def test_a_run_is_taken_away_as_camtrap_dp_that_its_own_validator_takes(visit, shared, tmp_path):
    pytest.importorskip("frictionless", reason="frictionless is not installed (extra `dev`)")
    page = visit("collection?run=runs/ready")
    page.get_by_role("radio", name="Take away").or_(page.get_by_role("button", name="Take away")).first.click()
    settle(page)
    page.get_by_role("textbox", name="Time zone of the cameras").fill("Europe/Zurich")
    page.keyboard.press("Enter")
    settle(page)
    page.get_by_text("Facts of the project").first.click()
    settle(page)
    for label, value in (("Title of the project", "Ridge"), ("Its id", "7"), ("Whom to ask about it", "A park")):
        page.get_by_role("textbox", name=label).fill(value)
        page.keyboard.press("Enter")
        settle(page)
    page.get_by_role("button", name="Camtrap DP").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save ").click()
    download.value.save_as(tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        package.extractall(tmp_path / "package")
        (media,) = [name for name in package.namelist() if name.endswith("media.csv")]
        assert len(list(csv.DictReader(io.StringIO(package.read(media).decode())))) == PHOTOS
    (descriptor,) = (tmp_path / "package").rglob("datapackage.json")
    assert validate(shared, descriptor.parent) == []


def test_three_crops_are_corrected_by_keyboard(visit, served):
    run = Path(served.root / "runs" / "ready")
    page = visit("review?run=runs/ready")
    who = page.get_by_role("textbox", name="Who decides")
    who.fill("Ada")
    who.press("Enter")
    page.locator(".st-key-review_blank button:not([disabled])").wait_for()
    settle(page)
    page.get_by_role("heading", level=1).click()
    for number, (typed, taxon) in enumerate([("ピューマ", "Puma concolor"), ("red fox", "Vulpes vulpes"), ("Luchs", "Lynx lynx")], start=1):
        page.keyboard.press("n")
        page.wait_for_function("() => document.activeElement.closest('.st-key-review_text')")
        page.keyboard.type(typed)
        page.get_by_role("button", name=taxon).first.wait_for()
        settle(page)
        while not page.evaluate("() => !!document.activeElement.closest('.st-key-review_hit_0')"):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_test_id("stProgress").get_by_text(f"{number} of").wait_for()
        settle(page)
    standing = standing_decisions(run)
    assert sorted(one.taxon for one in standing.values()) == ["Lynx lynx", "Puma concolor", "Vulpes vulpes"]
    assert {(one.verdict, one.who) for one in standing.values()} == {("corrected", "Ada")}
