"""Names of files and folders that every system takes, Windows' among them, and that lead out of no folder.

What is written under them is left to the formats that write pictures.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import chain, count
from pathlib import Path, PurePosixPath

MAX_NAME_LENGTH = 100
"""Characters of a name, its ending among them: two thirds of 255, which most file systems hold in bytes, stay for other alphabets."""

# What Windows forbids in names: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³")})


def safe_name(text: str) -> str:
    """One name of a file or folder; what is forbidden anywhere becomes "_", a name that is too long loses its middle.

    >>> [safe_name(text) for text in ("Felis catus", "a/b:c?.JPG", "con.jpg", "..", "trailing. ")]
    ['Felis catus', 'a_b_c_.JPG', 'con_.jpg', '_', 'trailing']
    """
    name = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text)).rstrip(". ").lstrip()
    stem, dot, ending = name.partition(".") if name.split(".")[0].lower() in _DEVICES else (name, "", "")
    if stem.lower() in _DEVICES:
        name = f"{stem}_{dot}{ending}"
    if len(name) > MAX_NAME_LENGTH:
        suffix = PurePosixPath(name).suffix[:10]
        name = name[: MAX_NAME_LENGTH - len(suffix)].rstrip(". ") + suffix
    return name or "_"


def safe_parts(image: str) -> list[str]:
    """The name of a picture as safe parts of a path below some folder, whichever slashes it was written with; at least one.

    >>> safe_parts("../site 1/IMG_1.JPG"), safe_parts(r"C:\\\\photos\\\\a.jpg"), safe_parts("/")
    (['site 1', 'IMG_1.JPG'], ['C_', 'photos', 'a.jpg'], ['_'])
    """
    parts = [part for part in re.split(r"[/\\]+", image) if part.strip(". ")]
    return [safe_name(part) for part in parts] or ["_"]


def free_path(path: Path, mark: str) -> Path:
    """The path, or where it is taken one with the mark; names that differ in upper and lower case only are one where the system says so."""
    marks = chain([""], (f" [{mark}{number}]" for number in chain([""], (f" {times}" for times in count(2)))))
    tried = (path.with_name(f"{path.stem}{words}{path.suffix}") for words in marks)
    return next(one for one in tried if not one.exists() and not one.is_symlink())
