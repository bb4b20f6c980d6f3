"""The parts of the page, each from a subject's figures to HTML.

Drawings come from `charts`; the whole file is put together by `page`. Every word that comes from a file is escaped here.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from bioclip_search.evaluation.curves import Sweep, thinned
from bioclip_search.evaluation.measures import Marks
from bioclip_search.evaluation.reliability import reliability
from bioclip_search.evaluation.report.charts import Bar, Dot, Frame, Line, bar_chart, line_chart, percent, reliability_chart, round_top, share_chart
from bioclip_search.evaluation.report.subject import Mistake, Subject
from bioclip_search.evaluation.score import Score
from bioclip_search.evaluation.severity import height_in_words
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG
from bioclip_search.render import ITALIC_RANKS

FIRST_MISTAKES = 8
"""Mistakes that are shown at once; the others are folded away."""

MOST_PAIRS = 12
"""Pairs of sisters that are listed."""

LEAST_PICTURES = 10
"""Pictures below which a reliability diagram says nothing."""

STARTS = (0.9, 0.8, 0.6, 0.0)
"""Where the axis of correctness may begin: as far to the right as all points allow."""


def opening(subject: Subject) -> str:
    """The heading, and in one sentence what was measured, on what, and what came of it."""
    metrics = subject.whole.metrics
    shown = ", ".join(dict.fromkeys(score.set_name for score in subject.parts))
    among = f" of {subject.taxa:,} taxa" if subject.taxa else ""
    index = f"the index <b>{_isolated(subject.index)}</b>{among}"
    pictures = f"{_pictures(subject.pictures)} ({_isolated(shown)})"
    crops = f"{metrics['n']:,} organisms in " if metrics["n"] != subject.pictures else ""
    if subject.is_run:
        told = f"What {index} answered about {crops}{pictures} was compared with {'its true name' if metrics['n'] == 1 else 'their true names'}."
    else:
        told = f"{crops}{pictures} {'was' if metrics['n'] == 1 else 'were'} shown to {index}."
    if not metrics["answer_coverage"]:
        told += " It put a name to none of them."
    elif "answer_accuracy" in metrics:
        told += (
            f" It put a name to <b>{percent(metrics['answer_coverage'])}</b> of them, and <b>{percent(metrics['answer_accuracy'])}</b>"
            f" of those names {_range(metrics, 'answer_accuracy')} were right at the rank it chose."
        )
    else:
        told += " None of its answers could be judged."
    return f'<header><p class="over">Evaluation report</p><h1>How often is it right?</h1><p class="lead">{told}</p></header>'


def headline(subject: Subject) -> str:
    """The figures that matter most, each with its interval and a plain word."""
    metrics = subject.whole.metrics
    lowest = subject.ranks[-1]
    tiles = [
        ("answer_accuracy", "of the names given are right", "at the rank that was chosen"),
        ("answer_coverage", "of the pictures get a name", "the others were not sure enough"),
        (f"answered_{lowest}", f"are named to {lowest}", "the lowest rank there is"),
        ("answer_information", "of what there is to know is told, rightly", "1 is every species right, 0 nothing (Deng et al. 2012)"),
        ("top1", "of best matches are the very label", "with no regard to how sure"),
        ("answer_severity", "ranks is the mean height of a mistake", "1: wrong species, right genus (Bertinetto et al. 2020)"),
        ("haurc", "risk area (hAURC)", "lower is better, 0 at best (Goren et al. 2024)"),
    ]
    shown = [_tile(metrics, *tile) for tile in tiles if tile[0] in metrics]
    return f'<section aria-label="Headline figures"><div class="tiles">{"".join(shown)}</div>{_key_of_intervals(subject)}</section>'


def ranks_section(score: Score, ranks: Sequence[str]) -> str:
    """Right at each rank over pictures and over taxa, and how deep the answers go."""
    figures = [_accuracy_chart(score, ranks)]
    if score.marks is not None:
        figures.append(_depth_chart(score.marks, ranks))
    return _section("How deep, and how often right", "".join(figures), "ranks")


def curves_section(score: Score) -> str:
    """Risk over coverage and information over correctness, with the answers as given marked."""
    if score.marks is None or "haurc" not in score.metrics:
        return ""
    sweep = Sweep(score.marks.attempts)
    points = sweep.points(np.ones((1, len(score.marks))))
    kept = thinned(points)
    coverage, risk, accuracy, gained = (values[0][kept] for values in (points.coverage, points.risk, points.accuracy, points.gained))
    chosen = _chosen(score.marks)
    judged = not math.isnan(chosen[2])
    least = min(float(np.nanmin(accuracy, initial=1.0)), chosen[2] if judged else 1.0)
    correctness = Frame(start=next(start for start in STARTS if least >= start), top=round_top(max(float(gained.max()), chosen[3])))
    risk_chart = line_chart(
        "Risk over coverage",
        f"as it tells more, from nothing to all it can, the share of wrong answers rises to {percent(float(risk[-1]))}; as answered it is {percent(chosen[1])} at {percent(chosen[0])}",
        [Line(list(zip(coverage.tolist(), risk.tolist(), strict=True)), "one", "all thresholds")],
        "information in the answers (coverage)",
        "wrong answers (risk)",
        dot=Dot(chosen[0], chosen[1], "as answered"),
        frame=Frame(top=round_top(max(float(risk.max()), chosen[1]))),
    )
    operating = line_chart(
        "Operating curve",
        f"the stricter the rule, the more of its answers are right and the less they tell; as answered {percent(chosen[2])} are right and tell {percent(chosen[3])}",
        [Line(list(zip(accuracy.tolist(), gained.tolist(), strict=True)), "one", "all thresholds")],
        "answers that are right (correctness)",
        "information gained",
        dot=Dot(chosen[2], chosen[3], "as answered") if judged else None,
        frame=correctness,
    )
    area = f" The area under the curve, hAURC, is {_value(score.metrics, 'haurc', places=3)}." if "haurc" in score.metrics else ""
    figures = _figure(
        risk_chart,
        f"Risk over coverage: a rule that says little is seldom wrong; at the right end every picture gets its most probable species. Lower is better.{area}",
    ) + _figure(operating, "Operating curve: how much the right answers tell, against how many are right. Further up and to the right is better.")
    return _section("What a bolder or shyer rule would do", figures, "curves")


def reliability_section(score: Score, ranks: Sequence[str]) -> str:
    """A reliability diagram of the answers, and one for each rank that enough labels name."""
    if score.marks is None:
        return ""
    marks = score.marks
    figures = [_reliability(score, "Answers", "answer_ece", marks.probability, np.where(marks.depth >= 0, marks.answer, UNDECIDED))]
    for depth in reversed(range(len(ranks))):
        name = f"Most probable {ranks[depth]}"
        figures.append(_reliability(score, name, f"ece_{ranks[depth]}", marks.chances[:, depth], marks.calls.verdicts[:, depth]))
    words = "<p>On the dotted line a stated chance of 80 % is right in 80 of 100 pictures. Below it the index is too sure of itself, above it too shy. Larger dots stand for more pictures. The first drawing is of the chances that stand beside the names; the others are of the summed probabilities of each rank, from which names are chosen.</p>"
    return _section("Can its chances be taken at their word?", words + "".join(figures), "reliability", "three") if any(figures) else ""


def _reliability(score: Score, name: str, metric: str, chances: np.ndarray, verdicts: np.ndarray) -> str:
    decided = verdicts != UNDECIDED
    if decided.sum() < LEAST_PICTURES or metric not in score.metrics:
        return ""
    found = reliability(chances[decided], verdicts[decided] == RIGHT)
    filled = found.pictures > 0
    bins = list(zip(found.stated[filled].tolist(), found.right[filled].tolist(), found.pictures[filled].tolist(), strict=True))
    error = _value(score.metrics, metric, places=3)
    chart = reliability_chart(f"Reliability: {name}", f"stated chance against share right, calibration error {score.metrics[metric]:.3f}", bins)
    return _figure(chart, f"<b>{escape(name)}</b>: calibration error {error}")


def sisters_section(subject: Subject) -> str:
    """The sister taxa taken for one another most often."""
    metrics = subject.whole.metrics
    told = [
        f"{_value(metrics, key)} of the mistakes at {one} stay within the right {above}"
        for key, one, above in (("species_mistakes_in_genus", "species", "genus"), ("genus_mistakes_in_family", "genus", "family"))
        if key in metrics
    ]
    if not told and not subject.pairs:
        return ""
    rows = [
        f"<tr><td>{pair.mixed_up}</td><td>{_name(pair.one, pair.rank)}</td><td>{_name(pair.other, pair.rank)}</td><td>{escape(pair.rank)}</td><td>{pair.one_as_other}</td><td>{pair.other_as_one}</td><td>{pair.pictures}</td></tr>"
        for pair in sorted(subject.pairs, key=lambda pair: -pair.mixed_up)[:MOST_PAIRS]
    ]
    head = "<tr><th>times</th><th>one</th><th>other</th><th>rank</th><th>one as other</th><th>other as one</th><th>pictures of both</th></tr>"
    table = (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Sister taxa"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'
        if rows
        else ""
    )
    words = f"<p>{'; '.join(told)}.</p>" if told else ""
    return _section("Sisters that it takes for one another", words + table, "sisters", "wide")


def scores_section(subject: Subject) -> str:
    """Every part, list and half in one table."""
    scores = [*([] if len(subject.parts) == 1 else [subject.whole]), *subject.parts, *subject.halves, *subject.others]
    if len(scores) == 1:
        return ""
    columns = {"answers right": "answer_accuracy", "named": "answer_coverage", "information": "answer_information", "best match": "top1", "hAURC": "haurc"}
    columns = {words: key for words, key in columns.items() if any(key in score.metrics for score in scores)}
    head = "<tr><th>pictures</th><th>n</th>" + "".join(f"<th>{words}</th>" for words in columns) + "</tr>"
    rows = [
        f"<tr><th scope='row'>{escape(score.title)}</th><td>{score.metrics['n']:,}</td>"
        + "".join(f"<td>{_value(score.metrics, key, places=3 if key == 'haurc' else None)}</td>" for key in columns.values())
        + "</tr>"
        for score in scores
    ]
    table = f'<div class="scroll" tabindex="0" role="region" aria-label="All parts"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'
    words = (
        "<p><b>Seen</b> are taxa that were taught, or stand in the table given with --seen; <b>unseen</b> are all others.</p>" if _has_halves(subject) else ""
    )
    return _section("Part by part", words + table, "parts", "wide")


def mistakes_section(subject: Subject) -> str:
    """The worst mistakes first, each with its picture."""
    if not subject.mistakes:
        return _section("The worst mistakes", "<p>There is none: no answer that could be judged was wrong.</p>", "mistakes", "wide")
    count = subject.mistakes_in_all
    order = "Those that lie furthest from the truth come first, of these the surest; of one confusion only one picture is shown."
    words = f"<p>{f'{count:,} answers were wrong. {order}' if count > 1 else 'One answer was wrong.'}</p>"
    cards = [_card(mistake, subject.ranks) for mistake in subject.mistakes]
    inside = f'{words}<div class="cards">{"".join(cards[:FIRST_MISTAKES])}</div>'
    if cards[FIRST_MISTAKES:]:
        inside += (
            f'<details class="part"><summary>{len(cards) - FIRST_MISTAKES} more</summary><div class="cards">{"".join(cards[FIRST_MISTAKES:])}</div></details>'
        )
    return _section("The worst mistakes", inside, "mistakes", "wide")


def closing(subject: Subject) -> str:
    """What the figures stand on, what was left out, and what the words mean."""
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in subject.stands_on)
    notes = "".join(f"<li>{escape(note)}</li>" for note in subject.notes)
    left_out = f"<h3>Left out or looked up</h3><ul>{notes}</ul>" if notes else ""
    return _section("What this stands on", f"<dl>{pairs}</dl>{left_out}{GLOSSARY}", "stands-on", "wide")


GLOSSARY = """<h3>Words</h3><dl>
<dt>Right</dt><dd>An answer is right if it is the true taxon or one above it; an answer below a label that stops early, if it lies within it.</dd>
<dt>Information</dt><dd>1 − log₂(species below the answer) / log₂(species in all): 1 for a species, 0 for “some organism”. Wrong answers have none (Deng et al., CVPR 2012).</dd>
<dt>Height of a mistake</dt><dd>How many ranks one must climb until answer and truth meet (Bertinetto et al., CVPR 2020).</dd>
<dt>Risk, coverage, hAURC</dt><dd>The share of wrong answers against the mean information of all answers, and the area below (Goren et al., NeurIPS 2024).</dd>
<dt>Operating curve</dt><dd>Information against correctness as the threshold falls (after Valmadre, NeurIPS 2022).</dd>
<dt>Over taxa</dt><dd>Each true taxon counts alike, however many pictures it has.</dd>
<dt>Interval</dt><dd>95 %, from drawing the pictures anew up to 1,000 times; where all or none are right, the exact one (Clopper and Pearson 1934). It speaks of pictures like these and of no others.</dd>
</dl>"""


def _accuracy_chart(score: Score, ranks: Sequence[str]) -> str:
    groups = []
    for rank in reversed(ranks):
        bars = [_bar(score.metrics, f"rolled_{rank}{end}", style) for end, style in (("", "one"), ("_macro", "two"))]
        if any(bars):
            groups.append((rank, [bar for bar in bars if bar]))
    told = ", ".join(f"{rank} {percent(bars[0].value)}" for rank, bars in groups)
    key = '<span class="key one">over pictures</span> <span class="key two">over taxa</span>'
    chart = bar_chart("Right at each rank", told, groups)
    return _figure(chart, f"The most probable taxon of each rank is right so often. {key}") if groups else ""


def _depth_chart(marks: Marks, ranks: Sequence[str]) -> str:
    total = len(marks)
    rows = []
    for depth in reversed(range(len(ranks))):
        here = marks.depth == depth
        shares = [(float((here & (marks.answer == verdict)).sum()) / total, style) for verdict, style in ((RIGHT, "good"), (WRONG, "bad"), (UNDECIDED, "open"))]
        rows.append((ranks[depth], shares))
    rows.append(("no name", [(float((marks.depth < 0).sum()) / total, "none")]))
    widest = max(sum(share for share, _ in pieces) for _, pieces in rows)
    told = ", ".join(f"{label} {percent(sum(share for share, _ in pieces))}" for label, pieces in rows)
    keys = '<span class="key good">right</span> <span class="key bad">wrong</span> <span class="key open">cannot be judged</span> <span class="key none">no name given</span>'
    return _figure(share_chart("Answers by rank", told, rows, widest), f"At which rank it answers. {keys}")


def _card(mistake: Mistake, ranks: tuple[str, ...]) -> str:
    meaning = height_in_words(mistake.height, ranks)
    if mistake.thumbnail is None:
        picture = f'<div class="no-picture">{escape(mistake.why_no_picture or "no picture")}</div>'
    else:
        data = base64.b64encode(mistake.thumbnail).decode("ascii")
        alt = escape(f"A picture of {mistake.truth} that was called {mistake.answer}", quote=True)
        picture = f'<img alt="{alt}" src="data:image/jpeg;base64,{data}">'
    rungs = "".join(
        f'<li{" class=answered" if rung.rank == mistake.answer_rank else ""}><span class="rank">{escape(rung.rank)}</span>{_name(rung.taxon, rung.rank)}<span class="chance">{percent(rung.probability)}</span></li>'
        for rung in mistake.ladder
    )
    return (
        f'<article class="card">{picture}<div class="card-words"><p class="height" title="height {mistake.height}">'
        f'<span class="badge">{mistake.height}</span> {escape(meaning)}</p><dl class="two-names"><dt>is</dt><dd>{_name(mistake.truth, mistake.truth_rank)}</dd>'
        f"<dt>called</dt><dd>{_name(mistake.answer, mistake.answer_rank)} <small>{escape(mistake.answer_rank)}, {percent(mistake.probability)}</small></dd></dl>"
        f'<details><summary>Chances by rank</summary><ol class="ladder">{rungs}</ol></details><p class="file">{escape(mistake.picture)}</p></div></article>'
    )


def _chosen(marks: Marks) -> tuple[float, float, float, float]:
    """Coverage, risk, accuracy and information gained of the answers as given."""
    undecided = (marks.depth >= 0) & (marks.answer == UNDECIDED)
    decidable = max(int((~undecided).sum()), 1)
    right, wrong = marks.answer == RIGHT, marks.answer == WRONG
    judged = int((right | wrong).sum())
    accuracy = float(right.sum()) / judged if judged else float("nan")
    return float(marks.information.mean()), float(wrong.sum()) / decidable, accuracy, float(marks.information[right].sum()) / decidable


def _has_halves(subject: Subject) -> bool:
    return bool(subject.halves) or {"seen", "unseen"} <= {score.part for score in subject.parts}


def _tile(metrics: Mapping[str, float], key: str, words: str, more: str) -> str:
    places = {"answer_severity": 1, "haurc": 3}.get(key)
    big = percent(metrics[key]) if places is None else f"{metrics[key]:.{places}f}"
    return f'<div class="tile"><p class="big">{big}</p><p class="of">{escape(words)}</p><p class="range">{_range(metrics, key, places)}</p><p class="more">{escape(more)}</p></div>'


def _key_of_intervals(subject: Subject) -> str:
    if not any(f"{name}_low" in subject.whole.metrics for name in subject.whole.metrics):
        return ""
    return f'<p class="small">In brackets the range in which the figure would lie for 95 of 100 samples of {subject.pictures:,} such pictures.</p>'


def _bar(metrics: Mapping[str, float], key: str, style: str) -> Bar | None:
    return Bar(metrics[key], metrics.get(f"{key}_low"), metrics.get(f"{key}_high"), style) if key in metrics else None


def _value(metrics: Mapping[str, float], key: str, places: int | None = None) -> str:
    if key not in metrics:
        return "–"
    value = percent(metrics[key]) if places is None else f"{metrics[key]:.{places}f}"
    return f"{value} {_range(metrics, key, places)}".strip()


def _range(metrics: Mapping[str, float], key: str, places: int | None = None) -> str:
    """The interval in brackets, empty where there is none."""
    low, high = metrics.get(f"{key}_low"), metrics.get(f"{key}_high")
    if low is None or high is None or low == high == metrics[key]:
        return ""
    ends = [f"{end * 100:.0f}" if places is None else f"{end:.{places}f}" for end in (low, high)]
    unit = "\N{NO-BREAK SPACE}%" if places is None else ""
    return f'<span class="interval">({ends[0]}–{ends[1]}{unit})</span>'


def _name(taxon: str, rank: str) -> str:
    return f"<i>{_isolated(taxon)}</i>" if rank in ITALIC_RANKS else _isolated(taxon)


def _isolated(words: str) -> str:
    """Words from a file, so that a script that runs from right to left turns no others round."""
    return f"<bdi>{escape(words)}</bdi>"


def _pictures(count: int) -> str:
    return f"{count:,} {'picture' if count == 1 else 'pictures'}"


def _figure(chart: str, words: str) -> str:
    return f"<figure>{chart}<figcaption>{words}</figcaption></figure>"


def _section(title: str, inside: str, anchor: str, layout: str = "two") -> str:
    return f'<section id="{anchor}" class="{layout}"><h2>{escape(title)}</h2>{inside}</section>'
