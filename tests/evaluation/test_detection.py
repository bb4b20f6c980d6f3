from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from bioclip_search.boxed.sets import TrueBox, read_coco
from bioclip_search.detectors.boxes import Detection
from bioclip_search.evaluation.detection import (
    OVERLAPS,
    Looked,
    average_precisions,
    detection_figures,
    look,
    match_boxes,
    overlaps_of,
)
from bioclip_search.train.box_metrics import average_precision_score, recall_score

A, B, FAR = (0.0, 0.0, 10.0, 10.0), (20.0, 20.0, 30.0, 30.0), (50.0, 50.0, 60.0, 60.0)


def seen(*pairs, category="organism"):
    return [Detection(box, confidence, category) for box, confidence in pairs]


def there(*boxes, category="organism"):
    return [TrueBox(box, category) for box in boxes]


def precisions(found, true):
    return average_precisions(match_boxes(found, true, "organism"), np.ones(len(true)))


def test_worked_by_hand():
    # By confidence: right (1/1), wrong (1/2), right (2/3). Of three true boxes two are found: recalls 1/3 and 2/3.
    # The recalls 0 … 0.33 (34 of 101) have precision 1, 0.34 … 0.66 (33) have 2/3, 0.67 … 1 have none.
    found = [seen((A, 0.9), (FAR, 0.8)), seen((B, 0.7)), []]
    assert precisions(found, [there(A), there(B), there(A)])[0] == pytest.approx((34 + 33 * 2 / 3) / 101)


def test_all_found_is_one_and_nothing_found_nought_and_nothing_to_find_no_number():
    assert precisions([seen((A, 0.9)), seen((B, 0.3))], [there(A), there(B)]).tolist() == [1.0] * 10
    assert precisions([[]], [there(A)]).tolist() == [0.0] * 10
    assert np.isnan(precisions([seen((A, 0.9))], [[]])).all()


def test_the_overlap_asked_for_decides_and_a_second_find_of_one_box_is_wrong():
    found = precisions([seen(((0, 0, 10, 6), 0.9))], [there(A)])  # 60 of 100
    assert found.tolist() == [1.0] * 3 + [0.0] * 7
    assert precisions([seen((A, 0.9), (A, 0.8), (B, 0.7))], [there(A, B)])[0] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_finds_in_a_crowd_are_neither_right_nor_wrong():
    crowd = TrueBox((40.0, 40.0, 100.0, 100.0), "organism", is_crowd=True)
    matched = match_boxes([seen((FAR, 0.9), (A, 0.8), ((60, 60, 70, 70), 0.7))], [[*there(A), crowd]], "organism")
    assert matched.counts[0].tolist() == [False, True, False]
    assert matched.true_per_picture.tolist() == [1]
    assert average_precisions(matched, np.ones(1)).tolist() == [1.0] * 10


def random_world(seed: int, pictures: int = 12, categories=("organism",)):
    """Pictures with up to five boxes of all sizes, some of them crowds, and finds near them and elsewhere, with ties."""
    random = np.random.default_rng(seed)

    def box(length):
        left, top = random.uniform(0, 200, 2)
        width, height = length * random.uniform(0.5, 2, 2)
        return (left, top, left + width, top + height)

    true, found = [], []
    for _ in range(pictures):
        boxes = [TrueBox(box(random.choice([12, 50, 130])), str(random.choice(categories)), bool(random.random() < 0.15)) for _ in range(random.integers(0, 6))]
        near = [
            (tuple(np.array(one.box_xyxy) + random.normal(0, 4, 4)), one.category if random.random() < 0.8 else str(random.choice(categories)))
            for one in boxes
            for _ in range(random.integers(0, 3))
        ]
        near = [(shifted, category) for shifted, category in near if shifted[2] > shifted[0] and shifted[3] > shifted[1]]
        near += [(box(random.choice([12, 50, 130])), str(random.choice(categories))) for _ in range(random.integers(0, 4))]
        true.append(boxes)
        found.append([Detection(shifted, float(np.round(random.random(), 1)), category) for shifted, category in near])
    return found, true


def coco_eval(found, true, categories):
    """The `COCOeval` of the reference implementation, evaluated."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    numbers = {name: number for number, name in enumerate(categories, start=1)}

    def xywh(box):
        return [box[0], box[1], box[2] - box[0], box[3] - box[1]]

    truth, finds = COCO(), []
    annotations = []
    for picture, boxes in enumerate(true, start=1):
        for one in boxes:
            corner = xywh(one.box_xyxy)
            told = {"id": len(annotations) + 1, "image_id": picture, "category_id": numbers[one.category]}
            annotations.append(told | {"bbox": corner, "area": corner[2] * corner[3], "iscrowd": int(one.is_crowd)})
    for picture, several in enumerate(found, start=1):
        finds += [{"image_id": picture, "category_id": numbers[one.category], "bbox": xywh(one.box_xyxy), "score": one.confidence} for one in several]
    truth.dataset = {
        "images": [{"id": picture} for picture in range(1, len(true) + 1)],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
        "info": {},
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(finds), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("categories", [("organism",), ("bird", "cat", "tree")])
def test_precision_and_recall_are_those_of_coco(seed, categories):
    found, true = random_world(seed, categories=categories)
    reference = coco_eval(found, true, categories)  # precision (overlaps, recalls, categories, areas, most finds)
    for number, category in enumerate(categories):
        theirs = reference["precision"][:, :, number, 0, 2].mean(axis=1)
        ours = average_precisions(match_boxes(found, true, category), np.ones(len(true)))
        np.testing.assert_allclose(np.nan_to_num(ours, nan=-1), theirs, atol=1e-9)
    figures = detection_figures(Looked(tuple(map(tuple, found)), tuple(map(tuple, true)), ()), by_category=True)
    precision = reference["precision"][:, :, :, 0, 2]
    has_truth = precision[0, 0] >= 0
    assert figures["map"] == pytest.approx(precision[:, :, has_truth].mean(), abs=1e-4)
    assert figures["map50"] == pytest.approx(precision[0, :, has_truth].mean(), abs=1e-4)
    assert figures["map75"] == pytest.approx(precision[5, :, has_truth].mean(), abs=1e-4)


@pytest.mark.parametrize("seed", range(12))
def test_recall_by_size_is_that_of_coco(seed):
    found, true = random_world(seed)
    recall = coco_eval(found, true, ("organism",))["recall"]  # (overlaps, categories, areas: all small medium large, most finds)
    figures = detection_figures(Looked(tuple(map(tuple, found)), tuple(map(tuple, true)), ()))
    assert figures["ar100"] == pytest.approx(recall[:, 0, 0, 2].mean(), abs=1e-4)
    for number, size in enumerate(("small", "medium", "large"), start=1):
        if recall[0, 0, number, 2] >= 0:
            assert figures[f"recall50_{size}"] == pytest.approx(recall[0, 0, number, 2], abs=1e-4)
        else:
            assert f"recall50_{size}" not in figures


@pytest.mark.parametrize("seed", range(6))
def test_the_measure_of_training_agrees_but_for_the_recalls_it_looks_at(seed):
    found, true = random_world(seed)
    true = [[box for box in boxes if not box.is_crowd] for boxes in true]
    plain = [[box.box_xyxy for box in boxes] for boxes in true]
    matched = match_boxes(found, true, "organism")
    for level in (0, 5):
        n_true = sum(map(len, true))
        assert recall_score(found, plain, OVERLAPS[level]) == pytest.approx(matched.right[level].sum() / n_true)
        assert average_precision_score(found, plain, OVERLAPS[level]) == pytest.approx(average_precisions(matched, np.ones(len(true)))[level], abs=0.02)


def test_a_picture_that_counts_twice_is_a_picture_that_is_there_twice():
    found, true = random_world(3, pictures=5)
    weights = np.array([2.0, 0, 1, 3, 1])
    again = [place for place, count in enumerate(weights.astype(int)) for _ in range(count)]
    twice = match_boxes([found[place] for place in again], [true[place] for place in again], "organism")
    ours = average_precisions(match_boxes(found, true, "organism"), weights)
    np.testing.assert_allclose(ours, average_precisions(twice, np.ones(len(again))), atol=0.03)  # ties in confidence fall otherwise
    one = average_precisions(match_boxes(found, true, "organism"), np.ones(5))
    np.testing.assert_allclose(average_precisions(match_boxes(found, true, "organism"), 7 * np.ones(5)), one)


def test_by_default_every_organism_is_of_one_category_and_people_do_not_count():
    found = [seen((A, 0.9), category="animal") + seen((FAR, 0.95), category="person")]
    looked = Looked(tuple(map(tuple, found)), ((TrueBox(A, "Procyon lotor"),),), ())
    assert detection_figures(looked)["map"] == 1.0
    by_category = detection_figures(looked, by_category=True)
    assert (by_category["map"], by_category["categories"]) == (0.0, 1)


def test_what_identify_would_find_is_told_and_every_figure_lies_in_its_interval():
    found, true = random_world(1, pictures=30)
    looked = Looked(tuple(map(tuple, found)), tuple(map(tuple, true)), ())
    figures = detection_figures(looked)
    assert figures["found"] <= figures["recall50"]
    sure = [[one for one in several if one.confidence >= 0.2] for several in found]
    assert figures["found_per_picture"] == pytest.approx(np.mean([len(several) for several in sure]), abs=1e-4)
    for name in ("map50", "map", "found", "recall50_large"):
        assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"]
    assert detection_figures(looked) == figures


def test_no_picture_and_no_box_give_counts_only():
    assert detection_figures(Looked((), (), ())) == {"pictures": 0, "boxes": 0, "categories": 0}
    assert detection_figures(Looked((tuple(seen((A, 0.9))),), ((),), ())) == {"pictures": 1, "boxes": 0, "categories": 0}


def test_overlap_of_finds_with_boxes_and_with_crowds():
    crowd = np.array([False, True])
    np.testing.assert_allclose(overlaps_of(np.array([A]), np.array([(0, 0, 10, 20), (0, 0, 10, 20)], float), crowd), [[0.5, 1.0]])


class ColdDetector:
    """Finds the whole picture, always."""

    name, fingerprint = "cold", "c01d"

    def detect(self, pictures, min_confidence):
        return [[Detection((0, 0, *picture.size), 0.5, "organism")] for picture in pictures]


def test_pictures_that_cannot_be_read_are_told_and_their_boxes_do_not_count(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"broken")
    boxes = [{"image_id": number, "bbox": [0, 0, 40, 30]} for number in (1, 2)]
    (tmp_path / "x.json").write_text(json.dumps({"images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}], "annotations": boxes}))
    told = []
    looked = look(ColdDetector(), read_coco(tmp_path / "x.json"), np.ones(2, bool), lambda done, total: told.append((done, total)))
    assert [failure.image for failure in looked.failures] == ["x/b.png"]
    assert detection_figures(looked)["map"] == 1.0
    assert told == [(1, 2), (2, 2)]
