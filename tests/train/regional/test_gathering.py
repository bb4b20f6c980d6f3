"""Which picture is taught, chooses or is asked: no burst on two sides, and what is missing told in words."""

from __future__ import annotations

import pytest

from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.prompts import RANKS
from bioclip_search.train.regional.gathering import ASK, CHOOSE, NOWHERE, TRAIN, gather


def labelled(folder, rows, name="list"):
    """A table of pictures (path, species, split, seq_id) that need not be there."""
    path = folder / f"{name}.csv"
    path.write_text("\n".join(["path,species,split,seq_id", *rows]), encoding="utf-8")
    return find_sets([path])


def of_species(species, count, split="", first=0):
    return [f"{species}-{split}{number}.jpg,{species},{split}," for number in range(first, first + count)]


def counts(parts):
    return [int((parts == part).sum()) for part in (TRAIN, CHOOSE, ASK, NOWHERE)]


def test_without_a_split_each_taxon_is_dealt_out_by_the_shares(tmp_path):
    """Twenty of each: 14, 3 and 3."""
    (found,) = gather(labelled(tmp_path, [*of_species("Puma concolor", 20), *of_species("Lynx lynx", 20)]), [], RANKS).region
    for rows in (slice(0, 20), slice(20, 40)):
        assert counts(found.parts[rows]) == [14, 3, 3, 0]


def test_no_burst_lies_in_two_parts(tmp_path):
    rows = [f"{species}-{number}.jpg,{species},,{species}{number // 4}" for species in ("Puma concolor", "Lynx lynx") for number in range(40)]
    (found,) = gather(labelled(tmp_path, rows), [], RANKS).region
    for first in range(0, 80, 4):
        assert len(set(found.parts[first : first + 4].tolist())) == 1
    assert set(found.parts.tolist()) == {TRAIN, CHOOSE, ASK}


def test_a_split_of_three_parts_is_heeded(tmp_path):
    rows = [row for species in ("Puma concolor", "Lynx lynx") for split in ("train", "val", "test") for row in of_species(species, 2, split)]
    (found,) = gather(labelled(tmp_path, rows), [], RANKS).region
    assert found.parts.tolist() == [TRAIN, TRAIN, CHOOSE, CHOOSE, ASK, ASK] * 2


def test_a_single_part_that_is_kept_back_is_halved(tmp_path):
    rows = [row for species in ("Puma concolor", "Lynx lynx") for split in ("train", "test") for row in of_species(species, 4, split)]
    (found,) = gather(labelled(tmp_path, rows), [], RANKS).region
    assert counts(found.parts) == [8, 4, 4, 0]


def test_a_split_that_calls_all_of_it_train_is_none(tmp_path):
    (found,) = gather(labelled(tmp_path, [*of_species("Puma concolor", 20, "train"), *of_species("Lynx lynx", 20, "train")]), [], RANKS).region
    assert counts(found.parts) == [28, 6, 6, 0]


def test_a_split_that_parts_a_burst_is_refused_or_mended(tmp_path):
    rows = [
        f"{species}-{split}-{number}.jpg,{species},{split},{species}{split}{number}"
        for species in ("Puma concolor", "Lynx lynx")
        for split in ("train", "val", "test")
        for number in range(2)
    ]
    rows += ["x.jpg,Puma concolor,train,shared", "y.jpg,Puma concolor,train,shared", "z.jpg,Puma concolor,test,shared"]
    with pytest.raises(TableError, match=r"list/x.jpg is in train, and list/z.jpg of the same burst in test.*--mend-split"):
        gather(labelled(tmp_path, rows), [], RANKS)
    found = gather(labelled(tmp_path, rows), [], RANKS, mend=True)
    assert found.region[0].parts[-3:].tolist() == [TRAIN] * 3
    assert any("1 picture moved" in note for note in found.notes)


def in_two(folder, parts, bursts):
    """Two tables of two taxa each: the part of each, and the burst of picture i in each."""
    names = ("first", "second")
    rows = {
        name: [f"{name}-{taxon}-{i}.jpg,{taxon},{part},{taxon}{burst(i)}" for taxon in ("Puma concolor", "Lynx lynx") for i in range(20)]
        for name, part, burst in zip(names, parts, bursts, strict=True)
    }
    for name in names:
        labelled(folder, rows[name], name)
    return [folder / f"{name}.csv" for name in names]


def test_a_split_that_lies_in_two_tables_is_heeded(tmp_path):
    sets = find_sets(in_two(tmp_path, ("train", "test"), (lambda i: i, lambda i: 100 + i)))
    first, second = gather(sets, [], RANKS).region
    assert counts(first.parts) == [40, 0, 0, 0]
    assert counts(second.parts) == [0, 20, 20, 0]


def test_a_split_that_lies_in_two_tables_and_parts_a_burst_is_refused_or_mended(tmp_path):
    sets = find_sets(in_two(tmp_path, ("train", "test"), (lambda i: i, lambda i: 19 + i)))  # the last of the first goes on in the second
    with pytest.raises(TableError, match=r"parts 2 bursts \(4 pictures .*--mend-split"):
        gather(sets, [], RANKS)
    found = gather(sets, [], RANKS, mend=True)
    assert sum(counts(one.parts)[0] for one in found.region) in (38, 40, 42)
    assert any("Mended" in note for note in found.notes)


def test_bursts_of_two_tables_without_a_split_stay_whole(tmp_path):
    sets = find_sets(in_two(tmp_path, ("", ""), (lambda i: i // 2, lambda i: i // 2)))  # ten bursts of each taxon, two frames of each in either table
    first, second = gather(sets, [], RANKS).region
    assert first.parts.tolist() == second.parts.tolist()
    assert set(first.parts.tolist()) == {TRAIN, CHOOSE, ASK}


def test_a_table_without_a_split_follows_the_one_that_has_it(tmp_path):
    sets = find_sets(in_two(tmp_path, ("train", ""), (lambda i: i, lambda i: i)))
    split, _ = sets
    split.parts[10:20] = split.parts[30:] = "test"
    first, second = gather(sets, [], RANKS).region
    assert first.parts.tolist() == second.parts.tolist()


def test_of_other_taxa_nothing_is_taught(tmp_path):
    region = labelled(tmp_path, [*of_species("Puma concolor", 20), *of_species("Lynx lynx", 20)])
    others = labelled(tmp_path, [*of_species("Pica pica", 4, "train"), *of_species("Pica pica", 6, "val", first=4)], "others")
    (found,) = gather(region, others, RANKS).others
    assert counts(found.parts) == [0, 3, 3, 4]  # what others may have taught is not asked
    (every,) = gather(region, labelled(tmp_path, of_species("Pica pica", 6), "unsplit"), RANKS).others
    assert counts(every.parts) == [0, 3, 3, 0]


def test_a_taxon_of_one_picture_is_taught_and_told(tmp_path):
    found = gather(labelled(tmp_path, [*of_species("Puma concolor", 20), *of_species("Lynx lynx", 20), *of_species("Felis catus", 1)]), [], RANKS)
    assert found.region[0].parts[-1] == TRAIN
    assert any("1 taxa are taught and not asked" in note and "Felis catus (1)" in note for note in found.notes)


def test_pictures_without_a_label_count_nowhere_and_are_told(tmp_path):
    found = gather(labelled(tmp_path, [*of_species("Puma concolor", 20), *of_species("Lynx lynx", 20), "a.jpg,,,"]), [], RANKS)
    assert found.region[0].parts[-1] == NOWHERE
    assert any("1 picture has no label that names a taxon" in note for note in found.notes)


def test_an_empty_column_of_labels_is_told(tmp_path):
    with pytest.raises(TableError, match=r"None of the 3 pictures has a label that names a taxon. Expected a column species"):
        gather(labelled(tmp_path, ["a.jpg,,,", "b.jpg,,,", "c.jpg,,,"]), [], RANKS)


def test_a_single_taxon_cannot_be_learned(tmp_path):
    with pytest.raises(TableError, match="at least 2 are needed, and there are those of Puma concolor"):
        gather(labelled(tmp_path, of_species("Puma concolor", 20)), [], RANKS)


def test_too_few_bursts_to_ask_any_are_told(tmp_path):
    with pytest.raises(TableError, match="Of 2 labelled pictures none is left to choose the best weights by"):
        gather(labelled(tmp_path, [*of_species("Puma concolor", 1), *of_species("Lynx lynx", 1)]), [], RANKS)


def test_a_copy_of_what_is_taught_or_chooses_is_not_asked_in_whatever_set_it_lies(tmp_path):
    rows = [row for species in ("Puma concolor", "Lynx lynx") for split in ("train", "val", "test") for row in of_species(species, 2, split)]
    names = [row.partition(",")[0] for row in rows]
    for name in names:
        (tmp_path / name).write_bytes(name.ljust(40).encode())  # all as large, and all different
    (tmp_path / names[4]).write_bytes((tmp_path / names[0]).read_bytes())  # asked, and taught
    (tmp_path / names[8]).write_bytes((tmp_path / names[5]).read_bytes())  # chooses, and asked
    gathered = gather(labelled(tmp_path, rows), labelled(tmp_path, rows[6:8], name="others"), RANKS)  # train, and now of others as well
    assert gathered.region[0].parts.tolist() == [TRAIN, TRAIN, CHOOSE, CHOOSE, NOWHERE, NOWHERE, TRAIN, TRAIN, CHOOSE, CHOOSE, ASK, ASK]
    assert set(gathered.others[0].parts.tolist()) == {NOWHERE}
    assert "4 pictures are copies of some that teach or choose, and are left out" in gathered.notes
