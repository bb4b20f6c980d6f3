"""The settings of a detector training: what is read, and what is refused."""

from pathlib import Path

import pytest

from bioclip_search.errors import TableError
from bioclip_search.train.detector_config import BoxSetConfig, DetectorConfig
from tests.train.boxed_files import write_settings

STARTER = Path(__file__).parents[2] / "data_manifest" / "starter-detector.toml"


def test_the_settings_of_the_starter_are_read():
    config = DetectorConfig.from_toml(STARTER)
    assert [entry.name for entry in config.boxes] == ["tiny", "raccoon", "kangaroo"]
    assert BoxSetConfig("birds", "birds/*.parquet", weight=1.5, scenery=True) in config.silver_sets


def test_without_silver_its_sets_and_the_fingerprint_change(tmp_path):
    text = STARTER.read_text()
    assert "use_silver = true" in text
    (tmp_path / "plain.toml").write_text(text.replace("use_silver = true", "use_silver = false"))
    plain = DetectorConfig.from_toml(tmp_path / "plain.toml")
    assert plain.silver_sets == ()
    assert plain.fingerprint != DetectorConfig.from_toml(STARTER).fingerprint


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stepps": 3}, "unknown settings stepps"),
        ({"steps": 0}, "steps should be above 0"),
        ({"steps": '"many"'}, "steps should be int"),
        ({"steps": "true"}, "steps should be int"),
        ({"learning_rate": -1.0}, "learning_rate should be above 0"),
        ({"bf16": 1}, "bf16 should be bool"),
        ({"train_px": 100}, "multiple of 32"),
        ({"photo_share": 0.9}, "parts of 1"),
        ({"photo_share": -0.5}, "parts of 1"),
        ({"px": 5}, "px should be between"),
        ({"channels": 33}, "channels"),
        ({"backbone": '"vgg"'}, "backbone"),
        ({"start": 3}, "start should be str"),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path, changes, reason):
    with pytest.raises(TableError, match=reason):
        DetectorConfig.from_toml(write_settings(tmp_path, **changes))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no boxes"),
        ("[[boxes]]\nname = 'x'", "incomplete.*files"),
        ("[[boxes]]\nname = 'x'\nfiles = 'y'\nhold = 1", "unknown settings hold"),
        ("boxes = 3", "list of tables"),
        ("boxes = [3]", "list of tables"),
        ("[[", "Cannot read"),
    ],
)
def test_files_that_are_no_settings_are_refused(tmp_path, text, reason):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(TableError, match=reason):
        DetectorConfig.from_toml(tmp_path / "bad.toml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TableError, match="nowhere"):
        DetectorConfig.from_toml(tmp_path / "nowhere.toml")
