"""The steps of `bench_million`: each returns what it measured, as plain numbers and rows of a table."""

from __future__ import annotations

import json
import os
import resource
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.benchmarks.measure import in_turns, memory_mb, ratio, seconds

RANKS_OF_FILTER = ("class", "order", "family")
FILTERS = 30
SPEEDS_TIMED = ("balanced", "exact")

PEER_BATCH = 10
"""Pictures that pybioclip asks about together."""

AIM_PEAKED, AIM_FLAT, AIM_FILTER, AIM_WITHIN = 10, 500, 1000, 20


def world(folder: Path, taxa: int) -> dict[str, Any]:
    from tests.benchmarks.million_world import make_world

    if not (folder / "txt_emb_species.json").is_file():
        make_world(folder, taxa)
    return {}


def build(folder: Path) -> dict[str, Any]:
    if (folder / "index").is_dir():
        return {}
    from bioclip_search.build import build_from_vectors
    from bioclip_search.taxonomy import Taxonomy
    from tests.benchmarks.million_world import GivenVectors

    before = memory_mb()["rss_mb"]
    start = time.perf_counter()
    taxonomy = Taxonomy.from_table(folder / "taxa.parquet")
    read = time.perf_counter()
    build_from_vectors(folder / "index", taxonomy, folder / "vectors.npy", GivenVectors())
    end = time.perf_counter()
    size = sum(path.stat().st_size for path in (folder / "index").iterdir())
    return {
        "reading the taxonomy, s": read - start,
        "writing the index, s": end - read,
        "peak resident memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "of which before it began, MB": before,
        "size of the index, MB": size / 1e6,
    }


def open_index(folder: Path) -> dict[str, Any]:
    from bioclip_search.index import Index
    from bioclip_search.searcher import Searcher
    from tests.benchmarks.million_world import GivenVectors

    question = np.load(folder / "peaked.npy")[:1]
    before = memory_mb()
    start = time.perf_counter()
    searcher = Searcher(Index(folder / "index"), GivenVectors())
    assert len(searcher.index.vectors) == searcher.index.card.vectors.count
    opened = time.perf_counter()
    after = memory_mb()
    searcher.identify_vectors(question)
    answered = time.perf_counter()
    return _opening(start, opened, answered, before, after)


def open_peer(folder: Path) -> dict[str, Any]:
    import torch

    question = torch.from_numpy(np.load(folder / "peaked.npy")[:1])
    before = memory_mb()
    start = time.perf_counter()
    txt_emb = torch.from_numpy(np.load(folder / "txt_emb_species.npy"))
    names = json.loads((folder / "txt_emb_species.json").read_text(encoding="utf-8"))
    opened = time.perf_counter()
    after = memory_mb()
    assert names[int((question @ txt_emb).argmax())]
    return _opening(start, opened, time.perf_counter(), before, after)


def _opening(start: float, opened: float, answered: float, before: dict, after: dict) -> dict[str, float]:
    finally_ = memory_mb()
    return {
        "opened, s": opened - start,
        "to first answer, s": answered - start,
        "RSS opened, MB": after["rss_mb"] - before["rss_mb"],
        "own opened, MB": after["own_mb"] - before["own_mb"],
        "RSS answered, MB": finally_["rss_mb"] - before["rss_mb"],
        "own answered, MB": finally_["own_mb"] - before["own_mb"],
    }


def peaked(folder: Path, rounds: int) -> dict[str, Any]:
    searcher, peer = _both(folder)
    questions = np.load(folder / "peaked.npy")
    ways = {"theirs": lambda: peer.answer_all_ranks(questions[:PEER_BATCH])}
    for speed in SPEEDS_TIMED:
        ways[speed] = lambda speed=speed: [_named(searcher, decision) for decision in _at(searcher, speed).identify_vectors(questions.copy())]
    taken = in_turns(ways, rounds)
    what = "peaked, a batch (theirs 10, ours 64), seven ranks, {}, ms a picture"
    rows = [_row(what.format(speed), taken["theirs"] / PEER_BATCH, taken[speed] / len(questions), AIM_PEAKED) for speed in SPEEDS_TIMED]
    notes = [f"{speed}: {_agreement(_at(searcher, speed), peer, questions)}" for speed in SPEEDS_TIMED]
    return {"rows": rows, "notes": [*notes, _recall(searcher, questions), f"taxa above 1e-9 a picture, peaked: {peer.above(questions[:8]):,.0f}"]}


def one_by_one(folder: Path, rounds: int) -> dict[str, Any]:
    searcher, peer = _both(folder)
    questions = np.load(folder / "peaked.npy")[:8]
    ways = {"theirs": lambda: [peer.answer_all_ranks(question[None]) for question in questions]}
    for speed in SPEEDS_TIMED:
        ways[speed] = lambda speed=speed: [_named(searcher, _at(searcher, speed).identify_vectors(question[None].copy())[0]) for question in questions]
    taken = in_turns(ways, rounds)
    what = "peaked, one by one, seven ranks, {}, ms a picture"
    rows = [_row(what.format(speed), taken["theirs"] / len(questions), taken[speed] / len(questions), "") for speed in SPEEDS_TIMED]
    return {"rows": rows, "notes": []}


def within(folder: Path, rounds: int) -> dict[str, Any]:
    """One picture, the clade that it belongs to, all ranks: theirs makes its filter, a third of a minute, only once."""
    searcher, peer = _both(folder)
    question = np.load(folder / "peaked.npy")[:1]
    order = searcher.identify_vectors(question.copy(), **searcher.ruling(rank="order"))[0].chosen
    clade = searcher._taxon(order)
    making = seconds(lambda: peer.restrict(clade.rank, clade.name))

    def ours() -> dict:
        return _named(searcher, searcher.identify_vectors(question.copy(), leaves=searcher.restrict(within=clade.name).leaves)[0])

    ours()  # opens the list of names
    taken = in_turns({"theirs": lambda: peer.answer_all_ranks(question), "ours": ours}, rounds)
    what = f"peaked, one, seven ranks, within an order of {clade.stop - clade.start:,} taxa, ms a picture"
    rows = [
        _row(f"{what}, filter made", taken["theirs"] + making, taken["ours"], AIM_WITHIN),
        _row(f"{what}, theirs at hand", taken["theirs"], taken["ours"], ""),
    ]
    return {"rows": rows, "notes": []}


def flat(folder: Path, rounds: int) -> dict[str, Any]:
    """Their one picture at one rank takes half a minute, so it is asked once, and set against all seven ranks of ours."""
    searcher, peer = _both(folder)
    questions = np.load(folder / "flat.npy")
    theirs = np.array([seconds(lambda: peer.answer(questions[:1], "family"))])
    batch = in_turns({"ours": lambda: [_named(searcher, one) for one in searcher.identify_vectors(questions.copy())]}, rounds)["ours"]
    single = in_turns({"ours": lambda: _named(searcher, searcher.identify_vectors(questions[:1].copy())[0])}, rounds)["ours"]
    rows = [
        _row("flat, theirs one picture at ONE rank, ours a batch of 64 at seven", theirs, np.array([np.median(batch) / len(questions)]), AIM_FLAT),
        _row("flat, theirs one picture at ONE rank, ours one at seven", theirs, np.array([np.median(single)]), ""),
    ]
    return {"rows": rows, "notes": [f"taxa above 1e-9 a picture, flat: {peer.above(questions[:8]):,.0f} of {len(searcher.taxonomy):,}"]}


def clade_filter(folder: Path) -> dict[str, Any]:
    searcher, peer = _both(folder)
    random = np.random.default_rng(1)
    clades = []
    for number in range(FILTERS):
        rank = RANKS_OF_FILTER[number % len(RANKS_OF_FILTER)]
        clades.append(searcher.taxonomy.taxon(rank, int(random.integers(len(searcher.taxonomy.level(rank))))))
    assert len(searcher.restrict(within=clades[0].name).leaves)  # the first opens the list of names
    ours = np.array([seconds(lambda clade=clade: searcher.restrict(within=clade.name)) for clade in clades])
    theirs = np.array([seconds(lambda: peer.restrict(clades[0].rank, clades[0].name))])
    kept = len(searcher.restrict(within=clades[0].name).leaves)
    notes = [f"the filter for {clades[0].rank} {clades[0].name} keeps {kept:,} taxa with ours, {peer.kept:,} with theirs"]
    return {"rows": [_row("making a clade filter", theirs, np.array([np.median(ours)]), AIM_FILTER)], "notes": notes}


class Peer:
    """pybioclip's tree-of-life classifier over the same matrix, asked with picture vectors instead of pictures."""

    def __init__(self, folder: Path):
        import torch

        from bioclip_search.prompts import RANKS
        from tests.benchmarks.million_world import LOGIT_SCALE
        from tests.peers.pybioclip_ways import LocalTreeOfLife
        from tests.peers.random_models import write_model_folder

        model = write_model_folder(folder / "tiny-model")
        names = json.loads((folder / "txt_emb_species.json").read_text(encoding="utf-8"))
        self.classifier = LocalTreeOfLife(model, torch.from_numpy(np.load(folder / "txt_emb_species.npy")), names)
        self.classifier.model.logit_scale.data.fill_(float(np.log(LOGIT_SCALE)))
        self.ranks, self.kept = RANKS, 0

    def probabilities(self, questions: np.ndarray) -> Any:
        import torch

        with torch.no_grad():
            return self.classifier.create_probabilities(torch.from_numpy(questions), self.classifier.get_txt_embeddings())

    def answer(self, questions: np.ndarray, *ranks: str) -> list[dict[str, list[dict]]]:
        """Its top five of each picture and rank. Its `predict` would compute the probabilities anew for every rank."""
        from bioclip.predict import Rank

        answers = []
        for row in self.probabilities(questions):
            by_rank = {}
            for rank in ranks:
                if rank == "species":
                    by_rank[rank] = self.classifier.format_species_probs("", row)
                else:
                    by_rank[rank] = self.classifier.format_grouped_probs("", row, Rank[rank.upper()])
            answers.append(by_rank)
        return answers

    def answer_all_ranks(self, questions: np.ndarray) -> list[dict[str, list[dict]]]:
        return self.answer(questions, *self.ranks)

    def restrict(self, rank: str, name: str) -> None:
        from bioclip.predict import Rank

        self.classifier.apply_filter(self.classifier.create_taxa_filter(Rank[rank.upper()], [name]))
        self.kept = len(self.classifier.get_current_txt_names())

    def above(self, questions: np.ndarray) -> float:
        """Taxa that its loop visits for one picture, on average."""
        return float((self.probabilities(questions) > 1e-9).sum(dim=1).float().mean())


def _both(folder: Path) -> tuple[Any, Peer]:
    from bioclip_search.index import Index
    from bioclip_search.searcher import Searcher
    from tests.benchmarks.million_world import GivenVectors

    return Searcher(Index(folder / "index"), GivenVectors()), Peer(folder)


def _at(searcher: Any, speed: str) -> Any:
    searcher.speed = speed
    return searcher


def _recall(searcher: Any, questions: np.ndarray) -> str:
    """How far `balanced` is from exact over all questions, by what it promises."""
    from bioclip_search.index.sketching import _largest_error, _recall

    index, sharpness = searcher.index, searcher._sharpness
    exact = index.vectors.scores(questions)
    near = index.near(questions, sharpness, speed="balanced")
    recall = np.mean([_recall(*both) for both in zip(near, exact, strict=True)])
    error = max(_largest_error(*both, sharpness) for both in zip(near, exact, strict=True))
    return f"balanced against exact, {len(questions)} questions: recall@10 {recall:.4f}, largest error of the probability of any taxon {error:.5f}"


def _named(searcher: Any, decision: Any) -> dict[str, tuple[str, float]]:
    """The best taxon of every rank by name, with its probability."""
    return {searcher.taxonomy.ranks[step.depth]: (searcher._taxon(step).name, step.probability) for step in decision.ladder}


def _agreement(searcher: Any, peer: Peer, questions: np.ndarray) -> str:
    """How often the best taxon of a rank is the same, where the lineage has that rank, and how far probabilities differ."""
    same, difference, compared = 0, 0.0, 0
    ours = [_named(searcher, decision) for decision in searcher.identify_vectors(questions[:PEER_BATCH].copy())]
    for mine, theirs in zip(ours, peer.answer_all_ranks(questions[:PEER_BATCH]), strict=True):
        for rank, (name, probability) in mine.items():
            best = theirs[rank][0]
            compared += 1
            same += best[rank] == name
            difference = max(difference, abs(best["score"] - probability)) if best[rank] == name else difference
    return f"best taxon of a rank the same in {same} of {compared}, largest difference of a probability {difference:.1e}"


def _row(what: str, theirs: np.ndarray, ours: np.ndarray, aim: Any) -> dict[str, str]:
    times = ratio(theirs, ours)
    return {
        "what": what,
        "theirs": f"{1e3 * np.median(theirs):,.1f}",
        "ours": f"{1e3 * np.median(ours):,.2f}",
        "ratio": f"{times:,.1f}",
        "aim": f"{aim:,}" if aim else "",
    }


def _names_only(answers: list[dict]) -> list[dict]:
    return [{rank: name for rank, (name, _) in answer.items()} for answer in answers]


def add(folder: Path) -> dict[str, Any]:
    """One species more, by its name, in a copy of the index whose large files are links; and whether old answers stay."""
    from bioclip_search.addition import add_taxa
    from bioclip_search.index import Index
    from bioclip_search.searcher import Searcher
    from tests.benchmarks.million_world import GivenVectors, SayingVectors

    copy = folder / "added"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / "index", copy, copy_function=os.link)
    (copy / "card.json").unlink()
    shutil.copy(folder / "index" / "card.json", copy)
    questions = np.load(folder / "peaked.npy")
    before = Searcher(Index(folder / "index"), GivenVectors())
    old = [_named(before, decision) for decision in before.identify_vectors(questions.copy())]
    genus = before.taxonomy.taxon("genus", 1000)
    index = Index(copy)  # verifies the files under their new names
    start = time.perf_counter()
    made = add_taxa(index, pa.table({"species": [f"{genus.name} nova"]}), SayingVectors())
    taken = time.perf_counter() - start
    after = Searcher(made.index, GivenVectors())
    new = [_named(after, decision) for decision in after.identify_vectors(questions.copy())]
    same = sum(one == two for one, two in zip(_names_only(old), _names_only(new), strict=True))
    off = max(abs(one[rank][1] - two[rank][1]) for one, two in zip(old, new, strict=True) for rank in one if rank in two)
    return {
        "adding a species, s": taken,
        "taxa": made.index.card.count,
        "questions with the same names at all ranks": f"{same} of {len(questions)}",
        "largest change of a probability": f"{off:.1e}",
    }
