"""Reads a JSON object whose long lists are given one element at a time, so that a million pictures need no memory.

What the elements mean is left to the formats.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TextIO

from bioclip_search.errors import SourceError

BLOCK_CHARS = 1 << 18
MAX_VALUE_CHARS = 1 << 27
"""A single element that is longer is no picture; the text of a file that never ends is not waited for."""

WHITE = " \t\r\n"


def stream_json(path: Path, lists: Collection[str]) -> Iterator[tuple[str, Any]]:
    """(name, value) for each member of the object in the file, in order; of a list named in `lists` each element by itself.

    Raises:
        SourceError: The file cannot be read, or is no JSON object.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from _Reader(file).members(lists)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: is not a JSON object as expected ({error}).") from error


class _Reader:
    """The text that is not yet read of a file, a block at a time."""

    def __init__(self, file: TextIO):
        self.file, self.text, self.at, self.is_over = file, "", 0, False
        self.decoder = json.JSONDecoder()

    def members(self, lists: Collection[str]) -> Iterator[tuple[str, Any]]:
        self.expect("{")
        if self.peek() == "}":
            return
        while True:
            if self.peek() != '"':
                raise ValueError("a name in quotes was expected")
            name = self.value()
            self.expect(":")
            if name in lists and self.peek() == "[":
                yield from ((name, element) for element in self.elements())
            else:
                yield name, self.value()
            if self.next_of(",}") == "}":
                return

    def elements(self) -> Iterator[Any]:
        self.expect("[")
        if self.peek() == "]":
            self.at += 1
            return
        while True:
            yield self.value()
            if self.next_of(",]") == "]":
                return

    def value(self) -> Any:
        """The value that begins here. Subtle: a number at the end of what is read may go on, so there must be something behind it."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError:
                if not self.more():
                    raise
                continue
            if end < len(self.text) or not self.more():
                self.at = end
                return value

    def peek(self) -> str:
        """The next character that is not white; "" at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in WHITE:
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def next_of(self, expected: str) -> str:
        found = self.peek()
        if not found or found not in expected:
            raise ValueError(f"one of {expected} was expected, and {found or 'the end of the file'} came")
        self.at += 1
        return found

    def expect(self, character: str) -> None:
        self.next_of(character)

    def more(self) -> bool:
        """Reads on; blocks grow with what is waited for, so that a long value is not tried too often."""
        if self.is_over:
            return False
        waiting = len(self.text) - self.at
        if waiting > MAX_VALUE_CHARS:
            raise ValueError(f"one value is longer than {MAX_VALUE_CHARS} characters")
        block = self.file.read(max(BLOCK_CHARS, waiting))
        self.is_over = not block
        self.text, self.at = self.text[self.at :] + block, 0
        return bool(block)
