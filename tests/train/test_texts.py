import torch

from bioclip_search.prompts import RANKS, TEXT_TYPES
from bioclip_search.train.texts import build_text_bank, distinct_labels, draw_sentences

NAMES = {
    "cat": ["Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Felis", "Felis catus", "Domestic Cat"],
    "cat_again": ["Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Felis", "Felis catus", "House cat"],
    "felid": ["Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", None, None, None],
    "snail": ["Animalia", "Mollusca", "Gastropoda", None, None, None, None, "Snail"],
    "slug": ["Animalia", "Mollusca", "Gastropoda", None, None, None, None, "Slug"],
    "mushroom": ["Fungi", None, None, None, None, None, None, "Mushroom"],
}
LABELS = [dict(zip((*RANKS, "common_name"), names, strict=True)) for names in NAMES.values()]
BANK = build_text_bank(LABELS, lambda texts: torch.zeros(len(texts), 4, dtype=torch.int64))


def verdict(label: str, sentence: str) -> str:
    """true, open or false, for a sentence that stands in the bank once or more with one meaning."""
    row = list(NAMES).index(label)
    found = {(bool(BANK.is_true[row, j]), bool(BANK.is_open[row, j])) for j, s in enumerate(BANK.sentences) if s == sentence}
    assert len(found) == 1
    return {(True, True): "true", (False, True): "open", (False, False): "false"}[found.pop()]


def test_rule_1_a_bare_taxon_is_true_of_all_within_it():
    assert verdict("cat", "Animalia Chordata Mammalia") == "true"
    assert verdict("felid", "Felidae") == "true"
    assert verdict("snail", "Felidae") == "false"
    assert verdict("slug", "Gastropoda") == "true"


def test_rule_2_vernacular_names_are_synonyms_for_a_species_but_not_above():
    assert verdict("cat", "House cat") == "true"
    assert verdict("slug", "Snail") == "false"
    assert verdict("snail", "Snail") == "true"


def test_rule_3_what_lies_within_a_coarse_label_is_open():
    assert verdict("felid", "Felis catus") == "open"
    assert verdict("felid", "Domestic Cat") == "open"
    assert verdict("mushroom", "Domestic Cat") == "false"


def test_a_true_sentence_is_never_known_to_be_false():
    assert not (BANK.is_true & ~BANK.is_open).any()


def test_every_label_has_its_own_true_sentences_and_true_coarse_ones():
    for label, rows in enumerate(BANK.own):
        assert rows.shape == (len(TEXT_TYPES), 2)
        assert BANK.is_true[label, rows].all()
        assert BANK.is_true[label, BANK.coarse[label]].all()
    assert BANK.coarse[list(NAMES).index("mushroom")].shape == (0, 2)


def test_labels_with_one_lineage_and_two_names_stay_two():
    labels, inverse = distinct_labels([LABELS[3], LABELS[4], LABELS[3]])
    assert labels == LABELS[3:5]
    assert inverse.tolist() == [0, 1, 0]


def test_drawing_follows_the_shares():
    ids = torch.zeros(400, dtype=torch.int64)

    def drawn(coarse: float, template: float) -> list[str]:
        chosen = draw_sentences(BANK, ids, coarse, template, torch.Generator().manual_seed(1))
        return [BANK.sentences[j] for j in chosen]

    assert set(drawn(0, 0)) == {BANK.sentences[j] for j in BANK.own[0, :, 0]}
    assert all(text.startswith("a photo of ") for text in drawn(0, 1))
    assert not set(drawn(1, 0)) & set(drawn(0, 0))
