"""Maps of pictures of any size, whole and in tiles."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from howfar.segmenters.predictor import OVERLAP, Predictor, _starts

SIZE = 16


def red(pictures: np.ndarray) -> np.ndarray:
    """A pointwise network: the red channel is the probability."""
    return pictures[:, 0]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


SIZES = [(16, 16), (1, 1), (3, 40), (40, 3), (17, 16), (50, 33), (16, 100)]


@pytest.mark.parametrize("tiled", [False, True])
def test_sizes_and_the_order_come_back(tiled: bool) -> None:
    pictures = [picture(*size) for size in SIZES]
    found = Predictor(red, SIZE, tiled).maps(pictures)
    assert [one.shape for one in found] == SIZES
    assert {one.dtype for one in found} == {np.dtype(np.uint8)}
    assert Predictor(red, SIZE, tiled).maps([]) == []


def test_tiles_agree_where_the_network_sees_a_neighbourhood() -> None:
    # Tiles are wrong at their edges, where weights are least: a mean of equal weights would halve the map there.
    def edge_shy(pictures: np.ndarray) -> np.ndarray:
        p = np.full(pictures[:, 0].shape, 0.8, np.float32)
        p[:, :1] = p[:, -1:] = p[:, :, :1] = p[:, :, -1:] = 0
        return p

    (found,) = Predictor(edge_shy, SIZE, tiled=True).maps([picture(64, 64)])
    assert found[SIZE // 2 : -SIZE // 2, SIZE // 2 : -SIZE // 2].min() > 0.7 * 0.8 * 255


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_the_batch_size_does_not_matter(batch: int, tiled: bool) -> None:
    pictures = [picture(*size, seed) for seed, size in enumerate(SIZES)]
    shapes: list[tuple[int, ...]] = []

    def network(squares: np.ndarray) -> np.ndarray:
        shapes.append(squares.shape)
        return red(squares)

    found = Predictor(network, SIZE, tiled, batch).maps(pictures)
    wanted = Predictor(red, SIZE, tiled, 8).maps(pictures)
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))
    assert {shape[1:] for shape in shapes} == {(3, SIZE, SIZE)}
    assert max(shape[0] for shape in shapes) <= batch


@given(size=st.integers(1, 70), more=st.integers(0, 400))
def test_tiles_cover_every_pixel_and_overlap(size: int, more: int) -> None:
    length = size + more
    starts = _starts(length, size)
    assert (starts[0], starts[-1]) == (0, length - size)
    for one, following in pairwise(starts):
        assert one < following <= one + size
        # A quarter of a side in common, to a pixel.
        assert one + size - following >= int(size * OVERLAP) - 1
    # And not many more than needed.
    assert len(starts) <= 2 + more / max(int(0.75 * size), 1)
