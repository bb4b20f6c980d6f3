from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from bioclip_search import sent
from bioclip_search.errors import TableError
from bioclip_search.sent import MAX_NAMES, sent_geofence, sent_names


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """The folder for temporary files, which must be empty in the end."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_list_a_table_and_one_with_a_strange_name_are_read():
    assert sent_names("birds.txt", b"Turdus merula\n# a remark\n\nTurdus merula\nParus major\n") == (["Turdus merula", "Parus major"], ())
    assert sent_names("birds.CSV", b"species,count\nTurdus merula,3\n")[0] == ["Turdus merula"]
    assert sent_names("../../etc/birds", b"Turdus merula")[0] == ["Turdus merula"]
    assert sent_names("x.\x00evil", b"Turdus merula")[0] == ["Turdus merula"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        pytest.param("a.txt", b"", "holds no name", id="empty"),
        pytest.param("a.txt", b"\xff\xfe\x00", "not text in UTF-8", id="no text"),
        pytest.param("a.parquet", b"PAR1 and no more", "a.parquet", id="damaged table"),
        pytest.param("a.zip", b"PK\x03\x04 and no more", "a.zip", id="damaged archive"),
    ],
)
def test_what_cannot_be_read_is_told_by_the_name_that_its_owner_knows(scratch, name, content, words):
    with pytest.raises(TableError, match=words) as told:
        sent_names(f"../{name}", content)
    assert str(scratch) not in str(told.value)
    assert "sent." not in str(told.value)


def test_a_checklist_of_a_million_lines_is_refused_with_words():
    with pytest.raises(TableError, match=r"1,000,000 lines; here up to 50,000 names"):
        sent_names("all.txt", b"Turdus merula\n" * 1_000_000)


def test_more_names_than_are_looked_up_are_refused_with_words():
    with pytest.raises(TableError, match=r"50,001 names"):
        sent_names("many.txt", "\n".join(f"Genus species{number}" for number in range(MAX_NAMES + 1)).encode())


def test_a_large_file_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(sent, "MAX_SENT_BYTES", 1 << 20)
    with pytest.raises(TableError, match="2 MiB; up to 1 are taken"):
        sent_names("a.parquet", bytes(2 << 20))


def test_a_geofence_is_read_and_what_is_none_is_told():
    fence = sent_geofence("rules.json", json.dumps({"aves;;;;": {"block": {"NOR": []}}}).encode())
    assert len(fence.rules) == 1
    with pytest.raises(TableError, match=r"rules\.json"):
        sent_geofence(str(Path("..", "rules.json")), b"{}{")
