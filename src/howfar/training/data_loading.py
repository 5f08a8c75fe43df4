"""Load batches for training, in an order and with augmentations that depend on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from howfar.errors import InputError
from howfar.training.augment import augment, turned
from howfar.training.image_mask_pairs import Pairs
from howfar.training.settings import TrainSettings


class Order(Sampler[tuple[int, ...]]):
    """Shuffle the images anew in each epoch by the seed, as pairs of epoch and index; `set_epoch` chooses the epoch."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed, self._epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration; the trainer calls it."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(self._count)
        return iter([(self._epoch, int(index)) for index in order])

    def __len__(self) -> int:
        return self._count


class Balanced(Order):
    """Draw full batches, of which a stated number are added images, as triples of epoch, index and how often it came before.

    The last `added` of `count` images are the added ones. They, and the others, are each gone through in a random order, and
    again in another one where an epoch of `steps` batches of `batch` images takes more. Each batch has `of_added` added ones.
    """

    def __init__(self, count: int, added: int, batch: int, of_added: int, steps: int, seed: int) -> None:
        super().__init__(count, seed)
        self._added, self._batch, self._of_added, self._steps = added, batch, of_added, steps

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        rng = np.random.default_rng((self._seed, self._epoch))
        first = self._count - self._added
        others = _repeated(rng, range(first), self._steps * (self._batch - self._of_added))
        added = _repeated(rng, range(first, self._count), self._steps * self._of_added)
        for _ in range(self._steps):
            for stream, number in ((added, self._of_added), (others, self._batch - self._of_added)):
                for _ in range(number):
                    yield (self._epoch, *next(stream))

    def __len__(self) -> int:
        return self._steps * self._batch


def _repeated(rng: np.random.Generator, indices: range, count: int) -> Iterator[tuple[int, int]]:
    """Yield `count` pairs of an index and how often it came before: all in a random order, then all in another."""
    orders = [rng.permutation(len(indices)) for _ in range(-(-count // len(indices)) if count else 0)]
    return iter([(indices[place], again) for again, order in enumerate(orders) for place in order.tolist()][:count])


class Training(Dataset[tuple[Tensor, Tensor]]):
    """Give images (3, s, s) of 0-1 and masks (1, s, s) of 0 and 1 by epoch and index, augmented if wanted.

    An image that comes more than once in an epoch has a third number, how often it came before, and is augmented otherwise.
    With `views` augmentation draws from that many flips and turns and changes nothing else.
    """

    def __init__(self, pairs: Pairs, seed: int, augmented: bool, rescale: float = 0.0, views: int | None = None) -> None:
        self._pairs, self._seed, self._augmented, self._rescale, self._views = pairs, seed, augmented, rescale, views

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, key: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        epoch, index, *again = key
        picture, mask = torch.from_numpy(self._pairs.pictures[index]), torch.from_numpy(self._pairs.masks[index])
        if self._augmented:
            repeats = [count for count in again if count]
            seed = int(np.random.SeedSequence((self._seed, epoch, index, *repeats)).generate_state(1)[0])
            if self._views is not None:
                picture, mask = turned(picture, mask, seed, self._views)
            else:
                picture, mask = augment(picture, mask, seed, self._rescale)
        return picture.float() / 255, mask.float()


class HeldOut(Dataset[tuple[Tensor, Tensor]]):
    """Give held-out images and masks by index, without augmentation."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self._pairs.pictures[index]).float() / 255, torch.from_numpy(self._pairs.masks[index])


def training_batches(
    pairs: Pairs, added: int, settings: TrainSettings, workers: int, views: int | None = None
) -> DataLoader[Any]:
    """Make the training loader; the last `added` of the pairs are the added images.

    By default all images come once an epoch, without a last batch of a single image: batch normalisation cannot learn from one
    image whose deepest map is one pixel; a dataset of one image is used all the same. With `settings.steps` or
    `settings.balance` batches are full, `steps` over all epochs, or as many as all images but the added ones fill.
    """
    size, seed, count = settings.batch, settings.seed, len(pairs)
    if settings.steps is None and settings.balance is None:
        order, drop = Order(count, seed), count > size and count % size == 1
    else:
        order, drop = _balanced(count, added, settings), False
    return DataLoader(
        Training(pairs, seed, settings.augment, settings.rescale, views), batch_size=size, sampler=order, drop_last=drop,
        num_workers=workers, persistent_workers=workers > 0,
    )  # fmt: skip


def _balanced(count: int, added: int, settings: TrainSettings) -> Balanced:
    size, share = settings.batch, settings.balance
    if share is not None and not 0 < added < count:
        rule = "needs added images beside those of the primary dataset"
        raise InputError.of("balance", rule, share, "add some, or leave balance out")
    # Without a share all images are of one kind, and the added ones come as often as the others.
    kind = added if share is not None else 0
    of_added = min(max(round((share or 0.0) * size), 1), size - 1) if kind else 0
    steps = -(-(count - kind) // (size - of_added)) if settings.steps is None else -(-settings.steps // settings.epochs)
    return Balanced(count, kind, size, of_added, steps, settings.seed)


def held_out_batches(pairs: Pairs, size: int) -> DataLoader[Any]:
    """Make the validation loader, in order."""
    return DataLoader(HeldOut(pairs), batch_size=size)
