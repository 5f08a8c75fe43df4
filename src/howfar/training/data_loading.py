"""Load batches for training, in an order and with augmentations that depend on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from howfar.training.augment import augment
from howfar.training.image_mask_pairs import Pairs


class Order(Sampler[tuple[int, int]]):
    """Shuffle the images anew in each epoch by the seed, as pairs of epoch and index; `set_epoch` chooses the epoch."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed, self._epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration; the trainer calls it."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(self._count)
        return iter([(self._epoch, int(index)) for index in order])

    def __len__(self) -> int:
        return self._count


class Training(Dataset[tuple[Tensor, Tensor]]):
    """Give images (3, s, s) of 0-1 and masks (1, s, s) of 0 and 1 by epoch and index, augmented if wanted."""

    def __init__(self, pairs: Pairs, seed: int, augmented: bool) -> None:
        self._pairs, self._seed, self._augmented = pairs, seed, augmented

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, index = key
        picture, mask = torch.from_numpy(self._pairs.pictures[index]), torch.from_numpy(self._pairs.masks[index])
        if self._augmented:
            seed = int(np.random.SeedSequence((self._seed, epoch, index)).generate_state(1)[0])
            picture, mask = augment(picture, mask, seed)
        return picture.float() / 255, mask.float()


class HeldOut(Dataset[tuple[Tensor, Tensor]]):
    """Give held-out images and masks by index, without augmentation."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self._pairs.pictures[index]).float() / 255, torch.from_numpy(self._pairs.masks[index])


def training_batches(pairs: Pairs, size: int, seed: int, augmented: bool, workers: int) -> DataLoader[Any]:
    """Make the training loader: all images once an epoch, without a last batch of a single image.

    Batch normalisation cannot learn from one image whose deepest map is one pixel; a dataset of one image is used all the same.
    """
    drop = len(pairs) > size and len(pairs) % size == 1
    return DataLoader(
        Training(pairs, seed, augmented), batch_size=size, sampler=Order(len(pairs), seed), drop_last=drop, num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip


def held_out_batches(pairs: Pairs, size: int) -> DataLoader[Any]:
    """Make the validation loader, in order."""
    return DataLoader(HeldOut(pairs), batch_size=size)
