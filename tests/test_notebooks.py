from __future__ import annotations

import json
from pathlib import Path

import pytest

from bioclip_search.demo import demo_photographs
from bioclip_search.errors import MissingExtraError

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
TOUR = "tour"


def run(path: Path) -> dict[str, object]:
    """The names that the cells of a notebook leave behind."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    names: dict[str, object] = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), str(path), "exec"), names)
    return names


def test_every_cell_of_the_tour_runs():
    try:
        demo_photographs()
    except MissingExtraError as error:
        pytest.skip(str(error))
    names = run(next(path for path in NOTEBOOKS if path.stem == TOUR))
    assert {answer.taxon for answer in names["garden"].identify([names["cat"], names["flower"]], rank="family")} <= {"Felidae", "Asteraceae"}


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem != TOUR], ids=lambda path: path.stem)
def test_every_cell_of_a_recipe_runs_on_real_pictures(path, shared, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("BIOCLIP_SEARCH_SHARED", str(shared.parent))
    run(path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_notebook_carries_what_its_cells_printed(path):
    """Pictures of the data pack are not to be passed on."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert path.stem == TOUR or not any(cell["outputs"] for cell in cells)
