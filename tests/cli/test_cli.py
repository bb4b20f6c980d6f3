"""The commands as a user types them, against a small real index; slow start-ups are shared where they can be."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys

import click
import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import csv as arrow_csv

from bioclip_search.cli import COMMANDS, root
from bioclip_search.errors import BioclipSearchError
from tests.conftest import small_table
from tests.peers.random_models import synthetic_picture


def run(*arguments: object, **options):
    """The result of the command in this process; our own errors are passed on."""
    result = CliRunner().invoke(root, [str(argument) for argument in arguments], standalone_mode=False, **options)
    if result.exception is not None:
        raise result.exception
    return result


def run_apart(*arguments: object, **options) -> subprocess.CompletedProcess:
    """The command as a process of its own: what the shell sees."""
    return subprocess.run([sys.executable, "-m", "bioclip_search", *map(str, arguments)], capture_output=True, text=True, encoding="utf-8", **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_folder):
    """An index over the nine leaves with its encoder inside, built by the command itself."""
    place = tmp_path_factory.mktemp("cli")
    arrow_csv.write_csv(small_table(), place / "taxa.csv")
    result = run(
        "index",
        "build",
        place / "taxa.csv",
        "--out",
        place / "small",
        "--encoder",
        model_folder,
        "--include-encoder",
        "--vectors",
        "fp16",
        "--templates",
        "bare",
    )
    assert "9 rows read, 9 taxa kept" in result.stderr
    return place / "small"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    place = tmp_path_factory.mktemp("pictures")
    for number in range(3):
        synthetic_picture(number).save(place / f"{number}.jpg")
    return place


def test_help_of_every_command_has_an_example():
    for name in COMMANDS:
        told = run(name, "--help").output
        commands = list(root.get_command(None, name).commands) if hasattr(root.get_command(None, name), "commands") else []
        for text in [run(name, command, "--help").output for command in commands] or [told]:
            assert "Example: bioclip-search" in text


def test_identify_prints_one_json_object_a_picture(folder, pictures):
    result = run("identify", pictures, "--index", folder, "--format", "jsonl", "--rank", "kingdom", "--top", 1)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["image"] for answer in answers] == [str(pictures / f"{number}.jpg") for number in range(3)]
    assert {answer["rank"] for answer in answers} == {"kingdom"}
    assert all(len(answer["alternatives"]) == 1 for answer in answers)
    assert result.return_value == 0


def test_a_thousand_files_of_which_every_tenth_is_broken(folder, pictures, tmp_path):
    for number in range(1000):
        target = tmp_path / f"{number:04}.jpg"
        target.write_bytes(b"broken") if number % 10 == 0 else shutil.copy(pictures / "0.jpg", target)
    result = run("identify", tmp_path, "--index", folder, "--format", "csv")
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [row["image"] for row in rows] == [str(tmp_path / f"{number:04}.jpg") for number in range(1000)]
    assert [bool(row["error"]) for row in rows] == [number % 10 == 0 for number in range(1000)]
    assert result.return_value == 1
    assert "100 pictures could not be read; all others were answered." in result.stderr


def test_standard_input_is_a_picture_or_a_list(folder, pictures):
    (answer,) = run("identify", "-", "--index", folder, "--format", "jsonl", input=(pictures / "1.jpg").read_bytes()).stdout.splitlines()
    assert json.loads(answer)["image"] == "picture 1"
    listed = run("identify", "-", "--index", folder, "--format", "jsonl", input=f"{pictures / '2.jpg'}\n{pictures / '0.jpg'}\n").stdout.splitlines()
    assert [json.loads(line)["image"][-5:] for line in listed] == ["2.jpg", "0.jpg"]


def test_unknown_names_of_a_checklist_are_told_with_the_nearest_and_exit_1(folder, pictures, tmp_path):
    (tmp_path / "list.txt").write_text("Felis cattus\nVulpes vulpes\n", encoding="utf-8")
    result = run("identify", pictures / "0.jpg", "--index", folder, "--checklist", tmp_path / "list.txt", "--format", "jsonl", "--rank", "species")
    assert "'Felis cattus' is not in this index (did you mean Felis catus" in result.stderr
    assert json.loads(result.stdout)["taxon"] == "Vulpes vulpes"
    assert result.return_value == 1


def test_label_ranks_the_users_words(model_folder, pictures, tmp_path):
    result = run("label", pictures, "--labels", "fox, owl", "--model", model_folder, "--templates", "bare", "--format", "csv")
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert len(rows) == 6
    (tmp_path / "labels.txt").write_text("fox\nowl\n", encoding="utf-8")
    again = run("label", pictures, "--labels-file", tmp_path / "labels.txt", "--model", model_folder, "--templates", "bare", "--format", "csv")
    assert again.stdout == result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("--labels", ""), "The list of labels is empty", id="no label"),
        pytest.param(("--labels", "fox, owl, fox"), "'fox' stands 2 times", id="a label twice"),
        pytest.param(("--labels-file", "/nowhere.txt"), "cannot be read", id="no file"),
    ],
)
def test_a_bad_list_of_labels_is_refused_before_the_model_is_loaded(pictures, arguments, message):
    with pytest.raises(BioclipSearchError, match=message):
        run("label", pictures, *arguments, "--model", "/no/such/model")


def test_index_info_check_and_list(folder, tmp_path):
    assert json.loads(run("index", "info", folder, "--format", "jsonl").stdout)["vectors"] == {"kind": "fp16", "count": 9, "dim": 64}
    assert "taxonomy.leaves: 9" in run("index", "info", folder).stdout
    assert run("index", "check", folder).return_value == 0
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "names.sqlite").write_bytes(b"")
    result = run("index", "check", copy)
    assert result.return_value == 1
    assert "fault: names.sqlite was changed" in result.stdout
    assert run("index", "list").return_value in {0, None}


def test_an_index_without_rows_or_with_a_wrong_vectors_file_is_refused(model_folder, tmp_path):
    (tmp_path / "none.csv").write_text("genus,species\n", encoding="utf-8")
    with pytest.raises(BioclipSearchError, match="no row that names a taxon"):
        run("index", "build", tmp_path / "none.csv", "--out", tmp_path / "x", "--encoder", model_folder)


def test_the_shell_sees_0_1_and_2_and_no_traceback(folder, pictures, tmp_path):
    good = run_apart("identify", pictures / "0.jpg", "--index", folder, "--format", "jsonl")
    assert (good.returncode, len(good.stdout.splitlines()), good.stderr) == (0, 1, "")
    bad = run_apart("identify", pictures / "0.jpg", "--index", tmp_path / "none")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr.startswith("Error: No index")
    missing = run_apart("identify", pictures / "none.jpg", pictures / "0.jpg", "--index", folder, "--format", "jsonl")
    assert missing.returncode == 1
    assert json.loads(missing.stdout.splitlines()[0]) == {"image": str(pictures / "none.jpg"), "error": "no such file"}
    assert len(missing.stdout.splitlines()) == 2
    usage = run_apart("identify", "--format", "xml", "a.jpg")
    assert usage.returncode == 2
    assert "Traceback" not in bad.stderr + missing.stderr + usage.stderr
    debug = run_apart("--debug", "identify", pictures / "0.jpg", "--index", tmp_path / "none")
    assert "Traceback" in debug.stderr


def test_names_in_any_script_survive_a_pipe(folder, pictures, tmp_path):
    path = tmp_path / "Ñandú – 鳥.jpg"
    shutil.copy(pictures / "0.jpg", path)
    result = run_apart("identify", path, "--index", folder, "--format", "csv", env={"PATH": "", "LC_ALL": "C", "PYTHONUTF8": "0"})
    assert str(path) in result.stdout


def test_a_second_build_encodes_only_what_is_new(model_folder, tmp_path):
    arrow_csv.write_csv(small_table().slice(0, 6), tmp_path / "some.csv")
    arrow_csv.write_csv(small_table(), tmp_path / "all.csv")
    options = ("--encoder", model_folder, "--text-type", "taxon", "--templates", "one {} or another")
    assert "6 names, 6 of them to encode" in run("index", "build", tmp_path / "some.csv", "--out", tmp_path / "some", *options).stderr
    assert "9 names, 3 of them to encode" in run("index", "build", tmp_path / "all.csv", "--out", tmp_path / "all", *options).stderr


def test_columns_of_other_names_can_be_told(model_folder, tmp_path):
    (tmp_path / "taxa.csv").write_text("Sippe,Deutsch\nPica pica,Elster\nCorvus corax,Kolkrabe\n", encoding="utf-8")
    told = ("--column", "species=Sippe", "--column", "common_name=Deutsch")
    run("index", "build", tmp_path / "taxa.csv", "--out", tmp_path / "birds", "--encoder", model_folder, *told)
    from bioclip_search.index import Index

    assert Index(tmp_path / "birds").card.vectors.count == 2
    with pytest.raises(click.BadParameter, match="expected OURS=THEIRS"):
        run("index", "build", tmp_path / "taxa.csv", "--out", tmp_path / "x", "--column", "species")


def test_an_index_is_trimmed_checked_and_repaired(folder, tmp_path, pictures):
    result = run("index", "trim", folder, "--within", "Felidae", "--out", tmp_path / "cats")
    assert "3 of 9 taxa kept" in result.stderr
    assert run("identify", pictures / "0.jpg", "--index", tmp_path / "cats", "--rank", "family", "--format", "jsonl").stdout.count("Felidae")
    (tmp_path / "cats" / "names.sqlite").unlink()
    found = [json.loads(line) for line in run("index", "check", tmp_path / "cats", "--format", "jsonl").stdout.splitlines()]
    assert {finding["severity"] for finding in found} == {"fault"}
    mended = run("index", "check", tmp_path / "cats", "--repair")
    assert "names.sqlite: was made again" in mended.stderr
    assert mended.return_value == 0


def test_a_published_matrix_makes_an_index(model_folder, tmp_path):
    from bioclip_search.encoder.opening import open_encoder
    from bioclip_search.index import Index

    encoder = open_encoder(model_folder)
    entries = [[["Animalia", "Chordata", "Aves", "", "", "Pica", "pica"], "magpie"], [["Plantae", "", "", "", "", "Quercus", "robur"], ""]]
    words = ["Animalia Chordata Aves Pica pica magpie", "Plantae Quercus robur"]
    (tmp_path / "txt_emb_species.json").write_text(json.dumps(entries))
    np.save(tmp_path / "txt_emb_species.npy", encoder.encode_texts(words).T)
    result = run("index", "build", tmp_path, "--out", tmp_path / "i", "--encoder", model_folder)
    assert "2 taxa have no order: it is passed over" in result.stderr
    assert Index(tmp_path / "i").card.about["vectors"] == "read from txt_emb_species.npy"
    with pytest.raises(BioclipSearchError, match="not those that .* makes of these names"):
        run("index", "build", tmp_path, "--out", tmp_path / "j", "--encoder", model_folder, "--text-type", "com", "--templates", "openai80")


def test_given_vectors_make_an_index(model_folder, tmp_path):
    import numpy as np

    arrow_csv.write_csv(pa.table({"species": ["Felis catus", "Canis lupus"]}), tmp_path / "taxa.csv")
    np.save(tmp_path / "v.npy", np.eye(2, 64, dtype=np.float32))
    run("index", "build", tmp_path / "taxa.csv", "--out", tmp_path / "given", "--encoder", model_folder, "--from-vectors", tmp_path / "v.npy")
    from bioclip_search.index import Index

    assert Index(tmp_path / "given").vectors.rows(0, 2)[:, :2].tolist() == [[0, 1], [1, 0]]  # Canis sorts before Felis


def test_an_index_whose_encoder_has_changed_is_refused(model_folder, pictures, tmp_path):
    from tests.peers.random_models import write_model_folder

    encoder = shutil.copytree(model_folder, tmp_path / "encoder")
    arrow_csv.write_csv(small_table(), tmp_path / "taxa.csv")
    run("index", "build", tmp_path / "taxa.csv", "--out", tmp_path / "small", "--encoder", encoder)
    assert run("identify", pictures / "0.jpg", "--index", tmp_path / "small").return_value == 0
    write_model_folder(encoder, seed=1)
    with pytest.raises(BioclipSearchError, match="was made with the encoder .* not with"):
        run("identify", pictures / "0.jpg", "--index", tmp_path / "small")
