from __future__ import annotations

import json

import pytest

from bioclip_search import places
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.runs.tag import tag
from tests.app.conftest import png
from tests.app.worlds import SCRIPT, speaking_index

streamlit = pytest.importorskip("streamlit", reason="streamlit is not installed (extra `app`)")

PUMA = "Animalia > Chordata > Mammalia > Carnivora > Felidae > Puma > Puma concolor"


@pytest.fixture(scope="module")
def home(tmp_path_factory, model_folder):
    """A home whose index `starter` is called in many ways."""
    home = tmp_path_factory.mktemp("home")
    (home / "data" / "index").mkdir(parents=True)
    speaking_index(home / "data" / "index" / "starter", open_encoder(model_folder, device="cpu", precision="fp32"), model_folder)
    return home


@pytest.fixture
def page(open_page, home, monkeypatch):
    monkeypatch.setenv(places.HOME_VARIABLE, str(home))
    return open_page("lookup")


def type_name(page, name):
    return page.text_input(key="name").set_value(name).run()


def shown(page) -> str:
    """All words that the page shows, without the signs that keep them plain."""
    assert not page.exception
    kinds = ("title", "header", "subheader", "markdown", "caption", "error")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(page, kind)).replace("\\", "")


def headers(page):
    return [header.value for header in page.header]


def button_labels(page, start):
    return [button.label.replace("\\", "") for button in page.button if (button.key or "").startswith(start)]


def test_an_empty_page_says_what_to_do_and_offers_names_that_the_index_knows(page):
    assert "Type a name above" in shown(page)
    assert button_labels(page, "example-") == ["puma", "ピューマ", "Schneeleopard", "Felidae", "Oenanthe"]
    page.button(key="example-1").click().run()
    assert headers(page)[0] == "Cougar"


@pytest.mark.parametrize("name", ["ピューマ", "león de montaña", "leon de montana", "أسد الجبال", "Felis concolor", "mountain li", "puma conc"])
def test_a_taxon_is_found_by_any_name_in_any_language_also_unfinished(page, name):
    words = shown(type_name(page, name))
    assert headers(page)[0] == "Cougar"
    assert "*Puma concolor*" in words


def test_several_taxa_of_a_name_stand_in_a_list_the_likeliest_first(page):
    type_name(page, "puma")
    (choice,) = page.radio
    assert [option.replace("\\", "") for option in choice.options][:2] == ["*Puma* · genus", "Cougar · *Puma concolor* · species · puma (English)"]
    assert headers(page)[0] == "*Puma*"
    page = choice.set_value(PUMA).run()
    assert headers(page)[0] == "Cougar"
    assert page.query_params["taxon"] == PUMA


def test_a_species_shows_its_lineage_names_and_what_the_index_knows(page):
    words = shown(type_name(page, "Puma concolor"))
    assert button_labels(page, "above-") == ["Animalia ›", "Chordata ›", "Mammalia ›", "Carnivora ›", "Felidae ›", "*Puma* ›"]
    assert "| English | puma, mountain lion |" in words
    assert "| 日本語 | ピューマ |" in words
    assert "*Felis concolor*" in words
    assert "It can be an answer" in words
    assert "was never tried" in words
    assert button_labels(page, "kin-")


def test_lineage_children_and_kin_lead_to_their_own_pages(page):
    type_name(page, "Puma concolor")
    page.button(key="above-family").click().run()
    assert headers(page)[0] == "Felidae"
    assert page.text_input(key="name").value == "Felidae"
    assert "4 taxa at or below it can be answers" in shown(page)
    assert button_labels(page, "child-") == ["*Panthera* · 2", "*Puma* · 2"]
    page.button(key="child-0").click().run()
    assert headers(page)[0] == "*Panthera*"
    page.button(key="kin-0").click().run()
    assert headers(page)[0] in {"*Puma*", "*Vulpes*", "*Bubo*", "*Oenanthe*"}


def test_a_name_of_two_taxa_is_told_apart_by_its_lineage(page):
    type_name(page, "Oenanthe crocata")
    page.button(key="above-genus").click().run()
    assert page.text_input(key="name").value == "Plantae > Tracheophyta > Magnoliopsida > Apiales > Apiaceae > Oenanthe"
    assert button_labels(page, "above-")[0] == "Plantae ›"
    assert not page.radio


def test_an_unknown_name_says_so_and_offers_the_nearest(page):
    assert "No taxon of this index is called 'Panthera unsiaa'" in shown(type_name(page, "Panthera unsiaa"))
    assert button_labels(page, "near-")[0] == "Panthera uncia"
    page.button(key="near-0").click().run()
    assert headers(page)[0] == "Snow leopard"


def test_a_name_with_a_script_in_it_stays_text(page):
    type_name(page, "Bubo bubo")
    words = "\n".join(element.value for element in page.markdown)
    assert r"\<script\>alert\(1\)\<\/script\>" in words
    assert SCRIPT not in words
    assert r"\!\[x\]\(http\:\/\/example\.org\/x\.png\) \*\*bold\*\* \:red\[x\]" in words


def test_names_come_in_the_language_that_the_visitor_chose(page):
    page.selectbox(key="language").set_value("ja").run()
    type_name(page, "Schneeleopard")
    assert headers(page)[0] == "ユキヒョウ"


def test_without_a_run_the_pictures_part_says_how_to_get_one(page):
    assert "No run is open" in shown(page)
    assert page.button(key="try_run")


@pytest.fixture
def run_folder(tmp_path, home, monkeypatch):
    """A run over six pictures of colours below the server's root, kept with its vectors by the encoder of the index."""
    monkeypatch.setenv(places.HOME_VARIABLE, str(home))
    (tmp_path / "photos").mkdir()
    for number in range(6):
        (tmp_path / "photos" / f"{number} <b>.png").write_bytes(png(number))
    tag(tmp_path / "photos", tmp_path / "run", detector="none", device="cpu", workers=1)
    monkeypatch.setenv("BIOCLIP_SEARCH_APP_ROOT", str(tmp_path))
    streamlit.cache_resource.clear()
    streamlit.cache_data.clear()
    yield tmp_path / "run"
    streamlit.cache_resource.clear()
    streamlit.cache_data.clear()


@pytest.fixture
def with_run(app, run_folder, page):
    page.query_params["run"] = "run"
    return page.run()


def captions(page):
    return [element.value.replace("\\", "") for element in page.markdown if ":small[" in element.value and element.value.startswith("**")]


def test_a_taxon_is_looked_for_in_the_pictures_of_the_open_run(with_run):
    words = shown(type_name(with_run, "Puma concolor"))
    assert "6 crops were compared" in words
    assert len(with_run.image) == 6
    assert {caption.split(":small[")[1] for caption in captions(with_run)} == {f"{number} <b>.png]" for number in range(6)}


def test_words_of_ones_own_go_before_the_taxon(with_run):
    assert "Say in words" in shown(with_run)
    with_run.text_input(key="words").set_value("an empty meadow").run()
    assert len(with_run.image) == 6


def test_pictures_like_one_leave_that_one_out_and_the_address_says_which(with_run):
    type_name(with_run, "Puma concolor")
    first = captions(with_run)[0].split(":small[")[1]
    with_run.button(key="like-0").click().run()
    assert "Pictures like this one" in shown(with_run)
    assert len(with_run.image) == 5
    assert first not in {caption.split(":small[")[1] for caption in captions(with_run)}
    assert with_run.query_params["like"].endswith(".0")
    with_run.button(key="unlike").click().run()
    assert len(with_run.image) == 6


def test_a_picture_of_ones_own_finds_its_likes(with_run):
    with_run.file_uploader(key="like_upload").set_value([("mine.png", png(3), "image/png")]).run()
    assert captions(with_run)[0].split(":small[")[1] == "3 <b>.png]"
    with_run.file_uploader(key="like_upload").set_value([("mine.png", b"no picture", "image/png")]).run()
    assert "no picture of a known kind" in shown(with_run)


def test_a_run_of_another_encoder_says_which_index_it_wants(with_run, run_folder):
    note = json.loads((run_folder / "run.json").read_text(encoding="utf-8"))
    note["settings"]["encoder"]["fingerprint"] = "another"
    (run_folder / "run.json").write_text(json.dumps(note), encoding="utf-8")
    assert "were made by the encoder another" in shown(with_run.run())
    with_run.button(key="close_run").click().run()
    assert "No run is open" in shown(with_run)


def test_a_crop_in_the_address_that_is_none_is_told(with_run):
    with_run.query_params["like"] = "nonsense.7"
    assert "keeps no vector of crop 7" in shown(with_run.run())
