"""Draws the batches of a run: balanced over sets and taxa, changed at random, each picture beside a sentence.

The changes are left to `augment`, the sentences to `texts`, `names` and `distil`, the learning to `step`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from bioclip_search.train.augment import MEAN, STD, Changes, augment_batch, draw_changes, replace_background
from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.distil import Lesson, LessonBook
from bioclip_search.train.names import NameBank
from bioclip_search.train.pictures import TRAIN, LabelledPicture, decode_pictures
from bioclip_search.train.squares import SquareFile
from bioclip_search.train.texts import TextBank, draw_sentences


class Batch(NamedTuple):
    """One step's pictures and texts; of b pictures in all, those of this process alone are there as images.

    Attributes:
        images: (b', 3, px, px) float32, or whatever else `vectors.image_vectors` takes.
        label_ids: (b,) int64, of all pictures of the step.
        tokens: (t, c) int64, all texts: s different sentences, m drawn names, the classes of each lesson; 0 rows in a
            step without texts.
        is_true: (l, s) bool, of every label.
        is_open: (l, s) bool.
        is_related: (b, m) bool, see `names`.
        lessons: One per teacher, with tokens emptied (they stand in `tokens`).
    """

    images: torch.Tensor
    label_ids: torch.Tensor
    tokens: torch.Tensor
    is_true: torch.Tensor
    is_open: torch.Tensor
    is_related: torch.Tensor
    lessons: tuple[Lesson, ...] = ()


class Store(Protocol):
    """What shows the pictures of a step."""

    def show(self, picked: torch.Tensor, px: int, generator: torch.Generator, rows: slice) -> torch.Tensor:
        """Those of the picked pictures (b,) that stand in `rows`, changed at random: (b', 3, px, px), or features (b', f)."""


class Source(Protocol):
    """Where batches come from; number `step` must be a function of the settings and of `step` alone."""

    def draw(self, step: int, px: int) -> Batch: ...


@dataclass(frozen=True)
class Share:
    """Which part of each step falls to this process: number `rank` of `size`."""

    rank: int = 0
    size: int = 1

    def rows(self, n: int) -> slice:
        """Its rows of n, as `torch.tensor_split` divides them.

        >>> Share(1, 2).rows(5)
        slice(3, 5, None)
        """
        each, more = divmod(n, self.size)
        first = self.rank * each + min(self.rank, more)
        return slice(first, first + each + (self.rank < more))


class PictureStore:
    """The training pictures as squares, with the cut-outs of their boxes where those are shown at times.

    Args:
        squares: Those of `with_cut_outs`, (n + k, s, s, 3) uint8: an array, or what reads like one; decoded into memory by default.
    """

    def __init__(
        self,
        config: EncoderConfig,
        taught: Sequence[LabelledPicture],
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        squares: np.ndarray | SquareFile | None = None,
    ):
        self.mean, self.std, self.device = mean, std, torch.device("cpu")
        share = {entry.name: entry.box_share for entry in config.sets}
        shown, cut = with_cut_outs(config, taught)
        self.squares = decode_pictures(shown, config.schedule.store_px, config.threads) if squares is None else squares
        self.is_studio = torch.tensor([picture.is_studio for picture in taught])  # (n,)
        self.crop_of = torch.arange(len(taught))  # (n,) where the cut-out stands; the picture itself if there is none
        self.crop_of[cut] = len(taught) + torch.arange(len(cut))
        self.box_share = torch.tensor([share[picture.set_name] for picture in taught])  # (n,)

    def show(self, picked: torch.Tensor, px: int, generator: torch.Generator, rows: slice) -> torch.Tensor:
        views = self.views(picked, generator)
        changes = draw_changes(len(picked), generator)
        pixels = self.images(views, self.is_studio[picked], changes, rows)
        return augment_batch(pixels, changes.rows(rows, pixels.device), px, self.mean, self.std)

    def views(self, picked: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(b,) int64, which pixels to show for each of these pictures."""
        as_box = torch.rand(len(picked), generator=generator) < self.box_share[picked]
        return torch.where(as_box, self.crop_of[picked], picked)

    def images(self, views: torch.Tensor, is_studio: torch.Tensor, changes: Changes, rows: slice) -> torch.Tensor:
        """(b', s, s, 3) uint8, the pixels of these rows, a studio picture's black replaced."""
        pixels = self._squares_of(views[rows])
        studio = is_studio[rows].nonzero().flatten()
        if len(studio):
            others = self._squares_of(views[changes.partner[rows][studio]])
            random = changes.background[rows][studio].to(pixels.device)
            pixels[studio] = replace_background(pixels[studio], others, random)
        return pixels

    def _squares_of(self, views: torch.Tensor) -> torch.Tensor:
        """(b', s, s, 3) uint8, on the device."""
        return torch.from_numpy(self.squares[views.numpy()]).to(self.device)


def with_cut_outs(config: EncoderConfig, taught: Sequence[LabelledPicture]) -> tuple[list[LabelledPicture], list[int]]:
    """The pictures and behind them the cut-outs of boxes that are shown at times; and of which pictures these are."""
    share = {entry.name: entry.box_share for entry in config.sets}
    cut = [i for i, picture in enumerate(taught) if picture.box_xyxy and share[picture.set_name]]
    return [*taught, *(replace(taught[i], crop_xyxy=taught[i].box_xyxy) for i in cut)], cut


class BatchSource:
    """The training pictures and their texts; the contrast of pictures that are changed anew each time they are drawn."""

    def __init__(
        self,
        config: EncoderConfig,
        pictures: Sequence[LabelledPicture],
        label_ids: torch.Tensor,
        bank: TextBank,
        names: NameBank | None = None,
        books: Sequence[LessonBook] = (),
        *,
        store: Store | None = None,
        share: Share = Share(),
    ):
        kept = [i for i, picture in enumerate(pictures) if picture.part == TRAIN]
        taught = [pictures[i] for i in kept]
        self.config, self.bank, self.names, self.books, self.share = config, bank, names, books, share
        self.n_pictures = len(taught)
        self.store = store or PictureStore(config, taught)
        self.label_ids = label_ids[kept]  # (n,)
        set_weight = {entry.name: entry.weight for entry in config.sets} | {entry.name: entry.hearsay for entry in config.teachers}
        counts = torch.bincount(self.label_ids, minlength=len(bank.own))  # (l,)
        self.is_taught = counts > 0
        self.weights = torch.tensor([set_weight[picture.set_name] for picture in taught]) / counts[self.label_ids].sqrt()

    def draw(self, step: int, px: int) -> Batch:
        config, b = self.config, self.config.schedule.batch_size
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        picked = torch.multinomial(self.weights, b, replacement=True, generator=generator)  # (b,)
        images = self.store.show(picked, px, generator, self.share.rows(b))
        return self._with_texts(Batch(images, self.label_ids[picked], *_no_texts(b)), picked, step % config.texts.every == 0, generator)

    def _with_texts(self, batch: Batch, picked: torch.Tensor, has_texts: bool, generator: torch.Generator) -> Batch:
        bank, texts = self.bank, self.config.texts
        lessons = [book.draw(picked, has_texts, generator) for book in self.books]
        batch = batch._replace(lessons=tuple(entry._replace(tokens=entry.tokens[:0]) for entry in lessons))
        if not has_texts:
            return batch
        drawn = draw_sentences(bank, batch.label_ids, texts.coarse_share, texts.template_share, generator).unique()  # (s,)
        tokens, is_related = [bank.tokens[drawn]], batch.is_related
        if self.names:
            names = self.names.draw(batch.label_ids, generator)
            is_related = names.is_related
            tokens.append(names.tokens)
        tokens += [entry.tokens for entry in lessons if len(entry.tokens)]
        return batch._replace(tokens=torch.cat(tokens), is_true=bank.is_true[:, drawn], is_open=bank.is_open[:, drawn], is_related=is_related)

    def to(self, device: torch.device) -> BatchSource:
        """Brings the pixels of each step to the device, so that pictures are changed there; takes effect in place."""
        if isinstance(self.store, PictureStore):
            self.store.device = device
        return self


def _no_texts(b: int) -> tuple[torch.Tensor, ...]:
    return torch.zeros(0, 1, dtype=torch.int64), torch.zeros(0, 0, dtype=torch.bool), torch.zeros(0, 0, dtype=torch.bool), torch.zeros(b, 0, dtype=torch.bool)


class _Steps(Dataset):
    """Batches by number, for the worker processes."""

    def __init__(self, source: Source, px_at: Callable[[int], int]):
        self.source, self.px_at = source, px_at

    def __getitem__(self, step: int) -> Batch:
        return self.source.draw(step, self.px_at(step))


def batches_of(source: Source, px_at: Callable[[int], int], first: int, end: int, workers: int) -> Iterator[Batch]:
    """The batches from step `first` up to `end`, drawn ahead by this many processes; their number changes nothing."""
    if not workers:
        return (source.draw(step, px_at(step)) for step in range(first, end))
    return iter(DataLoader(_Steps(source, px_at), batch_size=None, sampler=range(first, end), num_workers=workers))
