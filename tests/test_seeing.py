from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from bioclip_search.detect import Detection
from bioclip_search.errors import PictureError
from bioclip_search.index import Index
from bioclip_search.searcher import Searcher
from bioclip_search.seeing import LEAST_CONFIDENCE, MOST_BOXES, PREVIEW_PX, answers, look, plain_name, stem_of


class PaintedDetector:
    """Finds what it is told to, and notes how it was asked."""

    name, fingerprint = "painted", "painted-1"

    def __init__(self, *found: Detection):
        self.found, self.asked = list(found), []

    def detect(self, pictures, min_confidence):
        self.asked.append((pictures[0].size, min_confidence))
        return [[hit for hit in self.found if hit.confidence >= min_confidence] for _ in pictures]


def box(field: int, confidence: float, category: str = "animal") -> Detection:
    """The middle of a field, for a crop has a margin."""
    return Detection((64 * field + 24, 0, 64 * field + 40, 12), confidence, category)


def picture(*leaves: int, size: tuple[int, int] = (64, 12), kind: str = "PNG") -> bytes:
    """A file with one field beside the other that the colour encoder sees as these leaves."""
    sheet, file = PIL.Image.new("RGB", (size[0] * len(leaves), size[1])), io.BytesIO()
    for place, leaf in enumerate(leaves):
        sheet.paste((leaf, 0, 0), (place * size[0], 0, (place + 1) * size[0], size[1]))
    sheet.save(file, kind)
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that promises so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.fixture
def searcher(small_index, encoder):
    return Searcher(Index(small_index), encoder)


def test_a_picture_is_named_as_identify_names_it(searcher):
    content = picture(5)
    expected = searcher.identify(content, threshold=0.5)
    found = answers(look(content, searcher.encoder), searcher.question(threshold=0.5), "picture 1")
    assert found == expected


def test_boxes_are_named_as_identify_names_them(small_index, encoder):
    detector = PaintedDetector(box(1, 0.9), box(0, 0.5))
    searcher, content = Searcher(Index(small_index), encoder, detector=detector), picture(5, 3)
    seen = look(content, encoder, detector)
    found = answers(seen, searcher.question(threshold=0.5), "picture 1", confidence=0.2)
    assert found == searcher.identify(content, threshold=0.5)
    assert [answer.taxon for answer in found] == [list(searcher.taxonomy.lineage(leaf).values())[-1] for leaf in (3, 5)]
    assert detector.asked[0] == ((128, 12), LEAST_CONFIDENCE)


def test_a_higher_confidence_leaves_boxes_out_without_a_second_look(searcher):
    detector = PaintedDetector(box(1, 0.9), box(0, 0.5))
    seen, question = look(picture(5, 3), searcher.encoder, detector), searcher.question(threshold=0.5)
    assert [len(answers(seen, question, "a", confidence)) for confidence in (0.1, 0.5, 0.51, 0.9)] == [2, 2, 1, 1]
    (whole,) = answers(seen, question, "a", 0.95)
    assert (whole.box_xyxy, whole.detector_confidence) == (None, None)
    assert len(detector.asked) == 1


def test_people_and_vehicles_are_not_named_and_only_so_many_boxes_are(searcher):
    seen = look(picture(5), searcher.encoder, PaintedDetector(box(0, 0.9, "person"), *[box(0, 0.5)] * (MOST_BOXES + 5)))
    assert {hit.category for hit in seen.boxes} == {"animal"}
    assert len(seen.boxes) == len(seen.parts) == MOST_BOXES


def test_the_copy_that_is_shown_is_small_and_the_boxes_are_of_the_picture_in_full(searcher):
    seen = look(picture(5, size=(4000, 1000), kind="JPEG"), searcher.encoder)
    assert seen.size_wh == (4000, 1000)
    with PIL.Image.open(io.BytesIO(seen.preview)) as preview:
        assert (preview.format, preview.size) == ("JPEG", (PREVIEW_PX, PREVIEW_PX // 4))
    with PIL.Image.open(io.BytesIO(look(picture(5), searcher.encoder).preview)) as preview:
        assert preview.size == (64, 12)


def test_a_thread_thin_picture_keeps_a_pixel(searcher):
    with PIL.Image.open(io.BytesIO(look(picture(5, size=(5000, 1)), searcher.encoder).preview)) as preview:
        assert preview.size == (PREVIEW_PX, 1)


def test_the_vectors_are_of_the_parts(searcher, encoder):
    seen = look(picture(5, 3), encoder, PaintedDetector(box(1, 0.9)))
    np.testing.assert_array_equal(seen.parts, encoder.encode_images([PIL.Image.new("RGB", (16, 12), (3, 0, 0))]))
    assert (seen.detector, look(picture(5), encoder).detector) == ("painted", None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(bomb(12_000, 12_000), "12000×12000 pixels, more than the 120 million", id="large"),
        pytest.param(bomb(60_000, 60_000), "pixels", id="beyond Pillow's own limit"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no picture of a known kind", id="SVG"),
        pytest.param(b"<!doctype html><script>alert(1)</script>", "no picture of a known kind", id="HTML"),
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(picture(5)[:45], "cannot be decoded", id="truncated"),
    ],
)
def test_what_is_no_picture_or_would_do_harm_is_refused(searcher, content, words):
    with pytest.raises(PictureError, match=words):
        look(content, searcher.encoder)


@pytest.mark.parametrize(
    ("name", "told"),
    [("../../etc/passwd", "passwd"), ("..\\..\\x.jpg", "x.jpg"), ("/abs/a.jpg", "a.jpg"), ("a\x00\n.jpg", "a.jpg"), ("", "picture"), ("...", "picture")],
)
def test_a_file_name_loses_its_folders(name, told):
    assert plain_name(name) == told


def test_a_long_name_keeps_its_end():
    assert plain_name("x" * 500 + ".jpg").endswith("x.jpg")
    assert len(plain_name("x" * 500 + ".jpg")) == 120
    assert stem_of(["../../<b>.jpg"]) == "b"
    assert stem_of(["???.jpg"]) == "picture"
