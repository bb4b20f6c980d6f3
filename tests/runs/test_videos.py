from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from bioclip_search.decoding import FrameChoice
from bioclip_search.runs.tagging import tag_source
from bioclip_search.sources import open_source
from tests.decoding.filmed import write_video
from tests.runs.conftest import write_picture

pytest.importorskip("av")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "media"
    write_picture(folder / "a.png", 1)
    write_video(folder / "b.mp4", 25)
    write_picture(folder / "c.png", 2)
    return folder


def rows(run):
    return pq.read_table(run.folder / "rows", columns=["image", "frame_number", "frame_rate", "status"]).to_pylist()


def test_the_chosen_frames_of_a_video_stand_between_the_pictures(folder, tmp_path, equipment):
    run = tag_source(open_source(folder), tmp_path / "run", replace(equipment, detector=None, choice=FrameChoice(every=10)), place="media")
    assert [(row["image"], row["frame_number"], row["frame_rate"]) for row in rows(run)] == [
        ("a.png", None, None),
        ("b.mp4", 0, 25.0),
        ("b.mp4", 10, 25.0),
        ("b.mp4", 20, 25.0),
        ("c.png", None, None),
    ]


def test_a_video_that_is_done_is_not_opened_again(folder, tmp_path, equipment):
    gear = replace(equipment, detector=None, choice=FrameChoice(every=10))
    run = tag_source(open_source(folder), tmp_path / "run", gear, place="media")
    (folder / "b.mp4").write_bytes(b"spoilt since")
    write_picture(folder / "d.png", 3)
    again = tag_source(open_source(folder), tmp_path / "run", gear, place="media", is_resumed=True)
    assert rows(again)[:-1] == rows(run)[:5]
    assert rows(again)[-1]["image"] == "d.png"
    assert "failed" not in again.note["counts"]


def test_a_video_that_was_broken_off_goes_on_at_its_next_frame(folder, tmp_path, equipment, counting, monkeypatch):
    from bioclip_search.runs import tagging

    monkeypatch.setattr(tagging, "BATCH_PICTURES", 2)
    gear = replace(equipment, detector=None, choice=FrameChoice(every=2))
    whole = tag_source(open_source(folder), tmp_path / "whole", gear, place="media")
    once = len(counting.encoded)
    stopping = Stopping(counting, after=once + 6)
    gear.deciding.searcher.encoder = stopping
    with pytest.raises(KeyboardInterrupt):
        tag_source(open_source(folder), tmp_path / "broken", gear, place="media")
    stopping.after = 1000
    broken = tag_source(open_source(folder), tmp_path / "broken", gear, place="media", is_resumed=True)
    assert rows(broken) == rows(whole)


class Stopping:
    """The encoder, which stops the run when it has encoded so many."""

    def __init__(self, encoder, after: int):
        self.encoder, self.after = encoder, after

    def __getattr__(self, name):
        return getattr(self.encoder, name)

    def encode_prepared(self, prepared):
        if len(self.encoder.encoded) >= self.after:
            raise KeyboardInterrupt
        return self.encoder.encode_prepared(prepared)
