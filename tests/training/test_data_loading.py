"""What is fed to a training: an order and changes that the seed and the epoch choose, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from howfar.training.data_loading import Order, held_out_batches, training_batches
from howfar.training.image_mask_pairs import Pairs

SIDE = 8


def pairs(count: int) -> Pairs:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8)
    pictures[:, 0, 0, 0] = np.arange(count)
    masks = rng.random((count, 1, SIDE, SIDE)) < 0.5
    return Pairs(pictures, masks, tuple(map(str, range(count))), "sha256:0")


def fed(loader: Any, epoch: int) -> list[tuple[Tensor, Tensor]]:
    loader.sampler.set_epoch(epoch)
    return [(pictures, masks) for pictures, masks in loader]


def places(batches: list[tuple[Tensor, Tensor]]) -> list[int]:
    return [round(255 * float(picture[0, 0, 0])) for pictures, _ in batches for picture in pictures]


def same(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> bool:
    return all(torch.equal(a, b) for first, second in zip(one, other, strict=True) for a, b in zip(first, second, strict=True))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    orders = {}
    for seed in (0, 1):
        for epoch in (2, 0, 1):
            order = Order(20, seed)
            order.set_epoch(epoch)
            found = list(order)
            torch.manual_seed(epoch)
            assert list(order) == found
            assert {one for one, _ in found} == {epoch}
            assert sorted(place for _, place in found) == list(range(20))
            orders[seed, epoch] = tuple(place for _, place in found)
    assert len(set(orders.values())) == 6
    assert tuple(range(20)) not in orders.values()
    assert len(Order(20, 0)) == 20


def test_pictures_and_masks_are_of_0_and_1_and_belong_together() -> None:
    data = pairs(5)
    batches = fed(training_batches(data, 2, 0, False, 0), 0)
    order = places(batches)
    assert sorted(order) != order
    pictures, masks = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert pictures.dtype == masks.dtype == torch.float32
    assert np.array_equal(np.rint(255 * pictures.numpy()), data.pictures[order])
    assert np.array_equal(masks.numpy(), data.masks[order])


def test_augmentation_depends_on_seed_epoch_and_place_alone() -> None:
    data = pairs(6)
    one = fed(training_batches(data, 2, 0, True, 0), 3)
    torch.manual_seed(5)
    loader = training_batches(data, 2, 0, True, 0)
    fed(loader, 0)
    assert same(fed(loader, 3), one)
    # In the same order, each picture is changed otherwise in another epoch and by another seed.
    dataset = training_batches(data, 2, 0, True, 0).dataset
    other = training_batches(data, 2, 1, True, 0).dataset
    for place in range(6):
        assert not torch.equal(dataset[3, place][0], dataset[4, place][0])
        assert not torch.equal(dataset[3, place][0], other[3, place][0])
    blank = Pairs(np.repeat(data.pictures[:1], 2, 0), data.masks[:2], ("0", "1"), "sha256:0")
    twins = training_batches(blank, 2, 0, True, 0).dataset
    assert not torch.equal(twins[0, 0][0], twins[0, 1][0])


@pytest.mark.parametrize("epoch", [0, 1])
def test_workers_feed_the_same(epoch: int) -> None:
    data = pairs(6)
    alone, beside = training_batches(data, 2, 0, True, 0), training_batches(data, 2, 0, True, 1)
    assert same(fed(alone, epoch), fed(beside, epoch))


@pytest.mark.parametrize(
    ("count", "size", "fed_sizes"),
    [(6, 4, [4, 2]), (5, 4, [4]), (9, 4, [4, 4]), (4, 4, [4]), (1, 4, [1]), (3, 1, [1, 1, 1]), (1, 1, [1]), (7, 3, [3, 3])],
)
def test_a_batch_of_one_is_left_out_where_there_are_others(count: int, size: int, fed_sizes: list[int]) -> None:
    loader = training_batches(pairs(count), size, 0, False, 0)
    assert [len(pictures) for pictures, _ in fed(loader, 0)] == fed_sizes
    assert len(loader) == len(fed_sizes)


def test_held_out_pictures_come_in_order_and_unchanged() -> None:
    data = pairs(5)
    batches = list(held_out_batches(data, 2))
    assert [len(pictures) for pictures, _ in batches] == [2, 2, 1]
    assert places(batches) == [0, 1, 2, 3, 4]
    masks = torch.cat([masks for _, masks in batches])
    assert masks.dtype == torch.bool
    assert np.array_equal(masks.numpy(), data.masks)
