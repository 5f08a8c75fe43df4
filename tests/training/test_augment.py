"""Changes of a picture: its mask goes along, and what is drawn depends on the seed alone."""

from __future__ import annotations

import numpy as np
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


def test_torchs_generator_and_the_picture_are_left_as_they_were() -> None:
    picture, mask = drawn()
    before, kept = torch.get_rng_state(), (picture.clone(), mask.clone())
    for seed in range(8):
        augment(picture, mask, seed)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(picture, kept[0])
    assert torch.equal(mask, kept[1])


def test_colours_and_brightness_vary_within_bounds() -> None:
    # A grey field of one value: blur and turns leave it alone, so what is left is colour.
    field = torch.full((3, SIDE, SIDE), 128, dtype=torch.uint8)
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    means = np.array([augment(field, mask, seed)[0].float().mean().item() for seed in SEEDS])
    assert means.std() > 5
    assert means.min() >= 0.74 * 128
    assert means.max() <= 1.26 * 128


def test_some_pictures_are_blurred_and_most_are_not() -> None:
    # The sharpest step between neighbours is lower in a blurred picture than contrast alone makes it.
    picture, mask = drawn()
    shares = []
    for seed in range(200):
        changed = augment(picture, mask, seed)[0].float().mean(0)
        steps = torch.cat([changed.diff(dim=0).abs().flatten(), changed.diff(dim=1).abs().flatten()])
        shares.append(steps.max() / (changed.max() - changed.min()))
    blurred = np.mean(np.array(shares) < 0.98)
    assert 0.1 < blurred < 0.3


def sizes(rescale: float) -> list[float]:
    """How large a square of a quarter of the side is drawn, against its own side, wherever it is whole."""
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[0, 24:40, 24:40] = True
    picture = torch.where(mask, 215, 40).expand(3, -1, -1).to(torch.uint8)
    found = []
    for seed in SEEDS:
        _, moved = augment(picture, mask, seed, rescale)
        rows, columns = (moved[0].any(1 - axis).nonzero().flatten() for axis in (0, 1))
        inside = rows.numel() and min(rows[0], columns[0]) > 0 and max(rows[-1], columns[-1]) < 63
        if inside and rows.numel() == rows[-1] - rows[0] + 1 and columns.numel() == columns[-1] - columns[0] + 1:
            found.append(float(rows.numel()) / 16)
    return found


def test_pictures_are_shown_larger_and_smaller_where_that_is_asked_for() -> None:
    assert set(sizes(0.0)) == {1.0}
    found = sizes(0.4)
    assert min(found) < 0.8
    assert max(found) > 1.2
    assert min(found) >= 0.6 - 1 / 16
    assert max(found) <= 1.4 + 2 / 16


@pytest.mark.parametrize("rescale", [0.1, 0.4, 0.5])
def test_a_rescaled_mask_goes_along_with_its_picture(rescale: float) -> None:
    picture, mask = (one.repeat_interleave(4, 1).repeat_interleave(4, 2) for one in drawn())
    for seed in range(12):
        changed, moved = augment(picture, mask, seed, rescale)
        assert (changed.shape, changed.dtype, moved.shape, moved.dtype) == (picture.shape, torch.uint8, mask.shape, torch.bool)
        bright = changed.float().mean(0)
        middle = (bright.max() + bright.min()) / 2
        assert float(((bright > middle) == moved[0]).float().mean()) > 0.9


def test_a_line_one_pixel_wide_is_not_lost_where_the_picture_shrinks() -> None:
    mask = torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[0, :, 20] = True
    picture = torch.zeros(3, 40, 40, dtype=torch.uint8)
    # A line from edge to edge meets every row, or every column, of what is left of it, at any scale.
    for seed in range(40):
        _, moved = augment(picture, mask, seed, 0.5)
        if moved.any():
            assert bool(moved[0].any(0).all() or moved[0].any(1).all())
