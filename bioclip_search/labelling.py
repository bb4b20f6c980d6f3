"""Open vocabulary: which of the user's own words fits a picture best. Needs an encoder, and no index.

Opening and decoding pictures is left to `crops`, averaging the templates to `encoder`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.crops import Crop, as_pictures, cut_crops
from bioclip_search.encoder import Encoder, encode_recipe
from bioclip_search.errors import TableError
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.prompts import OPENAI_80_TEMPLATES, TextRecipe
from bioclip_search.results import Failure, LabelAnswer

BATCH_PICTURES = 32


def label(
    images: Any,
    labels: Sequence[str],
    *,
    model: str | Path | Encoder = "starter",
    templates: Sequence[str] = OPENAI_80_TEMPLATES,
    device: str = "auto",
    precision: str = "auto",
    preprocess: str = "open_clip",
) -> list[LabelAnswer | Failure]:
    """How well each label fits each picture, one record per picture, in order.

    Args:
        images: A picture or an iterable of pictures: paths, bytes, PIL images, uint8 arrays.
        labels: The words to choose from: "Panthera uncia", "an empty scene". The probabilities sum to one over them.
        model: What `open_encoder` takes, or an encoder at hand.
        templates: Sentences with one {} each, whose vectors are averaged; the usual eighty by default.

    Raises:
        TableError: No label, a label twice, or a template without {}.
        ModelError: The model cannot be loaded.
    """
    if isinstance(model, str | Path):
        from bioclip_search.encoder.opening import open_encoder

        check_labels(labels)
        model = open_encoder(model, device=device, precision=precision, preprocess=preprocess)
    return list(label_stream(as_pictures(images), labels, encoder=model, templates=templates))


def label_stream(
    images: Iterable[Any], labels: Sequence[str], *, encoder: Encoder, templates: Sequence[str] = OPENAI_80_TEMPLATES, workers: int | None = None
) -> Iterator[LabelAnswer | Failure]:
    """As `label`, one record after the other as they come; memory is flat in the number of pictures."""
    labels = check_labels(labels)
    recipe = TextRecipe(templates=tuple(templates))
    texts = encode_recipe(encoder, [recipe.sentences(words) for words in labels])  # (labels, dim)
    batch = []
    for (cut,) in cut_crops(images, encoder, workers=workers):
        batch.append(cut)
        if len(batch) == BATCH_PICTURES:
            yield from _labelled(batch, labels, texts, encoder)
            batch = []
    yield from _labelled(batch, labels, texts, encoder)


def check_labels(labels: Sequence[str]) -> list[str]:
    """The labels, trimmed.

    Raises:
        TableError: There is none, one is empty, or one stands twice.
    """
    trimmed = [str(words).strip() for words in labels]
    if not any(trimmed):
        raise TableError('The list of labels is empty. Give at least one, such as --labels "red fox, roe deer, an empty scene".')
    if not all(trimmed):
        raise TableError("One of the labels is empty; look for a comma too many.")
    doubled = sorted({words for words in trimmed if trimmed.count(words) > 1})
    if doubled:
        raise TableError(f"The label {doubled[0]!r} stands {trimmed.count(doubled[0])} times; its probability would be split. Give each label once.")
    return trimmed


def _labelled(batch: Sequence[Any], labels: Sequence[str], texts: np.ndarray, encoder: Encoder) -> Iterator[LabelAnswer | Failure]:
    vectors = encoder.encode_prepared([cut.prepared for cut in batch if isinstance(cut, Crop)])  # (b, dim)
    rows = iter(leaf_probabilities(vectors @ texts.T, encoder.logit_scale)) if len(vectors) else iter(())
    for cut in batch:
        if not isinstance(cut, Crop):
            yield Failure(cut.image, cut.error)
            continue
        row = next(rows)
        ranked = np.argsort(-row, kind="stable")
        yield LabelAnswer(cut.image, tuple((labels[number], float(row[number])) for number in ranked))
