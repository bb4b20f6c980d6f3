"""Going on with a small detector from its folder: from its weights, on any sets of boxes, and so that a stopped run goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bioclip_search.detectors.network import Architecture, build_network
from bioclip_search.detectors.organism import DetectorNote, load_organism_detector, write_detector
from bioclip_search.errors import ModelError, RunError, TableError
from bioclip_search.train.detector_goes_on import GoingOn, _pictures, go_on
from bioclip_search.train.yolo.pictures import lay_out, written
from tests.train.yolo.small_squares import squares

PARTS = ["train"] * 6 + ["val"] * 3


pytestmark = pytest.mark.usefixtures("own_threads")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    torch.manual_seed(2)
    architecture = Architecture(channels=32, head_convs=1)
    write_detector(folder, DetectorNote("first", architecture, 64, training="on nothing", licences="none needed"), build_network(architecture).state_dict())
    return folder


def settings(start, **changes):
    return replace(GoingOn(start, epochs=2, batch=3, seed=1), **changes)


@pytest.fixture(scope="module")
def gone_on(start, tmp_path_factory):
    before, lines = torch.get_num_threads(), []
    out = go_on(settings(start), [squares(9, part=PARTS)], tmp_path_factory.mktemp("out") / "mine", tell=lines.append)
    torch.set_num_threads(before)
    return out, lines


class StoppedError(Exception):
    """The plug is pulled."""


def test_the_weights_of_the_start_are_where_it_begins(start, gone_on):
    first, then = (load_file(folder / "detector.safetensors") for folder in (start, gone_on[0]))
    moved = max(float((then[name].float() - value.float()).abs().max()) for name, value in first.items() if name.endswith("weight"))
    assert 0 < moved < 0.05, "four small steps away"
    assert gone_on[1][1].startswith("Goes on from the detector in")
    assert "4 steps of 3 pictures, at 64 px" in gone_on[1][1]


def test_the_folder_tells_where_it_comes_from_and_how_good_it_is(gone_on):
    note = json.loads((gone_on[0] / "detector.json").read_text())
    assert (note["name"], note["px"], note["categories"]) == ("first", 64, ["organism"])
    assert "Went on from the detector first (on nothing) on 6 pictures" in note["training"]
    measured = json.loads((gone_on[0] / "metrics.json").read_text())["measured"]["squares"]
    assert (measured["pictures"], measured["boxes"]) == (3, 3)
    assert load_organism_detector(gone_on[0], device="cpu").categories == ("organism",)


def test_a_stopped_run_goes_on_as_if_it_never_stopped(start, gone_on, tmp_path):
    def tell(line):
        if line.startswith("step      3"):
            raise StoppedError

    sets = [squares(9, part=PARTS)]
    with pytest.raises(StoppedError):
        go_on(settings(start), sets, tmp_path / "mine", tell=tell)
    with pytest.raises(RunError, match="--resume goes on with it"):
        go_on(settings(start), sets, tmp_path / "mine")
    go_on(settings(start), sets, tmp_path / "mine", resume=True)
    assert (tmp_path / "mine" / "detector.safetensors").read_bytes() == (gone_on[0] / "detector.safetensors").read_bytes()


def test_a_checkpoint_of_other_pictures_is_refused(start, gone_on):
    with pytest.raises(ModelError, match="other settings"):
        go_on(settings(start), [squares(9, part=PARTS, first=1)], gone_on[0], resume=True)


def test_a_damaged_checkpoint_is_refused_in_words(start, tmp_path):
    (tmp_path / "mine.run").mkdir()
    (tmp_path / "mine.run" / "checkpoint.pt").write_bytes(b"\x80\x04cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(ModelError, match="cannot be read .*Begin anew with --overwrite"):
        go_on(settings(start), [squares(9, part=PARTS)], tmp_path / "mine", resume=True)


@pytest.mark.parametrize("n_sets", [1, 2])
def test_each_picture_is_the_file_that_its_row_was_written_to(tmp_path, n_sets):
    sets = [squares(9, name="7-b/x-1", part=PARTS), squares(9, name="other", part=["val"] * 3 + ["train"] * 6, first=20)][:n_sets]
    sets[0] = replace(sets[0], boxes=((), *sets[0].boxes[1:]))  # nothing to learn from in the first
    laid = lay_out(sets, categories="one")
    place = written(laid, tmp_path, "one")
    (place / "images" / "train" / "Thumbs.db").write_bytes(b"of a file manager")
    pictures = _pictures(laid, place)
    data = {name: data for one in sets for name, data in zip(one.names, one.pictures(np.ones(len(one), bool)), strict=True)}
    assert [picture.data.read_bytes() == data[picture.source_id] for picture in pictures] == [True] * (9 * n_sets - 1)
    boxes = {name: tuple(box.box_xyxy for box in several) for one in sets for name, several in zip(one.names, one.boxes, strict=True)}
    assert all(picture.boxes_xyxy == boxes[picture.source_id] for picture in pictures)
    assert [picture.taught for picture in pictures] == [True] * (5 if n_sets == 1 else 5 + 6) + [False] * (3 * n_sets)


def test_no_boxes_to_learn_from_is_told(start, tmp_path):
    empty = replace(squares(9, part=PARTS), boxes=((),) * 9)
    with pytest.raises(TableError, match="No picture with a box"):
        go_on(settings(start), [empty], tmp_path / "mine")
