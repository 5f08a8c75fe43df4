"""One sample for adapting and measuring: every image is held once, photographs stay together, means are unbiased."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.sampling import cross_fitted_mean, draw, folds, mean

PROXY = np.linspace(0.1, 0.9, 90)


@pytest.mark.parametrize("parts", [2, 3])
def test_every_image_is_held_once_and_learnt_from_by_the_other_models(parts: int) -> None:
    sample = draw(PROXY, 18)
    divided = folds(sample, parts=parts, seed=1)
    assert sorted(np.concatenate([fold.held for fold in divided]).tolist()) == list(range(18))
    for fold in divided:
        assert not set(fold.learn) & set(fold.held)
        assert len(fold.learn) + len(fold.held) == 18
        np.testing.assert_allclose(fold.probabilities, sample.probabilities[fold.held] / parts)
    counts = [np.bincount(sample.strata[fold.held], minlength=4) for fold in divided]
    assert np.ptp(counts, axis=0).max() <= 1


def test_photographs_stay_together() -> None:
    groups = np.repeat(np.arange(30), 3)
    sample = draw(PROXY, 45)
    for fold in folds(sample, groups=groups):
        assert not set(groups[sample.indices[fold.held]]) & set(groups[sample.indices[fold.learn]])


def test_every_image_has_the_same_chance_of_each_part() -> None:
    sample = draw(PROXY, 9)
    held = np.zeros(9)
    for seed in range(600):
        held[folds(sample, seed=seed)[0].held] += 1
    assert np.abs(held / 600 - 0.5).max() < 0.09


def test_the_mean_of_two_models_is_unbiased_and_held() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.beta(3, 3, 90), rng.beta(5, 2, 90)
    proxies = [np.clip(truth + rng.normal(0, 0.1, 90), 0, 1) for truth in (first, second)]
    truth, found = (first.mean() + second.mean()) / 2, []
    for seed in range(300):
        sample = draw(PROXY, 16, seed=seed)
        divided = folds(sample, seed=seed)
        values = np.empty(16)
        for model, fold in zip((first, second), divided, strict=True):
            values[fold.held] = model[sample.indices[fold.held]]
        found.append(cross_fitted_mean(values, proxies, sample, divided))
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.012)
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.87


def test_equal_models_give_the_plain_mean() -> None:
    sample = draw(PROXY, 16)
    values = PROXY[sample.indices] ** 2
    assert cross_fitted_mean(values, [PROXY, PROXY], sample, folds(sample)).value == pytest.approx(
        mean(values, PROXY, sample).value, abs=1e-9
    )


def test_bad_input_is_one_clear_line() -> None:
    sample = draw(PROXY, 9)
    divided = folds(sample)
    for parts in (1, 10):
        with pytest.raises(InputError, match="parts must be between 2 and the 9"):
            folds(sample, parts=parts)
    with pytest.raises(InputError, match="between 2 and the 1"):
        folds(sample, groups=["one"] * 90)
    with pytest.raises(InputError, match="groups must name 90"):
        folds(sample, groups=["one"] * 5)
    with pytest.raises(InputError, match="divided must hold each of the 9"):
        cross_fitted_mean(np.full(9, 0.5), [PROXY], sample, divided[:1])
    with pytest.raises(InputError, match="proxies must be 2"):
        cross_fitted_mean(np.full(9, 0.5), [PROXY], sample, divided)
