"""What images have in common is told from what two of them have."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.distances.bit_agreement import best_match
from howfar.distances.common_agreement import PRIOR, PRIOR_PAIRS, CommonAgreement
from howfar.errors import InputError


def signs(rng: np.random.Generator, count: int, frame: np.ndarray, share: float) -> np.ndarray:
    """Hashes of which each bit is the frame's with that probability."""
    return np.where(rng.random((count, frame.size)) < share, frame, -frame).astype(np.float32)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def frame(rng: np.random.Generator) -> np.ndarray:
    return rng.choice(np.float32([-1, 1]), 256)


@pytest.mark.parametrize("same", [False, True])
def test_it_is_the_correlation_about_the_mean_over_its_spread(
    same: bool, rng: np.random.Generator, frame: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("howfar.distances.common_agreement._BLOCK", 4)
    a = signs(rng, 9, frame, 0.8)
    b = a if same else signs(rng, 7, frame, 0.7)
    best = best_match(a, b, earlier=same).rows
    every = a if same else np.concatenate([a, b])
    mean = every.sum(axis=0) / (len(every) + PRIOR)
    x, y = ((each - mean) / np.linalg.norm(each - mean, axis=1, keepdims=True) for each in (a, b))
    correlation = x @ y.T
    left = np.ones_like(correlation, dtype=bool)
    for row, match in enumerate(best):
        if match >= 0:
            left[row, match] = False
            if same:
                left[match, row] = False
    if same:
        np.fill_diagonal(left, val=False)
    spread = np.sqrt((np.square(correlation[left]).sum() + PRIOR_PAIRS / 256) / (left.sum() + PRIOR_PAIRS))
    found = CommonAgreement(a, b, best, same)
    assert found.spread == pytest.approx(spread, rel=1e-5)
    rows, others = np.arange(5), np.array([6, 0, 3, 3, 1])
    np.testing.assert_allclose(found.beyond(rows, others), correlation[rows, others] / spread, rtol=1e-4)


def test_a_copy_stands_out_of_images_that_agree(rng: np.random.Generator, frame: np.ndarray) -> None:
    p = signs(rng, 40, frame, 0.9)
    copy = p[:1] * np.where(rng.random(256) < 0.02, -1, 1).astype(np.float32)
    s = np.concatenate([signs(rng, 20, frame, 0.9), copy])
    best = best_match(s, p)
    assert best.agreement.min() > 0.77
    beyond = CommonAgreement(s, p, best.rows).beyond(np.arange(21), best.rows)
    assert beyond[20] > 2 * beyond[:20].max()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_images_that_are_all_copies_stand_out_too(count: int, rng: np.random.Generator, frame: np.ndarray) -> None:
    p = signs(rng, count, frame, 0.5)
    s = p * np.where(rng.random(p.shape) < 0.1, -1, 1).astype(np.float32)
    found = CommonAgreement(s, p, np.arange(count))
    assert found.beyond(np.arange(count), np.arange(count)).min() > 5


def test_rows_that_there_are_not_are_refused(rng: np.random.Generator, frame: np.ndarray) -> None:
    a = signs(rng, 3, frame, 0.5)
    for best in (np.array([0, 1, 3]), np.array([0, 1])):
        with pytest.raises(InputError, match="best must be one of 3 rows for each of 3"):
            CommonAgreement(a, a, best)
