from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional as F

from bioclip_search.prompts import describe
from bioclip_search.train import tokenizer
from bioclip_search.train.model_folder import build_model
from bioclip_search.train.names import FinishedPictures, _is_related, teach_names
from bioclip_search.train.texts import lineage_nodes
from bioclip_search.train.zero_shot import embed_texts
from tests.train.conftest import TAXA

LABELS = [taxon for taxon, _ in TAXA]


def relative(label: dict, **changes: str) -> dict:
    """A checklist taxon like the label but for some of its names."""
    return label | changes


def test_only_names_that_lie_within_one_another_are_left_out_of_the_sum():
    redstart = LABELS[0]
    family = redstart | {"genus": None, "species": None, "common_name": "flycatchers"}
    sister = redstart | {"species": "Phoenicurus ochruros", "common_name": "Black Redstart"}
    told = [_is_related(lineage_nodes(redstart)[-1], frozenset(lineage_nodes(redstart)), taxon) for taxon in (redstart, family, sister, LABELS[1])]
    assert told == [True, True, False, False]
    assert _is_related(lineage_nodes(family)[-1], frozenset(lineage_nodes(family)), sister)


def test_teaching_draws_a_picture_to_its_own_name_and_away_from_those_of_the_checklist(tiny_config, tmp_path):
    config = replace(tiny_config, names_steps=30, names_drawn=8, names_learning_rate=5e-3)
    checklist = [relative(LABELS[0], genus=f"Avis{n}", species=f"Avis{n} nova", common_name=f"Bird {n}") for n in range(20)]
    merges = tokenizer.learn_merges(tokenizer.count_words(describe(taxon, "taxon_com") for taxon in [*LABELS, *checklist]), config.n_merges)
    tokenizer.write_merges(merges, tmp_path / tokenizer.FILE_NAME)
    tokenize = tokenizer.load_tokenizer(tmp_path / tokenizer.FILE_NAME, config.context_length)
    model = build_model(config, len(merges))
    before = {name: value.clone() for name, value in model.visual.state_dict().items()}
    vectors = F.normalize(torch.randn(3, config.embed_dim, generator=torch.Generator().manual_seed(0)))

    def margin() -> float:
        texts = embed_texts(model, tokenize, [describe(taxon, "taxon_com") for taxon in [*LABELS, *checklist]])
        scores = vectors @ texts.T
        return float((scores.diagonal() - scores[:, 3:].max(dim=1).values).min())

    untaught = margin()
    teach_names(model, FinishedPictures(vectors, torch.arange(3), torch.ones(3)), LABELS, checklist, tokenize, config)
    assert margin() > max(0.1, untaught)
    assert all(torch.equal(value, before[name]) for name, value in model.visual.state_dict().items())
