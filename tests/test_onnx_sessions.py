from __future__ import annotations

import subprocess
import sys

import pytest

from bioclip_search.errors import ModelError
from bioclip_search.onnx_sessions import open_onnx


def test_a_file_that_is_none_is_told_by_what_was_expected_there(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"^Expected a YOLOX model in .*a\.onnx: "):
        open_onnx(tmp_path / "a.onnx", "Proposing boxes", "a YOLOX model")
    with pytest.raises(ModelError, match="Expected a detector in .*gone"):
        open_onnx(tmp_path / "gone", "Looking", "a detector")


def test_without_onnxruntime_the_line_that_installs_it_is_told():
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from pathlib import Path; from bioclip_search.onnx_sessions import open_onnx\n"
        "try: open_onnx(Path('a.onnx'), 'Proposing boxes', 'a model')\n"
        "except Exception as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "Proposing boxes needs an optional part that is not installed. Run: pip install 'bioclip-search[onnx]'"
