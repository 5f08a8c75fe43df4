import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.significance.sequential_alarm import BoundedBet, LabelledBatch, SpreadBet, evidence, first_alarm


def direct(factors: list[float], horizon: int) -> float:
    """The mixture as it is defined, product by product."""
    weights = [0.5 ** (index // horizon + 1) / horizon for index in range(len(factors))]
    return sum(weight * math.exp(sum(factors[begin:])) for begin, weight in enumerate(weights))


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=12), st.integers(1, 5))
def test_the_recursion_is_the_sum_over_every_beginning(factors: list[float], horizon: int) -> None:
    path = evidence(factors, horizon)
    for length in range(1, len(factors) + 1):
        assert math.exp(path[length - 1]) == pytest.approx(direct(factors[:length], horizon))


def test_the_weights_of_all_beginnings_sum_to_one() -> None:
    path = evidence([0.0] * 2000, horizon=50)
    assert np.exp(path[49]) == pytest.approx(0.5)
    assert np.exp(path[-1]) == pytest.approx(1.0)
    assert first_alarm(path, rate=0.05) is None


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=5, max_size=7), st.integers(1, 4), st.floats(0.05, 0.95))
def test_no_drawing_of_labels_favours_a_bet_on_values_of_any_kind(values: list[float], k: int, stake: float) -> None:
    """Over all samples of a batch whose own mean is the level, the factor is at most 1 on average: no shape is supposed."""
    level = float(np.mean(values))
    if not 0.01 < level < 0.99:
        return
    bet = BoundedBet(level, stake)
    factors = [math.exp(bet.log_factor(LabelledBatch(np.array(some)))) for some in itertools.combinations(values, k)]
    assert np.mean(factors) <= 1 + 1e-9


@pytest.mark.parametrize("lost", [False, True])
def test_no_drawing_of_labels_favours_a_bet_on_the_spread_in_control(lost: bool) -> None:
    rng = np.random.default_rng(3)
    predicted = rng.uniform(0.3, 0.8, 40)
    values = np.where(rng.random(40) < 0.1, 0.0, np.clip(predicted + rng.normal(0, 0.1, 40), 0, 1))
    level = float(values.mean())
    bet = SpreadBet.of(level, values - predicted, measured=values if lost else None)
    pairs = itertools.combinations(range(40), 2)
    batches = [LabelledBatch(values[[*pair]], predicted[[*pair]], float(predicted.mean())) for pair in pairs]
    assert np.mean([math.exp(bet.log_factor(batch)) for batch in batches]) <= 1


def years(bet: BoundedBet | SpreadBet, fall: float, count: int = 200) -> list[int | None]:
    """The batch of the first alarm in each of many years of weekly batches with five labels."""
    alarms = []
    for year in range(count):
        rng = np.random.default_rng(year)
        predicted = rng.beta(4, 2, (52, 40))
        values = np.clip(predicted + rng.normal(-fall, 0.08, predicted.shape), 0, 1)
        batches = [LabelledBatch(f[:5], p[:5], float(p.mean())) for f, p in zip(values, predicted, strict=True)]
        alarms.append(first_alarm(evidence([bet.log_factor(batch) for batch in batches])))
    return alarms


def reference() -> tuple[float, np.ndarray]:
    rng = np.random.default_rng(99)
    predicted = rng.beta(4, 2, 600)
    values = np.clip(predicted + rng.normal(0, 0.08, 600), 0, 1)
    return float(values.mean()), values - predicted


def test_at_most_one_year_in_twenty_without_harm_has_a_false_alarm() -> None:
    level, residuals = reference()
    for bet in (BoundedBet.of(level - 0.01), SpreadBet.of(level - 0.01, residuals)):
        assert sum(alarm is not None for alarm in years(bet, 0.0)) <= 10


def test_a_fall_is_found_and_sooner_where_the_spread_is_known() -> None:
    level, residuals = reference()
    known = [alarm for alarm in years(SpreadBet.of(level, residuals), 0.1, 100) if alarm is not None]
    unknown = [alarm for alarm in years(BoundedBet.of(level), 0.1, 100) if alarm is not None]
    assert len(known) == 100
    assert np.quantile(known, 0.9) <= 3  # four batches: 20 labels
    assert len(unknown) > 80
    assert np.median(unknown) > np.median(known)


def test_a_single_image_of_a_kind_never_seen_raises_no_alarm() -> None:
    level, residuals = reference()
    lost = LabelledBatch(np.zeros(1), np.ones(1), level)
    assert first_alarm(evidence([SpreadBet.of(level, residuals).log_factor(lost)])) is None
