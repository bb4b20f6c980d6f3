from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.classifier.examples import enough_of, few_words, find_examples
from bioclip_search.errors import TableError, UnknownTaxonError
from bioclip_search.evaluation.labelled import find_sets


def labelled(tmp_path, *labels: str, header: str = "path,taxon"):
    """A table of pictures that are not there, for labels need none."""
    lines = [header, *(f"{row}.png,{label}" for row, label in enumerate(labels))]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    return find_sets([tmp_path / "list.csv"])


def test_every_label_becomes_a_taxon_of_the_index_of_whatever_rank_depth_first(searcher, tmp_path):
    found = find_examples(searcher, labelled(tmp_path, "Panthera leo", "Aves", "Panthera uncia", "Panthera leo"))
    assert [(taxon.name, taxon.rank) for taxon in found.taxa] == [("Aves", "class"), ("Panthera leo", "species"), ("Panthera uncia", "species")]
    assert found.of[0].tolist() == [1, 0, 2, 1]
    assert found.notes == ()


def test_a_common_name_and_a_binomial_are_one_class(searcher, tmp_path):
    found = find_examples(searcher, labelled(tmp_path, "Lion", "Panthera leo", "Red fox"))
    assert len(found.taxa) == 2
    assert found.of[0][0] == found.of[0][1]


def test_a_homonym_is_told_apart_by_its_kingdom(searcher, tmp_path):
    found = find_examples(searcher, labelled(tmp_path, "Animalia,Oenanthe", "Plantae,Oenanthe", header="path,kingdom,genus"))
    assert [searcher.names.path(taxon).split(" > ")[0] for taxon in found.taxa] == ["Animalia", "Plantae"]


def test_a_label_that_is_no_taxon_stops_everything_and_the_nearest_names_are_told(searcher, tmp_path):
    sets = labelled(tmp_path, "Panthera leo", "Felis catus", "car", "car", "a person")
    with pytest.raises(UnknownTaxonError) as told:
        find_examples(searcher, sets)
    message = str(told.value)
    assert "2 labels are no taxa of the index small, 3 pictures" in message
    assert "car (2 pictures): did you mean Carp?" in message
    assert "--skip-unknown" in message
    assert "index add" in message


def test_a_species_that_the_index_lacks_is_unknown_though_its_genus_is_there(searcher, tmp_path):
    sets = labelled(tmp_path, "Panthera leo,Panthera", "Panthera tigris,Panthera", "Felis catus,Felis", header="path,species,genus")
    with pytest.raises(UnknownTaxonError, match="Panthera tigris"):
        find_examples(searcher, sets)


def test_unknown_labels_are_passed_over_if_asked(searcher, tmp_path):
    found = find_examples(searcher, labelled(tmp_path, "Panthera leo", "Felis catus", "car"), skip_unknown=True)
    assert found.of[0].tolist()[2] == -1
    assert any("1 pictures are of no class" in note for note in found.notes)


def test_a_taxon_above_another_that_is_taught_is_no_class(searcher, tmp_path):
    found = find_examples(searcher, labelled(tmp_path, "Panthera leo", "Felidae", "Panthera uncia", "Vulpes vulpes"))
    assert "Felidae" not in [taxon.name for taxon in found.taxa]
    assert found.of[0].tolist()[1] == -1
    assert any("Felidae (2 within it)" in note for note in found.notes)


@pytest.mark.parametrize("labels", [("Panthera leo", "Lion"), ("Felidae", "Panthera leo")], ids=["one taxon by two names", "one within the other"])
def test_one_class_teaches_nothing(searcher, tmp_path, labels):
    with pytest.raises(TableError, match="at least two taxa, and there is Panthera leo"):
        find_examples(searcher, labelled(tmp_path, *labels))


def test_a_class_counts_by_its_bursts_and_not_by_its_pictures(searcher, tmp_path):
    # Class 0 has three frames of one burst, class 1 two pictures alone, class 2 none.
    of, groups = np.array([0, 0, 0, 1, 1, -1]), np.array([0, 0, 0, 1, 2, 3])
    is_enough = enough_of(of, groups, 3, least=2)
    assert is_enough.tolist() == [False, True, False]
    taxa = find_examples(searcher, labelled(tmp_path, "Panthera leo", "Felis catus", "Vulpes vulpes")).taxa
    (told,) = few_words(taxa, of, is_enough, 2)
    assert told.startswith("2 classes have fewer than 2 bursts")
    assert "(3 pictures)" in told
    assert "(0 pictures)" in told
    assert few_words(taxa, of, np.ones(3, bool), 1) == []
