from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from bioclip_search.classifier.report import stop_if_unwritable, write_report
from bioclip_search.classifier.training import train_classifier
from bioclip_search.errors import IndexFolderError, RunError, TableError, UnknownTaxonError
from bioclip_search.evaluation.vector_cache import CHUNK_PICTURES
from bioclip_search.index import Index
from bioclip_search.searcher import Searcher
from tests.classifier.speckled import write_pictures


@pytest.fixture(scope="module")
def trained(searcher, photos, tmp_path_factory):
    return train_classifier([photos], out=tmp_path_factory.mktemp("out") / "mine", index=searcher, heads=("prototypes", "ridge"))


def right(searcher: Searcher, features) -> float:
    answers = searcher.identify_vectors(features.vectors, **searcher.ruling(rank="species"))
    leaves = [decision.chosen.number for decision in answers]
    species = searcher.taxonomy.level("species").start
    return float(np.mean([features.taxa[of].start == species[leaf] for of, leaf in zip(features.of, leaves, strict=True)]))


def test_the_new_index_is_right_more_often_than_the_old_one_and_answers_like_any_other(trained, searcher, speckled, photos):
    mine = Searcher.open(trained.folder, encoder=speckled)
    features = trained.taught.features
    assert right(searcher, features) < 0.7 < 0.95 < right(mine, features)
    (answer,) = mine.identify(photos / "Felis catus" / "0000.png", rank="species")
    assert (answer.taxon, answer.index) == ("Felis catus", "mine")


def test_what_is_told_of_the_steps_is_asked_of_heads_that_were_not_taught_the_picture(trained):
    figures = trained.metrics
    assert figures["step_names_right"] < figures["step_head_right"]
    assert figures["step_both_gain"] == pytest.approx(figures["step_both_right"] - figures["step_names_right"], abs=2e-4)
    assert figures["step_both_right_low"] <= figures["step_both_right"] <= figures["step_both_right_high"]
    features = trained.taught.features
    kept_back, taught = (lead(scores, features.of) for scores in (trained.taught.scores, trained.head.logits(features.vectors)))
    assert kept_back < taught  # it would be as sure if it had been taught them


def lead(scores: np.ndarray, of: np.ndarray) -> float:
    """By how much a picture's own class leads before the best of the others, on average."""
    is_own = np.arange(scores.shape[1]) == of[:, None]
    return float(np.mean(scores[is_own] - np.where(is_own, -np.inf, scores).max(axis=1)))


def test_the_best_of_the_heads_is_kept(trained):
    rights = {trial.kind: trained.metrics[f"{trial.kind}_right"] for trial in trained.trials}
    assert list(rights) == ["prototypes", "ridge"]
    assert rights[trained.chosen] == max(rights.values())
    assert trained.head.kind == trained.chosen
    assert [lineage["species"] for lineage in trained.head.taxa] == [taxon.name for taxon in trained.taught.features.taxa]


def test_the_new_index_is_calibrated_on_what_was_kept_back(trained, speckled):
    mine = Searcher.open(trained.folder, encoder=speckled)
    assert "by heads that were not taught them" in mine.calibration.origin.fitted_on
    setting = mine.calibration.evidence.setting(0.6)
    assert 0 < setting.coverage <= 1


def test_taxa_that_were_not_taught_are_still_found(trained, speckled, taxonomy):
    """The ninth leaf, a family of plants, had no picture; what lies near its text is still called so."""
    mine = Searcher.open(trained.folder, encoder=speckled)
    family = next(leaf for leaf, species in enumerate(taxonomy.leaves["species"].to_pylist()) if species is None)
    (decision,) = mine.identify_vectors(speckled.encode_texts([speckled.texts[family]]), **mine.ruling(rank="family"))
    assert mine.taxonomy.taxon("family", decision.chosen.number).name == "Apiaceae"


def test_the_same_pictures_and_seed_give_the_same_head(trained, searcher, photos, tmp_path):
    again = train_classifier([photos], out=tmp_path / "again", index=searcher, heads=("prototypes", "ridge"))
    assert again.head.fingerprint == trained.head.fingerprint
    assert again.metrics == trained.metrics


def test_parts_other_than_train_are_kept_back_and_measured(searcher, tmp_path, taxonomy):
    write_pictures(tmp_path / "photos" / "train", taxonomy, 8)
    write_pictures(tmp_path / "photos" / "test", taxonomy, 12)
    for path in (tmp_path / "photos" / "test").glob("*/000[0-7].png"):
        path.unlink()  # else they would be copies of those that teach
    told = []
    found = train_classifier([tmp_path / "photos"], out=tmp_path / "mine", index=searcher, heads=("ridge",), views="none", say=told.append)
    assert (len(found.taught.features), len(found.kept_back.features)) == (64, 32)
    assert found.metrics["kept_back_names_right"] < found.metrics["kept_back_both_right"]
    assert any("64 pictures teach, 32 of other parts are kept back" in line for line in told)


def test_copies_of_what_teaches_are_not_measured(searcher, tmp_path, taxonomy):
    for part in ("train", "test"):
        write_pictures(tmp_path / "photos" / part, taxonomy, 6)
    told = []
    found = train_classifier([tmp_path / "photos"], out=tmp_path / "mine", index=searcher, heads=("ridge",), views="none", say=told.append)
    assert found.kept_back is None
    assert any("48 pictures that are kept back are copies" in line for line in told)


def with_bursts(tmp_path, taxonomy, split) -> Path:
    """Three frames a burst, as a table tells them, in the part that `split` gives frame i of a burst."""
    root = write_pictures(tmp_path / "photos", taxonomy, 12)
    rows = [
        f"{path.relative_to(tmp_path)},{path.parent.name},{path.parent.name} {int(path.stem) // 3},{split(int(path.stem) % 3)}"
        for path in sorted(root.rglob("*.png"))
    ]
    (tmp_path / "list.csv").write_text("\n".join(["path,taxon,sequence_id,split", *rows]) + "\n")
    return tmp_path / "list.csv"


@pytest.mark.parametrize("are_two_tables", [False, True], ids=["one table", "two tables"])
def test_a_split_that_parts_a_burst_is_refused_or_mended_with_a_message(searcher, tmp_path, taxonomy, are_two_tables):
    tables = [with_bursts(tmp_path, taxonomy, lambda frame: "test" if frame == 2 else "train")]
    if are_two_tables:
        header, *rows = tables[0].read_text().splitlines()
        tables = [tmp_path / "taught.csv", tmp_path / "asked.csv"]
        for table, part in zip(tables, ("train", "test"), strict=True):
            table.write_text("\n".join([header, *(row for row in rows if row.endswith(part))]))
    with pytest.raises(TableError, match="--mend-split"):
        train_classifier(tables, out=tmp_path / "mine", index=searcher, heads=("ridge",), views="none")
    assert not (tmp_path / "mine").exists()
    told = []
    found = train_classifier(tables, out=tmp_path / "mine", index=searcher, heads=("ridge",), views="none", mend=True, say=told.append)
    assert any("Mended" in line for line in told)
    assert found.kept_back is None  # two of three frames are train, so all are


def test_a_burst_lies_in_one_fold_and_its_mean_is_a_step(searcher, tmp_path, taxonomy):
    found = train_classifier([with_bursts(tmp_path, taxonomy, lambda frame: "train")], out=tmp_path / "mine", index=searcher, heads=("ridge",), views="none")
    groups = found.taught.features.groups
    assert len(np.unique(groups)) == 32
    assert all(len(set(found.fold[groups == group].tolist())) == 1 for group in np.unique(groups))
    assert "bursts" in [step.name for step in found.steps]


def test_broken_pictures_are_passed_over_and_told_and_a_class_of_one_picture_is_left_out(searcher, tmp_path, taxonomy):
    root = write_pictures(tmp_path / "photos", taxonomy, 6, ["Felis catus", "Panthera leo", "Vulpes vulpes"])
    (root / "Felis catus" / "0003.png").write_bytes(b"broken")
    for number in range(1, 6):
        (root / "Vulpes vulpes" / f"{number:04}.png").unlink()
    (root / "Turdus merula").mkdir()
    told = []
    found = train_classifier([root], out=tmp_path / "mine", index=searcher, heads=("ridge",), views="none", say=told.append)
    assert [taxon.name for taxon in found.taught.features.taxa] == ["Felis catus", "Panthera leo"]
    assert len(found.taught.features) == 11
    words = "\n".join(told)
    assert "photos/Felis catus/0003.png: left out" in words
    assert "1 class has fewer than 2 bursts or single pictures that can be read, and is not taught: Vulpes vulpes (1 picture)" in words
    assert "1 folder holds no picture: Turdus merula" in words


def test_one_picture_of_a_class_is_taught_where_that_is_asked_for(searcher, tmp_path, taxonomy):
    root = write_pictures(tmp_path / "photos", taxonomy, 6, ["Felis catus", "Panthera leo", "Vulpes vulpes"])
    for number in range(1, 6):
        (root / "Vulpes vulpes" / f"{number:04}.png").unlink()
    told = []
    found = train_classifier([root], out=tmp_path / "mine", index=searcher, heads=("prototypes",), views="none", least=1, say=told.append)
    assert len(found.head.taxa) == 3
    assert any("1 class has fewer than 5 bursts" in line and "Vulpes vulpes" in line for line in told)


def test_an_index_of_that_name_stops_before_any_picture_is_looked_at(searcher, photos, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(IndexFolderError, match="exists already"):
        train_classifier([tmp_path / "nothing"], out=tmp_path / "mine", index=searcher)


def test_a_study_of_a_taxon_that_there_is_not_stops_before_any_picture_is_looked_at(searcher, photos, tmp_path):
    ticks: list[tuple[int, int]] = []
    with pytest.raises(UnknownTaxonError, match="Nonsense"):
        train_classifier([photos], out=tmp_path / "mine", index=searcher, study="Nonsense", progress=lambda *told: ticks.append(told))
    assert not ticks


def test_a_head_that_the_index_has_already_is_replaced_and_that_is_told(trained, speckled, photos, tmp_path):
    told: list[str] = []
    searcher = Searcher.open(trained.folder, encoder=speckled)
    train_classifier([photos], out=tmp_path / "again", index=searcher, heads=("prototypes",), views="none", say=told.append)
    assert any("carries a head already, taught 8 taxa" in line and "takes its place" in line for line in told)


def test_a_report_holds_every_figure_and_every_answer(trained, tmp_path):
    pytest.importorskip("matplotlib")
    stop_if_unwritable(tmp_path / "report")
    write_report(tmp_path / "report", trained)
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "8 taxa from 96 pictures" in page
    for name in ("steps.png", "curves.png", "confusion.png"):
        assert f"({name})" in page
        with PIL.Image.open(tmp_path / "report" / name) as drawn:
            assert drawn.size[0] > 600
    told = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert told["metrics"] == trained.metrics
    assert [row["taxon"] for row in told["classes"]] == [taxon.name for taxon in trained.taught.features.taxa]
    rows = list(csv.DictReader((tmp_path / "report" / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 96
    assert np.mean([row["is_right"] == "yes" for row in rows]) == pytest.approx(trained.metrics["step_both_right"], abs=1e-4)
    assert np.mean([row["head"] == row["label"] for row in rows]) == pytest.approx(trained.metrics[f"{trained.chosen}_right"], abs=1e-4)
    with pytest.raises(RunError, match="holds a report already"):
        stop_if_unwritable(tmp_path / "report")
    with pytest.raises(RunError, match="is no folder"):
        stop_if_unwritable(tmp_path / "report" / "report.md")


def test_names_that_mean_something_to_a_spreadsheet_or_to_markdown_are_written_as_words(trained, tmp_path):
    pytest.importorskip("matplotlib")
    parts = np.array(["=2+2", *trained.taught.features.parts[1:]], object)
    taxa = (replace(trained.taught.features.taxa[0], name="<img src=x>\n| b"), *trained.taught.features.taxa[1:])
    features = replace(trained.taught.features, names=("=1+1", *trained.taught.features.names[1:]), parts=parts, taxa=taxa)
    named = replace(trained, taught=replace(trained.taught, features=features), index="a*b*", notes=("walk|1.jpg\n# left out",))
    write_report(tmp_path / "report", named)
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert r"| &lt;img src=x&gt; \| b (" in page
    assert r"Made of the index a\*b\*;" in page
    assert "\n- walk\\|1.jpg # left out\n" in page
    assert "<img" not in page
    assert "\n'=1+1,'=2+2," in (tmp_path / "report" / "predictions.csv").read_text(encoding="utf-8")


@pytest.mark.slow
def test_who_is_killed_goes_on_and_looks_at_no_picture_of_a_chunk_again(small_index, tmp_path, taxonomy):
    each = CHUNK_PICTURES // 2 + 72
    data = write_pictures(tmp_path / "photos", taxonomy, each, ["Felis catus", "Panthera leo"])
    log, home = tmp_path / "seen.txt", tmp_path / "home"
    line = [sys.executable, "-m", "tests.classifier.killing", str(small_index), str(data), str(tmp_path / "mine"), str(log)]
    told = {"env": {**os.environ, "BIOCLIP_SEARCH_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])}}
    with subprocess.Popen([*line, "0.05"], **told) as running:
        stop = time.monotonic() + 60
        while not list(home.rglob("000000.npz")) and time.monotonic() < stop and running.poll() is None:
            time.sleep(0.005)
        running.kill()  # SIGKILL, or what Windows has for it
    assert running.returncode != 0
    first = Counter(log.read_text(encoding="utf-8").splitlines())
    assert CHUNK_PICTURES <= first.total() < 2 * each
    subprocess.run([*line, "0"], check=True, **told)
    seen = Counter(log.read_text(encoding="utf-8").splitlines())
    chunk = log.read_text(encoding="utf-8").splitlines()[:CHUNK_PICTURES]
    assert {seen[picture] for picture in chunk} == {1}
    assert len(seen) == 2 * each
    assert seen.total() - 2 * each < CHUNK_PICTURES  # only what was begun after the chunk
    assert Index(tmp_path / "mine").card.head is not None
