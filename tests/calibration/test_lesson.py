from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.calibration.lesson import LabelledPictures, gather, taught_and_shown
from bioclip_search.errors import TableError
from bioclip_search.evaluation.candidates import Candidates
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.evaluation.verdicts import Lineages
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxonomy
from tests.classifier.speckled import SpeckledEncoder, write_pictures

LEOPARDS = {"genus": ["Panthera"] * 3, "species": ["Panthera leo", "Panthera pardus", "Panthera pardus"], "subspecies": ["leo", "orientalis", "pardus"]}


def pictures_of(columns: dict[str, list[str | None]], truths: dict[str, list[str | None]]) -> LabelledPictures:
    """Pictures that match all leaves alike."""
    ranks, numbers = list(columns), {}
    table, labels = (pa.table({"common_name": pa.nulls(len(told[ranks[0]]), pa.string())} | told) for told in (columns, truths))
    taxonomy = Taxonomy.from_table(table, ranks)
    candidates = Candidates(
        "index", taxonomy, Lineages.of(taxonomy.leaves, ranks, numbers), lambda vectors: np.zeros((len(vectors), len(taxonomy)), np.float32)
    )
    return LabelledPictures(np.zeros((len(labels), 2), np.float32), Lineages.of(labels, ranks, numbers), candidates, 1.0)


def test_a_species_is_taken_out_with_all_that_is_below_it():
    pictures = pictures_of(LEOPARDS, {"genus": ["Panthera"] * 3, "species": ["Panthera pardus", "Panthera leo", None], "subspecies": [None, "leo", None]})
    assert pictures.species.tolist() == [1, 0, -1]
    scores = pictures.without(np.array([1])).candidates.scores(np.zeros((1, 2)))
    assert np.isneginf(scores).tolist() == [[False, True, True]]


@pytest.mark.parametrize("taken", [[], [0]])
def test_a_tree_without_species_is_thinned_at_its_lowest_rank(taken):
    pictures = pictures_of({"genus": ["Felis", "Panthera"]}, {"genus": ["Felis", "Canis"]})
    assert pictures.species.tolist() == [0, -1]
    assert np.isneginf(pictures.without(np.array(taken)).candidates.scores(np.zeros((1, 2)))).sum() == len(taken)


def test_pictures_of_one_burst_alone_cannot_both_teach_and_show():
    with pytest.raises(TableError, match="All 12 labelled pictures belong to one burst"):
        taught_and_shown(np.arange(12), np.zeros(12, np.int64))
    taught, shown = taught_and_shown(np.arange(12), np.arange(12) // 6)
    assert (taught.tolist(), shown.tolist()) == ([0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11])


def test_frames_of_a_burst_in_two_tables_do_not_teach_and_show(small_index, encoder, taxonomy, tmp_path):
    """Six bursts, each with a cat in one table and a lion in the other."""
    searcher = Searcher.open(small_index, encoder=SpeckledEncoder(encoder.texts))
    species = {"a": "Felis catus", "b": "Panthera leo"}
    write_pictures(tmp_path / "photos", taxonomy, 6, list(species.values()))
    for table, name in species.items():
        rows = [f"photos/{name}/{number:04}.png,{name},{number}" for number in range(6)]
        (tmp_path / f"{table}.csv").write_text("\n".join(["path,species,seq_id", *rows]))
    found = gather(searcher, find_sets([tmp_path / "a.csv", tmp_path / "b.csv"]))
    assert found.groups.tolist() == [0, 1, 2, 3, 4, 5] * 2
