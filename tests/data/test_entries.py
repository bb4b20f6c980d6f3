"""What is known by name, as lists and in full; and the commands over it."""

from __future__ import annotations

import csv
import io
import json

import click
import pytest

from bioclip_search import places
from bioclip_search.data.entries import all_entries, entry_of
from bioclip_search.data.manifest import DETECTORS, ENCODER, named_models, read_manifest
from bioclip_search.detectors.known import KNOWN_DETECTORS
from bioclip_search.encoder.loading import KNOWN_MODELS
from bioclip_search.errors import FetchError, TableError
from bioclip_search.pulling import OFFLINE_VARIABLE
from tests.cli.test_cli import run

WANTED = """tree-of-life-10m tree-of-life-200m rare-species inat21 bioscan-1m bioscan-5m snapshot-serengeti ai-hub-livestock caltech-camera-traps
megadetector-v5 megadetector-v6 bioclip bioclip-2 bioclip-2.5-vith14 biocap biotrove-clip"""


def test_the_sets_and_models_of_the_field_are_known_once_with_licence_citation_and_what_is_not_sure(home):
    found = {one.name: one for one in all_entries()}
    assert len(found) == len(all_entries())
    assert set(WANTED.split()) <= set(found)
    for one in found.values():
        assert one.what
        assert one.licence
        assert one.citation
        assert one.verified
        assert one.unverified
        assert one.addresses or one.kind == "manual"
        assert one.todo or one.state == "here"
        assert one.size_bytes is None or one.size


def test_every_known_detector_belongs_to_one_family_and_every_known_encoder_has_its_manifest(home):
    manifests = [read_manifest(path) for path in named_models().values()]
    families = [manifest.family for manifest in manifests if manifest.kind == DETECTORS]
    assert all(sum(known.name.startswith(family) for family in families) == 1 for known in KNOWN_DETECTORS)
    assert {manifest.name for manifest in manifests if manifest.kind == ENCODER} == set(KNOWN_MODELS)
    assert set(entry_of("megadetector-v5").addresses) == {known.address for known in KNOWN_DETECTORS if known.name.startswith("MDV5")}


def test_a_set_says_whether_it_is_here_or_only_begun(home):
    assert entry_of("rare-species").state == "streamed"
    folder = places.user_datasets() / "snapshot-karoo"
    assert (entry_of("snapshot-karoo").state, entry_of("snapshot-karoo").path) == ("not here", folder)
    folder.mkdir(parents=True)
    (folder / "pulled.json").write_text('{"state": "begun"}')
    assert entry_of("snapshot-karoo").state == "begun"
    (folder / "pulled.json").write_text("no JSON")
    assert (entry_of("snapshot-karoo").state, entry_of("snapshot-karoo").todo) == ("here", "")


def test_a_misspelt_name_is_told_with_those_that_are_near():
    with pytest.raises(TableError, match="no data set or model 'snapshot-seringeti'. Did you mean snapshot-serengeti"):
        entry_of("snapshot-seringeti")


def test_the_list_is_a_table_csv_or_json_lines():
    names = [one.name for one in all_entries()]
    assert [json.loads(line)["name"] for line in run("data", "list", "--format", "jsonl").stdout.splitlines()] == names
    assert [row["name"] for row in csv.DictReader(io.StringIO(run("data", "list", "--format", "csv").stdout))] == names
    assert all(any(line.startswith(f"{name} ") for line in run("data", "list").stdout.splitlines()) for name in names)


def test_one_is_told_in_full():
    told = run("data", "info", "caltech-camera-traps").stdout
    for words in ("CDLA-Permissive-1.0", "Recognition in Terra Incognita", "105.0 GB", "To get it by hand: download https://", "unverified", "kept in"):
        assert words in told
    assert json.loads(run("data", "info", "inat21", "--format", "jsonl").stdout)["consent"].startswith("You use the data only for non-commercial")


def test_what_only_a_person_can_get_ends_with_the_steps():
    with pytest.raises(FetchError, match=r"1\. Open https://aihub\.or\.kr"):
        run("data", "pull", "ai-hub-livestock")


def test_a_model_is_fetched_by_its_own_name_as_models_pull_does(home, monkeypatch):
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    with pytest.raises(FetchError, match=r"HF_HUB_OFFLINE is set.*MDV6-yolov9-c\.pt"):
        run("data", "pull", "MDV6-yolov9-c")
    with pytest.raises(click.UsageError, match="single model, of which no part is fetched"):
        run("data", "pull", "bioclip-2", "--limit", 3)
    with pytest.raises(TableError, match="See `bioclip-search data info megadetector-v6` for how to fetch it"):
        run("data", "pull", "megadetector-v6")
