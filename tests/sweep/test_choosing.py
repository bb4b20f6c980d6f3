from __future__ import annotations

import gc

import numpy as np
import pytest
from PIL import Image

from bioclip_search.boxed.boxed_set import BoxedSet, TrueBox
from bioclip_search.detectors.boxes import Detection
from bioclip_search.detectors.card import Inference
from bioclip_search.errors import TableError
from bioclip_search.evaluation.detection import Looked
from bioclip_search.sweep.choosing import best_confidence, in_words, sweep_settings
from bioclip_search.sweep.halves import LEAST_PICTURES, halves_of, look_at

BOX = (10.0, 10.0, 50.0, 50.0)


def boxed_set(count=40, bursts=None, contents=None, name="walk"):
    """Pictures of one fox each, whose number is their width."""
    pictures = [Image.new("RGB", (100 + row, 80)) for row in range(count)]
    return BoxedSet(
        name=name,
        boxes=((TrueBox(BOX, "fox"),),) * count,
        parts=np.array(["val"] * count, object),
        names=tuple(f"{name}/{row}" for row in range(count)),
        pictures=lambda wanted: iter([pictures[row] for row in np.flatnonzero(wanted)]),
        bursts=bursts,
        contents=contents,
    )


class Scripted:
    """A detector whose find overlaps the fox by `overlap_of(inference, picture number)`, beside which it always finds a stone."""

    name = fingerprint = "scripted"

    def __init__(self, inference, overlap_of, confidence=0.6):
        self.inference, self.overlap_of, self.confidence = inference, overlap_of, confidence

    def detect(self, pictures, min_confidence):
        return [
            [
                Detection((10.0, 10.0, 50.0, 10.0 + 40 * self.overlap_of(self.inference, picture.width - 100)), self.confidence, "fox"),
                Detection((60.0, 60.0, 70.0, 70.0), 0.4, "stone"),
            ]
            for picture in pictures
        ]


def sweep(overlap_of, before=Inference(), count=40, **options):  # noqa: B008 frozen
    halves = halves_of([boxed_set(count)])
    return sweep_settings(lambda inference: Scripted(inference, overlap_of, **options), before, 320, halves), halves


def test_the_size_and_the_looks_that_fit_best_are_taken_and_measured_on_the_other_half():
    found, _ = sweep(lambda inference, _: 0.6 + 0.2 * (inference.image_px == 480) + 0.1 * inference.augment)
    assert (found.after.image_px, found.after.augment, found.after.iou) == (480, True, Inference().iou)
    assert found.figures["pictures"] == 20
    assert found.figures["map75_gain"] == 1.0  # 0.6 before, 0.9 after
    assert found.figures["map50_gain"] == 0.0
    assert [one.is_taken for one in found.tries] == [True, False, False, True, True, False, False, False]


def test_where_nothing_is_better_all_stays_as_it_was():
    found, _ = sweep(lambda *_: 0.8, Inference(confidence=0.5))
    assert not found.is_changed
    assert {found.figures[f"{name}_gain"] for name in ("map50", "map75", "map", "f1")} == {0.0}


def test_what_is_better_by_chance_on_one_half_and_worse_on_the_other_is_not_kept():
    _, (first, _) = sweep(lambda *_: 0.8)
    chosen_on = {int(name.partition("/")[2]) for one in first for name in one.names}
    found, _ = sweep(lambda inference, row: 0.75 if inference.image_px is None else 0.9 if row in chosen_on else 0.55)
    assert any(one.is_taken and one.inference.image_px for one in found.tries)
    assert found.after.image_px is None


@pytest.mark.parametrize("seed", range(3))
def test_on_its_own_half_a_card_is_never_worse(seed):
    noise = np.random.default_rng(seed).uniform(0.3, 1.0, (2000, 40))
    found, halves = sweep(lambda inference, row: noise[(inference.image_px or 0) + inference.augment + round(1000 * inference.iou), row])
    best = [one for one in found.tries if one.is_taken][-1]
    assert best.map == max(one.map for one in found.tries if one.is_taken) >= found.tries[0].map
    assert sum(map(len, halves[0])) == 20


def test_of_all_tries_only_the_finds_of_the_best_are_kept():
    """Eight tries, of which the fourth and the fifth are taken."""
    held = []

    def load(inference):
        held.append(sum(type(one) is Looked for one in gc.get_objects()))
        return Scripted(inference, lambda inference, _: 0.6 + 0.2 * (inference.image_px == 480) + 0.1 * inference.augment)

    before = sum(type(one) is Looked for one in gc.get_objects())
    sweep_settings(load, Inference(), 320, halves_of([boxed_set()]))
    assert [count - before for count in held[:8]] == [0, *[1] * 7]
    assert len(held) == 8 + 2  # and both on the other half


def test_the_confidence_parts_foxes_from_stones_and_stays_near_what_it_was():
    finds = Scripted(Inference(), lambda *_: 0.9)
    looked = look_at(finds, (boxed_set(12),))
    assert best_confidence(looked, 0.2, by_category=False) == 0.45  # above the stones at 0.4, the nearest to 0.2
    assert best_confidence(looked, 0.5, by_category=False) == 0.5
    assert best_confidence(looked, 0.9, by_category=False) == 0.6
    found, _ = sweep(lambda *_: 0.9)
    assert found.after == Inference(confidence=0.45)
    assert found.figures["f1_gain"] == pytest.approx(1 - 2 / 3, abs=1e-4)  # before, one find of two was a stone: 2·1 / (2 + 1)


def test_no_burst_and_no_bytes_are_in_both_halves():
    bursts = np.array([f"burst {row // 3}" for row in range(60)], object)
    contents = np.array([f"bytes {row % 50}" for row in range(60)], object)
    first, second = halves_of([boxed_set(60, bursts, contents)], seed=3)
    for column in ("bursts", "contents"):
        seen = [{value for one in half for value in getattr(one, column)} for half in (first, second)]
        assert not seen[0] & seen[1]
    assert abs(sum(map(len, first)) - 30) <= 6


def test_a_burst_whose_pictures_stand_in_two_files_is_in_one_half():
    bursts = np.array([f"burst {row // 2}" for row in range(24)], object)
    halves = halves_of([boxed_set(24, bursts, name="val"), boxed_set(24, bursts, name="test")])
    first, second = ({burst for one in half for burst in one.bursts} for half in halves)
    assert not first & second
    assert first | second == set(bursts)


def test_too_few_pictures_are_told():
    with pytest.raises(TableError, match="--part"):
        halves_of([])
    with pytest.raises(TableError, match="cannot be halved"):
        halves_of([boxed_set(2 * LEAST_PICTURES - 2)])
    with pytest.raises(TableError, match="cannot be halved"):
        halves_of([boxed_set(50, np.array(["one burst"] * 50, object))])


def test_settings_in_words():
    assert in_words(Inference()) == "size as trained, one look, overlap 0.45, confidence 0.2"
    assert in_words(Inference(image_px=480, augment=True)) == "480 px, several looks, overlap 0.45, confidence 0.2"
