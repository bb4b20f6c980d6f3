"""The page: what it says, what it must never do, and how it looks to a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import PIL.Image
import pytest

from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.evaluation.report import Mistake, Subject, charts, write_report
from bioclip_search.evaluation.report.page import MOST_BYTES, html_of
from bioclip_search.evaluation.report.subject import THUMBNAIL_BYTES, subject_of_answers, subject_of_pictures
from bioclip_search.evaluation.run import evaluate_run
from bioclip_search.evaluation.truth import read_truth
from bioclip_search.evaluation.zero_shot import evaluate
from bioclip_search.index import Index
from bioclip_search.results import Failure, Rung
from bioclip_search.searcher import Searcher
from tests.conftest import picture_of
from tests.evaluation.test_run import SHOWN, written_list

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Page(HTMLParser):
    """The tags of a page, each closed where it must be, and its texts."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def searcher(small_index, encoder):
    return Searcher(Index(small_index), encoder)


@pytest.fixture
def photos(tmp_path, taxonomy):
    species = taxonomy.leaves["species"].to_pylist()
    (tmp_path / "photos").mkdir()
    for number, name in enumerate(SHOWN):
        picture_of(species.index(name)).resize((900, 600)).save(tmp_path / f"photos/{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def subject(searcher, photos, tmp_path) -> Subject:
    sets = find_sets([written_list(tmp_path / "list.csv")])
    return subject_of_pictures(evaluate(searcher, sets, labels=["index", "own"]), sets, searcher)


def test_the_page_says_in_one_sentence_what_was_measured_and_what_came_of_it(subject):
    page = Page(html_of(subject))
    assert page.open == []
    words = " ".join("".join(page.texts).replace("\N{NO-BREAK SPACE}", " ").split())
    assert "5 pictures (list) were shown to the index small of 9 taxa. It put a name to 100 % of them, and 40 % of those names (0–80 %) were right" in words
    for section in ("The worst mistakes", "How deep, and how often right", "What a bolder or shyer rule would do", "Sisters that it takes for one another"):
        assert section in words
    assert "climbing: threshold 0.65 (from the default" in words


def test_the_worst_mistakes_come_first_with_their_pictures_and_what_they_are(subject):
    """A fish for a bird (height 5), a fox for a lion (3), a leopard for a lion (1)."""
    told = [(mistake.truth, mistake.answer, mistake.height) for mistake in subject.mistakes]
    assert told == [("Oenanthe oenanthe", "Cyprinus carpio", 5), ("Panthera leo", "Vulpes vulpes", 3), ("Panthera leo", "Panthera uncia", 1)]
    assert subject.mistakes_in_all == 3
    assert all(mistake.thumbnail.startswith(b"\xff\xd8") and len(mistake.thumbnail) <= THUMBNAIL_BYTES for mistake in subject.mistakes)
    page = Page(html_of(subject))
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    assert pictures[0]["alt"] == "A picture of Oenanthe oenanthe that was called Cyprinus carpio"
    assert all(attrs["src"].startswith("data:image/jpeg;base64,") for attrs in pictures)


def test_the_largest_list_of_labels_is_told_at_length_and_the_others_beside_it(subject):
    assert (subject.whole.labels, [score.labels for score in subject.others]) == ("index", ["own"])
    assert "list · all · own" in html_of(subject)


def test_a_run_is_reported_with_its_boxes_and_with_what_was_left_out(searcher, photos, tmp_path, small_index):
    truth = read_truth(written_list(tmp_path / "truth.csv"))
    answers = [replace(answer, box_xyxy=(10.0, 10.0, 800.0, 500.0)) for answer in searcher.identify(sorted(photos.iterdir())[:3])]
    found = evaluate_run([*answers, Failure("broken.png", "truncated")], truth, Catalogue(Index(small_index)))
    (photos / "2.png").unlink()
    told = subject_of_answers(found, truth, taxa=9)
    assert [bool(mistake.thumbnail) for mistake in told.mistakes] == [False, True]
    assert told.mistakes[0].why_no_picture.startswith("no such file")
    html = html_of(told)
    assert "2 pictures in the truth but not answered" in html
    assert "1 picture could not be read" in html
    assert "no such file" in html


def test_a_picture_that_was_moved_is_shown_from_where_the_truth_says_it_is(searcher, photos, tmp_path, small_index):
    answers = [replace(answer, image=f"/card/site 1/{number}.png") for number, answer in enumerate(searcher.identify(sorted(photos.iterdir())[:2]))]
    (tmp_path / "site 1").mkdir()
    (photos / "1.png").rename(tmp_path / "site 1/1.png")
    (tmp_path / "1.png").write_bytes(b"another picture of this name")
    (tmp_path / "truth.csv").write_text("path,species\nsite 1/1.png,Panthera leo\nsite 2/1.png,Vulpes vulpes\n", encoding="utf-8")
    truth = read_truth(tmp_path / "truth.csv")
    (mistake,) = subject_of_answers(evaluate_run(answers, truth, Catalogue(Index(small_index))), truth).mistakes
    assert mistake.thumbnail.startswith(b"\xff\xd8")


def test_an_answer_about_a_path_that_none_can_be_is_shown_without_its_picture(searcher, photos, tmp_path, small_index):
    name = "a" * 5000 + ".png"
    (tmp_path / "truth.csv").write_text(f"path,species\n{name},Panthera leo\n", encoding="utf-8")
    answers = [replace(answer, image=name) for answer in searcher.identify(sorted(photos.iterdir())[1:2])]
    truth = read_truth(tmp_path / "truth.csv")
    told = subject_of_answers(evaluate_run(answers, truth, Catalogue(Index(small_index))), truth)
    assert [mistake.why_no_picture for mistake in told.mistakes] == ["cannot be opened (File name too long)"]


def test_crops_are_told_as_organisms_in_pictures(searcher, photos, tmp_path, small_index):
    truth = read_truth(written_list(tmp_path / "truth.csv"))
    answers = searcher.identify(sorted(photos.iterdir())[:2])
    found = evaluate_run([*answers, *answers], truth, Catalogue(Index(small_index)), every_crop=True)
    assert "about 4 organisms in 2 pictures (<bdi>run</bdi>)" in html_of(subject_of_answers(found, truth))


def test_pictures_that_a_list_names_twice_tell_no_more_than_once(searcher, photos, tmp_path):
    header, *rows = written_list(tmp_path / "list.csv").read_text(encoding="utf-8").splitlines()
    told = []
    for times in (1, 2):
        (tmp_path / "list.csv").write_text("\n".join([header, *rows * times]) + "\n", encoding="utf-8")
        sets = find_sets([tmp_path / "list.csv"])
        told.append(subject_of_pictures(evaluate(searcher, sets, labels=["index"]), sets, searcher))
    once, twice = told
    assert (once.pictures, twice.pictures, twice.whole.metrics["n"]) == (5, 5, 10)
    assert twice.whole.metrics | {"n": 5} == once.whole.metrics
    assert "10 organisms in 5 pictures" in html_of(twice)


def test_parts_are_told_together_first_and_drawn_one_by_one_below(searcher, photos, tmp_path, small_index):
    rows = written_list(tmp_path / "truth.csv").read_text(encoding="utf-8").splitlines()
    split = [f"{row},{part}" for row, part in zip(rows, ["split", *"ddnnn"], strict=True)]
    (tmp_path / "truth.csv").write_text("\n".join(split), encoding="utf-8")
    answers = searcher.identify(sorted(photos.iterdir()))
    found = evaluate_run([*answers, *answers], read_truth(tmp_path / "truth.csv"), Catalogue(Index(small_index)), every_crop=True)
    told = subject_of_answers(found, read_truth(tmp_path / "truth.csv"))
    once = evaluate_run(answers, read_truth(tmp_path / "truth.csv"), Catalogue(Index(small_index)))
    whole, single = told.whole.metrics, subject_of_answers(once, read_truth(tmp_path / "truth.csv")).whole.metrics
    assert (whole["n"], single["n"], told.pictures) == (10, 5, 5)
    assert whole["answer_accuracy_low"] == single["answer_accuracy_low"]  # a crop seen twice tells no more
    html = html_of(told)
    assert html.index("all pictures") < html.index("run · d · as answered")
    assert html.count("<details class='part'>") == 2


def test_no_word_from_a_file_becomes_a_part_of_the_page(subject):
    evil = Mistake(EVIL, EVIL, "species", EVIL, "genus", 0.5, 2, (Rung("genus", EVIL, 0.5),), None, EVIL)
    score = replace(subject.whole, set_name=EVIL, part=EVIL, labels=EVIL)
    pairs = tuple(replace(pair, one=EVIL, other=EVIL, parent=EVIL) for pair in subject.pairs)
    hostile = replace(
        subject,
        index=EVIL,
        mistakes=(evil, replace(evil, thumbnail=b"x")),
        whole=score,
        parts=(score, score),
        pairs=pairs,
        notes=(EVIL,),
        stands_on=((EVIL, EVIL),),
    )
    page = Page(html_of(hostile))
    assert page.open == []
    assert not {"script", "iframe", "object", "link", "base", "form"} & {tag for tag, _ in page.tags}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert all(attrs["src"].startswith("data:image/jpeg;base64,") for tag, attrs in page.tags if tag == "img")
    assert sum(EVIL in text for text in page.texts) >= 10


def test_the_page_asks_the_network_for_nothing(subject):
    html = html_of(subject)
    assert "default-src 'none'" in html
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:)[a-z/]""", html)
    assert "http" not in html.replace("http-equiv", "")


def test_every_drawing_says_in_words_what_it_shows(subject):
    drawings = [attrs for tag, attrs in Page(html_of(subject)).tags if tag == "svg"]
    assert len(drawings) >= 4
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 20 for attrs in drawings)


def test_many_large_pictures_stay_a_page_that_can_be_sent_by_mail(searcher, tmp_path, subject):
    noise = np.random.default_rng(0).integers(0, 255, (1200, 1600, 3), np.uint8)
    noise[:9, :9] = PIL.Image.open(tmp_path / "photos/2.png").getpixel((0, 0))
    PIL.Image.fromarray(noise).save(tmp_path / "photos/2.png")
    sets = find_sets([tmp_path / "list.csv"])
    noisy = subject_of_pictures(evaluate(searcher, sets, labels=["index"]), sets, searcher)
    largest = max((mistake for mistake in noisy.mistakes if mistake.thumbnail), key=lambda mistake: len(mistake.thumbnail))
    assert len(largest.thumbnail) <= THUMBNAIL_BYTES
    full = replace(noisy, mistakes=(replace(largest, thumbnail=bytes(THUMBNAIL_BYTES)),) * 24)
    assert len(html_of(full).encode()) < MOST_BYTES


def test_all_right_all_wrong_and_a_single_picture_make_a_page_too(subject, searcher, tmp_path, photos):
    for rows, told in (([0, 3], "There is none"), ([1, 2, 4], "3 answers were wrong"), ([1], "3 answers were wrong")):
        part = replace(subject.parts[0], marks=subject.parts[0].marks.take(np.array(rows)))
        mistakes = () if rows == [0, 3] else subject.mistakes
        page = Page(html_of(replace(subject, whole=part, parts=(part,), mistakes=mistakes)))
        assert any(told in text for text in page.texts)
    alone = replace(subject.parts[0], metrics={"n": 1, "answer_coverage": 1.0, "answer_accuracy": 1.0}, marks=subject.parts[0].marks.take(np.array([0])))
    words = "".join(Page(html_of(replace(subject, whole=alone, parts=(alone,), mistakes=(), pictures=1))).texts)
    assert "1 picture (list) was shown" in words
    assert "In brackets" not in words
    silent = replace(alone, metrics={"n": 1, "answer_coverage": 0.0})
    assert "It put a name to none of them." in "".join(Page(html_of(replace(subject, whole=silent, parts=(silent,)))).texts)
    nothing = replace(evaluate(searcher, find_sets([tmp_path / "list.csv"]), labels=["index"]), scores=())
    with pytest.raises(TableError, match="nothing to report"):
        subject_of_pictures(nothing, [], searcher)


def test_a_report_is_written_whole_or_not_at_all(subject, tmp_path):
    write_report(tmp_path / "r.html", subject)
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == html_of(subject)
    with pytest.raises(OSError, match="nowhere"):
        write_report(tmp_path / "nowhere/r.html", subject)
    assert [path.name for path in tmp_path.glob("*.part")] == []


# ---- looks


def colours(dark: bool) -> dict[str, str]:
    style = (files("bioclip_search.evaluation.report") / "style.css").read_text(encoding="utf-8")
    block = re.findall(r":root\{([^}]*)\}", style)[int(dark)]
    return {
        name: value if len(value) == 7 else "#" + "".join(2 * digit for digit in value[1:]) for name, value in re.findall(r"--([\w-]+):(#[0-9a-f]+)", block)
    }


def contrast(one: str, other: str) -> float:
    """By WCAG 2."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_words_have_the_contrast_that_the_guidelines_ask_for(dark):
    of = colours(dark)
    for words, ground in [
        ("ink", "ground"),
        ("ink", "card"),
        ("soft", "ground"),
        ("soft", "card"),
        ("soft", "track"),
        ("one", "card"),
        ("one", "ground"),
        ("badge-ink", "badge"),
    ]:
        assert contrast(of[words], of[ground]) >= 4.5, (words, ground)
    for mark in ("one", "two", "good", "bad", "open"):
        assert contrast(of[mark], of["card"]) >= 3, mark


def test_an_axis_ends_at_a_round_share_above_all_points():
    assert all(charts.round_top(share) >= share for share in np.linspace(0, 1, 101))
    frame = charts.Frame(start=0.8, top=0.4)
    assert (frame.x(0.8), frame.x(1.0)) == (frame.left, frame.width - frame.right)
    assert (frame.y(0.0), frame.y(0.4)) == (frame.height - frame.below, frame.above)
    drawn = charts.line_chart("a", "b", [charts.Line([(float("nan"), 0.1), (0.9, 0.2)], "one", "c")], "x", "y", frame=frame)
    assert "nan" not in drawn


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_a_browser_shows_it_without_complaint_and_a_phone_without_scrolling_sideways(subject, tmp_path, browser, width, scheme):
    write_report(tmp_path / "r.html", subject)
    page = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme).new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto((tmp_path / "r.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert complaints == []
    page.context.close()
