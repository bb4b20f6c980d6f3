from pathlib import Path

import pytest

from bioclip_search.errors import TableError
from bioclip_search.train.config import EncoderConfig, ModelConfig, PictureSetConfig, ScheduleConfig, TeacherConfig, TuneConfig

SET = '[[sets]]\nname = "a"\nfiles = "a/*"\n'


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "c.toml").write_text(text)
    return tmp_path / "c.toml"


def test_settings_are_read_with_their_sets(tmp_path):
    text = 'seed = 7\n[model]\nstart = "bioclip"\n[tune]\nmode = "lora"\nkeep_start = 0.5\n[schedule]\neval_px = [64]\nwarmup = 0\n'
    config = EncoderConfig.from_toml(write(tmp_path, text + '[[teachers]]\nname = "t"\nfile = "t.tflite"\n' + SET + "weight = 2\n"))
    assert config == EncoderConfig(
        sets=(PictureSetConfig("a", "a/*", weight=2.0),),
        seed=7,
        model=ModelConfig(start="bioclip"),
        tune=TuneConfig(mode="lora", keep_start=(0.5,)),
        schedule=ScheduleConfig(eval_px=(64,), warmup=0.0),
        teachers=(TeacherConfig("t", "t.tflite"),),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 1\n", "names no picture set"),
        ('sed = 1\n[[sets]]\nname = "a"\nfiles = "a"\n', "unknown settings sed"),
        ('[[sets]]\nname = "a"\n', "incomplete"),
        ("seed = \n", "Cannot read"),
        ('seed = "one"\n' + SET, "\\[seed\\] must be int, not 'one'"),
        ("seed = true\n" + SET, "must be int, not True"),
        ("model = 3\n" + SET, "\\[model\\] must be a table of settings"),
        ("[schedule]\nstep = 3\n" + SET, "\\[schedule\\] holds unknown settings step"),
        ('[tune]\nmode = "half"\n' + SET, "mode 'half' is none of full, locked, last-blocks, lora"),
        ('[tune]\nmode = "lora"\n' + SET, "mode lora needs a start"),
        ('[tune]\nmode = "locked"\n' + SET, "nothing would be locked"),
        ("[tune]\nkeep_start = 0.5\n" + SET, "nothing to keep"),
        ('[model]\nstart = "bioclip"\n[tune]\nkeep_start = 1.5\n' + SET, "shares from 0 to 1"),
        ('[model]\nsave = "int4"\n' + SET, "save 'int4' is none of"),
        ("[schedule]\nsteps = 0\n" + SET, "must be 1 or more"),
        ("[schedule]\nlog_steps = 0\n" + SET, "must be 1 or more"),
        ("[texts]\nevery = 2\n" + SET, "every above 1 needs"),
        ("[texts]\nnames_drawn = 2\n" + SET, "go together"),
    ],
    ids=lambda text: None,
)
def test_settings_that_cannot_be_used_are_named(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        EncoderConfig.from_toml(write(tmp_path, text))


def test_the_shipped_settings_are_valid():
    config = EncoderConfig.from_toml(Path(__file__).parents[2] / "data_manifest/starter-encoder.toml")
    assert [entry.name for entry in config.sets] == ["birds", "butterflies", "tiny", "monkeys", "wild", "boxes"]


def test_sizes_that_are_left_out_are_the_models_own():
    sizes = EncoderConfig(sets=(), schedule=ScheduleConfig(end_px=96, eval_px=(96, 128))).with_sizes(224).schedule
    assert (sizes.store_px, sizes.start_px, sizes.end_px, sizes.eval_px) == (128, 96, 96, (96, 128))
    sizes = EncoderConfig(sets=()).with_sizes(224).schedule
    assert (sizes.store_px, sizes.start_px, sizes.end_px, sizes.eval_px) == (224, 224, 224, (224,))


def test_the_fingerprint_follows_every_setting():
    one, other = EncoderConfig(sets=()), EncoderConfig(sets=(), tune=TuneConfig(lora_rank=4))
    assert one.fingerprint == EncoderConfig(sets=()).fingerprint != other.fingerprint
