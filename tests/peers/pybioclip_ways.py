"""pybioclip's own classifiers on local files: nothing of its code is changed, only its downloads are stood in for.

Import inside tests that skip where pybioclip is missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from bioclip import predict
from torchvision import transforms

from bioclip_search.prompts import RANKS

os.environ.pop("TORCH_FORCE_WEIGHTS_ONLY_LOAD", None)  # Subtle: pybioclip's import sets it for the whole process.

BATCH_PICTURES = 10
"""How many pictures pybioclip encodes together unless told otherwise."""


def squash_recipe(folder: Path) -> transforms.Compose:
    """`preprocess_img` of pybioclip, which it uses for BioCLIP, with this model's size, mean and deviation."""
    config = json.loads((folder / "open_clip_config.json").read_text())["preprocess_cfg"]
    return transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Resize((config["size"], config["size"]), antialias=True),
            transforms.Normalize(mean=config["mean"], std=config["std"]),
        ]
    )


def custom_labels(folder: Path, labels: Sequence[str]) -> predict.CustomLabelsClassifier:
    classifier = predict.CustomLabelsClassifier(list(labels), model_str=f"local-dir:{folder}")
    classifier.preprocess = squash_recipe(folder)
    return classifier


class LocalTreeOfLife(predict.TreeOfLifeClassifier):
    """The tree-of-life classifier with text vectors and names at hand instead of downloaded ones."""

    def __init__(self, folder: Path, txt_emb: torch.Tensor, txt_names: list):
        """Takes text vectors as (dim, n), and names as `tree_of_life_names` gives them."""
        self._given = txt_emb, txt_names
        super().__init__(model_str=f"local-dir:{folder}")
        self.preprocess = squash_recipe(folder)

    def get_txt_emb(self) -> torch.Tensor:
        return self._given[0]

    def get_txt_names(self) -> list:
        return self._given[1]


def tree_of_life_names(taxa: pa.Table) -> list:
    """The layout of `txt_emb_species.json`: [[seven names, the species as its epithet, "" where missing], common name]."""
    columns = [[name or "" for name in taxa[rank].to_pylist()] for rank in RANKS]
    columns[-1] = [species.removeprefix(f"{genus} ") for genus, species in zip(columns[-2], columns[-1], strict=True)]
    common = [name or "" for name in taxa["common_name"].to_pylist()]
    return [[list(names), common_name] for names, common_name in zip(zip(*columns, strict=True), common, strict=True)]


def top_five(classifier: predict.TreeOfLifeClassifier, path: Path, rank: str) -> list[tuple[str, float]]:
    """Names and probabilities of the five most probable taxa of a rank, best first."""
    rows = classifier.predict(str(path), rank=predict.Rank[rank.upper()], k=5)
    return [(row[rank], row[predict.PRED_SCORE_KEY]) for row in rows]


def unit_columns(vectors: np.ndarray) -> torch.Tensor:
    """Unit rows (n, dim) as the (dim, n) matrix that pybioclip multiplies with."""
    return torch.from_numpy(np.ascontiguousarray(vectors.T))
