"""The processes that train together, started by torchrun; alone, there is one.

Each has its share of a step's pictures and texts. What they exchange is summed: the vectors, of which each fills its own
rows, and the gradients.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from bioclip_search.encoder.openclip import choose_device
from bioclip_search.train.batches import Share

PATIENCE = timedelta(hours=12)
"""How long the others wait for the first process, which may look at many pictures meanwhile."""


@dataclass(frozen=True)
class World:
    """This process among all; `is_first` is the one that writes."""

    share: Share
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.share.rank == 0

    def gather(self, own: torch.Tensor, n: int) -> torch.Tensor:
        """(n, d) the rows of all processes, from those of this one; no gradient passes."""
        if self.share.size == 1 or not n:
            return own.detach().clone()
        every = own.new_zeros(n, own.shape[1])
        every[self.share.rows(n)] = own.detach()
        distributed.all_reduce(every)
        return every

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Gives every process the sum of all gradients; one that no process has stays None."""
        if self.share.size == 1:
            return
        has = torch.tensor([float(entry.grad is not None) for entry in parameters], device=self.device)
        distributed.all_reduce(has)
        taking_part = [entry for entry, count in zip(parameters, has.tolist(), strict=True) if count]
        flat = torch.cat([(entry.grad if entry.grad is not None else torch.zeros_like(entry)).flatten() for entry in taking_part])
        distributed.all_reduce(flat)
        for entry, summed in zip(taking_part, flat.split([entry.numel() for entry in taking_part]), strict=True):
            entry.grad = summed.view_as(entry)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Lets the first process do what is written to disk; the others follow and find it there."""
        if not self.is_first:
            self.agree(True)
        yield
        if self.is_first:
            self.agree(True)

    def agree(self, value: bool) -> bool:
        """What the first process says; also waits until all have come here."""
        if self.share.size == 1:
            return value
        word = torch.tensor(float(value and self.is_first), device=self.device)
        distributed.all_reduce(word)
        return bool(word)


@contextmanager
def join_world(device: str) -> Iterator[World]:
    """The world that torchrun made, over NCCL on CUDA and gloo elsewhere, or this process alone.

    Raises:
        ModelError: The device is not there.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(Share(), choose_device(device))
        return
    own = choose_device(device)
    if own.type == "cuda":
        own = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield World(Share(distributed.get_rank(), size), own)
    finally:
        distributed.destroy_process_group()
