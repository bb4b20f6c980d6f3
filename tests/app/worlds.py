"""An index that is called in many ways: synonyms, names in several languages and scripts, and names that are meant to do harm."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from bioclip_search.build import build_index
from bioclip_search.encoder import Encoder
from bioclip_search.index import Index
from bioclip_search.prompts import BARE_TEMPLATE, RANKS, TextRecipe
from bioclip_search.taxonomy import Taxonomy

SCRIPT = "<script>alert(1)</script>"
"""A vernacular name of two taxa; where it ever runs, the page is broken."""

MARKDOWN = "![x](http://example.org/x.png) **bold** :red[x]"

TAXA = """
Animalia Chordata Mammalia Carnivora Felidae Puma Puma_concolor|cougar
Animalia Chordata Mammalia Carnivora Felidae Puma Puma_yagouaroundi|jaguarundi
Animalia Chordata Mammalia Carnivora Felidae Panthera Panthera_leo|lion
Animalia Chordata Mammalia Carnivora Felidae Panthera Panthera_uncia|snow leopard
Animalia Chordata Mammalia Carnivora Canidae Vulpes Vulpes_vulpes|red fox
Animalia Chordata Aves Passeriformes Muscicapidae Oenanthe Oenanthe_oenanthe|northern wheatear
Animalia Chordata Aves Strigiformes Strigidae Bubo Bubo_bubo|Eurasian eagle-owl
Plantae Tracheophyta Magnoliopsida Apiales Apiaceae Oenanthe Oenanthe_crocata|hemlock water-dropwort
"""
"""The lineage from the kingdom to the species | its English name."""

FURTHER = (
    ("Puma concolor", "synonym", None, "Felis concolor"),
    ("Puma concolor", "synonym", None, "Profelis concolor"),
    ("Puma concolor", "vernacular", "en", "puma"),
    ("Puma concolor", "vernacular", "en", "mountain lion"),
    ("Puma concolor", "vernacular", "ja", "ピューマ"),
    ("Puma concolor", "vernacular", "ar", "أسد الجبال"),
    ("Puma concolor", "vernacular", "es", "león de montaña"),
    ("Panthera uncia", "synonym", None, "Uncia uncia"),
    ("Panthera uncia", "vernacular", "de", "Schneeleopard"),
    ("Panthera uncia", "vernacular", "ja", "ユキヒョウ"),
    ("Vulpes vulpes", "vernacular", "en", SCRIPT),
    ("Bubo bubo", "vernacular", "en", SCRIPT),
    ("Bubo bubo", "vernacular", "de", MARKDOWN),
)
"""Species, kind, language and name."""


def table() -> pa.Table:
    """The taxa, a row each, in the order of `TAXA`."""
    rows = [line.split("|") for line in TAXA.strip().splitlines()]
    lineages = [[word.replace("_", " ") for word in lineage.split()] for lineage, _ in rows]
    return pa.Table.from_pylist([dict(zip((*RANKS, "common_name"), [*lineage, name], strict=True)) for lineage, (_, name) in zip(lineages, rows, strict=True)])


def further_names() -> pa.Table:
    """All their other names, as `build_index` takes them."""
    row_of = {name: row for row, name in enumerate(table()["species"].to_pylist())}
    told = [
        {"row": row_of[taxon], "rank": "species", "name": name, "kind": kind, "language": language, "authorship": None, "taxon_key": None}
        for taxon, kind, language, name in FURTHER
    ]
    return pa.Table.from_pylist(told)


def speaking_index(folder: Path, encoder: Encoder, encoder_folder: Path | None = None) -> Index:
    """An index of these taxa under all these names; with the folder of its encoder it needs nothing else."""
    recipe = TextRecipe(templates=BARE_TEMPLATE)
    return build_index(folder, Taxonomy.from_table(table()), encoder, recipe=recipe, further=further_names(), encoder_folder=encoder_folder)
