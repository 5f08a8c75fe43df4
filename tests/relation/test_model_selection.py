"""Which estimators are used, in order: fixed beforehand, but for a distance that did clearly better than the mean."""

from __future__ import annotations

import pytest

from howfar.relation.site_judge import clearly_better, in_order
from howfar.results import Judgement


def judgements(**errors: list[float]) -> list[Judgement]:
    return [
        Judgement(name, "kind", len(row), 9, 0.1, 0.1, None, None, None, None, None, dict(zip("abcdef", row, strict=False)))
        for name, row in errors.items()
    ]


def test_with_predictions_nothing_is_chosen() -> None:
    judged = judgements(mean=[0.5] * 4, knn=[0.0] * 4)
    usable = {"mean", "knn", "doc", "boosted", "signals", "atc", "consensus"}
    assert in_order(usable, judged) == ("consensus", "atc", "signals", "boosted", "knn", "mean")
    assert in_order(usable - {"atc"}, []) == ("consensus", "signals", "boosted", "mean")


def test_without_predictions_a_distance_that_is_clearly_better_comes_before_the_mean() -> None:
    judged = judgements(mean=[0.2, -0.2, 0.2], knn=[0.1, 0.1, -0.1])
    assert in_order({"mean", "knn", "i_dist"}, judged) == ("knn", "mean")
    assert in_order({"mean", "i_dist"}, judged) == ("mean",)
    assert in_order({"mean", "knn"}, judgements(mean=[0.1] * 3, knn=[0.1] * 3)) == ("mean",)


@pytest.mark.parametrize(
    ("gains", "better"), [([0.1, 0.1], False), ([0.3, 0.0, 0.0], False), ([0.3, 0.1, 0.0], True), ([-0.1] * 3, False)]
)
def test_better_is_by_more_than_a_standard_error_over_three_sites(gains: list[float], better: bool) -> None:
    errors = judgements(mean=[0.4] * len(gains), knn=[gain - 0.4 for gain in gains])
    assert clearly_better("knn", "mean", errors) == better


def test_what_was_not_judged_is_not_better() -> None:
    assert not clearly_better("knn", "mean", judgements(knn=[0.0] * 4))
    assert not clearly_better("knn", "mean", judgements(mean=[0.4] * 4))
