from __future__ import annotations

import csv
import io
import json
import socket
import sys

import PIL.Image
import pytest

from bioclip_search import places
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.index import Index
from tests.app.conftest import png
from tests.app.worlds import speaking_index
from tests.test_seeing import bomb


def shown(page) -> str:
    """All words that the page shows."""
    assert not page.exception
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "button", "code")
    return "\n".join(str(element.label if kind == "button" else element.value) for kind in kinds for element in getattr(page, kind))


def upload(page, *files: tuple[str, bytes]):
    """The page after these files were uploaded."""
    return page.file_uploader(key="uploads").set_value([(name, content, "image/png") for name, content in files]).run()


def headlines(page) -> list[str]:
    """The names that are told."""
    return [element.value for kind in ("header", "subheader") for element in getattr(page, kind)]


def reasons(page) -> list[str]:
    return [error.value.replace("\\", "") for error in page.error]


def stages(page) -> list[dict]:
    """What the browser is told of each picture that is drawn."""
    return [json.loads(element.proto.json) for element in page.get("bidi_component")]


@pytest.fixture
def encoder_of_home(model_folder):
    """The encoder of the tiny index, and its folder."""
    return open_encoder(model_folder, device="cpu", precision="fp32"), model_folder


@pytest.fixture
def made(monkeypatch):
    """What each download button would give, by the name of its file."""
    manager = pytest.importorskip("streamlit.runtime.media_file_manager").MediaFileManager
    made, add = {}, manager.add_deferred

    def add_and_note(self, data, mimetype, coordinates, file_name=None, **options):
        made[file_name] = data
        return add(self, data, mimetype, coordinates, file_name, **options)

    monkeypatch.setattr(manager, "add_deferred", add_and_note)
    return made


def test_an_empty_page_says_what_to_do_and_answers_nothing(page):
    assert "Nothing to look at yet" in shown(page)
    assert "Up to 50 pictures at a time" in shown(page)
    assert page.button(key="try").label == "Try two example photographs"
    assert not headlines(page)
    assert not page.error


def test_one_click_answers_the_example_photographs(page):
    pytest.importorskip("skimage", reason="the example photographs come with the extra `demo`")
    pytest.importorskip("sklearn", reason="the example photographs come with the extra `demo`")
    page.button(key="try").click().run()
    assert "CC BY 2.0" in shown(page)
    assert page.selectbox(key="picture").options == ["1 · chelsea.png", "2 · flower.jpg"]
    assert len(headlines(page)) == 1
    assert len(page.get("plotly_chart")) == 1


def test_without_the_examples_the_page_says_how_to_get_them(page, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert "pip install 'bioclip-search[demo]'" in shown(page.run())
    assert not page.button


def test_an_uploaded_picture_is_answered_with_its_reasons(page):
    upload(page, ("IMG_0001.png", png(1)))
    words = shown(page)
    assert "From the best match upwards" in words
    assert "Rule 2" in words
    assert "Runners-up" in words
    assert stages(page)[0]["alt"] == "IMG_0001.png"
    assert not page.button


def test_of_several_pictures_one_is_shown_and_each_can_be(page):
    upload(page, ("a.png", png(1)), ("b.png", png(2)))
    page.selectbox(key="picture").set_value(1).run()
    assert [stage["alt"] for stage in stages(page)] == ["b.png"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("empty.png", b"", "empty.png: the file is empty (0 bytes)", id="empty"),
        pytest.param("page.jpg", b"<!doctype html><script>alert(1)</script>", "page.jpg: is no picture of a known kind", id="HTML"),
        pytest.param("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "drawing.svg: is no picture of a known kind", id="SVG"),
        pytest.param("drawing.jpg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing.jpg: is no picture of a known kind", id="SVG as JPEG"),
        pytest.param("bomb.png", bomb(50_000, 50_000), "bomb.png: has more than 178,956,970 pixels", id="bomb"),
        pytest.param("bomb.png", bomb(13_000, 13_000), "more than the 120 million", id="a smaller bomb"),
        pytest.param("../../etc/passwd.png", b"x", "passwd.png: is no picture", id="a path"),
        pytest.param("torn.png", png(1)[:-900], "torn.png: ", id="torn"),
    ],
)
def test_a_hostile_upload_is_told_in_plain_words_and_the_others_are_answered(page, name, content, reason):
    upload(page, (name, content), ("good.png", png(2)))
    (told,) = reasons(page)
    assert reason in told
    assert not any(word in told for word in ("Traceback", "Error", "../", "/tmp"))
    assert [stage["alt"] for stage in stages(page)] == ["good.png"]


def test_a_broken_picture_alone_leaves_no_answer(page):
    upload(page, ("empty.png", b""))
    assert reasons(page) == ["empty.png: the file is empty (0 bytes)"]
    assert not headlines(page)


def test_a_file_name_is_shown_as_it_is_whatever_markdown_would_make_of_it(page):
    upload(page, ("![x](http:example.org)<b>.png", b""))
    assert r"\!\[x\]" in page.error[0].value
    assert r"\<b\>" in page.error[0].value


def test_more_pictures_than_are_looked_at_are_told(page):
    upload(page, *[(f"{number}.png", b"") for number in range(60)])
    assert "The first 50 of" in page.warning[0].value
    assert len(page.error) == 50


def test_a_picture_from_the_camera_is_answered(page):
    page.toggle(key="camera_on").set_value(True).run()
    page.camera_input(key="camera").set_value(("camera.jpg", png(3), "image/jpeg")).run()
    assert [stage["alt"] for stage in stages(page)] == ["camera.jpg"]


def test_a_pasted_picture_stays_until_it_is_removed(page):
    page.chat_input(key="paste").upload("image.png", png(4), "image/png").run()
    page.chat_input(key="paste").upload("image.png", png(5), "image/png").run()
    assert page.selectbox(key="picture").options == ["1 · image.png", "2 · image.png"]
    page.chat_input(key="paste").upload("image.png", png(5), "image/png").run()
    assert len(page.selectbox(key="picture").options) == 2
    assert page.button(key="drop_pasted").label == "Remove 2 pasted pictures"
    page.button(key="drop_pasted").click().run()
    assert "Nothing to look at yet" in shown(page)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("file:///etc/passwd", "not file:"),
        ("http://127.0.0.1:8501/x.jpg", "port 8501"),
        ("http://127.0.0.1/x.jpg", "no public address"),
        ("http://169.254.169.254/latest/meta-data", "no public address"),
        ("http://[::1]/", "no public address"),
        ("lion.jpg", "is no web address"),
    ],
)
def test_an_address_that_is_not_of_the_open_web_is_refused_before_any_connection(page, monkeypatch, address, reason):
    opened = []
    monkeypatch.setattr(socket, "create_connection", lambda *given, **options: opened.append(given))
    page.chat_input(key="paste").set_value(address).run()
    (told,) = reasons(page)
    assert reason in told
    assert opened == []
    assert page.run().error == []


def test_a_host_that_lies_in_a_private_network_is_refused(page, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", port))])
    page.chat_input(key="paste").set_value("https://camera.example/lion.jpg").run()
    assert "no public address" in reasons(page)[0]


def test_a_picture_of_the_web_is_answered_by_the_last_part_of_its_address(page, monkeypatch):
    here, there = socket.socketpair()
    content = png(6)
    there.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", port))])
    monkeypatch.setattr(socket, "create_connection", lambda address, timeout: here)
    page.chat_input(key="paste").set_value("http://example.org/birds/a%20wren.png").run()
    there.close()
    assert [stage["alt"] for stage in stages(page)] == ["a wren.png"]


def test_boxes_are_drawn_and_each_part_and_the_whole_can_be_chosen(page, monkeypatch):
    content = _with_a_box(page)
    upload(page, ("one.png", content))
    page.selectbox(key="detector").set_value("starter").run()
    page.slider(key="confidence").set_value(0.1).run()
    (stage,) = stages(page)
    if not stage["boxes"]:
        pytest.skip("the starter's detector finds nothing in the photograph")
    (chips,) = page.button_group
    assert chips.options == [str(number + 1) for number in range(len(stage["boxes"]))] + ["Whole picture"]
    assert [box["is_chosen"] for box in stage["boxes"]].index(True) == chips.value == 0
    assert all(0 <= box[side] <= 100 for box in stage["boxes"] for side in ("left", "top", "width", "height"))
    chips.set_value(-1).run()
    assert not any(box["is_chosen"] for box in stages(page)[0]["boxes"])
    page.slider(key="confidence").set_value(0.95).run()
    assert stages(page)[0]["boxes"] == []
    assert "saw no organism at this confidence" in shown(page)


def _with_a_box(page) -> bytes:
    pytest.importorskip("skimage", reason="the photograph comes with the extra `demo`")
    if "starter" not in page.selectbox(key="detector").options and len(page.selectbox(key="detector").options) < 2:
        pytest.skip("the starter's detector is not installed")
    from bioclip_search.demo import demo_photographs

    return demo_photographs()[0].read_bytes()


def test_an_unknown_clade_shows_the_suggestion_and_a_click_on_one_answers(page):
    upload(page, ("bird.png", png(1)))
    page.text_input(key="within").set_value("Avess").run()
    assert "did you mean Aves" in reasons(page)[0]
    assert not headlines(page)
    page.text_input(key="within").set_value("feli").run()
    page.button(key="within-0").click().run()
    assert page.text_input(key="within").value == "Felidae"
    assert "Felidae, family" in shown(page)
    page.slider(key="threshold").set_value(0.0).run()
    assert "*Felis" in shown(page) or "*Panthera" in shown(page)


def test_a_clade_of_two_meanings_is_offered_by_its_lineage(page):
    upload(page, ("bird.png", png(1)))
    page.text_input(key="within").set_value("Oenanthe").run()
    assert "names 2 taxa" in reasons(page)[0]
    page.button(key="within-0").click().run()
    assert page.text_input(key="within").value.endswith(" > Oenanthe")
    assert not page.error


def test_the_threshold_decides_how_far_down_the_answer_goes(page):
    upload(page, ("one.png", png(1)))
    page.slider(key="threshold").set_value(0.0).run()
    assert ":small[species]" in shown(page)
    page.slider(key="threshold").set_value(1.0).run()
    assert ":small[species]" not in shown(page)


def test_a_rank_can_be_asked_for(page):
    upload(page, ("one.png", png(1)))
    page.radio(key="by").set_value("rank").run()
    page.selectbox(key="rank").set_value("order").run()
    assert ":small[order]" in shown(page)
    assert "You asked for this rank" in shown(page)


def test_an_index_without_calibration_promises_nothing_and_says_why(page):
    assert page.radio(key="by").options == ["as likely as I say", "of the rank I say, however unsure"]
    assert "was never tried on pictures with known names" in shown(page)


def test_a_calibrated_index_takes_a_target_accuracy(app, monkeypatch, tmp_path):
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))  # the shipped starter, which is calibrated
    if places.shipped("index") is None or Index(places.shipped("index") / "starter").card.calibration is None:
        pytest.skip("no calibrated index is shipped")
    app.run()
    app.radio(key="by").set_value("accuracy").run()
    upload(app, ("one.png", png(1)))
    app.slider(key="accuracy").set_value(0.8).run()
    assert not app.error
    assert "Rule 5" in shown(app) or "Rule 6" in shown(app)


def test_a_country_is_asked_for_only_where_something_is_known_of_places(page):
    assert page.selectbox(key="country").disabled
    assert "does not know where its taxa live" in shown(page)
    fence = json.dumps({"mammalia;carnivora;felidae;panthera;leo": {"allow": {"KEN": []}}}).encode()
    upload(page, ("one.png", png(1)))
    page.file_uploader(key="geofence").set_value(("fence.json", fence, "application/json")).run()
    page.selectbox(key="country").set_value("NOR").run()
    assert not page.error
    assert "Norway" in page.selectbox(key="country").options
    page.file_uploader(key="geofence").set_value(("fence.json", b"{}{", "application/json")).run()
    assert "fence.json" in reasons(page)[0]


def test_a_checklist_narrows_the_answer_and_names_that_are_unknown_are_told(page):
    upload(page, ("one.png", png(1)))
    page.file_uploader(key="checklist").set_value(("list.txt", b"Panthera leo\nPanthera unica\n", "text/plain")).run()
    assert "did you mean Panthera uncia" in reasons(page)[0]
    page.slider(key="threshold").set_value(1.0).run()
    assert "*Panthera leo*" in shown(page)
    page.file_uploader(key="checklist").set_value(("list.txt", b"", "text/plain")).run()
    assert "list.txt: holds no name" in reasons(page)[0]


def test_a_checklist_of_a_million_lines_is_refused_with_words(page):
    upload(page, ("one.png", png(1)))
    page.file_uploader(key="checklist").set_value(("all.txt", b"Panthera leo\n" * 1_000_000, "text/plain")).run()
    assert "1,000,000 lines; here up to 50,000 names are taken" in reasons(page)[0]


def test_moving_a_slider_costs_no_second_encoding(page, monkeypatch):
    from bioclip_search.encoder.openclip import OpenClipEncoder  # the class behind every index

    upload(page, ("one.png", png(1)))
    monkeypatch.setattr(OpenClipEncoder, "encode_prepared", lambda *_: pytest.fail("encoded again"))
    page.slider(key="threshold").set_value(0.3).run()
    page.text_input(key="within").set_value("Felidae").run()
    assert not page.exception
    assert len(headlines(page)) == 1


def test_all_answers_are_downloaded_as_a_table_and_as_json(page, made):
    upload(page, ("good.png", png(1)), ("bad.png", b""))
    rows = list(csv.DictReader(io.StringIO(made["pictures.csv"]())))
    assert [row["image"] for row in rows] == ["good.png", "bad.png"]
    assert rows[0]["index"] == "starter"
    assert rows[1]["error"] == "the file is empty (0 bytes)"
    told = json.loads(made["pictures.json"]())
    assert told[0]["taxon"] == (rows[0]["taxon"] or None)
    assert told[1] == {"image": "bad.png", "error": "the file is empty (0 bytes)"}


def test_the_answers_of_all_pictures_are_seen_in_one_table(page):
    upload(page, ("good.png", png(1)), ("bad.png", b""), ("other.png", png(2)))
    page.toggle(key="all").set_value(True).run()
    (table,) = page.dataframe
    assert table.value["Picture"].tolist() == ["good.png", "bad.png", "other.png"]
    assert table.value["Name"][1] == "the file is empty (0 bytes)"
    upload(page, ("good.png", png(1)))
    assert not page.dataframe


def test_the_card_is_the_annotated_picture_under_a_plain_name(page, made):
    upload(page, ("../a lion?.png", png(1)))
    with PIL.Image.open(io.BytesIO(made["a-lion.png"]())) as card:
        assert card.format == "PNG"
        assert card.width > 1000


def test_a_link_brings_the_fields_back(app, tiny_home, monkeypatch):
    monkeypatch.setenv(places.HOME_VARIABLE, str(tiny_home))
    app.query_params.update({"by": "rank", "rank": "family", "within": "Felidae"})
    app.run()
    assert app.radio(key="by").value == "rank"
    assert app.selectbox(key="rank").value == "family"
    assert app.text_input(key="within").value == "Felidae"


def test_choices_are_kept_in_the_address_by_their_codes(page, app):
    page.radio(key="by").set_value("rank").run()
    assert page.query_params["by"] == "rank"
    page.radio(key="by").set_value("probability").run()
    assert "by" not in page.query_params


def test_a_link_with_nonsense_is_no_harm(app, tiny_home, monkeypatch):
    monkeypatch.setenv(places.HOME_VARIABLE, str(tiny_home))
    app.query_params.update({"threshold": "many", "by": "<script>", "rank": "x", "detector": "../../evil.pt", "country": "ZZZ"})
    app.run()
    assert not app.exception
    assert app.selectbox(key="detector").value == "none"


def test_a_vernacular_name_is_never_more_than_text(app, encoder_of_home, tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))
    speaking_index(places.user_indexes() / "starter", *encoder_of_home)
    app.run()
    app.selectbox(key="language").set_value("en").run()
    upload(app, ("one.png", png(1)))
    app.text_input(key="within").set_value("Vulpes").run()
    app.slider(key="threshold").set_value(1.0).run()
    told = [element.value for kind in ("subheader", "header", "markdown", "caption", "error", "warning") for element in getattr(app, kind)]
    assert any(r"\<script\>alert" in words for words in told)
    assert not any("<script" in words.replace("\\<", "") for words in told)
    (chart,) = app.get("plotly_chart")
    labels = json.loads(chart.proto.spec)["data"][0]["labels"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in labels
    assert not any("<script" in label for label in labels)


def test_nothing_that_a_visitor_uploads_is_written_to_disk(page, opened_for_writing):
    upload(page, ("one.png", png(11)), ("broken.png", png(12)[:-900]))
    assert len(headlines(page)) == 1
    assert opened_for_writing == []


def test_one_visitor_never_sees_the_pictures_of_another(app, tiny_home, monkeypatch):
    testing = pytest.importorskip("streamlit.testing.v1")
    monkeypatch.setenv(places.HOME_VARIABLE, str(tiny_home))
    other = testing.AppTest.from_file(str(app._script_path), default_timeout=app.default_timeout)
    upload(app.run(), ("mine.png", png(1)))
    assert "Nothing to look at yet" in shown(other.run())
    upload(other, ("theirs.png", png(2)))
    assert [stage["alt"] for stage in stages(app.run())] == ["mine.png"]
    assert [stage["alt"] for stage in stages(other)] == ["theirs.png"]
