from __future__ import annotations

import hashlib
import itertools
import os
import signal
import struct
import sys
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest

av = pytest.importorskip("av")

from bioclip_search.decoding import Decoders, FrameChoice, frames  # noqa: E402
from bioclip_search.decoding.film import Wish, picks  # noqa: E402
from bioclip_search.errors import MissingExtraError, RunError  # noqa: E402
from bioclip_search.images import open_picture  # noqa: E402
from bioclip_search.media import Facts, GivenBox, Media, Video  # noqa: E402
from bioclip_search.stream import work_ahead  # noqa: E402
from tests.decoding.filmed import number_shown, write_video  # noqa: E402
from tests.decoding.hostile import good_jpeg  # noqa: E402


@pytest.fixture(scope="module")
def decoders():
    with Decoders(1) as decoders:
        yield decoders


def seen(decoders: Decoders, path: Path, choice: FrameChoice | None = None, **more) -> list[Media]:
    return list(frames(Video(path.name, path, **more), choice or FrameChoice(), decoders))


def numbers(media: list[Media]) -> list[int]:
    """Of frames, each of which must show the number that it is given out for."""
    assert [each.error for each in media] == [None] * len(media)
    assert [number_shown(each.frame.pixels) for each in media] == [each.frame.number for each in media]
    return [each.frame.number for each in media]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        pytest.param("a.mp4", "mpeg4", {}, id="mp4"),
        pytest.param("a.mov", "mpeg4", {"bf": "2"}, id="mov with frames that are stored out of order"),
        pytest.param("a.avi", "mjpeg", {}, id="avi of single JPEGs, as old camera traps write it"),
        pytest.param("a.mkv", "mpeg4", {}, id="mkv"),
    ],
)
def test_frames_carry_the_numbers_that_they_have_in_the_video(decoders, tmp_path, name, codec, options):
    path = write_video(tmp_path / name, 80, codec=codec, options=options)
    assert numbers(seen(decoders, path, FrameChoice(every=1))) == list(range(80))
    assert numbers(seen(decoders, path, FrameChoice(every=30))) == [0, 30, 60]
    assert numbers(seen(decoders, path)) == [0, 25, 50, 75]


def test_a_wish_for_so_many_a_second_takes_the_nearest_frame():
    """25 a second, 2 wanted: at 0, 0.5, 1, 1.5 s. Frame 12 is at 0.48 s, as near to 0.5 as frame 13: the earlier is taken."""
    is_wanted = picks(Wish(None, 2.0), Fraction(25))
    assert [number for number in range(51) if is_wanted(number, Fraction(number, 25))] == [0, 12, 25, 37, 50]


def test_a_wish_for_more_than_there_are_takes_every_frame_once():
    is_wanted = picks(Wish(None, 60.0), Fraction(25))
    assert all(is_wanted(number, Fraction(number, 25)) for number in range(51))


def test_uneven_frames_are_chosen_by_their_time():
    """A camera that slows down in the dark: after a second of 25 frames it takes 2 a second, yet one a second is looked at."""
    seconds = [Fraction(number, 25) for number in range(25)] + [1 + Fraction(number, 2) for number in range(9)]
    is_wanted = picks(Wish(None, 1.0), Fraction(25))
    assert [second for number, second in enumerate(seconds) if is_wanted(number, second)] == [0, 1, 2, 3, 4, 5]


def test_the_rate_is_the_videos_own_also_where_it_is_no_whole_number(decoders, tmp_path):
    media = seen(decoders, write_video(tmp_path / "a.mp4", 65, Fraction(30_000, 1001)))
    assert numbers(media) == [0, 30, 60]
    assert {each.frame.rate for each in media} == {30_000 / 1001}


def test_frames_with_boxes_are_looked_at_beside_those_chosen(decoders, tmp_path):
    box = GivenBox((0.1, 0.2, 0.3, 0.4), 0.9, "animal")
    media = seen(decoders, write_video(tmp_path / "a.mp4", 60), boxes={7: (box,), 25: (), 1000: (box,)})
    assert numbers(media) == [0, 7, 25, 50]
    assert [each.boxes for each in media] == [None, (box,), (), None]


def test_frames_know_their_video(decoders, tmp_path):
    path = write_video(tmp_path / "a.mp4", 30)
    first, second = seen(decoders, path)
    assert first.frame.content_hash == second.frame.content_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (first.image, first.file) == ("a.mp4", path)
    assert first.media_id != second.media_id
    assert decoders.open(second, 8).picture is second.frame.pixels


@pytest.mark.parametrize(
    ("metadata", "told", "start"),
    [
        pytest.param({"creation_time": "2021-05-01T12:00:00Z"}, {}, datetime(2021, 5, 1, 12), id="a camera trap, which knows no zone"),
        pytest.param(
            {"creation_time": "2021-05-01T12:00:00Z", "com.android.version": "14"}, {}, datetime(2021, 5, 1, 12, tzinfo=UTC), id="a telephone, which does"
        ),
        pytest.param({"creation_time": "2021-05-01T12:00:00Z"}, {"timestamp": datetime(2020, 2, 2)}, datetime(2020, 2, 2), id="its source knows better"),
        pytest.param({}, {}, None, id="unknown"),
    ],
)
def test_a_frames_time_is_the_videos_and_its_place_in_it(decoders, tmp_path, metadata, told, start):
    media = seen(decoders, write_video(tmp_path / "a.mov", 40, **metadata), FrameChoice(every=20), facts=Facts(deployment="north", **told))
    assert [each.facts.timestamp for each in media] == [start and start + timedelta(seconds=seconds) for seconds in (0, 0.8)]
    assert media[0].facts.timestamp is None or media[0].facts.timestamp.tzinfo == start.tzinfo
    assert {each.facts.deployment for each in media} == {"north"}


def turn(path: Path, matrix: tuple[int, ...]) -> None:
    """Writes how the camera was held into a video's track header (ISO/IEC 14496-12, 8.3.2: 16.16 fixed point)."""
    level = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    data = path.read_bytes()
    at = data.index(level, data.index(b"tkhd"))
    a, b, c, d = (part << 16 for part in matrix)
    path.write_bytes(data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[at + len(level) :])


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [
        pytest.param((0, 1, -1, 0), -1, id="shown a quarter to the right"),
        pytest.param((-1, 0, 0, -1), 2, id="upside down"),
        pytest.param((0, -1, 1, 0), 1, id="shown a quarter to the left"),
    ],
)
def test_frames_are_set_upright(decoders, tmp_path, matrix, turns):
    path = write_video(tmp_path / "a.mp4", 3)
    (level,) = seen(decoders, path)
    turn(path, matrix)
    (turned,) = seen(decoders, path)
    assert np.array_equal(np.asarray(turned.frame.pixels), np.rot90(np.asarray(level.frame.pixels), turns))


def test_a_video_cut_off_gives_the_frames_before_and_one_error(decoders, tmp_path):
    path = write_video(tmp_path / "a.mp4", 200)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    *media, last = seen(decoders, path, FrameChoice(every=10))
    assert numbers(media) == list(range(0, 10 * len(media), 10))
    assert 5 < len(media) < 18
    assert "breaks off after frame" in last.error
    assert last.frame is None
    assert (last.image, last.file) == ("a.mp4", path)


def test_a_video_spoilt_in_the_middle_never_gives_a_wrong_number(decoders, tmp_path):
    path = write_video(tmp_path / "a.avi", 100, codec="mjpeg")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40_000] = bytes(40_000)
    path.write_bytes(data)
    media = seen(decoders, path, FrameChoice(every=10))
    *media, last = media if media[-1].error else [*media, None]
    assert numbers(media[:4]) == [0, 10, 20, 30]
    assert last is not None
    assert "breaks off" in last.error


def without_frames(folder: Path) -> bytes:
    data = write_video(folder / "b.mp4", 9).read_bytes()
    return data[: data.index(b"mdat") + 4]


def audio(folder: Path) -> bytes:
    with av.open(str(folder / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return (folder / "sound.mkv").read_bytes()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(lambda folder: b"", "0 bytes", id="empty"),
        pytest.param(lambda folder: b"words " * 500, "no video of a known kind", id="words"),
        pytest.param(lambda folder: write_video(folder / "b.mp4", 9).read_bytes()[:200], "no moving pictures", id="a start alone"),
        pytest.param(audio, "no moving pictures", id="sound alone"),
        pytest.param(
            lambda folder: write_video(folder / "b.mov", 9, codec="mjpeg").read_bytes().replace(b"jpeg", b"zzzz"),
            "FFmpeg does not know",
            id="a code of its own",
        ),
        pytest.param(without_frames, "no frame that can be decoded", id="an index of frames that are not there"),
        pytest.param(lambda folder: good_jpeg(), "no video of a known kind", id="a picture"),
    ],
)
def test_what_is_no_video_is_one_error(decoders, tmp_path, data, words):
    (tmp_path / "a.mp4").write_bytes(data(tmp_path))
    (only,) = seen(decoders, tmp_path / "a.mp4")
    assert words in only.error


def test_a_list_of_other_files_is_no_video_and_they_are_not_read(decoders, tmp_path):
    other = write_video(tmp_path / "other.ts", 30, codec="mpeg2video")
    (tmp_path / "a.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n")
    assert numbers(seen(decoders, other)) == [0, 25]
    (only,) = seen(decoders, tmp_path / "a.m3u8")
    assert "no video of a known kind" in only.error


@pytest.mark.parametrize(("make", "words"), [(lambda path: None, "no such file"), (lambda path: path.mkdir(), "is a folder")])
def test_a_video_that_is_no_file_is_one_error(decoders, tmp_path, make, words):
    make(tmp_path / "a.mp4")
    (only,) = seen(decoders, tmp_path / "a.mp4")
    assert words in only.error


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("blow", "words"), [(signal.SIGSTOP, "takes longer than 3 s for one frame"), (signal.SIGKILL, "ends the process that decodes it (signal 9)")]
)
def test_a_video_whose_child_hangs_or_crashes_gives_the_frames_before_and_one_error(tmp_path, blow, words):
    path = write_video(tmp_path / "a.mp4", 200)
    with Decoders(1, timeout_s=3) as decoders:
        others = set(psutil.Process().children())
        stream = frames(Video("a.mp4", path), FrameChoice(every=1), decoders)
        first = next(stream)
        (child,) = set(psutil.Process().children()) - others
        child.send_signal(blow)
        *media, last = [first, *stream]
        assert numbers(media) == list(range(len(media)))
        assert words in last.error
        assert numbers(seen(decoders, path, FrameChoice(every=100))) == [0, 100]


def test_a_video_left_in_the_middle_leaves_no_child_behind(tmp_path):
    path = write_video(tmp_path / "a.mp4", 100)
    with Decoders(1) as decoders:
        others = psutil.Process().children()
        stream = frames(Video("a.mp4", path), FrameChoice(every=1), decoders)
        next(stream)
        assert len(psutil.Process().children()) == len(others) + 1
        stream.close()
        assert psutil.Process().children() == others
        assert numbers(seen(decoders, path)) == [0, 25, 50, 75]


def test_a_video_is_not_told_to_be_broken_because_the_decoders_were_closed(tmp_path):
    path = write_video(tmp_path / "a.mp4", 100)
    with Decoders(1) as decoders:
        stream = frames(Video("a.mp4", path), FrameChoice(every=1), decoders)
        next(stream)
        decoders.close()
        with pytest.raises(RunError, match="closed"):
            list(stream)


def test_pictures_and_videos_share_one_worker_without_waiting_for_each_other(decoders, tmp_path):
    path = write_video(tmp_path / "a.mp4", 100)
    picture = Media("a", data=good_jpeg())
    mixed = itertools.chain([picture] * 3, frames(Video("a.mp4", path), FrameChoice(every=1), decoders), [picture] * 3)
    sizes = [opened.picture.width for opened in work_ahead(decoders.open, mixed, workers=2)]
    assert sizes == [160] * 3 + [320] * 100 + [160] * 3


def test_frames_that_are_done_are_passed_over(decoders, tmp_path):
    path = write_video(tmp_path / "a.mp4", 100)
    content_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    done = {(content_hash, 0), (content_hash, 50), ("another", 25)}
    assert numbers(list(frames(Video("a.mp4", path), FrameChoice(), decoders, lambda *key: key in done))) == [25, 75]


@pytest.mark.parametrize("wrong", [{"every": 0}, {"per_s": 0.0}, {"per_s": float("nan")}, {"every": 2, "per_s": 1.0}])
def test_a_choice_that_chooses_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="[Ff]rame"):
        FrameChoice(**wrong)


def test_without_the_library_the_error_names_what_to_install(decoders, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"bioclip-search\[video\]"):
        seen(decoders, tmp_path / "a.mp4")


def test_the_real_telephones_video_tells_its_time_with_its_zone(decoders, shared):
    """20251112_100312.mp4 of camtrapR: its name is local time, its metadata UTC and the zone."""
    path = shared / "bursts/camtrapR-sample_images_species_dir/StationA/PBE/20251112_100312.mp4"
    media = seen(decoders, path)
    assert [each.frame.number for each in media] == [0, 30]
    assert media[0].frame.pixels.size == (1280, 720)
    assert media[0].facts.timestamp == datetime(2025, 11, 12, 10, 3, 13, tzinfo=timezone(timedelta(hours=8)))
    assert media[0].facts.timestamp.utcoffset() == timedelta(hours=8)


def test_a_minute_of_real_pictures_gives_each_of_them_once_at_one_a_second(decoders, tmp_path, shared):
    """The 60 Peruvian pictures, each shown for a second of 5 frames: one frame a second is the pictures again, in order."""
    paths = sorted((shared / "bursts/animl-peru-SDZG_1").glob("*.JPG"))
    pictures = [np.asarray(open_picture(path, enough_px=150).resize((400, 300))) for path in paths]
    held = (picture for picture in pictures for _ in range(5))
    path = write_video(tmp_path / "peru.mp4", 300, 5, options={"b": "8000000"}, draw=lambda _: next(held), size_wh=(400, 300))
    media = seen(decoders, path)
    assert [each.frame.number for each in media] == list(range(0, 300, 5))
    assert {each.frame.rate for each in media} == {5.0}
    for each, picture in zip(media, pictures, strict=True):
        assert np.abs(np.asarray(each.frame.pixels).astype(int) - picture).mean() < 8
