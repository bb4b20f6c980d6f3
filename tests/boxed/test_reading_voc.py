from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.boxed import reading_voc
from bioclip_search.boxed.boxed_set import TrueBox
from bioclip_search.boxed.sets import find_boxed_sets
from bioclip_search.errors import TableError
from tests.boxed.small_boxes import picture_bytes


def box(name, *sides):
    return f"<object><name>{name}</name><bndbox>{''.join(f'<{side}>{value}</{side}>' for side, value in zip(reading_voc._SIDES, sides, strict=True))}</bndbox></object>"


def voc(folder, annotations, pictures="JPEGImages", home="Annotations"):
    for number, (stem, objects) in enumerate(annotations.items()):
        for name in (pictures, home):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / pictures / f"{stem}.png").write_bytes(picture_bytes(number))
        size = "<size><width>40</width><height>30</height></size>"
        (folder / home / f"{stem}.xml").write_text(f"<annotation><filename>C:\\x\\{stem}.png</filename>{size}{objects}</annotation>")
    return folder


def test_a_folder_is_read_with_pixels_that_are_counted_from_one(tmp_path):
    """xmin 5, xmax 12 are the pixels 5 to 12 counted from 1, which is 4 to 12 as edges; 1 to 40 of 40 is the whole width."""
    objects = box("Puma", 5, 4, 12, 9) + box("person", 1, 1, 2, 2) + box("Lynx", 1, 1, 40, 30)
    folder = voc(tmp_path / "x", {"a": objects, "b": ""})
    (folder / "ImageSets/Main").mkdir(parents=True)
    (folder / "ImageSets/Main/train.txt").write_text("a\n")
    (folder / "ImageSets/Main/val.txt").write_text("b\n")
    (folder / "ImageSets/Main/Puma_val.txt").write_text("a 1\n")
    (found,) = find_boxed_sets([folder])
    assert found.boxes == ((TrueBox((4, 3, 12, 9), "Puma"), TrueBox((0, 0, 40, 30), "Lynx")), ())
    assert (found.parts.tolist(), found.sizes_wh.tolist()) == (["train", "val"], [[40, 30], [40, 30]])
    assert list(found.pictures(np.array([True, True]))) == [folder / "JPEGImages/a.png", folder / "JPEGImages/b.png"]


def test_pixels_that_are_counted_from_zero_are_taken_so_for_the_whole_folder(tmp_path):
    (found,) = find_boxed_sets([voc(tmp_path / "x", {"a": box("Puma", 0, 4, 12, 9), "b": box("Puma", 5, 4, 12, 9)}, home="annots", pictures="images")])
    assert [several[0].box_xyxy for several in found.boxes] == [(0, 4, 12, 9), (5, 4, 12, 9)]
    assert "begin at 0" in found.notes[0]


def test_parts_are_told_by_folders_and_pictures_may_lie_beside_or_elsewhere(tmp_path):
    voc(tmp_path / "x", {"a": box("Puma", 1, 1, 9, 9)}, home="train", pictures="train")
    (found,) = find_boxed_sets([tmp_path / "x"])
    assert (found.parts.tolist(), next(found.pictures(np.array([True])))) == (["train"], tmp_path / "x/train/a.png")
    voc(tmp_path / "y", {"a": ""}, home="ann", pictures="../photos")
    (found,) = find_boxed_sets([tmp_path / "y"], tmp_path / "photos")
    assert next(found.pictures(np.array([True]))) == tmp_path / "photos/a.png"


def test_objects_without_a_box_are_told(tmp_path):
    (found,) = find_boxed_sets([voc(tmp_path / "x", {"a": box("Puma", "one", 4, 12, 9) + "<object><name>Lynx</name></object>" + box("Puma", 9, 4, 2, 9)})])
    assert (found.boxes, found.dropped) == (((),), 1)
    assert "passed over 2 objects without a box" in found.notes[0]


def test_a_size_beyond_all_pictures_is_none_that_is_told(tmp_path):
    voc(tmp_path / "x", {"a": ""})
    (tmp_path / "x/Annotations/a.xml").write_text("<annotation><filename>a.png</filename><size><width>1e300</width><height>30</height></size></annotation>")
    (found,) = find_boxed_sets([tmp_path / "x"])
    assert found.sizes_wh.tolist() == [[0, 30]]


def test_a_file_of_empty_lines_is_read_in_few_pieces(tmp_path, monkeypatch):
    """Line by line it would be put together in the square of its length, which takes hours."""
    pieces = []
    monkeypatch.setattr(reading_voc._Reader, "text", lambda self, words: pieces.append(len(words)))
    voc(tmp_path / "x", {"a": "\n" * 100_000})
    find_boxed_sets([tmp_path / "x"])
    assert sum(pieces) >= 100_000
    assert len(pieces) < 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation>&b;</annotation>', "has a DOCTYPE", id="an entity"),
        pytest.param("<annotation>" + "<a>" * 20, "nests more than 16", id="deep"),
        pytest.param("<annotation><object>", "is no sound XML", id="torn"),
        pytest.param("<annotation>" + " " * 5000, "is larger than", id="large"),
    ],
)
def test_hostile_annotations_are_refused(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr(reading_voc, "MAX_XML_BYTES", 4096)
    voc(tmp_path / "x", {"a": ""})
    (tmp_path / "x/Annotations/b.xml").write_text(content)
    with pytest.raises(TableError, match=message):
        find_boxed_sets([tmp_path / "x"])


def test_other_xml_is_no_annotation(tmp_path):
    (tmp_path / "a.xml").write_text("<archive/>")
    with pytest.raises(TableError, match="none of the formats"):
        find_boxed_sets([tmp_path])
