"""Load augmented batches for training, in an order that depends on the seed and the epoch alone.

A thin crack does not survive interpolation, so images are neither stretched nor cropped unless `rescale` is given; then masks
are resized so that no line is lost. Neither workers nor resuming change a draw.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from howfar.data.binary_masks import resize_mask
from howfar.errors import InputError
from howfar.training.image_mask_pairs import Pairs
from howfar.training.training_settings import TrainSettings

_BLUR_CHANCE = 0.2
_BLUR = (0.3, 1.2)


def augment(picture: Tensor, mask: Tensor, seed: int, rescale: float = 0.0) -> tuple[Tensor, Tensor]:
    """Augment an image (3, h, h) uint8 and its mask (1, h, h) bool at random by `seed`.

    With `rescale` r above 0 the picture is first drawn 1 − r to 1 + r times as large: what is larger is cropped at random, what
    is smaller is set at random among its own mirror images.
    """
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed the accelerator's generator too, which the network may draw from.
        torch.default_generator.manual_seed(seed)
        flip, mirror = torch.rand(2).tolist()
        turns, blur = int(torch.randint(4, (1,))), float(torch.rand(1))
        if rescale:
            picture, mask = _rescaled(picture, mask, 1.0 + rescale * float(2 * torch.rand(1) - 1), torch.rand(2).tolist())
        picture, mask = (_oriented(x, flip < 0.5, mirror < 0.5, turns) for x in (picture, mask))
        picture = v2.ColorJitter(brightness=0.25, contrast=0.25, saturation=0.2, hue=0.03)(picture)
        if blur < _BLUR_CHANCE:
            picture = v2.GaussianBlur(5, _BLUR)(picture)
    return picture, mask


def _oriented(x: Tensor, flip: bool, mirror: bool, turns: int) -> Tensor:
    """Flip (c, h, h) upside down and left to right if asked, then turn it by right angles."""
    return x.flip([axis for axis, chosen in ((1, flip), (2, mirror)) if chosen]).rot90(turns, (1, 2))


def _rescaled(picture: Tensor, mask: Tensor, scale: float, place: list[float]) -> tuple[Tensor, Tensor]:
    """Scale a square image and its mask by `scale` within a square of the same side, at relative position `place`."""
    side = picture.shape[-1]
    if scale >= 1:
        part = max(round(side / scale), 1)
        top, left = (round(share * (side - part)) for share in place)
        picture, mask = picture[:, top : top + part, left : left + part], mask[:, top : top + part, left : left + part]
    inner = side if scale >= 1 else max(round(side * scale), (side + 1) // 2)
    picture = functional.resize(picture, [inner, inner], v2.InterpolationMode.BICUBIC, antialias=True)
    marks = resize_mask(mask[0].numpy(), inner, inner)
    if inner < side:
        top, left = (round(share * (side - inner)) for share in place)
        around = ((top, side - inner - top), (left, side - inner - left))
        picture = torch.from_numpy(np.pad(picture.numpy(), ((0, 0), *around), mode="symmetric"))
        marks = np.pad(marks, around, mode="symmetric")
    return picture, torch.from_numpy(marks)[None]


class EpochOrder(Sampler[tuple[int, int, int]]):
    """Yield triples of epoch, index and earlier occurrences in new random orders each epoch; `set_epoch` sets the epoch.

    `kinds` are the indices of each kind of image, and how many of the kind come in each of the steps, the last kind first. The
    images of a kind are gone through in random orders.
    """

    def __init__(self, kinds: Sequence[tuple[range, int]], steps: int, seed: int) -> None:
        self._kinds, self._steps, self._seed, self._epoch = kinds, steps, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration; called by the trainer."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        rng = np.random.default_rng((self._seed, self._epoch))
        streams = [(_repeated(rng, indices, self._steps * number), number) for indices, number in self._kinds]
        for _ in range(self._steps):
            for stream, number in reversed(streams):
                yield from ((self._epoch, *key) for key in islice(stream, number))

    def __len__(self) -> int:
        return self._steps * sum(number for _, number in self._kinds)


def _repeated(rng: np.random.Generator, indices: range, count: int) -> Iterator[tuple[int, int]]:
    """Yield `count` pairs of an index and its earlier occurrences, cycling through all indices in random orders."""
    orders = [rng.permutation(len(indices)) for _ in range(-(-count // len(indices)) if count else 0)]
    return iter([(indices[place], again) for again, order in enumerate(orders) for place in order.tolist()][:count])


class TrainingImages(Dataset[tuple[Tensor, Tensor]]):
    """Return images (3, s, s) of 0-1 and masks (1, s, s) of 0 and 1 by the keys of `EpochOrder`, augmented if asked."""

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
                # One of the first `views` of eight orientations.
                view = int(np.random.default_rng(seed).integers(self._views))
                picture, mask = (_oriented(x, bool(view & 2), bool(view & 1), view // 4) for x in (picture, mask))
            else:
                picture, mask = augment(picture, mask, seed, self._rescale)
        return picture.float() / 255, mask.float()


def training_batches(
    pairs: Pairs, added: int, settings: TrainSettings, workers: int, views: int | None = None
) -> DataLoader[Any]:
    """Make the training loader; the last `added` of the pairs are the added images.

    By default all images come once an epoch, without a last batch of a single image, from which batch normalisation cannot
    learn. With `settings.steps` or `settings.balance` batches are full.
    """
    size, seed, share, count = settings.batch, settings.seed, settings.balance, len(pairs)
    if share is not None and not 0 < added < count:
        rule = "needs added images beside those of the primary dataset"
        raise InputError.of("balance", rule, share, "add some, or leave balance out")
    if settings.steps is None and share is None:
        kinds, steps, drop = [(range(count), 1)], count, count > size and count % size == 1
    else:
        # Without a share all images are of one kind, and the added ones come as often as the others.
        kind = added if share is not None else 0
        of_added = min(max(round((share or 0.0) * size), 1), size - 1) if kind else 0
        steps = -(-(count - kind) // (size - of_added)) if settings.steps is None else -(-settings.steps // settings.epochs)
        kinds, drop = [(range(count - kind), size - of_added), (range(count - kind, count), of_added)], False
    return DataLoader(
        TrainingImages(pairs, seed, settings.augment, settings.rescale, views), batch_size=size, drop_last=drop,
        sampler=EpochOrder(kinds, steps, seed), num_workers=workers, persistent_workers=workers > 0,
    )  # fmt: skip


def held_out_batches(pairs: Pairs, size: int) -> DataLoader[Any]:
    """Make the validation loader, in order."""
    places = [(0, place) for place in range(len(pairs))]
    return DataLoader(TrainingImages(pairs, 0, augmented=False), batch_size=size, sampler=places)
