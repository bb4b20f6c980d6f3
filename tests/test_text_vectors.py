from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search import text_vectors as module
from bioclip_search.build import build_index
from bioclip_search.errors import IndexFolderError
from bioclip_search.prompts import RANKS, TextRecipe
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.text_vectors import TextVectors
from tests.conftest import ColourEncoder, small_table

RECIPE = TextRecipe("sci", ("{}",))


class MoodyEncoder(ColourEncoder):
    """A text's vector also hangs, a little, on which other texts are in its batch."""

    name, fingerprint = "moody", "300d9e+fp32"
    delay_s = 0.0

    def __init__(self):
        super().__init__()
        self.batches: list[list[str]] = []

    def encode_texts(self, texts):
        time.sleep(self.delay_s)
        self.batches.append(list(texts))
        mood = int(hashlib.sha256("|".join(texts).encode()).hexdigest()[:4], 16) / 0xFFFF
        return super().encode_texts(texts) + np.float32(1e-3 * mood)


def insects(count: int, first: int = 0) -> pa.Table:
    species = [f"Musca domestica{number:05d}" for number in range(first, first + count)]
    return pa.table({"kingdom": ["Animalia"] * count, "genus": ["Musca"] * count, "species": species, "common_name": pa.nulls(count, pa.string())})


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "SHARD_SENTENCES", 10)


def test_the_vectors_are_those_of_the_texts_in_their_order(tmp_path, encoder):
    taxa = Taxonomy.from_table(small_table()).leaves
    vectors = TextVectors(encoder, TextRecipe(templates=("{}",)), tmp_path).of(taxa)
    assert (len(vectors), vectors.shape) == (9, (9, 32))
    np.testing.assert_allclose(vectors[:], encoder.encode_texts(encoder.texts), atol=1e-6)
    np.testing.assert_array_equal(vectors[np.array([7, 0, 7])], vectors[:][[7, 0, 7]])
    assert vectors[np.array([], int)].shape == (0, 32)


def test_no_taxa_have_no_vectors(tmp_path):
    assert TextVectors(MoodyEncoder(), RECIPE, tmp_path).of(insects(0))[:].shape == (0, 32)


def test_only_new_names_are_encoded_and_the_rest_is_said_to_be_at_hand(tmp_path):
    TextVectors(MoodyEncoder(), RECIPE, tmp_path).of(insects(25))
    encoder, said, steps = MoodyEncoder(), [], []
    TextVectors(encoder, RECIPE, tmp_path).of(insects(25, first=10), progress=lambda done, total: steps.append((done, total)), say=said.append)
    assert encoder.batches == [[f"Musca domestica{number:05d}" for number in range(25, 35)]]
    assert steps == [(10, 10)]
    assert said[0] == "25 names, 10 of them to encode"
    assert said[1].startswith("10 names encoded, ")


def test_equal_texts_are_encoded_once(tmp_path):
    encoder = MoodyEncoder()
    vectors = TextVectors(encoder, RECIPE, tmp_path).of(pa.concat_tables([insects(3), insects(3)]))
    assert encoder.batches == [["Musca domestica00000", "Musca domestica00001", "Musca domestica00002"]]
    np.testing.assert_array_equal(vectors[:3], vectors[3:])


def test_another_recipe_and_another_variant_of_the_encoder_have_their_own_vectors(tmp_path):
    encoder, reduced = MoodyEncoder(), MoodyEncoder()
    reduced.fingerprint = "300d9e+int8"
    for one, recipe in ((encoder, RECIPE), (encoder, TextRecipe("taxon", ("{}",))), (reduced, RECIPE)):
        TextVectors(one, recipe, tmp_path).of(insects(2))
    assert [len(batches.batches) for batches in (encoder, reduced)] == [2, 1]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_block_holds_fewer_names_where_each_has_several_sentences(tmp_path):
    encoder = MoodyEncoder()
    TextVectors(encoder, TextRecipe("sci", tuple(f"{number} {{}}" for number in range(4))), tmp_path).of(insects(5))
    assert [len(batch) for batch in encoder.batches] == [8, 8, 4]  # 10 sentences a block are 2 names of 4


@pytest.mark.parametrize("harm", ["torn", "changed", "empty", "other numbers", "pickle"])
def test_a_damaged_or_foreign_shard_is_set_aside_and_its_names_encoded_again(tmp_path, harm):
    whole = TextVectors(MoodyEncoder(), RECIPE, tmp_path).of(insects(25))[:]
    shard = sorted(tmp_path.glob("*/*.npy"))[1]
    content = shard.read_bytes()
    if harm == "torn":
        shard.write_bytes(content[:-100])
    elif harm == "changed":
        shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif harm == "empty":
        shard.write_bytes(b"")
    else:
        np.save(shard, np.arange(4) if harm == "other numbers" else np.array([{}], object), allow_pickle=True)
    encoder = MoodyEncoder()
    mended = TextVectors(encoder, RECIPE, tmp_path).of(insects(25))[:]
    assert sum(map(len, encoder.batches)) in {5, 10}
    np.testing.assert_array_equal(mended, whole)  # the same names in the same batch
    assert shard.with_suffix(".damaged").is_file()


def test_vectors_given_out_stay_right_when_another_shard_is_found_torn(tmp_path):
    TextVectors(MoodyEncoder(), RECIPE, tmp_path).of(insects(10))
    (torn,) = tmp_path.glob("*/*.npy")
    kept = TextVectors(MoodyEncoder(), RECIPE, tmp_path).of(insects(10, first=10))[:]
    torn.write_bytes(torn.read_bytes()[:-1] + b"?")
    texts = TextVectors(MoodyEncoder(), RECIPE, tmp_path)
    given_out = texts.of(insects(10, first=10))
    texts.of(insects(10))
    assert len(texts.encoder.batches) == 1  # the torn one
    np.testing.assert_array_equal(given_out[:], kept)


def test_where_the_cache_cannot_be_written_the_vectors_are_made_all_the_same(tmp_path):
    (tmp_path / "file").write_text("no folder")
    vectors = TextVectors(MoodyEncoder(), RECIPE, tmp_path / "file").of(insects(12))
    assert vectors[:].any(axis=1).all()


def test_vectors_whose_cache_was_deleted_say_so(tmp_path):
    vectors = TextVectors(MoodyEncoder(), RECIPE, tmp_path).of(insects(3))
    for path in tmp_path.glob("*/*.npy"):
        path.unlink()
    with pytest.raises(IndexFolderError, match="went away or changed while it was needed.*Run the command again"):
        vectors[:]


def test_unfinished_shards_of_long_ago_are_cleared_away_and_fresh_ones_left(tmp_path):
    TextVectors(MoodyEncoder(), RECIPE, tmp_path).of(insects(1))
    (folder,) = tmp_path.iterdir()
    old, fresh = folder / ".unfinished-old", folder / ".unfinished-fresh"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    TextVectors(MoodyEncoder(), RECIPE, tmp_path)
    assert (old.exists(), fresh.exists()) == (False, True)


def test_two_builds_at_once_do_not_harm_each_other(tmp_path):
    one, other = TextVectors(MoodyEncoder(), RECIPE, tmp_path), TextVectors(MoodyEncoder(), RECIPE, tmp_path)
    first, second = one.of(insects(25)), other.of(insects(25))  # the second saw none of the first's
    assert len(other.encoder.batches) == 3
    np.testing.assert_array_equal(first[:], second[:])
    assert len(list(tmp_path.glob("*/*.npy"))) == 3  # the same shards under the same names


def test_a_build_that_was_killed_goes_on_and_ends_with_the_bytes_of_an_unbroken_one(tmp_path, monkeypatch):
    monkeypatch.setenv("BIOCLIP_SEARCH_HOME", str(tmp_path / "unbroken"))
    build_index(tmp_path / "1" / "flies", taxonomy_of_flies(), MoodyEncoder(), recipe=RECIPE)
    home = tmp_path / "broken"
    monkeypatch.setenv("BIOCLIP_SEARCH_HOME", str(home))
    building = subprocess.Popen([sys.executable, "-c", f"from tests.test_text_vectors import build_slowly; build_slowly({str(tmp_path / '2' / 'flies')!r})"])
    while len(list(home.glob("cache/*/*/*.npy"))) < 4:
        assert building.poll() is None, "the build ended before it could be killed"
        time.sleep(0.02)
    building.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    building.wait()
    assert not (tmp_path / "2" / "flies").exists()

    encoder = MoodyEncoder()
    build_index(tmp_path / "2" / "flies", taxonomy_of_flies(), encoder, recipe=RECIPE)
    assert 0 < len(encoder.batches) <= 16  # 20 blocks, of which at least 4 were kept
    assert sha256_of_files(tmp_path / "2" / "flies") == sha256_of_files(tmp_path / "1" / "flies")


def test_vectors_of_other_batches_would_differ(tmp_path):
    """What the test above relies on: the encoder would show it if a resumed build cut its batches elsewhere."""
    whole = TextVectors(MoodyEncoder(), RECIPE, tmp_path / "1").of(insects(20))[:]
    TextVectors(MoodyEncoder(), RECIPE, tmp_path / "2").of(insects(5))
    assert not np.array_equal(TextVectors(MoodyEncoder(), RECIPE, tmp_path / "2").of(insects(20))[:], whole)


def taxonomy_of_flies() -> Taxonomy:
    return Taxonomy.from_table(insects(200), RANKS)


def build_slowly(out: str) -> None:
    module.SHARD_SENTENCES = 10
    encoder = MoodyEncoder()
    encoder.delay_s = 0.1
    build_index(Path(out), taxonomy_of_flies(), encoder, recipe=RECIPE)


def sha256_of_files(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*")}
