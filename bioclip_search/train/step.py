"""One update of the weights, from a batch of any size in the memory of a part of it.

First the vectors of all pictures and texts, then the gradient of the loss with respect to these vectors, then part by
part the gradient of the weights (Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup",
RepL4NLP 2021). With one part nothing is computed twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from torch import nn

from bioclip_search.train.batches import Batch
from bioclip_search.train.objective import Objective
from bioclip_search.train.vectors import image_vectors, text_vectors
from bioclip_search.train.world import World

Encode = Callable[[torch.Tensor], torch.Tensor]


class Encoding:
    """The vectors of one tower's share of a step, and the way back to its weights.

    Subtle: chance (dropout, dropped paths) is drawn from the part's own seed, so that both passes draw alike. Running
    statistics of batch norms are updated by both, and each part has its own.
    """

    def __init__(self, encode: Encode, items: torch.Tensor, n_parts: int, seed: int):
        self.encode, self.seed = encode, seed
        self.parts = [part for part in items.tensor_split(n_parts) if len(part)]
        with contextlib.nullcontext() if len(self.parts) == 1 else torch.no_grad():
            self.kept = [self._pass(i) for i in range(len(self.parts))]

    def vectors(self, dim: int, device: torch.device) -> torch.Tensor:
        """(b', d) float32 without gradient."""
        return torch.cat([vectors.detach() for vectors in self.kept]) if self.kept else torch.zeros(0, dim, device=device)

    def backward(self, gradient: torch.Tensor) -> None:
        """Adds to the gradients of the weights what follows from that of the vectors, (b', d)."""
        for i, part in enumerate(gradient.split([len(part) for part in self.parts])):
            vectors = self.kept[0] if len(self.parts) == 1 else self._pass(i)
            if vectors.requires_grad:
                vectors.backward(part)

    def _pass(self, i: int) -> torch.Tensor:
        torch.manual_seed(self.seed + i)
        return self.encode(self.parts[i])


def add_gradients(
    model: nn.Module, objective: Objective, batch: Batch, world: World, *, dim: int, n_parts: int = 1, seed: int = 0, bf16: bool = False
) -> dict[str, float]:
    """Leaves the gradient of the whole step's loss in every weight that learns, on every process; returns the terms.

    Args:
        batch: Its images are those of this process, all else is the whole step's.
    """
    device, n_pictures, n_texts = world.device, len(batch.label_ids), len(batch.tokens)

    def with_autocast(tower: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> Encode:
        def encode(items: torch.Tensor) -> torch.Tensor:
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
                return tower(model, items)

        return encode

    pictures = Encoding(with_autocast(image_vectors), batch.images.to(device, non_blocking=True), n_parts, seed)
    texts = Encoding(with_autocast(text_vectors), batch.tokens[world.share.rows(n_texts)], n_parts, seed + n_parts)
    images = world.gather(pictures.vectors(dim, device), n_pictures).requires_grad_()  # (b, d)
    sentences = world.gather(texts.vectors(dim, device), n_texts).requires_grad_()  # (t, d)
    terms = objective(images, sentences, _without_inputs(batch, device), model.logit_scale.exp())
    torch.stack(list(terms.values())).sum().backward()
    _keep_once([*objective.parameters(), *model.parameters()], world)
    pictures.backward(images.grad[world.share.rows(n_pictures)])
    if sentences.grad is not None:
        texts.backward(sentences.grad[world.share.rows(n_texts)])
    return {name: loss.item() for name, loss in terms.items()}


def _keep_once(parameters: list[nn.Parameter], world: World) -> None:
    """What the loss itself has learned is the same on every process and must enter the sum once."""
    if not world.is_first:
        for parameter in parameters:
            parameter.grad = None


def _without_inputs(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device, but for what the towers have already seen."""
    lessons = tuple(type(lesson)(*(entry.to(device) for entry in lesson)) for lesson in batch.lessons)
    rest = {name: getattr(batch, name).to(device) for name in ("label_ids", "is_true", "is_open", "is_related")}
    return batch._replace(images=batch.images[:0], tokens=batch.tokens[:0], lessons=lessons, **rest)
