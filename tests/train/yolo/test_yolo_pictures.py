"""Which pictures teach, watch and measure: by the numbered rules, with bursts whole and whatever does not fit told."""

from dataclasses import replace

import numpy as np
import pytest

from bioclip_search.errors import TableError
from bioclip_search.train.yolo.pictures import lay_out, written
from tests.train.yolo.small_squares import squares


def parts_of(laid):
    return {name: part for boxed in laid.sets for name, part in zip(boxed.names, boxed.parts.tolist(), strict=True)}


def test_rule_1_all_pictures_to_watch_by_watch_and_the_test_teaches_nobody():
    laid = lay_out([squares(4, part=["train", "val", "test", "all"])], [squares(2, "others", "train", first=50)])
    assert parts_of(laid) == {
        "squares/0": "train",
        "squares/1": "train",
        "squares/2": "test",
        "squares/3": "train",
        "others/50": "val",
        "others/51": "val",
    }
    assert laid.counts()["train"] == {"pictures": 3, "boxes": 3}


def test_rule_2_told_parts_are_kept_and_pictures_without_one_are_left_out():
    laid = lay_out([squares(4, part=["training", "validation", "train", "all"])])
    assert parts_of(laid) == {"squares/0": "train", "squares/1": "val", "squares/2": "train"}
    assert not any("kept back" in note for note in laid.notes)
    (told,) = [note for note in laid.notes if note.startswith("Left out")]
    assert told.startswith("Left out 1 picture in no part called train, val or test (the first is squares/3)")


def test_rule_3_a_fifth_is_kept_back_by_category_and_no_burst_is_parted():
    bursts = np.array([f"burst {number // 5}" for number in range(40)], object)
    laid = lay_out([squares(40, part="train", bursts=bursts)], seed=1)
    parts = parts_of(laid)
    assert sum(part == "val" for part in parts.values()) in (5, 10), "one burst or two of eight"
    of_burst = [{parts[f"squares/{number}"] for number in range(start, start + 5)} for start in range(0, 40, 5)]
    assert all(len(found) == 1 for found in of_burst)
    assert "are kept back to watch the training" in " ".join(laid.notes)


@pytest.mark.parametrize("seed", range(5))
def test_rule_3_no_silver_picture_is_kept_back_and_a_fifth_of_the_others_is(seed):
    silver = replace(squares(60, "silver", "train", first=100), silver=np.ones(60, bool))
    laid = lay_out([squares(20, part="train"), silver], seed=seed)
    parts = parts_of(laid)
    assert {part for name, part in parts.items() if name.startswith("silver")} == {"train"}
    assert [part for name, part in parts.items() if name.startswith("squares")].count("val") == 4
    assert any("All silver pictures (60) are in train" in note for note in laid.notes)


def test_silver_pictures_alone_train_nobody():
    with pytest.raises(TableError, match=r"left to watch the training by.*Silver pictures only teach"):
        lay_out([replace(squares(20, part="train"), silver=np.ones(20, bool))])


def test_silver_pictures_to_watch_by_are_refused():
    with pytest.raises(TableError, match=r"Silver pictures are to judge \(2; others/50 is in val, for example\)"):
        lay_out([squares(4)], [replace(squares(2, "others", first=50), silver=np.ones(2, bool))])


def test_rule_4_the_test_measures_where_there_is_one():
    assert [len(boxed) for boxed in lay_out([squares(4, part=["train", "val", "val", "test"])]).measuring] == [1]
    assert [len(boxed) for boxed in lay_out([squares(4, part=["train", "val", "val", "train"])]).measuring] == [2]


def test_a_burst_in_train_and_val_is_refused_or_mended_with_a_message():
    bursts = np.array(["a", "a", "a", "b"], object)
    torn = squares(4, part=["train", "train", "val", "val"], bursts=bursts)
    with pytest.raises(TableError, match="--mend-split"):
        lay_out([torn])
    laid = lay_out([torn], mend=True)
    assert parts_of(laid) == {"squares/0": "train", "squares/1": "train", "squares/2": "train", "squares/3": "val"}
    assert any("Mended" in note for note in laid.notes)


def test_a_copy_of_a_picture_that_teaches_must_not_watch():
    with pytest.raises(TableError, match="--mend-split"):
        lay_out([squares(3)], [squares(1)])


def test_a_corrupt_picture_is_passed_over_and_told(tmp_path):
    whole = squares(4, part=["train", "train", "val", "train"])

    def pictures(wanted):
        for row, picture in zip(np.flatnonzero(wanted).tolist(), whole.pictures(wanted), strict=True):
            yield picture[:60] if row == 1 else picture

    laid = lay_out([replace(whole, pictures=pictures)])
    assert sorted(parts_of(laid)) == ["squares/0", "squares/2", "squares/3"]
    assert any("squares/1" in note for note in laid.notes)
    folder = written(laid, tmp_path, "own")
    assert len(list((folder / "images").rglob("*.png"))) == 3


def test_written_pictures_are_taken_again_only_if_they_are_the_same(tmp_path):
    laid = lay_out([squares(3, part=["train", "val", "train"])])
    folder = written(laid, tmp_path, "own")
    mark = folder / "labels" / "mark"
    mark.touch()
    assert written(laid, tmp_path, "own") == folder
    assert mark.exists()
    written(laid, tmp_path, "one")
    assert not mark.exists(), "other categories, other labels"
    assert "organism" in (folder / "data.yaml").read_text()


def test_what_a_killed_writing_left_goes_when_the_pictures_are_written(tmp_path):
    (tmp_path / ".0123.part" / "images").mkdir(parents=True)
    written(lay_out([squares(6)]), tmp_path, "own")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures", "pictures.sha256"]


def test_the_fingerprint_of_the_pictures_tells_boxes_parts_and_bytes_apart():
    one = squares(3, part=["train", "val", "train"])
    prints = {lay_out([one]).fingerprint, lay_out([squares(3, part=["train", "train", "val"])]).fingerprint}
    prints |= {lay_out([squares(3, part=["train", "val", "train"], first=9)]).fingerprint}
    prints |= {lay_out([replace(one, boxes=(*one.boxes[:2], ()))]).fingerprint}
    assert len(prints) == 4
    assert lay_out([one]).fingerprint == lay_out([squares(3, part=["train", "val", "train"])]).fingerprint


@pytest.mark.parametrize(
    ("sets", "reason"),
    [
        ([replace(squares(2, part=["train", "val"]), boxes=((), squares(2).boxes[1]))], "learn from"),
        ([replace(squares(2, part=["train", "val"]), boxes=(squares(2).boxes[0], ()))], "watch the training"),
        ([squares(1)], "No picture with a box is left"),
        ([squares(3, part="test")], "no pictures"),
    ],
    ids=["none to learn from", "none to watch by", "one picture", "all are test"],
)
def test_too_few_pictures_are_told(sets, reason):
    with pytest.raises(TableError, match=reason):
        lay_out(sets)


def test_one_category_or_their_own():
    sets = [squares(4, part=["train", "val", "train", "val"])]
    assert lay_out(sets).categories == ("big", "small")
    assert lay_out(sets, categories="one").categories == ("organism",)
