"""What is drawn: known probabilities, by enumeration of many draws, strata by prediction, photographs spread, edges of k."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.sampling import draw
from howfar.sampling.design import predicted_spread


def drawn_shares(proxy: np.ndarray, k: int, draws: int, **options: object) -> tuple[np.ndarray, np.ndarray]:
    """Count how often each image is drawn, and average 1 / probability where it is."""
    rng = np.random.default_rng(5)
    counts, inverse = np.zeros(len(proxy)), np.zeros(len(proxy))
    for _ in range(draws):
        sample = draw(proxy, k, seed=rng, **options)  # type: ignore[arg-type]
        counts[sample.indices] += 1
        inverse[sample.indices] += 1 / sample.probabilities
    return counts / draws, inverse / draws


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.floats(0, 1), st.just(float("nan")), st.sampled_from([0.0, 0.5])), min_size=1, max_size=60),
    st.integers(1, 70),
    st.integers(0, 9),
    st.booleans(),
)
def test_any_site_and_any_k_give_a_sample_with_known_probabilities(proxy, k, seed, grouped):
    groups = [i // 3 for i in range(len(proxy))] if grouped else None
    sample = draw(proxy, k, groups=groups, seed=seed)
    assert len(sample) == min(k, len(proxy)) == len(set(sample.indices.tolist()))
    assert sample.population == len(proxy)
    for stratum in np.unique(sample.strata):
        inside = sample.strata == stratum
        assert inside.sum() >= min(2, len(proxy), k, round(inside.sum() / sample.probabilities[inside][0]))
    again = draw(proxy, k, groups=groups, seed=seed)
    np.testing.assert_array_equal(sample.indices, again.indices)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("k", [3, 9])
def test_every_image_is_drawn_as_often_as_its_probability_says(k: int, grouped: bool) -> None:
    proxy = np.array([0.1, 0.9, 0.5, np.nan, 0.2, 0.7, 0.4, np.nan, 0.3, 0.6, 0.95, 0.05, 0.45, 0.55, np.nan])
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 5, 5, 5])
    draws = 3000
    _, inverse = drawn_shares(proxy, k, draws, **({"groups": groups} if grouped else {}))
    # Σ 1 / probability over draws averages 1 for every image exactly where the probabilities are true (Horvitz & Thompson).
    np.testing.assert_allclose(inverse, 1.0, atol=4.5 * np.sqrt(len(proxy) / draws))


def test_strata_are_quantiles_of_the_prediction_and_the_uncertain_get_more() -> None:
    proxy = np.linspace(0, 1, 200)
    sample = draw(proxy, 40)
    by_stratum = [proxy[sample.indices[sample.strata == stratum]] for stratum in range(10)]
    assert all(low.max() < high.min() for low, high in pairwise(by_stratum))
    counts = [len(part) for part in by_stratum]
    assert counts[0] < counts[4] > counts[9]
    assert predicted_spread([0.5])[0] > predicted_spread([0.0])[0] > 0


def test_images_without_a_prediction_are_a_stratum_of_their_own() -> None:
    proxy = np.where(np.arange(50) < 20, np.nan, 0.7)
    sample = draw(proxy, 16)
    last = sample.strata == sample.strata.max()
    assert set(sample.indices[last]) <= set(range(20))
    assert last.sum() >= 2
    assert not set(sample.indices[~last]) & set(range(20))
    assert draw(np.full(30, np.nan), 10).population == 30


def test_photographs_are_shown_once_where_they_can_be() -> None:
    groups = np.repeat(np.arange(20), 5)
    proxy = np.full(100, 0.5)

    def fewest(k: int, groups_given: np.ndarray | None) -> int:
        samples = [draw(proxy, k, groups=groups_given, seed=seed) for seed in range(20)]
        return min(len(np.unique(groups[each.indices[each.strata == 0]])) for each in samples)

    assert fewest(8, groups) == 4 > fewest(8, None)
    # Bounds for fewer labels hold of a simple random sample alone.
    assert fewest(7, groups) < 7


def test_strata_by_size_hold_the_images_that_rule_a_total() -> None:
    sizes = np.concatenate([np.full(95, 10.0), [900.0, 1000.0, 1100.0, 1200.0, 2000.0]])
    by_size = [draw(np.full(100, 0.5), 12, sizes=sizes, seed=seed) for seed in range(10)]
    plain = [draw(np.full(100, 0.5), 12, seed=seed) for seed in range(10)]
    assert np.mean([np.sum(sample.indices >= 95) for sample in by_size]) > 3
    assert np.mean([np.sum(sample.indices >= 95) for sample in plain]) < 2
    assert all(sample.population == 100 for sample in by_size)
    _, inverse = drawn_shares(np.full(20, 0.5), 9, 1500, sizes=np.geomspace(1, 1000, 20))
    np.testing.assert_allclose(inverse, 1.0, atol=4.5 * np.sqrt(20 / 1500))
