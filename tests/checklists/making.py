"""Writes small archives of each format for the tests, as their publishers write them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

DWC, GBIF, DC = "http://rs.tdwg.org/dwc/terms/", "http://rs.gbif.org/terms/1.0/", "http://purl.org/dc/terms/"

META = """<?xml version="1.0" encoding="UTF-8"?>
<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">
{tables}
</archive>
"""


def table_xml(kind: str, row_type: str, location: str, terms: Sequence[str], **attributes: str) -> str:
    """A <core> or <extension> whose first column is the id."""
    written = {"encoding": "UTF-8", "fieldsTerminatedBy": "\\t", "linesTerminatedBy": "\\n", "fieldsEnclosedBy": "", "ignoreHeaderLines": "1"} | attributes
    words = " ".join(f'{name}="{value}"' for name, value in written.items())
    fields = "\n".join(f'<field index="{number}" term="{term}"/>' for number, term in enumerate(terms) if term)
    link = '<id index="0"/>' if kind == "core" else '<coreid index="0"/>'
    return f'<{kind} {words} rowType="{row_type}"><files><location>{location}</location></files>\n{link}\n{fields}\n</{kind}>'


BACKBONE_TERMS = [
    *("taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName", "scientificNameAuthorship", "canonicalName", "genericName"),
    *("specificEpithet", "infraspecificEpithet", "taxonRank", "taxonomicStatus", "kingdom", "phylum", "class", "order", "family", "genus"),
]
CANONICAL = GBIF + "canonicalName"

BACKBONE = """
1|||Animalia||Animalia||||kingdom|accepted|Animalia|||||
44|1||Chordata||Chordata||||phylum|accepted|Animalia|Chordata||||
359|44||Mammalia||Mammalia||||class|accepted|Animalia|Chordata|Mammalia|||
732|359||Carnivora|Bowdich, 1821|Carnivora||||order|accepted|Animalia|Chordata|Mammalia|Carnivora||
9703|732||Felidae|Fischer de Waldheim, 1817|Felidae||||family|accepted|Animalia|Chordata|Mammalia|Carnivora|Felidae|
2|9703||Pantherinae|Pocock, 1917|Pantherinae||||subfamily|accepted|Animalia|Chordata|Mammalia|Carnivora|Felidae|
2435194|2||Panthera Oken, 1816|Oken, 1816|Panthera|Panthera|||genus|accepted|Animalia|Chordata|Mammalia|Carnivora|Felidae|Panthera
5219404|2435194||Panthera leo (Linnaeus, 1758)|(Linnaeus, 1758)|Panthera leo|Panthera|leo||species|accepted|Animalia|Chordata|Mammalia|Carnivora|Felidae|Panthera
5219405|2435194|5219404|Felis leo Linnaeus, 1758|Linnaeus, 1758|Felis leo|Felis|leo||species|homotypic synonym|Animalia|Chordata|Mammalia|Carnivora|Felidae|Panthera
5219406|5219404||Panthera leo persica (Meyer, 1826)|(Meyer, 1826)|Panthera leo persica|Panthera|leo|persica|subspecies|accepted|Animalia|Chordata|Mammalia|Carnivora|Felidae|Panthera
5219407||5219405|Leo africanus Brehm, 1829|Brehm, 1829|Leo africanus|Leo|africanus||species|synonym|Animalia|Chordata|Mammalia|Carnivora|Felidae|Panthera
4262596|2435194||Panthera uncia (Schreber, 1775)|(Schreber, 1775)|Panthera uncia|Panthera|uncia||species|doubtful|Animalia|Chordata|Mammalia|Carnivora|Felidae|Panthera
2433407|9703||Felis Linnaeus, 1758|Linnaeus, 1758|Felis|Felis|||genus|accepted|Animalia|Chordata|Mammalia|Carnivora|Felidae|Felis
"""
"""Thirteen rows of GBIF's backbone, a little changed: Felis has no species, one synonym points at a synonym."""

VERNACULARS = """
5219404|Lion|en|
5219404|African lion|en-GB|true
5219404|Löwe|de|
9703|Cats|eng|
5219406|Asiatic lion|EN|
4262596|Irbis|pl|
2|Big cats|en|
77|Nobody|en|
"""
DISTRIBUTIONS = """
5219404|KE|present
5219404|IN|absent
5219406|IN|
5219404|ISO3166:TZ-01|
4262596|ISO:MN|present
4262596|TDWG:CHN|
"""


def rows_of(words: str, delimiter: str = "\t") -> str:
    return "\n".join(line.replace("|", delimiter) for line in words.strip("\n").split("\n")) + "\n"


def backbone_files() -> dict[str, str]:
    """The files of a small archive in the form of GBIF's backbone."""
    terms = [CANONICAL if term == "canonicalName" else DWC + term for term in BACKBONE_TERMS]
    core = table_xml("core", DWC + "Taxon", "Taxon.tsv", terms)
    vernaculars = table_xml("extension", GBIF + "VernacularName", "VernacularName.tsv", ["", DWC + "vernacularName", DC + "language", GBIF + "isPreferredName"])
    places = table_xml("extension", GBIF + "Distribution", "Distribution.tsv", ["", DWC + "locationID", DWC + "occurrenceStatus"])
    return {
        "meta.xml": META.format(tables="\n".join((core, vernaculars, places))),
        "Taxon.tsv": "\t".join(BACKBONE_TERMS) + "\n" + rows_of(BACKBONE),
        "VernacularName.tsv": "taxonID\tvernacularName\tlanguage\tisPreferredName\n" + rows_of(VERNACULARS),
        "Distribution.tsv": "taxonID\tlocationID\toccurrenceStatus\n" + rows_of(DISTRIBUTIONS),
    }


def write_zip(path: Path, files: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def checklist_archive(path: Path, rows: str, terms: Sequence[str], **attributes: str) -> Path:
    """A zip with a Taxon core of these rows and terms, the first of which is the id."""
    core = table_xml("core", DWC + "Taxon", "taxon.txt", [DWC + term for term in terms], **attributes)
    return write_zip(path, {"meta.xml": META.format(tables=core), "taxon.txt": "\t".join(terms) + "\n" + rows_of(rows)})
