from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioclip_search import json_stream
from bioclip_search.errors import SourceError
from bioclip_search.json_stream import stream_json

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=9)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=9), VALUES, max_size=5), st.sampled_from([None, 1, " "]))
def test_members_come_as_json_itself_reads_them(members, indent):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.json")
        path.write_text(json.dumps(members, indent=indent), encoding="utf-8")
        assert list(stream_json(path, ())) == list(json.loads(json.dumps(members)).items())


def test_the_elements_of_a_long_list_come_one_by_one_over_many_blocks(tmp_path):
    images = [{"file": f"{number}.jpg", "text": "é" * 1000} for number in range(1000)]
    (tmp_path / "a.json").write_text(json.dumps({"a": 12, "images": images, "b": {"images": [1]}, "empty": []}), encoding="utf-8")
    told = list(stream_json(tmp_path / "a.json", ("images", "empty")))
    assert told == [("a", 12), *(("images", image) for image in images), ("b", {"images": [1]})]
    assert (tmp_path / "a.json").stat().st_size > 3 * json_stream.BLOCK_CHARS


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a"', '{"a": 1', '{"a": 1,}', '{"a": [1, 2}', "{a: 1}", '{"a": tru}', "[" * 100_000])
def test_what_is_no_object_is_an_error(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SourceError, match="is not a JSON object"):
        list(stream_json(tmp_path / "a.json", ("a",)))


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        list(stream_json(tmp_path / "a.json", ()))
