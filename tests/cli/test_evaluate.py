from __future__ import annotations

import csv
import json
import re
import shutil

import click
import pytest

from bioclip_search.cli.evaluate import TASKS
from bioclip_search.errors import TableError
from bioclip_search.results import Answer
from tests.cli.test_cli import folder, run  # noqa: F401  the index over the nine leaves
from tests.conftest import picture_of, small_table
from tests.evaluation.test_labelled import write_parquet


@pytest.fixture(scope="module")
def lions(tmp_path_factory):
    """Three pictures, the last of them trained on."""
    lion = {name: [small_table()[name][0].as_py()] * 3 for name in small_table().column_names}
    return write_parquet(tmp_path_factory.mktemp("data") / "lions/a.parquet", [0, 9, 200], **lion, split=["val", "val", "train"])


def test_every_format_tells_the_same_figures_and_the_file_holds_them_all(folder, lions, tmp_path):  # noqa: F811
    asked = ("evaluate", lions, "--index", folder, "--labels", "own", "--labels", "index")
    jsonl = run(*asked, "--format", "jsonl", "--out", tmp_path / "all.json")
    records = [json.loads(line) for line in jsonl.stdout.splitlines()]
    assert [(record["set"], record["part"], record["labels"], record["n"]) for record in records] == [("lions", "val", "own", 2), ("lions", "val", "index", 2)]
    rows = list(csv.DictReader(run(*asked, "--format", "csv", "--out", tmp_path / "all.csv").stdout.splitlines()))
    assert rows == list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    (top1,) = [row for row in rows if (row["labels"], row["metric"]) == ("index", "top1")]
    assert [float(top1[name]) for name in ("value", "low", "high")] == [records[1][name] for name in ("top1", "top1_low", "top1_high")]
    table = run(*asked).stdout
    assert "lions/val own" in table
    assert "1.000" in table  # one label can only be right
    written = json.loads((tmp_path / "all.json").read_text())
    assert written["metrics"]["lions/val/own/top1"] == 1
    assert written["skipped"] == {"train": 1}
    assert "Passed over: 1 pictures of part train." in jsonl.stderr
    assert "threshold 0.65 (the default" in jsonl.stderr


def test_a_broken_picture_is_told_and_gives_exit_status_1(folder, tmp_path):  # noqa: F811
    (tmp_path / "list.csv").write_text("path,species\nmissing.jpg,Panthera leo\n", encoding="utf-8")
    result = run("evaluate", tmp_path / "list.csv", "--index", folder)
    assert result.return_value == 1
    assert "list/missing.jpg: cannot be measured: no such file" in result.stderr


def test_what_cannot_be_asked_is_refused(folder, lions):  # noqa: F811
    with pytest.raises(click.UsageError, match="either FILES or --config"):
        run("evaluate", "--index", folder)
    (lions.parent / "notes.md").write_text("lions", encoding="utf-8")
    with pytest.raises(TableError, match="neither Parquet nor CSV"):
        run("evaluate", lions.parent / "notes.md", "--index", folder)
    with pytest.raises(click.UsageError, match="photo.jpg is a picture; say what it shows with --truth"):
        run("evaluate", "photo.jpg", "--index", folder)
    with pytest.raises(TableError, match="no such file"):
        run("evaluate", lions, "--index", folder, "--labels", "nowhere.csv")


def test_each_task_tells_what_it_takes_and_the_list_tells_them_all():
    told = run("evaluate", "--help").output
    for task in TASKS:
        assert f"\n  {task} " in told
        assert f"evaluate {task} " in run("evaluate", task, "--help").output
        assert "Example: bioclip-search evaluate" in run("evaluate", task, "--help").output


def test_a_task_that_is_misspelt_is_told_unless_a_file_is_called_so(folder, lions, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.UsageError, match="no task 'fewshot'. Did you mean few-shot"):
        run("evaluate", "fewshot", lions)
    shutil.copytree(lions.parent, "fewshot")
    assert json.loads(run("evaluate", "fewshot", "--index", folder, "--format", "jsonl").stdout)["set"] == "fewshot"


def test_a_line_that_names_no_task_is_one_of_zero_shot(folder, lions):  # noqa: F811
    asked = (lions, "--index", folder, "--format", "jsonl")
    figures = run("evaluate", "zero-shot", *asked).stdout
    assert json.loads(figures)["set"] == "lions"
    assert run("evaluate", *asked).stdout == run("evaluate", "--index", folder, "--format", "jsonl", lions).stdout == figures


LION = ("Panthera leo", {"kingdom": "Animalia", "genus": "Panthera", "species": "Panthera leo"})
LEOPARD = ("Panthera uncia", {"kingdom": "Animalia", "genus": "Panthera", "species": "Panthera uncia"})


@pytest.fixture
def answered(tmp_path):
    """What was said of three pictures, and what is true: a lion, a lion called a leopard, and one that the truth does not know."""
    for number in range(3):
        picture_of(number).save(tmp_path / f"{number}.png")
    said = {"rank": "species", "probability": 0.9, "rule": "a test", "index": "small", "encoder": "c"}
    answers = [
        Answer(image=str(tmp_path / f"{number}.png"), taxon=taxon, lineage=lineage, **said) for number, (taxon, lineage) in enumerate((LION, LEOPARD, LION))
    ]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(answer.to_dict()) + "\n" for answer in answers), encoding="utf-8")
    (tmp_path / "truth.csv").write_text("image,taxon\n0.png,Lion\n1.png,Panthera leo\ngone.png,Panthera leo\n", encoding="utf-8")
    (tmp_path / "seen.csv").write_text("species\nPanthera leo\n", encoding="utf-8")
    return tmp_path


def test_answers_given_before_are_measured_beside_their_truth(folder, answered):  # noqa: F811
    result = run(
        "evaluate", answered / "answers.jsonl", "--truth", answered / "truth.csv", "--index", folder, "--format", "jsonl", "--out", answered / "all.json"
    )
    (record,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (record["set"], record["n"], record["answer_accuracy"], record["answer_severity"]) == ("answers", 2, 0.5, 1)
    assert "1 picture answered but not in the truth, so not measured" in result.stderr
    assert "1 picture in the truth but not answered: gone.png" in result.stderr
    told = json.loads((answered / "all.json").read_text())
    assert (told["primary_metric"], told["without_truth"], told["without_answer"]) == ("answer_accuracy", 1, 1)


def test_answers_in_several_files_are_measured_together_but_not_with_pictures(folder, answered):  # noqa: F811
    lines = (answered / "answers.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    files = [answered / "one.jsonl", answered / "two.jsonl"]
    for file, line in zip(files, lines, strict=False):
        file.write_text(line, encoding="utf-8")
    asked = ("--truth", answered / "truth.csv", "--index", folder, "--format", "jsonl")
    whole, apart = (json.loads(run("evaluate", *given, *asked).stdout) for given in ([answered / "answers.jsonl"], files))
    assert apart == whole
    with pytest.raises(click.UsageError, match="one.jsonl holds answers and .*0.png does not"):
        run("evaluate", answered / "0.png", files[0], *asked)


def test_pictures_with_a_truth_are_identified_first_and_give_the_figures_of_their_answers(folder, answered):  # noqa: F811
    shown = [answered / f"{number}.png" for number in range(3)]
    (answered / "run.jsonl").write_text(run("identify", *shown, "--index", folder, "--format", "jsonl").stdout, encoding="utf-8")
    asked = ("--truth", answered / "truth.csv", "--index", folder, "--format", "jsonl")
    given = json.loads(run("evaluate", answered / "run.jsonl", *asked).stdout)
    now = run("evaluate", *shown, *asked)
    assert {**json.loads(now.stdout), "set": "run"} == given
    assert "promises nothing at 0.9; it answers by its default rule" in now.stderr


def test_the_table_shows_the_headline_with_its_intervals(folder, answered):  # noqa: F811
    table = run("evaluate", answered / "answers.jsonl", "--truth", answered / "truth.csv", "--index", folder).stdout
    assert "95 % intervals in brackets" in table
    assert "0.500 (0.00–1.00)" in table
    assert "best match" not in table  # which answers do not tell


def test_a_report_is_written_of_pictures_and_of_answers(folder, lions, answered):  # noqa: F811
    result = run("evaluate", lions, "--index", folder, "--report", answered / "pictures.html", "--seen", answered / "seen.csv")
    assert f"The report is in {answered / 'pictures.html'}." in result.stderr
    run("evaluate", answered / "answers.jsonl", "--truth", answered / "truth.csv", "--index", folder, "--report", answered / "answers.html")
    for name, words in (("pictures", "2 pictures (lions) were shown to"), ("answers", "about 2 pictures (answers) was compared with their true names")):
        page = (answered / f"{name}.html").read_text(encoding="utf-8")
        assert words in re.sub("<[^>]*>", "", page)
        assert "default-src 'none'" in page


def test_answers_without_a_truth_and_a_truth_without_answers_are_refused(folder, answered):  # noqa: F811
    with pytest.raises(click.UsageError, match="holds answers; say what is true of its pictures with --truth"):
        run("evaluate", answered / "answers.jsonl", "--index", folder)
    with pytest.raises(click.UsageError, match="beside --truth"):
        run("evaluate", "--truth", answered / "truth.csv", "--index", folder)
