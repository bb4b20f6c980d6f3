"""`evaluate zero-shot`: labelled pictures in, or answers and their truth; figures and a report out.

All logic is in `bioclip_search.evaluation`: `zero_shot` and `labelled` for labelled pictures, `run` and `truth` for answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioclip_search.cli.evaluate.printing import print_scores, tell_failures, write_out
from bioclip_search.cli.identify import device_option, format_option, list_images, precision_option, workers_option
from bioclip_search.cli.labelled_sets import resolved_sets, stop_unless_one_is_given, telling_mend_option
from bioclip_search.cli.progress import progress_bar, progress_steps
from bioclip_search.cli.values import ACCURACY, OutputFile

if TYPE_CHECKING:
    from bioclip_search.evaluation.run import RunEvaluation
    from bioclip_search.evaluation.zero_shot import Evaluation
    from bioclip_search.results import Answer, Failure

DEFAULT_INDEX = "starter"


@click.command("zero-shot")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--truth",
    metavar="FILE",
    type=click.Path(exists=True),
    help="Table of the true taxa (image or path, and a taxon) or a folder of taxa; FILES are then answers or pictures.",
)
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="Settings of `train encoder`: measure its sets in the parts that it kept apart.")
@click.option("--index", help="Name or folder of the index.  [default: starter, or the one that gave the answers]")
@click.option("--labels", multiple=True, help="own, index, or a table of taxa; may be given several times.  [default: own; with --report index]")
@click.option("--distractors", metavar="TABLE", type=click.Path(), help="Measure also among the labels of all sets and these taxa (list `mixed`).")
@click.option("--part", "parts", multiple=True, help="Measure only this part; may be given several times.  [default: all that is not train]")
@telling_mend_option
@click.option("--seen", metavar="TABLE", type=click.Path(), help="Tell taxa of this table (say, those trained on) and all others apart.")
@click.option("--target-accuracy", type=ACCURACY, default=0.9, show_default=True, help="Share of fallback answers that shall be right.")
@click.option("--detector", default="none", show_default=True, help="With --truth and pictures: how organisms are found in them.")
@click.option("--every-crop", is_flag=True, help="With --truth: count every crop, not only the surest answer of each picture.")
@click.option("--out", type=OutputFile(), help="Write all figures to this file as well: JSON, or CSV if it ends so.")
@click.option("--report", metavar="FILE.html", type=OutputFile(), help="Write a page with plots and the worst mistakes.")
@workers_option
@precision_option
@device_option
@format_option
def pictures(files: tuple[str, ...], truth: str | None, config: str | None, out: Path | None, report: Path | None, format: str, **question: Any) -> int:
    """Measure how often an index is right about labelled pictures in FILES, or about those of a --truth.

    A FILE is Parquet with the columns image, kingdom … species, common_name and split, a folder or pattern of such
    files (each folder is one set), a folder of taxa, or a CSV with a column path. Rows whose split is train are passed over.
    With --truth a FILE is what `identify --format jsonl` or csv wrote, the folder of a run, or pictures to be identified first.
    A run by itself is measured by what people decided about it (`review`).

    \b
    Example: bioclip-search evaluate "butterflies/*.parquet" --distractors inat2021.parquet
    Example: bioclip-search evaluate answers.jsonl --truth truth.csv --report report.html
    """
    if truth is not None or _is_reviewed_run(files):
        found, drawn = _measure_answers(files, truth, question, report is not None)
    else:
        found, drawn = _measure_pictures(files, config, question, report is not None)
    tell_failures(found.failures)
    if out:
        write_out(out, found.to_dict(), found.scores)
    if report is not None:
        from bioclip_search.evaluation.report import write_report

        write_report(report, drawn)
        click.echo(f"The report is in {report}.", err=True)
    print_scores(found.scores, format, found.ranks)
    return 1 if found.failures else 0


def _measure_pictures(files: Sequence[str], config: str | None, question: dict[str, Any], is_drawn: bool) -> tuple[Evaluation, Any]:
    """What labelled pictures show, and what a report needs beside it."""
    from bioclip_search.evaluation.answers import are_answers
    from bioclip_search.evaluation.zero_shot import evaluate
    from bioclip_search.images import SUFFIXES
    from bioclip_search.searcher import Searcher

    stop_unless_one_is_given(files, config)
    for file in files:
        if are_answers(file):
            raise click.UsageError(f"{file} holds answers; say what is true of its pictures with --truth.")
        if Path(file).suffix.lower() in SUFFIXES:
            raise click.UsageError(f"{file} is a picture; say what it shows with --truth.")
    searcher = Searcher.open(question["index"] or DEFAULT_INDEX, device=question["device"], precision=question["precision"])
    resolution = resolved_sets(files, config, searcher, mend=question["mend"], is_taught=False)
    asked = {
        "labels": question["labels"] or (("index",) if is_drawn else ("own",)),
        "parts": question["parts"] or None,
        **{name: question[name] for name in ("distractors", "seen", "target_accuracy", "workers")},
    }
    with progress_steps("pictures") as progress:
        found = evaluate(searcher, resolution.sets, **asked, resolved=resolution.report if config is None else None, progress=progress)
    _tell_what_it_stands_on(found)
    if not is_drawn:
        return found, None
    from bioclip_search.evaluation.report.subject import subject_of_pictures

    return found, subject_of_pictures(found, resolution.sets, searcher)


def _is_reviewed_run(files: Sequence[str]) -> bool:
    """Whether what is measured is one run by what people decided about it."""
    from bioclip_search.evaluation.run_sets import is_run

    return len(files) == 1 and is_run(files[0])


def _measure_answers(files: Sequence[str], truth_file: str | None, question: dict[str, Any], is_drawn: bool) -> tuple[RunEvaluation, Any]:
    """What answers show beside their truth, or a run beside what people decided about it; pictures are identified first."""
    from bioclip_search.evaluation.answers import are_answers
    from bioclip_search.evaluation.run import evaluate_run
    from bioclip_search.evaluation.truth import read_truth

    if not files:
        raise click.UsageError("Give the answers of `identify` (.jsonl or .csv), a run, or pictures, beside --truth.")
    name = Path(files[0]).stem if len(files) == 1 else "answers" if all(map(are_answers, files)) else "pictures"
    if truth_file is None:
        records, truth, catalogue = _reviewed(files[0], question)
    else:
        records, catalogue = _answers(files, question)
        truth = read_truth(truth_file, catalogue.taxonomy.ranks)
    found = evaluate_run(records, truth, catalogue, name=name, every_crop=question["every_crop"], seen=question["seen"])
    for line in (*found.notes, *found.labels.lines()):
        click.echo(line, err=True)
    if not is_drawn:
        return found, None
    from bioclip_search.evaluation.report.subject import subject_of_answers

    return found, subject_of_answers(found, truth, len(catalogue.taxonomy))


def _reviewed(run: str, question: dict[str, Any]) -> tuple[Any, Any, Any]:
    """The answers that people decided about, what they decided, and the index."""
    from bioclip_search.catalogue import Catalogue
    from bioclip_search.evaluation.run_sets import reviewed
    from bioclip_search.runs.folder import Run

    named = Run.open(run).note["settings"].get("index", {}).get("name")
    catalogue = Catalogue.open(question["index"] or named or DEFAULT_INDEX)
    return *reviewed(run, catalogue.taxonomy.ranks), catalogue


def _answers(files: Sequence[str], question: dict[str, Any]) -> tuple[Any, Any]:
    """The answers that files hold, or those to pictures, and the index."""
    from bioclip_search.catalogue import Catalogue
    from bioclip_search.evaluation.answers import are_answers, read_answers

    given = [are_answers(file) for file in files]
    if not any(given):
        return _identified(files, question)
    if not all(given):
        raise click.UsageError(f"{files[given.index(True)]} holds answers and {files[given.index(False)]} does not; measure them one after the other.")
    records: Any = [record for file in files for record in read_answers(file)]
    named = next((record.index for record in records if hasattr(record, "index")), DEFAULT_INDEX)
    return records, Catalogue.open(question["index"] or named)


def _identified(files: Sequence[str], question: dict[str, Any]) -> tuple[Iterator[Answer | Failure], Any]:
    """The answers to pictures as they come, by the rules that keep the target accuracy, else the default ones; and the index."""
    from bioclip_search.errors import NotCalibratedError
    from bioclip_search.searcher import Searcher

    searcher = Searcher.open(question["index"] or DEFAULT_INDEX, detector=question["detector"], device=question["device"], precision=question["precision"])
    asked = {"target_accuracy": question["target_accuracy"]}
    try:
        searcher.ruling(**asked)
    except NotCalibratedError:
        click.echo(f"The index promises nothing at {question['target_accuracy']:g}; it answers by its default rule.", err=True)
        asked = {}

    def records() -> Iterator[Answer | Failure]:
        with progress_bar("pictures") as advance:
            for several in advance(searcher.identify_stream(list_images(files), workers=question["workers"], **asked)):
                yield from several

    return records(), searcher.catalogue


def _tell_what_it_stands_on(found: Evaluation) -> None:
    for part, count in found.skipped.items():
        click.echo(f"Passed over: {count:,} pictures of part {part}.", err=True)
    if found.nameless:
        click.echo(f"Passed over: {found.nameless:,} {'picture' if found.nameless == 1 else 'pictures'} without a label.", err=True)
    ruling = found.ruling.to_dict()
    numbers = ", ".join(f"{name} {ruling[name]:.3g}" for name in ("threshold", "caution") if name in ruling)
    click.echo(f"Index {found.index}, temperature {ruling['temperature']:g}, {ruling['rule']} with {numbers} ({ruling['rules_from']}).", err=True)
