"""Labels looked up in the names of an index: what each means there, and a report of all that does not mean quite what it says.

Matching one name is left to `names.match`; reading labels is left to `labelled`.

The rules, the first that holds:

1. The ranks tell a taxon that the index holds: the label stays as it is (exact). Ranks above it that the label leaves empty
   are filled in from the index, if it has one such taxon alone and nothing that the label says contradicts it.
2. The ranks tell a name that is a synonym in the index: it becomes the accepted taxon (synonym).
3. The ranks tell a taxon of which the index holds only one above it: the label stays as it is, for it can be judged by
   name, and every answer below that one is wrong (higher); empty ranks are filled in as in rule 1. A misspelling is not
   sought: a species that the index lacks is often spelt almost like one that it has.
4. The ranks tell a taxon of which the index holds nothing: likewise (absent).
5. A bare name is matched: exact, synonym, corrected (a misspelling), or higher (a species that the index lacks, in a genus
   that it holds; a subspecies of a species that it holds; "sp."). The label becomes the lineage that the index has for it.
   Of folders above a taxon's only those count that are taxa themselves.
6. A bare name that means nothing, or several taxa: no label. Its pictures are counted and listed (unmatched).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.names import Names
from bioclip_search.names.fold import fold_scientific
from bioclip_search.names.lookup import PATH_SIGN
from bioclip_search.names.match import EXACT as SAME_NAME
from bioclip_search.names.match import FUZZY, HIGHERRANK, HOMONYM, Match, Query, match_names
from bioclip_search.names.match import SAME as SAME_TAXON
from bioclip_search.names.parse import parse
from bioclip_search.taxonomy import Taxonomy

EXACT, SYNONYM, CORRECTED, HIGHER, ABSENT, UNMATCHED = FATES = ("exact", "synonym", "corrected", "higher", "absent", "unmatched")

FATE_WORDS = {
    EXACT: "named as in the index",
    SYNONYM: "by a synonym",
    CORRECTED: "misspelt, corrected",
    HIGHER: "known to the index by a taxon above only: judged by name",
    ABSENT: "of which the index knows no taxon at all: judged by name",
    UNMATCHED: "of no taxon that could be found: not measured",
}

EXAMPLES = 5
"""How many labels of each fate are told."""

UNMATCHED_TOLD = 100
"""How many of those that mean nothing, each of which may be a slip to mend; `to_dict` holds all."""

LEAST_CONFIDENCE = 80
"""A misspelling is corrected from this confidence of `names.match` on: one slip in a name of seven letters or more."""


@dataclass(frozen=True)
class ResolvedLabel:
    """What became of one label, and of how many pictures it is. `taxon` and `rank` are those of the index, None where it has none."""

    label: str
    fate: str
    taxon: str | None
    rank: str | None
    pictures: int
    note: str = ""

    def __str__(self) -> str:
        told = f"{self.label} → {self.rank} {self.taxon}" if self.taxon and self.taxon != self.label else self.label
        return f"{told} ({self.note})" if self.note else told


@dataclass(frozen=True)
class LabelReport:
    """What became of all labels, those of most pictures first."""

    labels: tuple[ResolvedLabel, ...]

    @property
    def pictures(self) -> dict[str, int]:
        """The pictures of each fate."""
        counted = Counter(dict.fromkeys(FATES, 0))
        for label in self.labels:
            counted[label.fate] += label.pictures
        return dict(counted)

    def of(self, fate: str) -> tuple[ResolvedLabel, ...]:
        return tuple(label for label in self.labels if label.fate == fate)

    def lines(self, most: int = EXAMPLES) -> list[str]:
        """The report in words, empty where every label is named as in the index: `most` labels of every fate, more of those unmatched."""
        lines = []
        for fate in FATES[1:]:
            found = self.of(fate)
            if found:
                pictures = self.pictures[fate]
                lines.append(
                    f"{pictures:,} {'picture' if pictures == 1 else 'pictures'} ({len(found):,} {'label' if len(found) == 1 else 'labels'}) {FATE_WORDS[fate]}:"
                )
                shown = found[: UNMATCHED_TOLD if fate == UNMATCHED else most]
                lines += [f"  {label}" for label in shown]
                lines += [f"  and {len(found) - len(shown):,} more"] if len(found) > len(shown) else []
        return lines

    def to_dict(self) -> dict[str, object]:
        """Flat counts of pictures, and the labels that could not be matched; only JSON types."""
        return {**{f"labels_{fate}": count for fate, count in self.pictures.items()}, "unmatched": [label.label for label in self.of(UNMATCHED)]}


@dataclass(frozen=True, eq=False)
class Resolution:
    """The sets with their labels looked up, and what became of them."""

    sets: tuple[LabelledSet, ...]
    report: LabelReport


def resolve_labels(sets: Sequence[LabelledSet], names: Names, *, correct: bool = True) -> Resolution:
    """The same sets, each label replaced by the lineage that it has in the index where that is another; pictures and order stay.

    Args:
        correct: Whether misspelt bare names are corrected; else they are unmatched.
    """
    looked_up = [_resolve(labels_of(labelled), names, correct) for labelled in sets]
    resolved = tuple(replace(labelled, taxa=table, written=None) for labelled, (table, _) in zip(sets, looked_up, strict=True))
    return Resolution(resolved, _report([found for _, fates in looked_up for found in fates]))


def labels_of(labelled: LabelledSet) -> pa.Table:
    """The labels of a set as a table: the ranks, common_name, written and authorship."""
    absent = pa.chunked_array([pa.nulls(len(labelled), pa.string())])
    table = labelled.taxa.append_column("written", absent if labelled.written is None else labelled.written)
    return table.append_column("authorship", absent if labelled.authorship is None else labelled.authorship)


def resolve_table(labels: pa.Table, names: Names, *, correct: bool = True) -> tuple[pa.Table, LabelReport]:
    """The ranks and common_name of labels that stand as `labels_of` gives them, looked up, and the report."""
    table, fates = _resolve(labels, names, correct)
    return table, _report(fates)


def _resolve(labels: pa.Table, names: Names, correct: bool) -> tuple[pa.Table, list[ResolvedLabel]]:
    """Every different label is looked up once."""
    ranks = names.taxonomy.ranks
    numbered = labels.select([*ranks, "written", "authorship"]).append_column("row", pa.array(np.arange(len(labels)))).combine_chunks()
    groups = numbered.group_by([*ranks, "written", "authorship"], use_threads=False).aggregate([("row", "list")])
    rows = groups["row_list"].combine_chunks()
    counts = np.asarray(rows.value_lengths())  # (groups,)
    group_of = np.empty(len(labels), np.int64)
    group_of[np.asarray(rows.flatten())] = np.repeat(np.arange(len(groups)), counts)
    fates, lineages = [], []
    for group, is_held, pictures in zip(groups.drop_columns("row_list").to_pylist(), _held(groups, names.taxonomy).tolist(), counts.tolist(), strict=True):
        found, lineage = _look_up(group, is_held, names, correct)
        fates += [replace(found, pictures=pictures)] if found else []
        lineages.append(group if lineage is None else lineage)
    table = pa.table({rank: pa.array([lineage.get(rank) for lineage in lineages], pa.string()) for rank in ranks}).take(pa.array(group_of))
    return table.append_column("common_name", labels["common_name"]), fates


def _held(groups: pa.Table, taxonomy: Taxonomy) -> np.ndarray:
    """Whether the index holds the lowest taxon of each lineage, in the same kingdom where both tell one: (n,) bool."""
    held = np.zeros(len(groups), bool)
    open_ = np.ones(len(groups), bool)
    top = taxonomy.ranks[0]
    for rank in reversed(taxonomy.ranks):
        named = np.asarray(pc.is_valid(groups[rank])) & open_
        if named.any():
            held |= named & np.asarray(_is_among(groups, taxonomy.leaves, rank, top))
        open_ &= ~named
    return held


def _is_among(groups: pa.Table, leaves: pa.Table, rank: str, top: str) -> pa.ChunkedArray:
    plain = [table[column].cast(pa.string()) for table in (groups, leaves) for column in (rank, top)]
    name, kingdom, leaf_name, leaf_kingdom = plain
    joined, leaf_joined = pc.binary_join_element_wise(name, kingdom, "\t"), pc.binary_join_element_wise(leaf_name, leaf_kingdom, "\t")
    same = pc.is_in(joined, value_set=pc.drop_null(pc.unique(leaf_joined)))
    without = pc.is_in(name, value_set=pc.drop_null(pc.unique(leaf_name.filter(pc.is_null(leaf_kingdom)))))
    by_name = pc.and_(pc.is_null(kingdom), pc.is_in(name, value_set=pc.drop_null(pc.unique(leaf_name))))
    return pc.or_(pc.or_(same, without), by_name)


def _look_up(group: Mapping[str, str | None], is_held: bool, names: Names, correct: bool) -> tuple[ResolvedLabel | None, dict[str, str | None] | None]:
    """What became of one label, None where there is none, and its new lineage, None where it keeps its own."""
    ranks = names.taxonomy.ranks
    lowest = next((rank for rank in reversed(ranks) if group[rank]), None)
    if group["written"]:
        return _bare(group, names, correct)
    if lowest is None:
        return None, None
    if is_held:
        return ResolvedLabel(group[lowest], EXACT, group[lowest], lowest, 0), _filled(group, lowest, names)
    return _told_by_ranks(group, lowest, names)


def _filled(group: Mapping[str, str | None], rank: str, names: Names) -> dict[str, str | None] | None:
    """The lineage with its empty ranks above one from the index; None where none is empty, or the index cannot tell."""
    taxonomy = names.taxonomy
    told = {name: group[name] for name in taxonomy.ranks}
    above = taxonomy.ranks[: taxonomy.ranks.index(rank)]
    if all(told[name] for name in above):
        return None
    found = [taxonomy.lineage(taxon.start, down_to=rank) for taxon in names.find(told[rank] or "") if taxon.rank == rank]
    fitting = [lineage for lineage in found if all(not told[name] or lineage.get(name) in (None, told[name]) for name in above)]
    return told | {name: told[name] or fitting[0].get(name) for name in above} if len(fitting) == 1 else None


def _told_by_ranks(group: Mapping[str, str | None], lowest: str, names: Names) -> tuple[ResolvedLabel, dict[str, str | None] | None]:
    """Rules 2 to 4."""
    name = group[lowest]
    match = _match(names, name, group)
    if match.match_type in (SAME_TAXON, SAME_NAME) and match.rank == lowest and not _disagrees(match, group):
        return ResolvedLabel(name, EXACT if match.match_type == SAME_NAME else SYNONYM, match.taxon, match.rank, 0), dict(match.lineage)
    for rank in reversed(names.taxonomy.ranks[: names.taxonomy.ranks.index(lowest)]):
        above = group[rank]
        if above and any(taxon.rank == rank for taxon in names.find(above)):
            return ResolvedLabel(name, HIGHER, above, rank, 0), _filled(group, rank, names)
    return ResolvedLabel(name, ABSENT, None, None, 0), None


def _bare(group: Mapping[str, str | None], names: Names, correct: bool) -> tuple[ResolvedLabel, dict[str, str | None] | None]:
    """Rules 5 and 6; where a bare name is unmatched but ranks stand beside it, rules 2 to 4 for those."""
    name = group["written"]
    match = _match(names, name, group)
    fate = UNMATCHED if match.taxon is None or _disagrees(match, group) else _fate(match, correct)
    if fate != UNMATCHED:
        shown = "" if fate in (EXACT, SYNONYM) else match.note
        return ResolvedLabel(name, fate, match.taxon, match.rank, 0, shown), _lineage(name, match)
    lowest = next((rank for rank in reversed(names.taxonomy.ranks) if group[rank]), None)
    if lowest is not None:
        found, lineage = _told_by_ranks(group, lowest, names)
        return replace(found, label=name, fate=found.fate if found.fate == ABSENT else HIGHER, note=match.note), lineage
    return ResolvedLabel(name, UNMATCHED, None, None, 0, _why_not(match)), {}


def _match(names: Names, name: str, group: Mapping[str, str | None]) -> Match:
    """The match of a name, with the ranks of its row but the genus, which is another for a synonym."""
    context = {rank: group[rank] for rank in names.taxonomy.ranks if rank not in ("genus", "species") and group[rank] and group[rank] != name}
    (match,) = match_names(names, [Query(_below_taxa(name, names), group["authorship"], context)])
    return match


def _below_taxa(name: str, names: Names) -> str:
    """A name below ancestors without those that are no taxa ("Serengeti > Panthera leo"), the others by their accepted names."""
    *ancestors, last = (part.strip() for part in name.split(PATH_SIGN))
    found = [(ancestor, names.find(ancestor)) for ancestor in ancestors]
    told = [taxa[0].name if len(taxa) == 1 else ancestor for ancestor, taxa in found if taxa]
    return f" {PATH_SIGN} ".join([*told, last]) if ancestors else name


def _fate(match: Match, correct: bool) -> str:
    if match.match_type == FUZZY:
        return CORRECTED if correct and match.confidence >= LEAST_CONFIDENCE else UNMATCHED
    return {SAME_NAME: EXACT, SAME_TAXON: SYNONYM, HIGHERRANK: HIGHER}.get(match.match_type, UNMATCHED)


def _disagrees(match: Match, group: Mapping[str, str | None]) -> bool:
    """Whether the label places its name elsewhere than the index does: in another taxon of a rank, or below an ancestor that is none."""
    *ancestors, _ = (match.name or "").split(PATH_SIGN)
    there = {fold_scientific(name) for name in match.lineage.values()}
    told = {rank: name for rank, name in group.items() if rank in match.lineage and rank not in ("genus", "species") and name}
    is_elsewhere = any(fold_scientific(name) != fold_scientific(match.lineage[rank]) for rank, name in told.items())
    return is_elsewhere or any(fold_scientific(name) not in there for name in ancestors if fold_scientific(name))


def _lineage(name: str, match: Match) -> dict[str, str | None]:
    """The lineage of the index; below a genus that is all it knows of a binomial, the species as written, so that no other is right."""
    lineage = dict(match.lineage)
    parsed = parse(name.split(PATH_SIGN)[-1])
    if match.match_type == HIGHERRANK and match.rank == "genus" and parsed.epithet and not (parsed.qualifier or parsed.is_formula):
        lineage["species"] = f"{match.taxon} {parsed.epithet}"
    return lineage


def _why_not(match: Match) -> str:
    if match.match_type == HOMONYM:
        paths = [f" {PATH_SIGN} ".join((next(iter(other.lineage.values())), other.taxon)) for other in match.alternatives]
        return f"means {len(paths)} taxa: write {' or '.join(dict.fromkeys(paths))}, or add a column such as kingdom or family"
    if match.match_type == FUZZY:
        return f"did you mean {match.matched_name}?"
    return match.note


def _report(fates: Sequence[ResolvedLabel]) -> LabelReport:
    """Labels of several sets are told once."""
    pictures: Counter[ResolvedLabel] = Counter()
    for found in fates:
        pictures[replace(found, pictures=0)] += found.pictures
    return LabelReport(tuple(_by_pictures(pictures)))


def _by_pictures(pictures: Mapping[ResolvedLabel, int]) -> Iterator[ResolvedLabel]:
    for label, count in sorted(pictures.items(), key=lambda item: (-item[1], item[0].label)):
        yield replace(label, pictures=count)
