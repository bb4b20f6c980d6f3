"""What a training starts from: names, files that are trusted or not, folders; and never a download."""

import importlib.util

import pytest

from bioclip_search import places
from bioclip_search.detectors.yolo import import_ultralytics
from bioclip_search.errors import ModelError
from bioclip_search.train.yolo.start import find_start

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ultralytics") is None, reason="ultralytics is not installed")


@pytest.fixture
def models(tmp_path, monkeypatch):
    """An empty folder where models are found by name."""
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))
    places.user_models().mkdir(parents=True)
    return places.user_models()


def save(path, architecture="yolo11n"):
    import_ultralytics().YOLO(f"{architecture}.yaml").save(path)
    return path


def test_a_name_starts_from_random_weights_and_says_so(models):
    start = find_start("yolo26n")
    assert (start.architecture, start.network) == ("yolo26n", None)
    assert "random weights" in start.words
    assert "nothing is downloaded" in start.words


def test_weights_of_that_name_are_taken_only_if_the_pickle_is_trusted(models):
    save(models / "yolo11n.pt")
    assert find_start("yolo11n").network is None
    assert "--trust-pickle" in find_start("yolo11n").words
    assert find_start("yolo11n", trust_pickle=True).network is not None


def test_a_file_of_another_network_under_that_name_is_refused(models):
    save(models / "yolo12n.pt", "yolo11n")
    with pytest.raises(ModelError, match="Expected yolo12n in .* got yolo11n"):
        find_start("yolo12n", trust_pickle=True)


def test_a_file_tells_its_architecture_by_its_layers(tmp_path):
    path = save(tmp_path / "renamed.pt", "yolov8s")
    with pytest.raises(ModelError, match="pickle"):
        find_start(str(path))
    assert find_start(str(path), trust_pickle=True).architecture == "yolov8s"


def test_a_network_for_another_task_is_refused(tmp_path):
    path = save(tmp_path / "outlines.pt", "yolo11n-seg")
    with pytest.raises(ModelError, match="none that can be trained here"):
        find_start(str(path), trust_pickle=True)


@pytest.mark.parametrize("start", ["yolo99x", "missing.pt", "https://example.org/yolo11n.pt", "MDV5a"])
def test_what_is_not_here_is_told_with_what_there_is(models, start):
    with pytest.raises(ModelError, match="yolo11n"):
        find_start(start)


def test_a_damaged_file_is_a_model_error(tmp_path):
    (tmp_path / "torn.pt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ModelError, match="loading it gave"):
        find_start(str(tmp_path / "torn.pt"), trust_pickle=True)
