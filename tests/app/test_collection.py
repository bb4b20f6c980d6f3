from __future__ import annotations

import io
import os
import shutil
import time
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from bioclip_search import background, places
from bioclip_search.media import Deployment
from bioclip_search.runs.folder import NOTE_FILE, Run, write_note
from bioclip_search.standards import FORMATS
from tests.app.conftest import png
from tests.standards.photos import photo
from tests.standards.runs import answer, crop, picture, small_run

PATIENCE_S = 120
HOSTILE = "<script>alert(1)</script> [x](http://example.org)"


@pytest.fixture
def root(tmp_path, tiny_home, monkeypatch) -> Path:
    """The server's root, with a folder of three pictures in it; the visitors' home lies beside it."""
    streamlit = pytest.importorskip("streamlit", reason="streamlit is not installed (extra `app`)")
    home = tmp_path / "home"
    shutil.copytree(tiny_home / "data" / "index", home / "data" / "index")
    monkeypatch.setenv(places.HOME_VARIABLE, str(home))
    folder = tmp_path / "root"
    (folder / "photos" / "summer").mkdir(parents=True)
    for number in range(3):
        (folder / "photos" / "summer" / f"{number}.png").write_bytes(png(number))
    monkeypatch.setenv("BIOCLIP_SEARCH_APP_ROOT", str(folder))
    streamlit.cache_resource.clear()  # the server is told its root once
    streamlit.cache_data.clear()
    yield folder
    streamlit.cache_resource.clear()


@pytest.fixture
def page(app, root):
    """The page, as a visitor first sees it."""
    from streamlit.util import calc_hash

    app._page_hash = calc_hash("collection")
    return app.run()


@pytest.fixture
def run(root):
    """A lion and a fox with names from a hostile hand, a person, an empty and a broken picture; two cameras, one of unknown place."""
    facts = {"timestamp": datetime(2024, 5, 1, 23, 10), "deployment": "north"}
    lion = crop(0, answer=answer(common_name=HOSTILE))
    pictures = [
        photo(root, "photos/north/1.png", lion, **facts),
        photo(root, "photos/north/2.png", crop(0, species="Vulpes vulpes"), crop(1, category="person"), seed=1, **facts),
        picture(f"photos/south/{HOSTILE.replace('/', '_')}.png", crop(0, rank=None), timestamp=datetime(2024, 5, 3, 12), deployment="south"),
        picture("photos/south/2.png", deployment="south"),
        picture("photos/3.png", error="is no picture"),
    ]
    return small_run(root / "runs" / "cats", pictures, root=root, deployments=[Deployment("south", 1.5, 2.5)])


def words(page) -> str:
    """All that the page shows, and no crash among it."""
    assert not page.exception
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "error", "warning")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(page, kind))


def keys(page) -> list[str]:
    return [button.key for button in page.button]


def open_run(page, name: str = "runs/cats"):
    page.text_input(key="typed_run").set_value(name).run()
    return page.button(key="open_run").click().run()


def finished(page):
    """The page when nothing is written any more."""
    end = time.monotonic() + PATIENCE_S
    while "stop" in keys(page.run()) or any("Stopping" in one.proto.text for one in page.get("progress")):
        assert time.monotonic() < end, words(page)
        time.sleep(0.3)
    return page


def tag(page, folder: str = "photos/summer"):
    """The page after that folder was given to be tagged, each picture as a whole."""
    page.text_input(key="source").set_value(folder).run()
    page.selectbox(key="detector_folder").set_value("none").run()
    return page.button(key="tag_folder").click().run()


def test_an_empty_page_offers_three_ways_and_an_example(page):
    assert "No run is open" in words(page)
    assert [tab.label for tab in page.tabs] == ["Tag a folder", "Hand pictures in", "Open a run"]
    assert "There is no run below" in words(page)


def test_one_click_tags_the_example_photographs(page):
    pytest.importorskip("skimage", reason="the example photographs come with the extra `demo`")
    pytest.importorskip("sklearn", reason="the example photographs come with the extra `demo`")
    page.button(key="try_run").click().run()
    assert "Pictures handed in" in words(page)
    finished(page)
    assert {metric.label: metric.value for metric in page.metric}["Pictures"] == "2"
    assert len(page.image) >= 1


def test_a_folder_is_tagged_in_the_background_and_shown(page, root):
    tag(page)
    assert "stop" in keys(page)
    finished(page)
    assert {metric.label: metric.value for metric in page.metric} == {"Pictures": "3", "Organisms": "3", "Empty": "0"}
    assert len(page.image) == 3
    assert Run.open(root / "runs" / "summer").note["is_finished"]
    assert page.query_params["run"] == "runs/summer"


def test_the_address_leads_back_to_a_job(page, root, app):
    tag(page)
    from streamlit.testing.v1 import AppTest
    from streamlit.util import calc_hash

    other = AppTest.from_file(app._script_path, default_timeout=PATIENCE_S)
    other._page_hash = calc_hash("collection")
    other.query_params["run"] = "runs/summer"
    finished(other.run())
    assert "summer" in words(other)


def test_a_run_is_stopped_and_gone_on_with(page, root):
    for number in range(3, 150):
        (root / "photos" / "summer" / f"{number}.png").write_bytes(png(number))
    tag(page)
    page.button(key="stop").click().run()
    finished(page)
    assert "What is done is kept" in words(page)
    page.button(key="resume").click().run()
    finished(page)
    assert {metric.label: metric.value for metric in page.metric}.get("Pictures") == "150", words(page)


@pytest.mark.parametrize("typed", ["../home", "/etc", "nowhere", "a\0b"])
def test_a_folder_outside_of_the_root_is_refused(page, typed):
    page.text_input(key="source").set_value(typed).run()
    assert len(page.error) == 1
    assert "tag_folder" not in keys(page)


@pytest.mark.parametrize("out", ["../elsewhere", "/tmp/elsewhere", "photos"])
def test_a_run_is_not_kept_outside_of_the_root_or_over_other_files(page, out):
    page.text_input(key="source").set_value("photos/summer").run()
    page.text_input(key="out").set_value(out).run()
    page.button(key="tag_folder").click().run()
    assert page.error
    assert "Tag a folder" in [tab.label for tab in page.tabs]


def test_a_clade_that_nobody_knows_is_told_before_anything_is_tagged(page, root):
    page.text_input(key="source").set_value("photos/summer").run()
    page.text_input(key="clade_folder").set_value("Avess").run()
    page.button(key="tag_folder").click().run()
    assert "did you mean Aves" in words(page)
    assert not (root / "runs").exists()


def test_folders_are_gone_into_and_out_of(page):
    page.selectbox(key="into").set_value("photos").run()
    page.selectbox(key="into").set_value("summer").run()
    assert page.text_input(key="source").value == "photos/summer"
    page.button(key="up").click().run()
    assert page.text_input(key="source").value == "photos"
    assert not page.exception


def test_handed_in_pictures_are_tagged_in_a_folder_of_their_own(page, root):
    files = [("../../IMG 1.png", png(1), "image/png"), ("letter.txt", b"x", "image/png")]
    page.file_uploader(key="handed_in").set_value(files).run()
    page.selectbox(key="detector_upload").set_value("none").run()
    page.button(key="tag_upload").click().run()
    assert "letter.txt is neither a picture nor a video" in words(page)
    finished(page)
    assert "IMG 1" in words(page).replace("\\", "")
    assert not any(path.name.startswith("IMG") for path in root.rglob("*"))
    (lot,) = places.user_uploads().iterdir()
    assert page.query_params["run"] == f"upload:{lot.name}"
    page.button(key="delete_run").click().run()
    assert list(places.user_uploads().iterdir()) == []
    assert "No run is open" in words(page)


@pytest.mark.parametrize("name", ["upload:", "upload:../..", "upload:" + "0" * 32, "../home", "gone", "photos"])
def test_an_address_that_leads_nowhere_is_told(page, name):
    page.query_params["run"] = name
    page.run()
    assert len(page.error) == 1
    page.button(key="close_run").click().run()
    assert "No run is open" in words(page)


def test_handed_in_pictures_of_others_are_not_opened_by_their_path(page, root, monkeypatch):
    home = root / "Library"
    shutil.copytree(os.environ[places.HOME_VARIABLE], home)
    monkeypatch.setenv(places.HOME_VARIABLE, str(home))
    small_run(places.user_uploads() / ("0" * 32) / "run", [])
    page.run()
    assert "There is no run below" in words(page)
    page.query_params["run"] = f"Library/data/uploads/{'0' * 32}/run"
    assert "Pictures that visitors handed in" in words(page.run())


def test_a_run_of_another_version_is_told(page, run):
    (run.folder / NOTE_FILE).write_text((run.folder / NOTE_FILE).read_text().replace("bioclip-search run 1", "bioclip-search run 99"))
    assert "was made by another version" in words(open_run(page))


def test_a_run_is_opened_and_everything_from_files_is_escaped(page, run):
    shown = words(open_run(page))
    assert r"\<script\>alert\(1\)\<\/script\>" in shown
    assert "<script" not in shown.replace(r"\<", "")
    assert r"\[x\]\(http\:\/\/example\.org\)" in shown
    assert "no longer where it was" in shown  # the picture with the hostile name is gone
    assert len(page.image) == 2


def test_the_tree_leads_to_one_taxon_and_back(page, run):
    open_run(page)
    assert [button.label for button in page.button if (button.key or "").startswith("taxon_")] == ["Canidae · 1", "Felidae · 1", "not sure enough to name · 1"]
    page.button(key="taxon_0").click().run()
    assert len(page.image) == 1
    page.button(key="way_0").click().run()
    page.button(key="taxon_2").click().run()
    assert "**1** crop" in words(page)
    assert not page.image


def test_kinds_and_deployments_are_filtered(page, run):
    open_run(page)
    page.selectbox(key="kind").set_value("failed").run()
    assert "cannot be read" in words(page)
    page.selectbox(key="kind").set_value("identified").run()
    page.selectbox(key="place").set_value("north").run()
    assert "**2** crops" in words(page)


def test_a_closer_look_shows_the_whole_picture_and_why(page, run):
    open_run(page).button(key="closer_0").click().run()
    shown = words(page)
    assert "Runners\\-up" in shown or "Runners-up" in shown
    assert "rule 2" in shown
    assert len(page.image) == 3


def view(page, name: str):
    page.session_state["view"] = name
    return page.run()


def test_when_and_where_is_drawn_without_a_network(page, run):
    open_run(page)
    view(page, "where")
    assert not page.exception
    figures = [chart.proto.spec for chart in page.get("plotly_chart")]
    assert len(figures) == 3
    assert not any("http" in figure or "scattergeo" in figure or "mapbox" in figure for figure in figures)
    assert page.dataframe[0].value["Deployment"].tolist() == ["north", "south"]


@pytest.mark.parametrize("to", FORMATS)
def test_every_format_is_made_by_one_click(page, run, served, to):
    if to == "xlsx":
        pytest.importorskip("openpyxl", reason="openpyxl is not installed (extra `xlsx`)")
    view(open_run(page), "away")
    for key, value in {"zone": "+02:00", "project_title": "Cats", "project_id": "7", "project_who": "Ann", "place_0": "-1.95, 30.06"}.items():
        page.text_input(key=key).set_value(value)
    page.run()
    page.button(key=f"export_{to}").click().run()
    assert not page.error, words(page)
    assert "pictures," in words(page)
    assert page.get("download_button")
    if to in ("camtrap-dp", "species-folders", "annotated"):
        (content,) = served["application/zip"]
        assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def test_what_a_format_wants_to_know_is_asked_in_plain_words(page, run):
    view(open_run(page), "away")
    page.button(key="export_camtrap-dp").click().run()
    assert "Camtrap DP requires of the project: title" in words(page).replace("\\", "")
    assert "Fill in the facts of the project above" in words(page)
    for key in ("project_title", "project_who"):
        page.text_input(key=key).set_value("Cats")
    page.button(key="export_camtrap-dp").click().run()
    assert "Fill in the field “Time zone of the cameras”" in words(page)
    page.text_input(key="zone").set_value("Atlantis")
    page.button(key="export_camtrap-dp").click().run()
    assert "is no time zone" in words(page)
    page.text_input(key="zone").set_value("UTC")
    page.button(key="export_camtrap-dp").click().run()
    assert "Fill in the places of the cameras above" in words(page)
    assert "--" not in words(page)


def test_an_order_that_somebody_else_wrote_tags_nothing_outside_of_the_root(page, root):
    folder = root / "runs" / "foreign"
    background.start(background.Order(str(root.parent / "gone"), detector="none"), folder)
    end = time.monotonic() + PATIENCE_S
    while background.job_of(folder).is_running:
        assert time.monotonic() < end
        time.sleep(0.2)
    open_run(page, "runs/foreign")
    page.button(key="resume").click().run()
    assert "is not below" in words(page)


def test_an_empty_run_says_so(page, root):
    run = small_run(root / "runs" / "cats", [])
    write_note(run.folder, run.note)
    assert "Nothing in this run is like that" in words(open_run(page))
