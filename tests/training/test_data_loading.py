"""What is fed to a training: an order and changes that the seed and the epoch choose, and nothing else."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from howfar.segmenters import segmenter_family
from howfar.training.data_loading import EpochOrder, augment, training_batches
from howfar.training.image_mask_pairs import Pairs
from howfar.training.training_settings import TrainSettings, settings_for

SIDE = 8


def pairs(count: int) -> Pairs:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8)
    pictures[:, 0, 0, 0] = np.arange(count)
    masks = rng.random((count, 1, SIDE, SIDE)) < 0.5
    return Pairs(pictures, masks, tuple(map(str, range(count))), "sha256:0")


def settings(batch: int, seed: int = 0, augment: bool = False, **given: Any) -> TrainSettings:
    return settings_for(segmenter_family("deepcrack"), batch=batch, seed=seed, augment=augment, **given)


def loaded(data: Pairs, batch: int, seed: int, augment: bool, workers: int) -> Any:
    return training_batches(data, 0, settings(batch, seed, augment), workers)


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
            order = EpochOrder([(range(20), 1)], 20, seed)
            order.set_epoch(epoch)
            found = list(order)
            torch.manual_seed(epoch)
            assert list(order) == found
            assert {one for one, _, _ in found} == {epoch}
            assert sorted(place for _, place, _ in found) == list(range(20))
            orders[seed, epoch] = tuple(place for _, place, _ in found)
    assert len(set(orders.values())) == 6
    assert tuple(range(20)) not in orders.values()
    assert len(EpochOrder([(range(20), 1)], 20, 0)) == 20


def test_augmentation_depends_on_seed_epoch_and_place_alone() -> None:
    data = pairs(6)
    one = fed(loaded(data, 2, 0, True, 0), 3)
    torch.manual_seed(5)
    loader = loaded(data, 2, 0, True, 0)
    fed(loader, 0)
    assert same(fed(loader, 3), one)
    # In the same order, each picture is changed otherwise in another epoch and by another seed.
    dataset = loaded(data, 2, 0, True, 0).dataset
    other = loaded(data, 2, 1, True, 0).dataset
    for place in range(6):
        assert not torch.equal(dataset[3, place][0], dataset[4, place][0])
        assert not torch.equal(dataset[3, place][0], other[3, place][0])
    blank = Pairs(np.repeat(data.pictures[:1], 2, 0), data.masks[:2], ("0", "1"), "sha256:0")
    twins = loaded(blank, 2, 0, True, 0).dataset
    assert not torch.equal(twins[0, 0][0], twins[0, 1][0])


@pytest.mark.parametrize(
    ("count", "size", "fed_sizes"),
    [(6, 4, [4, 2]), (5, 4, [4]), (9, 4, [4, 4]), (4, 4, [4]), (1, 4, [1]), (3, 1, [1, 1, 1]), (1, 1, [1]), (7, 3, [3, 3])],
)
def test_a_batch_of_one_is_left_out_where_there_are_others(count: int, size: int, fed_sizes: list[int]) -> None:
    loader = loaded(pairs(count), size, 0, False, 0)
    assert [len(pictures) for pictures, _ in fed(loader, 0)] == fed_sizes
    assert len(loader) == len(fed_sizes)


@pytest.mark.parametrize(("balance", "added"), [(0.5, 2), (0.25, 1), (0.01, 1), (0.99, 3)])
def test_every_batch_has_its_share_of_added_images(balance: float, added: int) -> None:
    # 9 images of P, the last 3 of 12 are added ones; steps of their own are as many as P's images fill.
    loader = training_batches(pairs(12), 3, settings(4, balance=balance), 0)
    batches = fed(loader, 0)
    assert [sum(place >= 9 for place in places([batch])) for batch in batches] == [added] * len(batches)
    assert len(loader) == len(batches) == -(-9 // (4 - added))
    seen = places(batches)
    assert set(range(9)) <= set(seen)
    counts = [seen.count(place) for place in (9, 10, 11)]
    assert max(counts) - min(counts) <= 1


SEEDS = range(60)
SQUARE = 16


def drawn(seed: int = 0) -> tuple[Tensor, Tensor]:
    """A dark picture into which its mask is drawn, bright, of large blocks that blur leaves recognisable."""
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.rand(1, SQUARE // 4, SQUARE // 4, generator=generator) < 0.4).repeat_interleave(4, 1).repeat_interleave(4, 2)
    return torch.where(mask, torch.tensor(215), torch.tensor(40)).expand(3, -1, -1).to(torch.uint8).contiguous(), mask


@pytest.mark.parametrize("seed", range(20))
def test_a_mask_drawn_into_the_picture_stays_where_it_is(seed: int) -> None:
    picture, mask = drawn()
    changed, moved = augment(picture, mask, seed)
    assert (changed.shape, changed.dtype, moved.shape, moved.dtype) == (picture.shape, torch.uint8, mask.shape, torch.bool)
    assert moved.sum() == mask.sum()
    # Within the blocks blur has no say; brightness, contrast and colour leave bright and dark apart.
    bright = changed.float().mean(0)
    inner = torch.zeros(SQUARE, SQUARE, dtype=torch.bool)
    inner[1::4, 1::4] = inner[2::4, 2::4] = True
    assert bright[moved[0] & inner].min() > bright[~moved[0] & inner].max()


def test_every_flip_and_turn_happens_and_nothing_else() -> None:
    picture, mask = drawn()
    kinds = [one.rot90(turns, (1, 2)).flatten().tolist() for one in (mask, mask.flip(2)) for turns in range(4)]
    assert len({tuple(one) for one in kinds}) == 8
    found = [kinds.index(augment(picture, mask, seed)[1].flatten().tolist()) for seed in SEEDS]
    assert set(found) == set(range(8))


def test_a_line_one_pixel_wide_is_not_lost_where_the_picture_shrinks() -> None:
    mask = torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[0, :, 20] = True
    picture = torch.zeros(3, 40, 40, dtype=torch.uint8)
    # A line from edge to edge meets every row, or every column, of what is left of it, at any scale.
    for seed in range(40):
        _, moved = augment(picture, mask, seed, 0.5)
        if moved.any():
            assert bool(moved[0].any(0).all() or moved[0].any(1).all())
