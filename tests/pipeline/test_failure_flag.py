from __future__ import annotations

import pytest

from howfar.pipeline.scorer import flagged


@pytest.mark.parametrize(
    ("predicted", "estimator", "p_value", "tau", "flag", "words"),
    [
        (0.49, "i_dist", 0.9, 0.5, True, "predicted 0.49 is below 0.5"),
        (0.50, "i_dist", 0.001, 0.5, False, "predicted 0.5 is not below 0.5"),
        (0.49, "mean", 0.9, 0.5, True, "predicted 0.49 is below 0.5"),
        (0.80, "mean", 0.9, 0.5, False, "not farther than 95 %"),
        (0.80, "mean", 0.05, 0.5, True, "farther than 95 % of the images of roads (p = 0.05)"),
        (None, None, 0.05, 0.5, True, "farther than 95 %"),
        (None, None, 0.051, None, False, "not farther than 95 %"),
        (None, None, None, None, None, "roads has too few images to tell, or all alike"),
        (0.80, "mean", None, 0.5, None, "roads has too few images to tell, or all alike"),
        (0.80, "i_dist", None, 0.5, False, "predicted 0.8 is not below 0.5"),
    ],
)
def test_the_rule(
    predicted: float | None, estimator: str | None, p_value: float | None, tau: float | None, flag: bool | None, words: str
) -> None:
    found, reason = flagged("roads", predicted, estimator, p_value, tau)
    assert found is flag
    assert words in reason
    assert reason.startswith(words[:6])
