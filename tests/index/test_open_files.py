"""What Windows asks for: no file of a folder is open or mapped at the moment when the folder is renamed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from bioclip_search.build import build_index
from bioclip_search.index import replacing, sketching
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.repair import repair_index
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.trim import trim_index

PROCESS = Path("/proc/self")

pytestmark = pytest.mark.skipif(not (PROCESS / "maps").is_file(), reason="looks where Linux tells what a process has open")


def still_open(folder: Path) -> list[str]:
    opened = [os.readlink(link) for link in (PROCESS / "fd").iterdir() if link.is_symlink()]
    mapped = [line.split(maxsplit=5)[-1] for line in (PROCESS / "maps").read_text().splitlines()]
    return sorted({path for path in opened + mapped if path.startswith(f"{folder}/")})


@pytest.fixture
def renamed(monkeypatch) -> list[str]:
    """The names of folders that were renamed; the test fails where one has a file open."""
    names, rename = [], os.replace

    def watched(old, new):
        if Path(old).is_dir():
            assert still_open(Path(old)) == []
            names.append(Path(old).name)
        rename(old, new)

    monkeypatch.setattr(replacing.os, "replace", watched)
    return names


@pytest.fixture
def sketched(monkeypatch) -> None:
    monkeypatch.setattr(sketching, "FROM_NUMBERS", 1)


def test_a_build_with_sketches_and_a_trim(tmp_path, encoder, sketched, renamed):
    table = pa.table({"class": ["Aves"] * 300, "species": [f"Avis numero-{number:03}" for number in range(300)]})
    index = build_index(tmp_path / "i", Taxonomy.from_table(table), encoder, recipe=TextRecipe(templates=BARE_TEMPLATE))
    trim_index(index, tmp_path / "part", within="Aves")
    assert len(renamed) == 2


@pytest.mark.parametrize("name", ["names.sqlite", "vectors.faiss"])
def test_a_repair(tmp_path, small_index, encoder, renamed, name):
    folder = shutil.copytree(small_index, tmp_path / "copy")
    (folder / name).write_bytes(b"")
    repair_index(folder, encoder=encoder)
    assert renamed[0] == "copy"
