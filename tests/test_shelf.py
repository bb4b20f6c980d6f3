"""The shelf: what is told of models that are here, changed, missing, or of no use here; and the commands over it."""

from __future__ import annotations

import hashlib
import json

import pytest
from click.testing import CliRunner

from bioclip_search import places
from bioclip_search.cli.models import models
from bioclip_search.detect import load_detector
from bioclip_search.detectors.known import KNOWN_DETECTORS, known_detector
from bioclip_search.errors import FetchError, ModelError
from bioclip_search.shelf import pull_model, shelved_models


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty place for models, and an empty cache of the hub."""
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    places.user_models().mkdir(parents=True)
    return tmp_path


def told_of(name):
    (found,) = [one for one in shelved_models() if one.name == name]
    return found


def test_every_known_model_is_told_once_with_its_licence_and_what_to_do(home):
    found = shelved_models()
    assert len({one.name for one in found}) == len(found) == 1 + len(KNOWN_DETECTORS) + 4
    assert all(one.licence for one in found)
    assert all(one.todo for one in found if one.path is None)


def test_our_own_detector_is_shipped_and_whole(home):
    starter = told_of("starter")
    assert (starter.state, starter.todo) == ("shipped", "")
    assert starter.sha256 == json.loads((starter.path.parent / "detector.json").read_text())["weights_sha256"]


def test_a_detector_that_is_here_has_its_own_checksum(home):
    (places.user_models() / "MDV6-yolov9-c.pt").write_bytes(b"weights")
    found = told_of("MDV6-yolov9-c")
    assert found.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert found.size_bytes == 7
    assert "--trust-pickle" in found.state


def test_an_export_that_needs_no_trust_goes_first(home):
    for suffix in (".pt", ".onnx"):
        (places.user_models() / f"MDV6-yolov9-c{suffix}").write_bytes(b"weights")
    assert (told_of("MDV6-yolov9-c").path.suffix, told_of("MDV6-yolov9-c").state) == (".onnx", "here")


def test_a_file_that_changed_is_told_and_not_loaded(home):
    path = places.user_models() / known_detector("MDV1000-sorrel").file
    path.write_bytes(b"weights")
    path.with_name(f"{path.name}.sha256").write_text(f"{'0' * 64}  {path.name}\n")
    assert "changed" in told_of("MDV1000-sorrel").state
    with pytest.raises(ModelError, match="has changed since it came here"):
        load_detector("MDV1000-sorrel")


def test_an_encoder_in_the_cache_of_the_hub_is_here(home):
    sha256 = "a" * 64
    cached = home / "hub" / "models--imageomics--bioclip-2"
    for folder in ("blobs", "refs", "snapshots/abc"):
        (cached / folder).mkdir(parents=True)
    (cached / "refs" / "main").write_text("abc")
    (cached / "blobs" / sha256).write_bytes(b"tensors")
    (cached / "snapshots/abc/open_clip_model.safetensors").symlink_to(cached / "blobs" / sha256)
    found = told_of("bioclip-2")
    assert (found.state, found.size_bytes, found.sha256) == ("here", 7, sha256)
    assert told_of("bioclip").state == "not here"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("MDV6-yolov9-e", "https://zenodo.org/records/15398270/files/MDV6-yolov9-e-1280.pt?download=1"),
        ("MDV1000-larch", "https://github.com/agentmorris/MegaDetector/releases/download/v1000.0/md_v1000.0.0-larch.pt"),
    ],
)
def test_addresses_are_those_that_the_authors_tell(name, address):
    assert known_detector(name).address == address


def test_all_addresses_are_encrypted_and_all_checksums_are_checksums():
    assert all(row.address.startswith("https://") for row in KNOWN_DETECTORS)
    assert all(row.md5 is None or (len(row.md5) == 32 and int(row.md5, 16)) for row in KNOWN_DETECTORS)


def test_a_model_that_cannot_run_here_is_not_fetched(home):
    with pytest.raises(ModelError, match=r"MDV5a is of no use here: .*yolov5 code.*MDV6-yolov9-c"):
        pull_model("mdv5a")


def test_an_unknown_name_is_answered_with_the_known_ones(home):
    with pytest.raises(ModelError, match=r"no model 'mega'.*MDV6-yolov9-c.*bioclip-2"):
        pull_model("mega")


# Commands


def test_the_list_is_one_object_a_model(home):
    result = CliRunner().invoke(models, ["list", "--format", "jsonl"], catch_exceptions=False)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["name"]: row["published_md5"] for row in rows}["MDV1000-larch"] == "cab94ebd190c2278e12fb70ffd548b6d"


def test_the_table_tells_a_person_what_to_do(home):
    told = CliRunner().invoke(models, ["list"], catch_exceptions=False).stdout
    for part in ("DETECTORS", "ENCODERS", "AGPL-3.0", "→ bioclip-search models pull MDV6-rtdetr-c", "cannot run here", "52 MB", "SHA-256"):
        assert part in told


def test_the_csv_has_a_line_a_model(home):
    told = CliRunner().invoke(models, ["list", "--format", "csv"], catch_exceptions=False).stdout
    assert told.splitlines()[0].startswith("name,kind,licence")
    assert len(told.splitlines()) == 1 + len(shelved_models())


def test_offline_the_command_says_how_to_do_it_by_hand(home, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchError, match=r"HF_HUB_OFFLINE is set.*To fetch it by hand: download https://zenodo\.org"):
        CliRunner().invoke(models, ["pull", "MDV6-yolov9-c"], catch_exceptions=False)


def test_pulling_what_is_here_tells_its_checksum_and_warns_of_pickles(home):
    (places.user_models() / "MDV6-yolov9-c.pt").write_bytes(b"weights")
    result = CliRunner().invoke(models, ["pull", "mdv6-yolov9-c"], catch_exceptions=False)
    assert result.exit_code == 0
    for part in ("was here already", "no checksum", hashlib.sha256(b"weights").hexdigest(), "--trust-pickle"):
        assert part in result.stderr


def test_what_is_shipped_need_not_be_pulled(home):
    assert "starter is here" in CliRunner().invoke(models, ["pull", "starter"], catch_exceptions=False).stderr
