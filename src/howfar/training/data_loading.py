"""What is fed to a training: pictures in an order, and with changes, that depend on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from howfar.training.augment import augment
from howfar.training.examples import Pairs


class Order(Sampler[tuple[int, int]]):
    """Epoch and place of each picture, shuffled anew in each epoch by the seed: `set_epoch` says which comes next.

    Examples
    --------
    >>> order = Order(3, seed=0)
    >>> order.set_epoch(2)
    >>> sorted(order) == [(2, 0), (2, 1), (2, 2)]
    True
    """

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed, self._epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that is iterated over next; the trainer calls it."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        places = np.random.default_rng((self._seed, self._epoch)).permutation(self._count)
        return iter([(self._epoch, int(place)) for place in places])

    def __len__(self) -> int:
        return self._count


class Training(Dataset[tuple[Tensor, Tensor]]):
    """Pictures (3, s, s) of 0-1 and masks (1, s, s) of 0 and 1, augmented where wanted, by epoch and place."""

    def __init__(self, pairs: Pairs, seed: int, augmented: bool) -> None:
        self._pairs, self._seed, self._augmented = pairs, seed, augmented

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, place = key
        picture, mask = torch.from_numpy(self._pairs.pictures[place]), torch.from_numpy(self._pairs.masks[place])
        if self._augmented:
            picture, mask = augment(picture, mask, _mixed(self._seed, epoch, place))
        return picture.float() / 255, mask.float()


class HeldOut(Dataset[tuple[Tensor, Tensor]]):
    """Pictures and masks as they are, by place."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self._pairs.pictures[place]).float() / 255, torch.from_numpy(self._pairs.masks[place])


def training_batches(pairs: Pairs, size: int, seed: int, augmented: bool, workers: int) -> DataLoader[Any]:
    """Batches to learn from: all pictures once an epoch, the last batch left out where it would hold a single picture.

    Batch normalisation cannot learn from one picture whose deepest map is one pixel; a set of one picture is fed all the same.
    """
    drop = len(pairs) > size and len(pairs) % size == 1
    return DataLoader(
        Training(pairs, seed, augmented), batch_size=size, sampler=Order(len(pairs), seed), drop_last=drop, num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip


def held_out_batches(pairs: Pairs, size: int) -> DataLoader[Any]:
    """Batches to validate on, in order."""
    return DataLoader(HeldOut(pairs), batch_size=size)


def _mixed(*numbers: int) -> int:
    """One seed of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
