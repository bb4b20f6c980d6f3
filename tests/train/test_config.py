from pathlib import Path

import pytest

from bioclip_search.errors import TableError
from bioclip_search.train.config import EncoderConfig, PictureSetConfig


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "c.toml").write_text(text)
    return tmp_path / "c.toml"


def test_settings_are_read_with_their_sets(tmp_path):
    config = EncoderConfig.from_toml(write(tmp_path, 'seed = 7\neval_px = [64]\n[[sets]]\nname = "a"\nfiles = "a/*"\nweight = 2.0\n'))
    assert config == EncoderConfig(sets=(PictureSetConfig("a", "a/*", weight=2.0),), seed=7, eval_px=(64,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 1\n", "names no picture set"),
        ('sed = 1\n[[sets]]\nname = "a"\nfiles = "a"\n', "unknown settings sed"),
        ('[[sets]]\nname = "a"\n', "incomplete"),
        ("seed = \n", "Cannot read"),
    ],
    ids=["no sets", "misspelt", "set without files", "no TOML"],
)
def test_settings_that_cannot_be_used_are_named(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        EncoderConfig.from_toml(write(tmp_path, text))


def test_the_shipped_settings_are_valid():
    config = EncoderConfig.from_toml(Path(__file__).parents[2] / "data_manifest/starter-encoder.toml")
    assert [entry.name for entry in config.sets] == ["birds", "butterflies", "tiny", "monkeys", "wild"]


def test_the_fingerprint_follows_every_setting():
    one, other = EncoderConfig(sets=()), EncoderConfig(sets=(), seed=1)
    assert one.fingerprint == EncoderConfig(sets=()).fingerprint != other.fingerprint
