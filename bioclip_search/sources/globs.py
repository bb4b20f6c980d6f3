"""The files that a pattern such as `photos/**/*.JPG` means, as a stream and in the order of a folder.

Walking is left to `folders`, what lies in archives and tables to `archives` and `lists`.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bioclip_search.media import Media, Video
from bioclip_search.sources.folders import Found, as_media, walk
from bioclip_search.sources.paths import is_picture, is_video, tellable
from bioclip_search.sources.source import Stream, Tally

NEITHER = "files that fit the pattern but are neither pictures nor videos by their endings, passed over"

ANY_FOLDERS = "**"

MAX_ALTERNATIVES = 100_000
"""The most shards that a range in braces may name."""

_BRACES = re.compile(r"\{(?:(?P<first>\d+)\.\.(?P<last>\d+)|(?P<words>[^{}/]*,[^{}/]*))\}")

Test = Callable[[str], "re.Match[str] | None"]
Opener = Callable[[Path, str, Tally], Iterator[Media]]
"""Gives the pictures in a file that holds several; the text is what results call that file."""


Counter = Callable[[Path], int]
"""Gives their number."""


def is_pattern(place: str) -> bool:
    """Whether it has a wildcard, or braces as the shards of WebDataset are called by: shard-{000..011}.tar"""
    return glob.has_magic(place) or _BRACES.search(place) is not None


def split_pattern(pattern: str) -> tuple[Path, str]:
    """The folder before the first wildcard, and what must fit below it.

    >>> split_pattern("photos/2020/**/*.JPG")[1]
    '**/*.JPG'
    """
    parts = pattern.replace("\\", "/").split("/") if os.sep == "\\" else pattern.split("/")
    first = next(number for number, part in enumerate(parts) if is_pattern(part))
    return Path("/".join(parts[:first]) or ("/" if pattern.startswith("/") else ".")), "/".join(parts[first:])


def glob_files(root: Path, pattern: str, tally: Tally) -> Iterator[Found]:
    """What fits below the root, capital and small letters told apart as the operating system does."""
    tests = [None if part == ANY_FOLDERS else _test_of(part) for part in pattern.split("/") if part]
    last = tests[-1] or _test_of("*")
    for found in walk(root, tally, lambda name: last(name) is not None, lambda folder: _may_hold(folder.split("/"), tests)):
        if found.problem is not None or _fits(found.path.split("/"), tests):
            yield found


def glob_stream(root: Path, pattern: str, openers: Callable[[str], Opener | None]) -> Stream:
    """The pictures and videos that fit, and those within the archives and tables that fit."""

    def stream(tally: Tally) -> Iterator[Media | Video]:
        for found in glob_files(root, pattern, tally):
            opener = openers(found.path) if found.problem is None and found.is_plain else None
            if opener is not None:
                yield from opener(Path(root, found.path), tellable(found.path), tally)
            elif found.problem is not None or is_picture(found.path) or is_video(found.path):
                yield as_media(root, found)
            else:
                tally.add(NEITHER, tellable(found.path))

    return stream


def glob_count(root: Path, pattern: str, counters: Callable[[str], Counter | None]) -> int:
    """The number that `glob_stream` gives, without any picture's bytes."""
    total = 0
    for found in glob_files(root, pattern, Tally()):
        counter = counters(found.path) if found.problem is None and found.is_plain else None
        if counter is not None:
            total += counter(Path(root, found.path))
        else:
            total += found.problem is not None or is_picture(found.path) or is_video(found.path)
    return total


def _test_of(part: str) -> Test:
    regex = "|".join(fnmatch.translate(one) for one in _without_braces(part))
    return re.compile(regex, re.IGNORECASE if os.name == "nt" else 0).match


def _without_braces(part: str) -> list[str]:
    """What braces stand for, each by itself; a range of more than `MAX_ALTERNATIVES` is left as it is.

    >>> _without_braces("s-{09..11}.{tar,zip}")
    ['s-09.tar', 's-09.zip', 's-10.tar', 's-10.zip', 's-11.tar', 's-11.zip']
    """
    match = _BRACES.search(part)
    if match is None:
        return [part]
    if match["first"]:
        first, last = int(match["first"]), int(match["last"])
        if not 0 <= last - first < MAX_ALTERNATIVES:
            return [part]
        words = [f"{number:0{len(match['first'])}d}" for number in range(first, last + 1)]
    else:
        words = match["words"].split(",")
    return [f"{part[: match.start()]}{word}{rest}" for word in words for rest in _without_braces(part[match.end() :])]


def _fits(parts: Sequence[str], tests: Sequence[Test | None]) -> bool:
    """Whether the parts of a path pass the tests, where None is any number of folders, or none."""
    if not parts or not tests:
        return not parts and not tests
    if tests[0] is not None:
        return tests[0](parts[0]) is not None and _fits(parts[1:], tests[1:])
    return len(tests) == 1 or any(_fits(parts[skipped:], tests[1:]) for skipped in range(len(parts)))


def _may_hold(parts: Sequence[str], tests: Sequence[Test | None]) -> bool:
    """Whether something in this folder, or below it, can fit."""
    for part, test in zip(parts, tests, strict=False):
        if test is None or test(part) is None:
            return test is None
    return len(parts) < len(tests)
