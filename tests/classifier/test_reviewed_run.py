"""A run that people reviewed teaches a classifier, without its pictures being opened again."""

from __future__ import annotations

import numpy as np

from bioclip_search.classifier.training import train_classifier
from bioclip_search.question import Asked
from bioclip_search.review.deciding import decide
from bioclip_search.runs.record import TaggedCrop
from tests.classifier.speckled import SPECIES, leaf_numbers
from tests.standards.runs import picture, small_run


def test_the_vectors_that_a_run_keeps_are_taught_under_the_names_that_people_gave(searcher, speckled, taxonomy, tmp_path):
    question, numbers = searcher.question(), leaf_numbers(taxonomy)
    names = [SPECIES[number % 4] for number in range(24)]
    pictures = []
    for number, name in enumerate(names):
        vectors = speckled.encode_prepared([(numbers[name], number, 0)])
        (answer,) = question.answers(vectors, [Asked("")])
        crop = TaggedCrop(0, "animal", 0.9, (1.0, 2.0, 30.0, 40.0), answer, vectors[0].astype(np.float16))
        pictures.append(picture(f"cam/{number}.jpg", crop))
    run = small_run(tmp_path / "run", pictures, root=tmp_path / "photos", dim=speckled.dim)
    decided = decide(run.folder, [{"image": f"cam/{number}.jpg", "taxon": name} for number, name in enumerate(names)], "Ana", names=searcher.names)
    assert not decided.errors
    found = train_classifier([run.folder], out=tmp_path / "mine", index=searcher, heads=("ridge",), views="none", folds=3)
    assert len(found.taught.features) == 24
    assert sorted(taxon.name for taxon in found.taught.features.taxa) == sorted(SPECIES[:4])
    assert found.failures == ()
    assert found.metrics["step_names_right"] < found.metrics["step_both_right"]
