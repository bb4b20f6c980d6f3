"""The folder that tells of a classifier: report.md with drawings, metrics.json with every figure, predictions.csv with every answer.

What the figures mean is left to `steps` and `study`, drawing to `plots`, cells that a spreadsheet must not reckon with to `standards.csv_table`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bioclip_search.catalogue import Catalogue
from bioclip_search.classifier.names_beside import Asked
from bioclip_search.classifier.plots import draw_confusion, draw_curves, draw_steps
from bioclip_search.classifier.steps import as_probabilities, by_class, confusion
from bioclip_search.classifier.training import Classifier
from bioclip_search.classifier.words import gain_in_words, share_in_words
from bioclip_search.errors import MissingExtraError, RunError
from bioclip_search.index import Index
from bioclip_search.markdown import fenced, plain
from bioclip_search.standards.csv_table import open_to_write, safe, table_writer
from bioclip_search.swapping import whole_file
from bioclip_search.taxonomy import Taxon, Taxonomy

REPORT, METRICS, PREDICTIONS = "report.md", "metrics.json", "predictions.csv"
CURVES_PNG, CONFUSION_PNG, STEPS_PNG, STUDY_PNG = "curves.png", "confusion.png", "steps.png", "study.png"

COLUMNS = ("picture", "part", "fold", "label", "head", "head_probability", "names_alone", "both", "is_right")

WORST = 15
"""Confusions that are told in words."""

GROUP_RANKS = ("family", "order", "class", "phylum", "kingdom")
"""Under which a taxon of a confusion is told: the first of these above it."""


def stop_if_unwritable(folder: Path) -> None:
    """Returns if a report can be written there, so that nobody waits for nothing.

    Raises:
        RunError: Something of this name is no folder, or the folder holds a report.
        MissingExtraError: matplotlib is not installed.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is no folder, and a report is one. Give another name.")
    if (folder / REPORT).exists():
        raise RunError(f"{folder} holds a report already. Give another folder, or delete it first.")
    if find_spec("matplotlib") is None:
        raise MissingExtraError("A report with drawings", "evaluate")


def write_report(folder: Path, found: Classifier) -> None:
    """Writes the folder; report.md comes last, so that where it stands all stands.

    Raises:
        RunError: The folder cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    taxonomy = Catalogue(Index(found.folder)).taxonomy
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _draw(folder, found, taxonomy)
        _write_predictions(folder / PREDICTIONS, found, taxonomy)
        _write(folder / METRICS, json.dumps(_told(found), indent=1, ensure_ascii=False) + "\n")
        _write(folder / REPORT, "\n".join(_page(found, taxonomy)) + "\n")
    except OSError as error:
        raise RunError(f"{folder}: the report cannot be written ({error}). Make room, or choose a folder that you may write to.") from error


def _draw(folder: Path, found: Classifier, taxonomy: Taxonomy) -> None:
    features, scores = found.taught.features, found.taught.scores
    draw_curves(folder / CURVES_PNG, scores, features.of, features.taxa)
    groups = [_group(taxon, taxonomy) for taxon in features.taxa]
    draw_confusion(folder / CONFUSION_PNG, confusion(scores, features.of), features.taxa, groups)
    steps = [(f"step_{step.name}_right", step.words) for step in found.steps]
    draw_steps(folder / STEPS_PNG, steps, found.metrics, "What each step gains", "pictures named right (95 % interval)")
    if found.study is not None:
        rows = [(f"{row.name}_average_precision", row.words) for row in found.study.rows]
        draw_steps(folder / STUDY_PNG, rows, found.study.metrics, f"{found.study.taxon} against the rest", "average precision (95 % interval)")


def _group(taxon: Taxon, taxonomy: Taxonomy) -> str:
    lineage = taxonomy.lineage(taxon.start, down_to=taxon.rank)
    return next((lineage[rank] for rank in GROUP_RANKS if rank in lineage), taxon.name)


def _page(found: Classifier, taxonomy: Taxonomy) -> Iterator[str]:
    features, metrics = found.taught.features, found.metrics
    yield from (f"# What {plain(found.folder.name)} learned", "")
    yield f"{len(features.taxa):,} taxa from {len(features):,} pictures, in {metrics['groups']:,} bursts or alone. Made of the index {plain(found.index)}; the head is {found.chosen}."
    yield "Whatever is told of these pictures was asked of heads that were not taught them, nor any other frame of their burst. Intervals are 95 %, drawn over bursts."
    yield from ("", *(f"- {plain(note)}" for note in found.notes), "", "## What each step gains", "", f"![steps]({STEPS_PNG})", "")
    yield from ("| step | right | gain over the step before, hundredths | from fold to fold |", "|---|---|---|---|")
    for step in found.steps:
        name = f"step_{step.name}"
        folds = f"{metrics[f'{name}_right_folds_low']:.3f}–{metrics[f'{name}_right_folds_high']:.3f}" if f"{name}_right_folds_low" in metrics else "–"
        yield f"| {step.words} | {share_in_words(metrics, f'{name}_right')} | {gain_in_words(metrics, f'{name}_gain')} | {folds} |"
    yield from ("", "The last is compared with names alone: among all taxa of the index there is more to be mistaken for.")
    yield from _heads(found)
    yield from _kept_back(found)
    yield from _study(found)
    yield from ("", "## Taxon by taxon", "", f"![curves]({CURVES_PNG})", "", f"![confusion]({CONFUSION_PNG})", "")
    yield f"Mean over taxa: area under the ROC curve {share_in_words(metrics, 'auc_macro')}, average precision {share_in_words(metrics, 'average_precision_macro')}."
    yield from (
        "",
        *_confused(found),
        "",
        "| taxon | pictures | bursts or alone | found | right of those called so | ROC AUC | average precision |",
        "|---|---|---|---|---|---|---|",
    )
    for row in by_class(found.taught.scores, features):
        cells = (f"{value:.3f}" if value == value else "–" for value in (row.recall, row.precision, row.auc, row.average_precision))  # NaN is not itself
        yield f"| {plain(row.taxon)} ({row.rank}) | {row.pictures:,} | {row.groups:,} | {' | '.join(cells)} |"


def _heads(found: Classifier) -> Iterator[str]:
    yield from ("", "## Heads tried", "", "| head | right | mean over taxa | surprise, nats a picture |", "|---|---|---|---|")
    for trial in found.trials:
        cells = (share_in_words(found.metrics, f"{trial.kind}_{name}") for name in ("right", "right_macro", "log_loss"))
        kept = " (kept)" if trial.kind == found.chosen else ""
        yield f"| {trial.kind}{kept} | {' | '.join(cells)} |"
    blend = found.weighed.blend
    yield from (
        "",
        f"Beside the names the head counts {blend.weight:.2f} times; surprise {found.weighed.loss_of_text:.3f} nats a picture by names alone, {found.weighed.loss:.3f} by both.",
    )


def _kept_back(found: Classifier) -> Iterator[str]:
    if found.kept_back is None:
        return
    yield from ("", f"## {len(found.kept_back.features):,} pictures of other parts", "", "| asked | right |", "|---|---|")
    for name, words in (("names", "names alone, among all taxa"), ("head", "head alone, among the taxa taught"), ("both", "both, as the new index answers")):
        yield f"| {words} | {share_in_words(found.metrics, f'kept_back_{name}_right')} |"


def _study(found: Classifier) -> Iterator[str]:
    if found.study is None:
        return
    yield from ("", f"## {plain(found.study.taxon)} against the rest", "", f"![study]({STUDY_PNG})", "", *fenced(found.study.lines()))


def _confused(found: Classifier) -> Iterator[str]:
    """The most frequent mistakes in words."""
    features = found.taught.features
    counts = confusion(found.taught.scores, features.of)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:WORST]
    for row, column in zip(*np.unravel_index(order, counts.shape), strict=True):
        if counts[row, column]:
            often = "once" if counts[row, column] == 1 else f"{counts[row, column]:,} times"
            yield f"- {plain(features.taxa[row].name)} taken for {plain(features.taxa[column].name)} {often}"


def _told(found: Classifier) -> dict[str, object]:
    """Everything that is not a picture; only JSON types."""
    classes = [vars(row) | {name: None for name, value in vars(row).items() if value != value} for row in by_class(found.taught.scores, found.taught.features)]
    blend = found.weighed.blend
    told = {"index": found.index, "head": found.chosen, "weight": blend.weight, "bias": blend.bias, "temperature": blend.temperature}
    study = {} if found.study is None else {"study": {"taxon": found.study.taxon, **found.study.metrics}}
    failures = [failure.to_dict() for failure in found.failures]
    return {
        **told,
        "primary_metric": "step_both_right",
        "metrics": found.metrics,
        **study,
        "classes": classes,
        "notes": list(found.notes),
        "failures": failures,
    }


def _write_predictions(path: Path, found: Classifier, taxonomy: Taxonomy) -> None:
    with whole_file(path) as part, open_to_write(part) as out:
        writer = table_writer(out, COLUMNS)
        writer.writerows(_rows(found.taught, found.fold.tolist(), taxonomy))
        if found.kept_back is not None:
            writer.writerows(_rows(found.kept_back, [""] * len(found.kept_back.features), taxonomy))


def _rows(asked: Asked, fold: Sequence[int | str], taxonomy: Taxonomy) -> Iterator[dict[str, object]]:
    """Texts are written as they are, but for what a spreadsheet would take for a formula."""
    features, probabilities = asked.features, as_probabilities(asked.scores)
    for row, name in enumerate(features.names):
        label, best = features.taxa[features.of[row]], int(probabilities[row].argmax())
        alone, both = (int(leaves[row]) for leaves in (asked.answers.by_name, asked.answers.by_both))
        is_right = label.start <= both < label.stop
        told = (features.taxa[best].name, f"{probabilities[row, best]:.4f}", _leaf(alone, taxonomy), _leaf(both, taxonomy), "yes" if is_right else "no")
        yield safe(dict(zip(COLUMNS, (name, features.parts[row], fold[row], label.name, *told), strict=True)))


def _leaf(leaf: int, taxonomy: Taxonomy) -> str:
    return list(taxonomy.lineage(leaf).values())[-1]


def _write(path: Path, text: str) -> None:
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
