"""Turns a taxon into the sentences that a CLIP text tower is asked about.

Knows words only: reading taxa is left to `taxonomy`, turning the sentences into vectors to `encoder`.

The five text types are those BioCLIP was trained with (Stevens et al., CVPR 2024, section 3.2); the eighty
templates are OpenAI's for ImageNet (openai/CLIP, notebooks/Prompt_Engineering_for_ImageNet.ipynb, MIT).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from bioclip_search.errors import TableError

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
"""The seven ranks, highest first, as the columns of every table are named."""

TEXT_TYPES = ("com", "sci", "taxon", "sci_com", "taxon_com")
"""Vernacular name; scientific name; the lineage; and the last two joined with the vernacular name."""

MATRIX_TEXT_TYPE = "taxon_and_com"
"""Lineage and vernacular name side by side, as the published tree-of-life matrices have them (the script that made that of
BioCLIP 2, make_txt_embedding.py); no model was trained with it."""

COMMON_NAME_JOINT = " with common name "

ONE_TEMPLATE = ("a photo of {}.",)
"""The single template of the published tree-of-life text matrices."""

BARE_TEMPLATE = ("{}",)


def describe(taxon: Mapping[str, str | None], text_type: str) -> str:
    """The words of one text type for one taxon.

    A rank that is missing is passed over. In the lineage a species stands as its epithet, as BioCLIP has it.
    Where the taxon has no vernacular name, `com` gives the scientific name and the joined types give their
    scientific half; where it is named above species, the scientific name is the deepest name there is.

    >>> magpie = dict(kingdom="Animalia", phylum="Chordata", order="Passeriformes", family="Corvidae", genus="Pica",
    ...               species="Pica hudsonia", common_name="Black-billed magpie")
    >>> magpie["class"] = "Aves"
    >>> describe(magpie, "taxon_com")
    'Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia with common name Black-billed magpie'

    Raises:
        TableError: The text type is neither one of `TEXT_TYPES` nor `MATRIX_TEXT_TYPE`.
    """
    common = taxon.get("common_name") or ""
    if text_type == "com":
        return common or scientific_name(taxon)
    if text_type == "sci":
        return scientific_name(taxon)
    if text_type == "taxon":
        return lineage_words(taxon)
    if text_type == "sci_com":
        return scientific_name(taxon) + (COMMON_NAME_JOINT + common if common else "")
    if text_type == "taxon_com":
        return lineage_words(taxon) + (COMMON_NAME_JOINT + common if common else "")
    if text_type == MATRIX_TEXT_TYPE:
        return f"{lineage_words(taxon)} {common}".strip()
    raise TableError(f"Unknown text type {text_type!r}; choose one of {', '.join(TEXT_TYPES)}.")


def scientific_name(taxon: Mapping[str, str | None]) -> str:
    """The deepest name of the lineage; the full binomial for a species."""
    return next((taxon[rank] for rank in reversed(RANKS) if taxon.get(rank)), "")


def lineage_words(taxon: Mapping[str, str | None]) -> str:
    """The lineage from kingdom down, joined by spaces, the species as its epithet."""
    words = [taxon[rank] for rank in RANKS if taxon.get(rank)]
    genus, species = taxon.get("genus"), taxon.get("species")
    if genus and species and species.startswith(genus + " "):
        words[-1] = species[len(genus) + 1 :]
    return " ".join(words)


@dataclass(frozen=True)
class TextRecipe:
    """How the texts of an index were made; two recipes with one `fingerprint` give the same sentences."""

    text_type: str = "taxon_com"
    templates: tuple[str, ...] = ONE_TEMPLATE

    def __post_init__(self) -> None:
        if self.text_type not in (*TEXT_TYPES, MATRIX_TEXT_TYPE):
            raise TableError(f"Unknown text type {self.text_type!r}; choose one of {', '.join(TEXT_TYPES)}.")
        wrong = [template for template in self.templates if template.count("{}") != 1]
        if wrong or not self.templates:
            raise TableError(f"A template is a sentence with one {{}} for the name, such as 'a photo of {{}}.'; got {wrong or 'none'}.")

    @classmethod
    def from_card(cls, content: Mapping[str, Any]) -> TextRecipe:
        """The recipe as the card of an index keeps it."""
        return cls(content["text_type"], tuple(content["templates"]))

    def sentences(self, words: str) -> list[str]:
        """The words set into every template, in order; their vectors are averaged into one."""
        return [template.replace("{}", words) for template in self.templates]

    def texts(self, taxa: Sequence[Mapping[str, str | None]]) -> Iterator[list[str]]:
        """The sentences of each taxon, in order."""
        return (self.sentences(describe(taxon, self.text_type)) for taxon in taxa)

    @property
    def fingerprint(self) -> str:
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


OPENAI_80_TEMPLATES = (
    "a bad photo of a {}.",
    "a photo of many {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "a photo of a {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
    "a plushie {}.",
    "a photo of the nice {}.",
    "a photo of the small {}.",
    "a photo of the weird {}.",
    "the cartoon {}.",
    "art of the {}.",
    "a drawing of the {}.",
    "a photo of the large {}.",
    "a black and white photo of a {}.",
    "the plushie {}.",
    "a dark photo of a {}.",
    "itap of a {}.",
    "graffiti of the {}.",
    "a toy {}.",
    "itap of my {}.",
    "a photo of a cool {}.",
    "a photo of a small {}.",
    "a tattoo of the {}.",
)

TEMPLATE_SETS = {"bare": BARE_TEMPLATE, "one": ONE_TEMPLATE, "openai80": OPENAI_80_TEMPLATES}
"""The sets that have a name; any other name on the command line is read as a template of the user's own."""


def templates_named(name: str) -> tuple[str, ...]:
    """The template set of this name, or the name itself as the only template.

    Raises:
        TableError: It is neither a set nor a sentence with {}.
    """
    if name in TEMPLATE_SETS:
        return TEMPLATE_SETS[name]
    if "{}" not in name:
        raise TableError(f"Unknown template set {name!r}; choose {', '.join(TEMPLATE_SETS)}, or give a sentence with {{}} for the name.")
    return (name,)
