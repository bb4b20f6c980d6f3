"""Whole archives at random, beside a reading with dictionaries and loops that follows the rules in the docstrings."""

from __future__ import annotations

import random

import pytest

from bioclip_search.checklists import import_checklist, read_checklist
from bioclip_search.prompts import RANKS
from tests.checklists.making import checklist_archive

TERMS = ("taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName", "taxonRank", "taxonomicStatus")
FURTHER_RANKS = ("subspecies", "tribe", "subgenus")


def random_rows(seed, n):
    """Rows whose parents are mostly of a higher rank and stand anywhere; some links lead nowhere or in a circle."""
    chance = random.Random(seed)
    keys = [str(key) for key in chance.sample(range(1000, 9999), n)]
    rows = {}
    for place, key in enumerate(keys):
        depth = min(6, place * 8 // n)
        rank = RANKS[depth] if chance.random() < 0.75 else chance.choice(FURTHER_RANKS)
        parent = chance.choice(keys[: max(1, place // 2)]) if chance.random() < 0.9 else chance.choice([*keys, "", "77"])
        word = "".join("abcdefghij"[int(digit)] for digit in key)
        name = f"A{word}" if rank not in {"species", "subspecies"} else f"A{'abcde'[place % 5]}us {word}us" + (" cus" if rank == "subspecies" else "")
        if chance.random() < 0.3:
            rows[key] = ("", chance.choice([*keys, "66"]), name, rank, "synonym")
        else:
            rows[key] = ("" if parent == key else parent, "", name, rank, "accepted")
    order = list(rows)
    chance.shuffle(order)
    return {key: rows[key] for key in order}


class Loops:
    """The same decisions, one row and one step at a time."""

    def __init__(self, rows):
        self.rows = rows
        self.below = {held for key in rows if self.is_taxon(key) and self.depth(key) < 7 for held in self.lineage(key).values() if held != key}

    def depth(self, key):
        rank = self.rows[key][3]
        return RANKS.index(rank) if rank in RANKS else 7

    def accepted(self, key):
        """The taxon that a row is or is a synonym of, None for none."""
        seen = set()
        while key in self.rows and self.rows[key][4] == "synonym":
            if key in seen:
                return None
            seen.add(key)
            key = self.rows[key][1]
        return key if key in self.rows else None

    def parent(self, key):
        return self.accepted(self.rows[key][0]) if self.rows[key][0] else None

    def is_circular(self, key):
        seen, at = set(), self.parent(key)
        while at is not None and at not in seen:
            if at == key:
                return True
            seen.add(at)
            at = self.parent(at)
        return False

    def is_taxon(self, key):
        return self.rows[key][4] == "accepted" and not self.is_circular(key)

    def lineage(self, key):
        """The nearest taxon of each main rank above a row and at it, by the rank's number."""
        found, at = {}, key
        while at is not None and self.is_taxon(at):
            if self.depth(at) < 7:
                found.setdefault(self.depth(at), at)
            at = self.parent(at)
        own = self.depth(key)
        return {depth: held for depth, held in found.items() if depth < own or held == key}

    def leaves(self):
        mains = [key for key in self.rows if self.is_taxon(key) and self.depth(key) < 7]
        reached = {held for key in mains if key not in self.below for held in self.lineage(key).values()}
        return [key for key in mains if key not in self.below or key not in reached]

    def names_of_leaf(self, key):
        lineage = self.lineage(key)
        names = {RANKS[depth]: self.rows[held][2] for depth, held in lineage.items()}
        if self.depth(key) == 6 and "genus" not in names:
            names["genus"] = self.rows[key][2].split()[0]
        return tuple(names.get(rank) for rank in RANKS)

    def named(self, key):
        """The taxon of a main rank that a row names, None for none."""
        taxon = self.accepted(key)
        if taxon is None or not self.is_taxon(taxon):
            return None
        return taxon if self.depth(taxon) < 7 else self.lineage(taxon).get(6)


@pytest.mark.parametrize("seed", range(12))
def test_a_random_archive_comes_to_what_loops_come_to(tmp_path, seed):
    rows = random_rows(seed, 60 + 20 * seed)
    loops = Loops(rows)
    written = "\n".join("|".join((key, *cells)) for key, cells in rows.items())
    checklist = read_checklist(checklist_archive(tmp_path / "a.zip", written, TERMS))
    leaves = loops.leaves()
    assert checklist.taxa["taxon_key"].to_pylist() == leaves
    found = [tuple(row.values()) for row in checklist.taxa.select(list(RANKS)).to_pylist()]
    assert found == [loops.names_of_leaf(key) for key in leaves]
    expected = {key: named for key in rows if key not in leaves and (named := loops.named(key)) is not None}
    names = {row["taxon_key"]: row for row in checklist.names.to_pylist()}
    assert set(names) == set(expected)
    for key, taxon in expected.items():
        row = names[key]
        assert row["name"] == rows[key][2]
        assert row["rank"] == rows[taxon][3]
        assert row["kind"] == ("synonym" if rows[key][4] == "synonym" else "accepted" if taxon == key else "infraspecific")
        assert taxon in {leaves[row["row"]], *loops.lineage(leaves[row["row"]]).values()}
    circular = {key for key in rows if rows[key][4] == "accepted" and loops.is_circular(key)}
    assert {key for fault in checklist.report.faults if fault.what.startswith("parents") for key in fault.keys} == circular


def test_several_threads_and_parts_give_the_same_bytes_again(tmp_path, monkeypatch):
    from bioclip_search.checklists import output
    from tests.benchmarks.bench_import import write_archive

    archive = write_archive(tmp_path / "a.zip", 70_000)
    import_checklist(archive, tmp_path / "whole")
    monkeypatch.setattr(output, "SEATS_IN_PART", 1_500)
    for name in ("parts", "again"):
        import_checklist(archive, tmp_path / name)
    whole, parts = (read_checklist(tmp_path / name) for name in ("whole", "parts"))
    assert whole.taxa.equals(parts.taxa)
    assert whole.names.equals(parts.names)
    assert whole.report == parts.report
    for name in ("taxa.parquet", "names.parquet", "report.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
