from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bioclip_search.classifier.examples import find_examples
from bioclip_search.classifier.features import see
from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import KnownVectors, find_sets
from tests.classifier.speckled import write_pictures


@pytest.fixture
def cats(tmp_path, taxonomy):
    return write_pictures(tmp_path / "cats", taxonomy, 4, ["Felis catus", "Panthera leo"])


def test_every_picture_has_a_vector_and_a_broken_one_is_told(searcher, speckled, cats):
    (cats / "Panthera leo" / "0002.png").write_bytes(b"broken")
    examples = find_examples(searcher, find_sets([cats]))
    found = see(speckled, examples, views="flip")
    assert len(found) == 7
    assert [failure.image for failure in found.failures] == ["cats/Panthera leo/0002.png"]
    assert [len(look.pictures) for look in found.looks] == [7, 7]
    assert [found.taxa[number].name for number in found.of] == ["Felis catus"] * 4 + ["Panthera leo"] * 3
    vectors, numbers = found.taught(found.of == found.of[-1])
    assert vectors.shape == (6, speckled.dim)
    assert numbers.tolist() == [4, 5, 6, 4, 5, 6]


def test_frames_of_a_burst_and_copies_are_one_group(searcher, speckled, cats):
    copy = (cats / "Felis catus" / "0000.png").read_bytes()
    (cats / "Felis catus" / "copy.png").write_bytes(copy)
    (labelled,) = find_sets([cats])
    bursts = np.full(len(labelled), None, object)
    bursts[[2, 3]] = "dawn"
    found = see(speckled, find_examples(searcher, [replace(labelled, bursts=bursts)]))
    assert found.groups.tolist() == [0, 1, 2, 2, 0, 3, 4, 5, 6]
    assert found.bursts.tolist() == [0, 1, 2, 2, 3, 4, 5, 6, 7]  # a copy is no frame


def test_frames_of_a_burst_in_two_sets_are_one_group(searcher, speckled, tmp_path, taxonomy):
    roots = [write_pictures(tmp_path / name, taxonomy, 2, [species]) for name, species in (("a", "Felis catus"), ("b", "Panthera leo"))]
    bursts = (np.array([1, 2], object), np.array([2, 3], object))
    sets = [replace(labelled, bursts=of) for labelled, of in zip(find_sets(roots), bursts, strict=True)]
    assert see(speckled, find_examples(searcher, sets)).groups.tolist() == [0, 1, 1, 2]


def test_vectors_that_a_run_keeps_are_taken_and_looks_without_a_picture_are_left_out(searcher, speckled, cats):
    (labelled,) = find_sets([cats])
    known = np.eye(8, speckled.dim, dtype=np.float32)
    for path in cats.glob("Felis catus/*.png"):
        path.unlink()
    found = see(speckled, find_examples(searcher, [replace(labelled, known=KnownVectors(speckled.fingerprint, known))]), views="flip")
    np.testing.assert_array_equal(found.vectors, known)
    assert found.failures == ()
    assert found.looks[1].pictures.tolist() == [4, 5, 6, 7]
    assert found.taught(np.arange(8) < 5)[1].tolist() == [0, 1, 2, 3, 4, 4]


def test_classes_and_groups_are_numbered_anew_when_some_are_left_out(searcher, speckled, tmp_path, taxonomy):
    root = write_pictures(tmp_path / "x", taxonomy, 2, ["Felis catus", "Panthera leo", "Vulpes vulpes"])
    found = see(speckled, find_examples(searcher, find_sets([root])))
    assert [taxon.name for taxon in found.taxa] == ["Vulpes vulpes", "Felis catus", "Panthera leo"]  # Canidae before Felidae
    fewer = found.of_classes(np.array([True, False, True]))
    assert [fewer.taxa[number].name for number in fewer.of] == ["Panthera leo"] * 2 + ["Vulpes vulpes"] * 2
    assert fewer.groups.tolist() == [0, 1, 2, 3]
    assert fewer.looks[0].pictures.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(fewer.vectors, found.vectors[2:])


def test_when_nothing_can_be_read_it_is_said_why(searcher, speckled, cats):
    examples = find_examples(searcher, find_sets([cats]))
    for path in cats.rglob("*.png"):
        path.unlink()
    with pytest.raises(TableError, match=r"None of 8 pictures can be read: .*0000.png: no such file"):
        see(speckled, examples)


def test_views_that_there_are_not_are_told(searcher, speckled, cats):
    with pytest.raises(TableError, match="no views 'upside-down'. Choose one of none, flip, strong"):
        see(speckled, find_examples(searcher, find_sets([cats])), views="upside-down")
