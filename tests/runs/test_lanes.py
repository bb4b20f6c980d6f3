"""Several lanes: the same rows as one, whatever the threads do."""

from __future__ import annotations

import shutil
import time

import PIL.Image
import pytest
import torch
from pyarrow import parquet

from bioclip_search.demo import demo_photographs
from bioclip_search.index import Index
from bioclip_search.runs.deciding import Deciding
from bioclip_search.runs.equipping import open_deciding, open_equipment
from bioclip_search.runs.tagging import BATCH_PICTURES, Equipment, tag_source
from bioclip_search.searcher import Searcher
from bioclip_search.sources import open_source
from tests.runs.conftest import ColourDetector, CountingEncoder

LANES = 3


class UnevenDetector(ColourDetector):
    """May be asked by several threads, and takes longer for some pictures than for others."""

    in_lanes = True

    def detect(self, pictures, min_confidence):
        found = super().detect(pictures, min_confidence)
        time.sleep(0.001 * (len(found[0]) % 3))
        return found


class LaneEncoder(CountingEncoder):
    in_lanes = True


@pytest.fixture
def lanes():
    before = torch.get_num_threads()
    torch.set_num_threads(LANES)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def uneven(small_index, encoder) -> Equipment:
    return Equipment(Deciding(Searcher(Index(small_index), LaneEncoder(encoder.texts)), {}), UnevenDetector(), workers=2)


@pytest.fixture
def photos(photos):
    """With copies of some, beside the first and far from it."""
    for number in range(0, 100, 3):
        shutil.copy(photos / f"{number:03}.png", photos / f"{number:03}-copy.png")
        shutil.copy(photos / f"{number:03}.png", photos / f"{99 - number:03}-far.png")
    return photos


def tagged(photos, out, gear, **told):
    return tag_source(open_source(photos), out, gear, place=str(photos), **told)


def rows(run):
    return parquet.read_table(run.folder / "rows").combine_chunks()


def test_rows_are_those_of_one_lane_bit_for_bit_copies_among_them(photos, tmp_path, equipment, uneven, lanes):
    one, several = tagged(photos, tmp_path / "one", equipment), tagged(photos, tmp_path / "several", uneven)
    assert rows(one).equals(rows(several))
    assert one.note["counts"] == several.note["counts"]
    encoded, once = (gear.deciding.searcher.encoder.encoded for gear in (uneven, equipment))
    assert sorted(encoded) == sorted(once)
    assert len(encoded) == 90  # of a hundred pictures ten are blank, and no copy is encoded


@pytest.mark.parametrize("after", [1, 120])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(photos, tmp_path, uneven, lanes, after):
    whole = tagged(photos, tmp_path / "whole", uneven)
    uneven.deciding.searcher.encoder.encoded.clear()

    def stop(done, _total):
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tagged(photos, tmp_path / "broken", uneven, progress=stop)
    broken = tagged(photos, tmp_path / "broken", uneven, is_resumed=True)
    assert rows(whole).equals(rows(broken))
    assert len(uneven.deciding.searcher.encoder.encoded) <= 90 + (2 * LANES + 1) * BATCH_PICTURES


def test_real_models_say_the_same_on_one_core_and_on_several(tmp_path, lanes):
    flower, cat = (PIL.Image.open(path).convert("RGB") for path in demo_photographs())
    (tmp_path / "photos").mkdir()
    for number in range(6):
        picture = (flower, cat)[number % 2].rotate(10 * number)
        picture.resize((picture.width // 2, picture.height // 2)).save(tmp_path / "photos" / f"{number}.png")
    gear = open_equipment(open_deciding(precision="fp32", device="cpu"), device="cpu", workers=1)
    several = rows(tagged(tmp_path / "photos", tmp_path / "several", gear))
    torch.set_num_threads(1)
    assert several["probability"].null_count < len(several) - 3  # of six pictures, at least four are answered
    assert several.equals(rows(tagged(tmp_path / "photos", tmp_path / "one", gear)))
