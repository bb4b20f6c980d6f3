from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from pyarrow import parquet

from bioclip_search.errors import RunError
from bioclip_search.index import Index
from bioclip_search.runs.deciding import Deciding
from bioclip_search.runs.folder import Run, write_note
from bioclip_search.runs.retagging import retag
from bioclip_search.runs.tagging import tag_source
from bioclip_search.searcher import Searcher
from bioclip_search.sources import open_source
from tests.conftest import ColourEncoder


@pytest.fixture
def before(photos, tmp_path, equipment) -> Run:
    run = tag_source(open_source(photos), tmp_path / "before", equipment, place="photos")
    shutil.rmtree(photos)
    return run


def taxa(run: Run) -> list[str | None]:
    return parquet.read_table(run.folder / "rows")["taxon"].to_pylist()


def test_asked_the_same_the_answers_are_the_same_without_the_pictures(before, tmp_path, searcher, counting):
    counting.encoded.clear()
    again = retag(before, tmp_path / "again", Deciding(searcher, {}))
    assert parquet.read_table(again.folder / "rows").equals(parquet.read_table(before.folder / "rows"))
    assert counting.encoded == []
    assert again.note["source"]["from"] == str(before.folder)


def test_another_question_changes_the_answers_and_nothing_else(before, tmp_path, searcher):
    birds = retag(before, tmp_path / "birds", Deciding(searcher, {"within": "Aves", "rank": "class"}))
    assert set(taxa(birds)) == {"Aves", None}
    unchanged = ["image", "box_xyxy", "status", "embedding", "detector_confidence"]
    assert parquet.read_table(birds.folder / "rows", columns=unchanged).equals(parquet.read_table(before.folder / "rows", columns=unchanged))
    assert birds.note["settings"]["question"] == {"rank": "class", "within": "Aves"}


def test_what_was_decided_anew_can_be_decided_anew(before, tmp_path, searcher):
    birds = retag(before, tmp_path / "birds", Deciding(searcher, {"within": "Aves"}))
    back = retag(birds, tmp_path / "back", Deciding(searcher, {}))
    assert taxa(back) == taxa(before)


def test_a_run_is_not_decided_anew_in_its_own_folder(before, searcher):
    with pytest.raises(RunError, match="own folder"):
        retag(before, before.folder, Deciding(searcher, {}))


def test_an_unfinished_run_is_gone_on_with_first(before, tmp_path, searcher):
    write_note(before.folder, before.note | {"is_finished": False})
    with pytest.raises(RunError, match=r"is not finished.*--resume"):
        retag(Run.open(before.folder), tmp_path / "again", Deciding(searcher, {}))


def test_another_encoder_asks_for_the_pictures(before, tmp_path, small_index, encoder):
    note = before.note["settings"]["encoder"] | {"fingerprint": "other+fp32"}
    other = replace(before, note=before.note | {"settings": before.note["settings"] | {"encoder": note}})
    searcher = Searcher(Index(small_index), ColourEncoder(encoder.texts))
    with pytest.raises(RunError, match=r"other\+fp32.*Tag the pictures again"):
        retag(other, tmp_path / "again", Deciding(searcher, {}))


def test_stopped_and_gone_on_with_the_answers_are_the_same(before, tmp_path, searcher):
    whole = retag(before, tmp_path / "whole", Deciding(searcher, {}))

    def stop(done, _total):
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retag(before, tmp_path / "again", Deciding(searcher, {}), progress=stop)
    told = []
    again = retag(before, tmp_path / "again", Deciding(searcher, {}), is_resumed=True, progress=lambda done, total: told.append((done, total)))
    assert parquet.read_table(again.folder / "rows").equals(parquet.read_table(whole.folder / "rows"))
    assert (told[0], told[-1]) == ((48, 100), (100, 100))


def test_a_run_that_was_decided_from_one_is_not_gone_on_with_from_another(before, tmp_path, searcher):
    other = Run(shutil.copytree(before.folder, tmp_path / "other"), before.note)
    retag(before, tmp_path / "again", Deciding(searcher, {}))
    with pytest.raises(RunError, match=r"is a run over .*before, where .*other is given now"):
        retag(other, tmp_path / "again", Deciding(searcher, {}), is_resumed=True)
