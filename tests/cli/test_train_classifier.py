"""`train classifier` as a user types it, on folders of coloured squares."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bioclip_search.cli import root
from bioclip_search.errors import MissingExtraError, RunError, UnknownTaxonError
from bioclip_search.index import Index
from tests.classifier.speckled import write_pictures

TAXA = ("Felis catus", "Turdus merula", "Vulpes vulpes")
"""Taxa that the starter index holds; what squares look like teaches it nothing, but it learns them."""


def train(*arguments: str | Path):
    result = CliRunner().invoke(root, ["train", "classifier", *map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


@pytest.fixture(scope="module")
def squares(tmp_path_factory, taxonomy) -> Path:
    return write_pictures(tmp_path_factory.mktemp("squares") / "squares", taxonomy, 6, TAXA)


@pytest.mark.slow
def test_folders_of_taxa_become_an_index_a_table_and_a_report(squares, tmp_path):
    pytest.importorskip("matplotlib")
    told = train(squares, "--out", tmp_path / "mine", "--report", tmp_path / "report", "--head", "ridge", "--views", "none", "--study", "Felidae")
    assert told.return_value == 0
    assert told.stdout.startswith("3 taxa, 18 pictures in 18 bursts or alone; head: ridge")
    assert "names and head together" in told.stdout
    assert "Felidae AGAINST THE REST: 6 of 18 pictures" in told.stdout
    assert "identify PHOTO --index" in told.stderr
    assert Index(tmp_path / "mine").card.head is not None
    assert "## Felidae against the rest" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert (tmp_path / "report" / "study.png").exists()


def test_a_broken_picture_gives_exit_status_one_after_all_was_done(squares, tmp_path, taxonomy):
    root_of_some = write_pictures(tmp_path / "some", taxonomy, 3, TAXA[:2])
    (root_of_some / TAXA[0] / "broken.png").write_bytes(b"broken")
    told = train(root_of_some, "--out", tmp_path / "mine", "--head", "prototypes", "--views", "none", "--folds", "2")
    assert told.return_value == 1
    assert "broken.png: left out" in told.stderr
    assert (tmp_path / "mine" / "card.json").exists()


def test_an_unknown_label_stops_and_is_passed_over_if_asked(tmp_path, taxonomy):
    data = write_pictures(tmp_path / "data", taxonomy, 3, TAXA)
    (data / TAXA[2]).rename(data / "a red car")
    with pytest.raises(UnknownTaxonError, match="a red car"):
        train(data, "--out", tmp_path / "mine", "--views", "none")
    told = train(data, "--out", tmp_path / "mine", "--views", "none", "--head", "ridge", "--folds", "2", "--skip-unknown")
    assert told.stdout.startswith("2 taxa, 6 pictures")


def test_a_report_that_cannot_be_written_stops_before_the_work(squares, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.md").write_text("mine")
    with pytest.raises((RunError, MissingExtraError)):
        train(squares, "--out", tmp_path / "mine", "--report", tmp_path / "report")
    assert not (tmp_path / "mine").exists()
