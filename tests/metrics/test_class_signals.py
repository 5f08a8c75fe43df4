"""Signals of a classifier's probabilities, against formulas written out."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.metrics.classification import class_signals, mano_shares, nuclear_norm_shares


def drawn(n: int, k: int, sharpness: float = 2.0, seed: int = 0) -> np.ndarray:
    z = sharpness * np.random.default_rng(seed).normal(size=(n, k))
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "k"), [(1, 2), (3, 7), (7, 3), (200, 14), (14, 200)])
def test_the_mean_share_is_the_nuclear_norm(n: int, k: int) -> None:
    p = drawn(n, k)
    expected = np.linalg.norm(p, "nuc") / np.sqrt(min(n, k) * n)
    assert nuclear_norm_shares(p).mean() == pytest.approx(expected, rel=1e-6)


def test_shares_of_the_nuclear_norm_where_rows_are_alike() -> None:
    p = np.tile([0.5, 0.3, 0.2], (6, 1))
    shares = nuclear_norm_shares(p)
    np.testing.assert_allclose(shares, shares[0])
    assert shares.mean() == pytest.approx(np.linalg.norm(p, "nuc") / np.sqrt(18))


def test_shares_follow_their_images() -> None:
    p = drawn(40, 5)
    order = np.random.default_rng(1).permutation(40)
    for name, values in class_signals(p).items():
        np.testing.assert_allclose(class_signals(p[order])[name], values[order], atol=1e-12, err_msg=name)


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 12.0])
def test_mano_is_the_scaled_norm_of_normalised_logits(sharpness: float) -> None:
    z = sharpness * np.random.default_rng(2).normal(size=(30, 6))
    softmax = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    sure = -np.log(softmax).mean() > 5
    assert sure == (sharpness == 12.0)
    v = softmax if sure else (1 + z + z**2 / 2) / (1 + z + z**2 / 2).sum(axis=1, keepdims=True)
    assert mano_shares(z).mean() == pytest.approx((v**4).mean() ** 0.25)


def test_confidence_margin_and_entropy_by_hand() -> None:
    values = class_signals([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert values["class_confidence"].tolist() == [0.5, 1.0]
    assert values["margin"].tolist() == [0.0, 1.0]
    np.testing.assert_allclose(values["entropy"], [np.log(2), 0.0])
    assert all(np.isfinite(row).all() for row in values.values())


@pytest.mark.parametrize("wrong", [[], [[1.0]], [0.5, 0.5], [[0.7, 0.7]], [[1.5, -0.5]], [[np.nan, 1.0]]])
def test_what_are_no_probabilities_is_refused(wrong: list[float]) -> None:
    with pytest.raises(InputError, match="probabilities must"):
        class_signals(wrong)


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="logits must be finite"):
        mano_shares([[np.inf, 0.0]])
