from __future__ import annotations

import gzip
import json
import shutil

import numpy as np
import PIL.Image
import pytest
import torch

from bioclip_search.encoder import encode_recipe, same_space
from bioclip_search.encoder.loading import load_model
from bioclip_search.encoder.openclip import CPU_BATCH_PICTURES, choose_device, choose_precision
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.errors import ModelError
from tests.peers.random_models import synthetic_picture

PICTURES = [synthetic_picture(seed) for seed in range(5)]


@pytest.fixture(scope="module")
def encoder(model_folder):
    return open_encoder(model_folder, device="cpu", precision="fp32")


@pytest.fixture
def copy(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "model")


def rewrite(folder, change):
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_rows_are_those_of_open_clip_made_units(encoder, model_folder):
    import open_clip

    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{model_folder}", return_transform=True)
    with torch.inference_mode():
        pictures = model.encode_image(torch.stack([preprocess(picture) for picture in PICTURES]), normalize=True).numpy()
        texts = model.encode_text(open_clip.get_tokenizer(f"local-dir:{model_folder}")(["a fox", "an owl"]), normalize=True).numpy()
    assert np.allclose(encoder.encode_images(PICTURES), pictures, atol=1e-5)
    assert np.allclose(encoder.encode_texts(["a fox", "an owl"]), texts, atol=1e-5)


def test_rows_are_float32_units_in_order_and_none_for_nothing(encoder):
    rows = encoder.encode_images(PICTURES)
    assert (rows.dtype, rows.shape) == (np.float32, (5, encoder.dim))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.allclose(encoder.encode_images(PICTURES[::-1])[::-1], rows, atol=1e-5)
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, encoder.dim)


def test_batches_of_several_lanes_give_the_rows_of_one_core_bit_for_bit(encoder):
    prepared, before = [encoder.prepare(synthetic_picture(seed)) for seed in range(2 * CPU_BATCH_PICTURES + 3)], torch.get_num_threads()
    rows = []
    for cores in (1, 2, 3):  # three batches: in the caller's thread; 1st and 3rd, 2nd; each in a lane of its own
        torch.set_num_threads(cores)
        rows.append(encoder.encode_prepared(prepared))
    torch.set_num_threads(before)
    assert encoder.in_lanes
    assert np.array_equal(rows[0], rows[1])
    assert np.array_equal(rows[0], rows[2])


def test_more_than_a_batch_is_encoded_like_one_by_one(encoder):
    texts = [f"a photo of plant {number}" for number in range(300)]
    assert np.allclose(
        encoder.encode_texts(texts)[[0, 255, 256, 299]], np.concatenate([encoder.encode_texts([texts[n]]) for n in (0, 255, 256, 299)]), atol=1e-5
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1), (2048, 1536)])
@pytest.mark.parametrize("preprocess", ["open_clip", "squash", "letterbox"])
def test_pictures_of_any_shape_are_prepared(model_folder, size, preprocess):
    encoder = open_encoder(model_folder, device="cpu", preprocess=preprocess)
    assert encoder.prepare(PIL.Image.new("RGB", size, "green")).shape == (3, encoder.input_px, encoder.input_px)


def test_letterbox_keeps_the_ends_that_the_centre_cut_loses(model_folder):
    picture = PIL.Image.new("RGB", (300, 100), "white")
    picture.paste("black", (0, 0, 40, 100))
    seen = {mode: open_encoder(model_folder, device="cpu", preprocess=mode).prepare(picture) for mode in ("open_clip", "letterbox")}
    assert float(seen["open_clip"].std(dim=(1, 2)).max()) < 1e-6  # white alone
    assert float(seen["letterbox"].min()) < -1.5  # the black is there


def test_the_fingerprint_knows_weights_and_preprocessing_but_not_the_variant(encoder, model_folder, copy):
    assert same_space(open_encoder(copy, device="cpu", precision="bf16").fingerprint, encoder.fingerprint)
    assert open_encoder(copy, device="cpu", precision="bf16").fingerprint.endswith("+bf16")
    assert not same_space(open_encoder(copy, device="cpu", preprocess="squash").fingerprint, encoder.fingerprint)
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "open_clip_model.safetensors")
    weights["logit_scale"] = weights["logit_scale"] + 1e-3
    save_file(weights, copy / "open_clip_model.safetensors")
    assert not same_space(open_encoder(copy, device="cpu").fingerprint, encoder.fingerprint)


def test_half_precision_weights_are_the_same_model_as_their_fp32_copy(copy, tmp_path):
    from safetensors.torch import load_file, save_file

    half = {key: tensor.half() for key, tensor in load_file(copy / "open_clip_model.safetensors").items()}
    save_file(half, copy / "open_clip_model.safetensors")
    full = shutil.copytree(copy, tmp_path / "full")
    save_file({key: tensor.float() for key, tensor in half.items()}, full / "open_clip_model.safetensors")
    assert open_encoder(copy, device="cpu").fingerprint == open_encoder(full, device="cpu").fingerprint


def test_templates_are_averaged_as_units(encoder):
    singles = encoder.encode_texts(["a fox", "the fox"])
    mean = singles.mean(axis=0)
    assert np.allclose(encode_recipe(encoder, [["a fox", "the fox"], ["an owl"]])[0], mean / np.linalg.norm(mean), atol=1e-5)


def vocabulary(folder, data: bytes):
    (folder / "bpe.txt.gz").write_bytes(data)
    rewrite(folder, lambda config: config["model_cfg"]["text_cfg"].update(tokenizer_kwargs={"bpe_path": "bpe.txt.gz"}))


def cut_short(folder):
    path = folder / "open_clip_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def garbled(folder):
    path = folder / "open_clip_model.safetensors"
    path.write_bytes(b"\xff" * 1000)


def pickled(folder):
    class Evil:
        def __reduce__(self):
            return (print, ("code was run",))

    (folder / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": Evil()}, folder / "open_clip_pytorch_model.bin")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(cut_short, "damaged or cut short", id="truncated weights"),
        pytest.param(garbled, "damaged or cut short", id="corrupt weights"),
        pytest.param(pickled, "more than weights", id="a pickle that would run code"),
        pytest.param(lambda folder: (folder / "open_clip_model.safetensors").unlink(), "cannot be loaded", id="no weights"),
        pytest.param(lambda folder: rewrite(folder, lambda c: c["model_cfg"].update(embed_dim=32)), "do not fit its configuration", id="wrong dim"),
        pytest.param(lambda folder: rewrite(folder, lambda c: c["model_cfg"].pop("text_cfg")), "no text tower", id="no text tower"),
        pytest.param(lambda folder: (folder / "open_clip_config.json").write_text("{"), "no open_clip configuration", id="broken configuration"),
        pytest.param(lambda folder: (folder / "open_clip_config.json").unlink(), "holds no open_clip_config.json", id="no configuration"),
        pytest.param(
            lambda folder: rewrite(folder, lambda c: c["model_cfg"]["text_cfg"].update(tokenizer_kwargs={"bpe_path": "../../x.gz"})),
            "must be a file of that very folder",
            id="vocabulary outside",
        ),
        pytest.param(lambda folder: vocabulary(folder, b"no gzip"), "no gzip file of a vocabulary", id="broken vocabulary"),
        pytest.param(lambda folder: vocabulary(folder, gzip.compress(bytes(40 << 20))), "unpacks to more than 32 MiB", id="vocabulary bomb"),
    ],
)
def test_a_spoilt_folder_is_refused_in_clear_words(copy, spoil, message, capsys):
    spoil(copy)
    with pytest.raises(ModelError, match=message):
        load_model(copy)
    assert "code was run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-model", "it is no folder, no short name"),
        ("ViT-B-32", "Say which weights of ViT-B-32"),
        ("local-dir:/nowhere", "no such folder"),
    ],
)
def test_an_unknown_name_says_what_names_there_are(name, message):
    with pytest.raises(ModelError, match=message):
        load_model(name)


def test_a_hub_that_cannot_be_reached_is_told_with_the_way_out(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="hub cannot be reached and the model is not in its cache. Go online once, or copy"):
        load_model("bioclip-2")


def test_devices_and_precisions_are_checked():
    for wrong in ("gpu9", "cuda" if not torch.cuda.is_available() else "mps"):
        with pytest.raises(ModelError):
            choose_device(wrong)
    with pytest.raises(ModelError, match="Unknown precision"):
        choose_precision("fp8", torch.device("cpu"))
    assert choose_precision("bf16", torch.device("cpu")) == "bf16"


def test_bf16_gives_nearly_the_same_rows(encoder, model_folder):
    half = open_encoder(model_folder, device="cpu", precision="bf16")
    assert (half.encode_images(PICTURES) * encoder.encode_images(PICTURES)).sum(axis=1).min() > 0.99


def test_int8_gives_nearly_the_same_rows_and_is_exported_once(encoder, model_folder, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from bioclip_search.encoder import onnx

    quick = open_encoder(model_folder, precision="int8")
    assert same_space(quick.fingerprint, encoder.fingerprint)
    assert (quick.encode_images(PICTURES) * encoder.encode_images(PICTURES)).sum(axis=1).min() > 0.97
    assert np.array_equal(quick.encode_texts(["a fox"]), encoder.encode_texts(["a fox"]))
    monkeypatch.setattr(onnx, "_export_int8", None)  # a second export would fail
    assert open_encoder(model_folder, precision="int8").encode_images([]).shape == (0, encoder.dim)


def test_a_hub_model_in_the_cache_is_loaded_offline_by_its_short_name(model_folder, monkeypatch, tmp_path, encoder):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--imageomics--bioclip-2"
    shutil.copytree(model_folder, repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    cached = open_encoder("bioclip-2", device="cpu", precision="fp32")
    assert (cached.name, cached.fingerprint) == ("hf-hub:imageomics/bioclip-2", encoder.fingerprint)
    assert np.array_equal(cached.encode_texts(["a fox"]), encoder.encode_texts(["a fox"]))


def test_a_hub_model_whose_weights_did_not_arrive_is_no_random_network(model_folder, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--imageomics--bioclip-2" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("a" * 40)
    shutil.copy(model_folder / "open_clip_config.json", snapshot)
    with pytest.raises(ModelError, match="bioclip-2 cannot be loaded"):
        load_model("hf-hub:imageomics/bioclip-2")
