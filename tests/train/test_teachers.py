import io
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch

from bioclip_search.encoder.towers import mobilenetv2_100_plain
from bioclip_search.errors import ModelError
from bioclip_search.train.augment import MEAN, STD
from bioclip_search.train.config import TeacherConfig
from bioclip_search.train.pictures import LabelledPicture, decode_pictures
from bioclip_search.train.teachers import class_taxa, classifier_weights, mobilenet_weights, open_interpreter, read_layers, read_teacher
from tests.conftest import SHARED

BIRDS = SHARED / "data" / "models" / "mobilenet_v2_1.0_224_inat_bird_quant.tflite"
needs_teachers = pytest.mark.skipif(not BIRDS.is_file(), reason="the teacher models of the shared data are not here")


def bird_pictures(n: int) -> torch.Tensor:
    """(n, 224, 224, 3) uint8."""
    import pyarrow.parquet as pq

    rows = pq.read_table(sorted((SHARED / "data" / "birds").glob("*.parquet"))[0], columns=["image"]).slice(0, n).to_pylist()
    return torch.from_numpy(decode_pictures([LabelledPicture(row["image"]["bytes"], {}, "bird", "birds", "train") for row in rows], 224))


def one_colour(shade: int) -> bytes:
    out = io.BytesIO()
    PIL.Image.new("RGB", (32, 32), (shade, shade, shade)).save(out, "PNG")
    return out.getvalue()


@needs_teachers
@torch.inference_mode()
def test_the_tower_sees_what_the_tflite_model_sees():
    """The bytes of the TFLite model and the symmetric paddings change the odd answer; chance would agree once in 965."""
    pictures = bird_pictures(24)
    tower = mobilenetv2_100_plain(num_classes=0).eval()
    tower.load_state_dict(mobilenet_weights(BIRDS))
    weight, bias = classifier_weights(BIRDS)
    ours = (tower(((pictures.permute(0, 3, 1, 2) / 255) - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)) @ weight.T + bias).argmax(1)
    interpreter = open_interpreter(BIRDS)
    theirs = []
    for picture in pictures.numpy():
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
        interpreter.invoke()
        theirs.append(int(np.argmax(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))))
    assert (ours == torch.tensor(theirs)).float().mean() >= 0.75


@needs_teachers
def test_other_pictures_are_asked_about_anew_though_they_are_as_many(tiny_config, tmp_path):
    config = replace(tiny_config, data_root=str(SHARED / "data"))
    teacher = TeacherConfig("birds", f"models/{BIRDS.name}")
    grey, white = ([LabelledPicture(one_colour(shade), {}, "one", "set", "train")] for shade in (120, 255))
    first, other = (read_teacher(config, teacher, pictures, tmp_path).features for pictures in (grey, white))
    assert (first != other).any()
    assert (read_teacher(config, teacher, grey, tmp_path).features == first).all()


@needs_teachers
def test_a_network_of_another_shape_is_refused():
    assert len(read_layers(BIRDS)) == 53
    with pytest.raises(ModelError, match="no TFLite model"):
        read_layers(SHARED / "data" / "models" / "yolox_nano.onnx")


def test_a_missing_teacher_is_told_with_its_path(tmp_path):
    with pytest.raises(ModelError, match="nothing.tflite"):
        read_layers(tmp_path / "nothing.tflite")
    with pytest.raises(ModelError, match=r"labels\.txt"):
        class_taxa(tmp_path / "labels.txt", {})


def test_a_class_is_the_first_species_that_its_line_names(tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("Aramus guarauna (Limpkin)\ntench, Tinca tinca\nbackground\ncock\n", encoding="utf-8")
    limpkin, tench = {"species": "Aramus guarauna"}, {"species": "Tinca tinca"}
    assert class_taxa(labels, {"Aramus guarauna": limpkin, "Tinca tinca": tench}) == [limpkin, tench, None, None]
