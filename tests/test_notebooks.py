from __future__ import annotations

import json
from pathlib import Path

import pytest

from bioclip_search.demo import demo_photographs
from bioclip_search.errors import MissingExtraError

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path):
    try:
        demo_photographs()
    except MissingExtraError as error:
        pytest.skip(str(error))
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    names: dict[str, object] = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), str(path), "exec"), names)
    assert {answer.taxon for answer in names["garden"].identify([names["cat"], names["flower"]], rank="family")} <= {"Felidae", "Asteraceae"}
