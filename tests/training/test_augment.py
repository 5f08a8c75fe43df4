"""Changes of a picture: its mask goes along, and what is drawn depends on the seed alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from howfar.training.data_loading import augment

SEEDS = range(60)
SIDE = 16


def drawn(seed: int = 0) -> tuple[Tensor, Tensor]:
    """A dark picture into which its mask is drawn, bright, of large blocks that blur leaves recognisable."""
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.rand(1, SIDE // 4, SIDE // 4, generator=generator) < 0.4).repeat_interleave(4, 1).repeat_interleave(4, 2)
    return torch.where(mask, torch.tensor(215), torch.tensor(40)).expand(3, -1, -1).to(torch.uint8).contiguous(), mask


def symmetries(mask: Tensor) -> list[Tensor]:
    return [one.rot90(turns, (1, 2)) for one in (mask, mask.flip(2)) for turns in range(4)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mask_drawn_into_the_picture_stays_where_it_is(seed: int) -> None:
    picture, mask = drawn()
    changed, moved = augment(picture, mask, seed)
    assert (changed.shape, changed.dtype, moved.shape, moved.dtype) == (picture.shape, torch.uint8, mask.shape, torch.bool)
    assert moved.sum() == mask.sum()
    # Within the blocks blur has no say; brightness, contrast and colour leave bright and dark apart.
    bright = changed.float().mean(0)
    inner = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inner[1::4, 1::4] = inner[2::4, 2::4] = True
    assert bright[moved[0] & inner].min() > bright[~moved[0] & inner].max()


def test_every_flip_and_turn_happens_and_nothing_else() -> None:
    picture, mask = drawn()
    kinds = [one.flatten().tolist() for one in symmetries(mask)]
    assert len({tuple(one) for one in kinds}) == 8
    found = [kinds.index(augment(picture, mask, seed)[1].flatten().tolist()) for seed in SEEDS]
    assert set(found) == set(range(8))


def test_the_same_seed_changes_alike_and_another_otherwise() -> None:
    picture, mask = drawn()
    one, again, other = (augment(picture, mask, seed)[0] for seed in (3, 3, 4))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    torch.manual_seed(1234)
    assert torch.equal(augment(picture, mask, 3)[0], one)
    assert len({augment(picture, mask, seed)[0].numpy().tobytes() for seed in SEEDS}) == len(SEEDS)


def test_a_line_one_pixel_wide_is_not_lost_where_the_picture_shrinks() -> None:
    mask = torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[0, :, 20] = True
    picture = torch.zeros(3, 40, 40, dtype=torch.uint8)
    # A line from edge to edge meets every row, or every column, of what is left of it, at any scale.
    for seed in range(40):
        _, moved = augment(picture, mask, seed, 0.5)
        if moved.any():
            assert bool(moved[0].any(0).all() or moved[0].any(1).all())
