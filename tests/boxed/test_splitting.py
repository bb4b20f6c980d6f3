from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.sets import find_boxed_sets
from bioclip_search.boxed.splitting import labels_of, split_sets, with_whole_parts
from bioclip_search.errors import TableError
from tests.boxed.small_boxes import boxes, picture_bytes, small_set


def test_kinds_are_counted_by_category_size_shape_and_number(tmp_path):
    """24 x 8 is wide and of 192 px² small; 8 x 24 is tall, 8 x 8 squarish."""
    told = small_set(tmp_path, [(*boxes((0, 0, 24, 8), (0, 0, 8, 24)), *boxes((0, 0, 8, 8), category="Lynx lynx")), ()])
    labels, counts = labels_of([told])
    assert dict(zip(labels, counts.T.tolist(), strict=True)) == {
        "Lynx lynx": [1, 0],
        "Puma concolor": [2, 0],
        "small": [3, 0],
        "tall": [1, 0],
        "squarish": [1, 0],
        "wide": [1, 0],
        "no box": [0, 1],
        "3 to 5 boxes": [1, 0],
    }


def test_no_burst_is_parted_and_every_part_has_its_share(tmp_path):
    """60 pictures in bursts of three, half of them with a puma, half with a lynx: 30 boxes each, of which 24, 3 and 3 were asked for."""
    several = [boxes((0, 0, 8, 8), category="Puma concolor" if burst % 2 else "Lynx lynx") for burst in range(20) for _ in range(3)]
    bursts = np.array([f"b{number // 3}" for number in range(60)], object)
    dealt = split_sets([small_set(tmp_path, several, bursts=bursts)])
    parts = dealt.sets[0].parts
    assert all(len(set(parts[bursts == burst])) == 1 for burst in bursts)
    table = {row["kind"]: row for row in dealt.rows()}
    assert table["Puma concolor"] == {
        "kind": "Puma concolor",
        "in_all": 30,
        "train_wanted": 0.8,
        "train_got": 0.8,
        "val_wanted": 0.1,
        "val_got": 0.1,
        "test_wanted": 0.1,
        "test_got": 0.1,
    }
    assert table["pictures"]["train_got"] == pytest.approx(0.8)
    assert dealt.notes == ()


def test_deployments_stay_whole_where_asked_and_are_needed_for_that(tmp_path):
    told = small_set(
        tmp_path, [boxes((0, 0, 8, 8))] * 12, deployments=np.array(list("aabbccddeeff"), object), bursts=np.array(["x", *[None] * 10, "x"], object)
    )
    parts = split_sets([told], (0.5, 0.25, 0.25), by="deployment").sets[0].parts.tolist()
    assert all(parts[row] == parts[row + 1] for row in range(0, 12, 2))
    assert parts[0] == parts[11]  # one burst in two deployments keeps both together
    with pytest.raises(TableError, match="No picture tells its deployment"):
        split_sets([small_set(tmp_path, [()])], by="deployment")


def test_copies_of_a_picture_stay_together_in_all_sets(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    for number in range(8):
        (tmp_path / "a" / f"{number}.png").write_bytes(picture_bytes(number))
        (tmp_path / "b" / f"{number}.png").write_bytes(picture_bytes(number))
    sets, _ = examine([small_set(tmp_path / name, [boxes((0, 0, 8, 8))] * 8, name) for name in ("a", "b")])
    one, two = split_sets(sets, (0.5, 0.5, 0), by="none").sets
    assert one.parts.tolist() == two.parts.tolist()
    assert sorted(one.parts.tolist()) == ["train"] * 4 + ["val"] * 4


def test_what_too_few_bursts_have_is_told(tmp_path):
    several = [boxes((0, 0, 8, 8), category="Lynx lynx")] + [boxes((0, 0, 8, 8))] * 9
    assert split_sets([small_set(tmp_path, several)]).notes == ("Lynx lynx is in 1 burst only, so it cannot be in each of the 3 parts",)


def test_a_given_split_that_parts_a_burst_is_refused_or_mended(tmp_path):
    told = small_set(tmp_path, [()] * 4, parts=np.array(["train", "train", "test", "test"], object), bursts=np.array(["dawn"] * 3 + [None], object))
    with pytest.raises(TableError, match=r"small/0.png is in train, and small/2.png of the same burst in test.*--mend-split"):
        with_whole_parts([told])
    (mended,), notes = with_whole_parts([told], mend=True)
    assert mended.parts.tolist() == ["train", "train", "train", "test"]
    assert "Mended" in notes[0]


@pytest.mark.parametrize(("shares", "message"), [((0.8, 0.2), "A split has 3 shares"), ((0, 0, 0), "share")])
def test_shares_that_cannot_be_are_refused(tmp_path, shares, message):
    with pytest.raises(TableError, match=message):
        split_sets([small_set(tmp_path, [()])], shares)
    with pytest.raises(TableError, match="no pictures to split"):
        split_sets([])


def test_the_real_boxes_are_dealt_evenly(shared):
    """286 pictures with 374 boxes: every kind with 20 boxes or more is within five hundredths of what was wanted."""
    dealt = split_sets(find_boxed_sets([shared / "boxes"]))
    rows = [row for row in dealt.rows() if row["in_all"] >= 20]
    assert len(rows) >= 8
    assert max(abs(row[f"{part}_got"] - row[f"{part}_wanted"]) for row in rows for part in ("train", "val", "test")) <= 0.05


def test_silver_pictures_and_their_bursts_are_in_train_and_the_others_are_shared_out(tmp_path):
    """Of forty pictures ten are silver, and one more lies in the burst of a silver one: 29 are left, of which 8 / 10 are 23."""
    silver, bursts = np.arange(40) < 10, np.array([None] * 9 + ["dawn", "dawn"] + [None] * 29, object)
    dealt = split_sets([small_set(tmp_path, [boxes((0, 0, 8, 8))] * 40, silver=silver, bursts=bursts)])
    parts = dealt.sets[0].parts
    assert set(parts[:11].tolist()) == {"train"}
    assert sorted((parts[11:] == part).sum() for part in ("train", "val", "test")) == [3, 3, 23]
    assert dealt.notes == ("All silver pictures (10) are in train with all pictures of their bursts: boxes that a detector drew teach, and never judge",)


def test_a_burst_of_silver_pictures_and_others_is_mended_into_train(tmp_path):
    told = small_set(
        tmp_path, [boxes((0, 0, 8, 8))] * 5, parts=np.array(["train", "val", "val", "val", "train"], object), bursts=np.array(["a"] * 3 + ["b", "c"], object)
    )
    (plain,), _ = with_whole_parts([told], mend=True)
    assert plain.parts.tolist() == ["val", "val", "val", "val", "train"]
    (mended,), _ = with_whole_parts([replace(told, silver=np.arange(5) < 1)], mend=True)
    assert mended.parts.tolist() == ["train", "train", "train", "val", "train"]


def test_a_silver_picture_that_is_to_judge_is_refused(tmp_path):
    told = small_set(tmp_path, [boxes((0, 0, 8, 8))] * 2, parts=np.array(["train", "Validation"], object), silver=np.array([False, True]))
    with pytest.raises(TableError, match=r"Silver pictures are to judge \(1; small/1.png is in Validation"):
        with_whole_parts([told])
