"""What would hang, crash or starve us gives one error each, and never costs another picture its answer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from pathlib import Path

import PIL.Image
import psutil
import pytest

from bioclip_search.decoding import Decoders
from bioclip_search.decoding.opening import WHOLE_BYTES
from bioclip_search.errors import PictureError, RunError
from bioclip_search.media import Media
from bioclip_search.stream import work_ahead
from tests.decoding.hostile import chunk, good_jpeg, make_hostile, png, slow_jpeg

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def opened_or_error(decoders: Decoders, media: Media) -> str:
    try:
        return "{}x{}".format(*decoders.open(media).picture.size)
    except PictureError as error:
        return str(error)


def test_a_folder_of_hostile_files_gives_one_error_each_and_all_others_are_answered(tmp_path):
    expected = make_hostile(tmp_path)
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(good_jpeg())
    files = sorted(tmp_path.iterdir())
    with Decoders(2, timeout_s=3) as decoders:
        told = dict(zip(files, work_ahead(lambda path: opened_or_error(decoders, Media(path.name, path)), files), strict=True))
    assert {path.name for path, words in told.items() if words == "160x120"} == {"0.jpg", "1.jpg", "2.jpg", "3.jpg"}
    for name, words in expected.items():
        assert words in told[tmp_path / name], name


def test_the_shared_hostile_pictures_are_answered_or_refused_in_words(shared):
    broken = {"african_elephants_truncated_file.jpg": "truncated", "error_img.JPG": "0 bytes"}
    with Decoders(1) as decoders:
        for path in sorted((shared / "hostile").iterdir()):
            assert broken.get(path.name, "2048x1536") in opened_or_error(decoders, Media(path.name, path))


def test_a_picture_is_not_refused_for_being_wide(tmp_path):
    PIL.Image.new("RGB", (65_000, 20)).save(tmp_path / "long.png")
    with Decoders(1) as decoders:
        assert opened_or_error(decoders, Media("long.png", tmp_path / "long.png")) == "65000x20"


def bomb() -> bytes:
    """13,000 × 13,000 black or white pixels, which no limit of size forbids: 26 KB here, 645 MiB as Pillow's RGB."""
    header = png(1, 1)[:8]
    size = (13_000).to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    rows = zlib.compress(bytes((13_000 // 8 + 1) * 13_000), 9)
    return header + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its memory")
def test_a_picture_that_needs_too_much_memory_is_refused_and_the_next_answered():
    with Decoders(1, memory_mb=600) as decoders:
        assert opened_or_error(decoders, Media("bomb", data=bomb())) == "needs more memory than the 600 MiB that one picture may take"
        assert opened_or_error(decoders, Media("good", data=good_jpeg())) == "160x120"


def test_a_large_file_is_hashed_piece_by_piece_to_the_same_hash(tmp_path):
    import hashlib

    data = good_jpeg() + bytes(WHOLE_BYTES)
    (tmp_path / "large.jpg").write_bytes(data)
    with Decoders(1) as decoders:
        assert decoders.open(Media("large.jpg", tmp_path / "large.jpg")).content_hash == hashlib.sha256(data).hexdigest()


def test_a_file_beyond_the_largest_size_is_refused_unread(tmp_path):
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate((1 << 29) + 1)
    with Decoders(1) as decoders:
        assert opened_or_error(decoders, Media("huge.jpg", tmp_path / "huge.jpg")) == "the file is larger than 512 MiB"


@POSIX
def test_a_picture_whose_child_crashes_each_time_is_an_error(tmp_path):
    """Somebody kills every child that is at work on the slow picture; two children are spent on it and no more."""
    (tmp_path / "slow.jpg").write_bytes(slow_jpeg())
    others, spent = set(psutil.Process().children()), set()
    is_over = threading.Event()

    def kill() -> None:
        while not is_over.wait(0.05):
            for child in set(psutil.Process().children()) - others:
                with contextlib.suppress(psutil.NoSuchProcess):
                    if child.cpu_times().user > 0.5:
                        spent.add(child.pid)
                        child.send_signal(signal.SIGSEGV)

    killer = threading.Thread(target=kill)
    with Decoders(1) as decoders:
        killer.start()
        try:
            words = opened_or_error(decoders, Media("slow.jpg", tmp_path / "slow.jpg"))
        finally:
            is_over.set()
            killer.join()
        assert "ends the process that decodes it (signal 11), 2 times" in words
        assert len(spent) == 2
        assert opened_or_error(decoders, Media("good", data=good_jpeg())) == "160x120"


@POSIX
def test_a_child_takes_no_notice_of_ctrl_c():
    others = set(psutil.Process().children())
    with Decoders(1) as decoders:
        decoders.open(Media("good", data=good_jpeg()))
        (child,) = set(psutil.Process().children()) - others
        child.send_signal(signal.SIGINT)
        decoders.open(Media("good", data=good_jpeg()))
        assert set(psutil.Process().children()) - others == {child}


SCRIPT = """
    import sys
    from bioclip_search.decoding import Decoders
    from bioclip_search.media import Media

    decoders = Decoders(1)
    print(decoders.open(Media("good", data=open(sys.argv[1], "rb").read())).picture.size, flush=True)
    if len(sys.argv) > 2:
        decoders.open(Media("slow", data=open(sys.argv[2], "rb").read()))
"""


def test_a_script_needs_no_guard_and_ends_without_closing(tmp_path):
    """Also one that stands beside files that have the names of our libraries, as downloaded pictures may bring with them."""
    (tmp_path / "good.jpg").write_bytes(good_jpeg())
    (tmp_path / "PIL.py").write_text("raise SystemExit('this is not Pillow')")
    told = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(SCRIPT), "good.jpg"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.strip() == "(160, 120)"


@POSIX
def test_children_end_in_the_midst_of_a_picture_when_their_parent_is_killed(tmp_path):
    (tmp_path / "good.jpg").write_bytes(good_jpeg())
    (tmp_path / "slow.jpg").write_bytes(slow_jpeg())
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), tmp_path / "good.jpg", tmp_path / "slow.jpg"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with parent:
        parent.stdout.readline()
        (child,) = psutil.Process(parent.pid).children()
        before = child.cpu_times().user
        while child.cpu_times().user < before + 0.3:  # it is at work on the slow one
            time.sleep(0.02)
        parent.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs([child], timeout=20)
    assert gone or alive[0].status() == psutil.STATUS_ZOMBIE
    assert {path.name for path in tmp_path.iterdir()} == {"good.jpg", "slow.jpg"}


def test_a_child_loads_no_model_library():
    code = "import bioclip_search.decoding.worker, bioclip_search.decoding.film, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "PIL.Image" in loaded
    assert not {"torch", "faiss", "pyarrow", "pandas", "ultralytics", "open_clip", "av"} & set(loaded)


@pytest.mark.parametrize(("program", "words"), [("python", "No such file"), ("false", "exit status 1")])
def test_a_child_that_does_not_start_stops_the_run_and_says_why(tmp_path, monkeypatch, program, words):
    if program == "false" and not Path("/bin/false").exists():
        pytest.skip("there is no program that fails")
    monkeypatch.setattr(sys, "executable", "/bin/false" if program == "false" else str(tmp_path / "python"))
    with Decoders(1) as decoders, pytest.raises(RunError, match=words):
        decoders.open(Media("good", data=good_jpeg()))


def test_a_child_uses_the_package_of_its_parent_and_no_other(tmp_path, monkeypatch):
    """Where two versions are about, the child must be of the same."""
    (tmp_path / "bioclip_search").mkdir()
    (tmp_path / "bioclip_search" / "__init__.py").write_text("raise SystemExit('this is another version')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Decoders(1) as decoders:
        assert opened_or_error(decoders, Media("good", data=good_jpeg())) == "160x120"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_child_that_crashes_leaves_no_core_file():
    others = set(psutil.Process().children())
    with Decoders(1) as decoders:
        decoders.open(Media("good", data=good_jpeg()))
        (child,) = set(psutil.Process().children()) - others
        assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
