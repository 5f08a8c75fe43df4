"""The best match of each hash is that of a plain search, in blocks of any size, and bad input is one line."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.studies import copies
from howfar.studies.copies import FEWEST, best_match, usual_agreement


def signs(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1, 1], (count, 64))


@pytest.mark.parametrize("pairs_per_tile", [1, 50, 1 << 22])
def test_it_is_the_least_hamming_distance(pairs_per_tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "PAIRS_PER_TILE", pairs_per_tile)
    a, b = signs(30, 0), signs(5000, 1)
    distances = cdist(a > 0, b > 0, "hamming")
    found = best_match(a, b)
    np.testing.assert_array_equal(found.rows, distances.argmin(axis=1))
    np.testing.assert_allclose(found.agreement, 1 - distances.min(axis=1), atol=1e-12)


@pytest.mark.parametrize("pairs_per_tile", [1, 50, 1 << 22])
def test_only_earlier_rows_count_within_a_set(pairs_per_tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "PAIRS_PER_TILE", pairs_per_tile)
    a = signs(40, 2)
    a[7] = a[3]
    found = best_match(a, a, earlier=True)
    assert (found.rows < np.arange(40)).all()
    assert (found.rows[0], found.agreement[0]) == (-1, 0.0)
    assert (found.rows[7], found.agreement[7]) == (3, 1.0)
    assert found.agreement[3] < 1


def framed(count: int, share: float, seed: int) -> np.ndarray:
    """Hashes of which each bit is that of one frame with a probability."""
    frame = np.random.default_rng(99).choice([-1, 1], 256)
    return np.where(np.random.default_rng(seed).random((count, 256)) < share, frame, -frame)


@pytest.mark.parametrize("same", [False, True])
def test_usual_agreement_is_that_of_all_pairs_but_the_best(same: bool) -> None:
    a = framed(12, 0.8, 0)
    b = a if same else framed(9, 0.7, 1)
    turned = np.random.default_rng(2).choice([-1, 1], (12, 256))
    shares = np.maximum(1 - cdist(a, b, "hamming"), 1 - cdist(turned, b, "hamming"))
    left = np.ones_like(shares, dtype=bool)
    if same:
        np.fill_diagonal(left, val=False)
    left[np.arange(12), np.where(left, shares, -1).argmax(axis=1)] = False
    low, middle = np.quantile(shares[left], (0.1, 0.5))
    assert usual_agreement(a, b, turned, same=same, spreads=2.0) == pytest.approx(middle + 2 * (middle - low))


def test_bursts_and_copies_do_not_move_it() -> None:
    p, s = signs256(60, 3), signs256(50, 4)
    plain = usual_agreement(s, p, s)
    p[:25], s[:20] = p[0], p[0]
    noise = np.random.default_rng(5)
    p[:25] *= np.where(noise.random((25, 256)) < 0.05, -1, 1)
    s[:20] *= np.where(noise.random((20, 256)) < 0.05, -1, 1)
    assert usual_agreement(s, p, s) == pytest.approx(plain, abs=0.03)
    s[20:40] = s[20]
    assert usual_agreement(s, p, s) == pytest.approx(plain, abs=0.03)


def test_of_few_pairs_nothing_is_told() -> None:
    alike, more = framed(6, 0.95, 0), framed(8, 0.95, 2)
    burst = np.repeat(alike[:1], 500, axis=0)
    assert usual_agreement(alike[:1], framed(FEWEST, 0.95, 1), alike[:1]) == 0.0
    assert usual_agreement(alike, alike, alike, same=True) == 0.0
    assert usual_agreement(burst, alike, burst) == 0.0
    assert usual_agreement(more, alike, more) > 0.9


def signs256(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1, 1], (count, 256))
