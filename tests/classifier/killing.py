"""Teaches a classifier in a process of its own, slowly, for the test that kills it: INDEX DATA OUT LOG REST_S."""

from __future__ import annotations

import sys
from pathlib import Path

from bioclip_search.catalogue import Catalogue
from bioclip_search.classifier.training import train_classifier
from bioclip_search.index import Index
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.searcher import Searcher
from tests.classifier.speckled import SpeckledEncoder


def main(index: str, data: str, out: str, log: str, rest_s: str) -> None:
    texts = [sentence for (sentence,) in TextRecipe(templates=BARE_TEMPLATE).texts(Catalogue(Index(Path(index))).taxonomy.leaves.to_pylist())]
    searcher = Searcher.open(index, encoder=SpeckledEncoder(texts, Path(log), float(rest_s)))
    train_classifier([data], out=out, index=searcher, heads=("prototypes",), views="none", workers=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
