"""What a mere import may cost: nothing heavy, and no arrow in the wrong direction."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bioclip_search

PACKAGE = Path(bioclip_search.__file__).parent
HEAVY = ("torch", "faiss", "ultralytics", "datasets", "streamlit", "pyspark", "pandas", "numpy", "pyarrow", "PIL")


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import bioclip_search", id="the package"),
        pytest.param("import sys; sys.argv = ['x', '--help']\nfrom bioclip_search.cli import root\nroot(standalone_mode=False)", id="the list of commands"),
        pytest.param(
            "import sys; sys.argv = ['x', 'evaluate', '--help']\nfrom bioclip_search.cli import root\nroot(standalone_mode=False)", id="the list of tasks"
        ),
    ],
)
def test_nothing_heavy_is_loaded(code):
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('LOADED', *sorted(sys.modules))"], capture_output=True, text=True, check=True
    ).stdout
    loaded = set(told.partition("LOADED")[2].split())
    assert not loaded & set(HEAVY)


def test_every_public_name_is_there_and_told():
    for name in bioclip_search.__all__:
        assert getattr(bioclip_search, name) is not None
        assert name in dir(bioclip_search)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        bioclip_search.nonsense  # noqa: B018


def imported_by(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("encoder", ("bioclip_search.taxonomy", "bioclip_search.names", "bioclip_search.index")),
        ("index", ("bioclip_search.taxonomy", "bioclip_search.names", "bioclip_search.encoder")),
        ("checklists", ("bioclip_search.taxonomy", "bioclip_search.names", "bioclip_search.encoder", "bioclip_search.index", "bioclip_search.build", "torch")),
        ("sources", tuple(f"bioclip_search.{room}" for room in ("decoding", "detectors", "encoder", "index", "runs", "searcher", "standards", "taxonomy"))),
        ("detectors", ("bioclip_search.taxonomy", "bioclip_search.names", "bioclip_search.index", "bioclip_search.searcher", "bioclip_search.standards")),
        ("decoding", ("bioclip_search.sources", "bioclip_search.runs", "bioclip_search.encoder", "bioclip_search.taxonomy", "torch", "faiss", "pyarrow")),
        ("heads", tuple(f"bioclip_search.{room}" for room in ("searcher", "question", "evaluation", "calibration", "classifier", "runs", "splits"))),
        ("posterior.py", ("torch", "faiss", "pyarrow", "pathlib", "bioclip_search")),
        ("fallback.py", ("torch", "faiss", "pyarrow", "pathlib", "bioclip_search.taxonomy")),
        ("standards", ("torch", "faiss", "bioclip_search.searcher", "bioclip_search.encoder", "bioclip_search.index")),
        ("splits", ("torch", "faiss", "pyarrow", "pathlib", "bioclip_search.evaluation", "bioclip_search.boxed", "bioclip_search.train")),
        ("json_stream.py", ("pyarrow", "bioclip_search.standards", "bioclip_search.sources")),
        ("", ("bioclip_search.cli", "bioclip_search.app", "bioclip_search.spark")),
    ],
)
def test_arrows_run_one_way(room, forbidden):
    place = PACKAGE / room
    files = (
        [place]
        if place.is_file()
        else [path for path in place.rglob("*.py") if room or (not {"cli", "spark"} & set(path.parts) and path.name != "__main__.py")]
    )
    assert files
    for path in files:
        wrong = [name for name in imported_by(path) for stop in forbidden if name == stop or name.startswith(stop + ".")]
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {wrong}"


@pytest.mark.parametrize("library", ["ultralytics", "streamlit", "pyspark", "datasets", "av"])
def test_a_heavy_library_stays_in_its_own_room(library):
    rooms = {"ultralytics": ("detectors", "train/yolo"), "streamlit": ("app",), "pyspark": ("spark",), "datasets": ("data",), "av": ("decoding",)}
    users = [path for path in PACKAGE.rglob("*.py") if any(name.split(".")[0] == library for name in imported_by(path))]
    assert all(any(room in path.relative_to(PACKAGE).as_posix() for room in rooms[library]) for path in users)
