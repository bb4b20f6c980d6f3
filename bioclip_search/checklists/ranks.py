"""Which rank a word means: one of the seven main ranks, one below species, or one between that is passed over.

The words are those of Darwin Core, ColDP, ITIS, NCBI and iNaturalist; which rank a nameless row has is left to `canonical`.
"""

from __future__ import annotations

from bioclip_search.prompts import RANKS

SPECIES = RANKS.index("species")
INFRASPECIFIC, BETWEEN, UNSAID = 10, 20, 30
"""Codes beside the numbers 0 to 6 of the main ranks."""

OTHER_WORDS = {
    "kingdom": "regnum k",
    "phylum": "division divisio ph phyl",
    "class": "classis cl",
    "order": "ordo ord",
    "family": "familia fam",
    "genus": "gen genushybrid nothogenus notho_genus",
    "species": "sp spec spp hybrid nothospecies notho_species",
}
"""Other words for the main ranks; iNaturalist calls the crossing of two species a hybrid."""

BELOW_SPECIES = """
subspecies ssp subsp infraspecies infraspecific infraspecific_name infrasubspecific_name infrasubspecies nothosubspecies variety var
varietas subvariety nothovariety nothovarietas form forma f fo subform subforma special_form forma_specialis race proles natio morph morpha
aberration mutatio cultivar cv cultivar_group grex convar convariety strain isolate biotype genotype serotype serogroup pathogroup pathovar
biovar chemovar morphovar phagovar serovar chemoform lusus stirps infrahybrid nothoform breed
"""

ITIS_RANK_IDS = {
    10: "kingdom",
    30: "phylum",
    60: "class",
    100: "order",
    140: "family",
    180: "genus",
    220: "species",
    230: "subspecies",
    240: "variety",
    260: "form",
}
"""The main numbers of ITIS's `rank_id`."""


def rank_codes() -> dict[str, int]:
    """Word, in lower case with single underscores for spaces and without full stop, to code. Any other word means between."""
    codes = {rank: number for number, rank in enumerate(RANKS)}
    for rank, words in OTHER_WORDS.items():
        codes |= dict.fromkeys(words.split(), RANKS.index(rank))
    codes |= dict.fromkeys(BELOW_SPECIES.split(), INFRASPECIFIC)
    return codes
