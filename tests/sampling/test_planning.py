"""How many labels a question is predicted to need, before anything is labelled."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.sampling import draw, labels_for, mean, order, plan_zone, sequence


def site(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, and performance that varies about them as is assumed."""
    rng = np.random.default_rng(4)
    predicted = rng.beta(4, 2, count)
    return predicted, np.clip(predicted + 0.3 * np.sqrt(predicted * (1 - predicted) + 0.02) * rng.normal(size=count), 0, 1)


def test_the_predicted_number_of_labels_gives_about_the_width_that_was_asked() -> None:
    predicted, truth = site()
    count = labels_for(predicted, "±0.05")
    assert count is not None
    samples = [draw(predicted, count, seed=seed) for seed in range(100, 130)]
    assert 0.04 < np.mean([mean(truth[one.indices], predicted, one).half_width for one in samples]) < 0.06
    assert count < (labels_for(predicted, "±0.03") or 0)


def test_a_level_is_settled_after_about_as_many_labels() -> None:
    predicted, truth = site()
    asked = f"F >= {truth.mean() - 0.15:.2f}"
    stops = []
    for seed in range(15):
        images = order(len(truth), seed=seed)
        stops.append(sequence(truth[images], predicted, images, until=asked).stop)
    count = labels_for(predicted, asked)
    assert count is not None
    assert 0.5 < count / np.median(stops) < 2


def test_a_question_that_2000_labels_leave_open_has_no_number() -> None:
    assert labels_for(np.full(2200, 0.5), "F >= 0.5") is None


def test_more_labels_are_predicted_to_certify_more() -> None:
    predicted, _ = site()
    shares = [plan_zone(predicted, k, at_least=0.5).predicted for k in (30, 60, 120)]
    assert 0 < shares[0] < shares[1] < shares[2] <= 1
    plan = plan_zone(predicted, 30, at_least=0.5)
    assert np.isnan(plan_zone(predicted, 60, at_least=0.5, begin=(plan.zone.sizes[0], plan.zone.allowed)).predicted)


def test_answers_that_are_right_or_wrong_need_more_labels() -> None:
    predicted, _ = site(600)
    count = labels_for(predicted, "±0.05", all_or_nothing=True)
    assert count is not None
    assert count > 2 * (labels_for(predicted, "±0.05") or 600)
    right = (np.random.default_rng(9).random(600) < predicted).astype(float)
    samples = [draw(predicted, count, seed=seed) for seed in range(30)]
    assert 0.04 < np.mean([mean(right[one.indices], predicted, one).half_width for one in samples]) < 0.06


def test_few_images_and_other_words_get_one_line() -> None:
    with pytest.raises(InputError, match="at least 8 images"):
        labels_for([0.5] * 7, "±0.05")
    with pytest.raises(InputError, match="until must read like"):
        labels_for([0.5] * 20, "soon")
