from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from howfar import registry
from howfar.errors import InputError, UnknownNameError
from howfar.metrics import CLASSIFICATION, tallies


def test_tallies_come_in_order() -> None:
    found = tallies(CLASSIFICATION, iter([2, 0, 1]), iter([2, 1, 1]))
    assert [(one.truth, one.predicted) for one in found] == [(2, 2), (1, 0), (1, 1)]


@pytest.mark.parametrize(("predictions", "truths"), [([1, 2], [1]), ([1], [1, 2])])
def test_numbers_that_differ_are_refused(predictions: list[int], truths: list[int]) -> None:
    with pytest.raises(InputError, match=r"^predictions and truths must be as many, got 1 (predictions|truths) and more "):
        tallies(CLASSIFICATION, iter(predictions), truths)


def test_a_bad_image_is_named_by_its_position() -> None:
    with pytest.raises(InputError, match=r"^image 1 \(from 0\): truth must be a class index of at least 0, got -1$"):
        tallies(CLASSIFICATION, [0, 0], [0, -1])


def test_other_errors_pass_as_they_are() -> None:
    class Broken:
        name = "broken"

        def tally(self, prediction: Any, truth: Any) -> int:
            raise ZeroDivisionError

        def score(self, tallies: Any) -> Any:
            raise NotImplementedError

    with pytest.raises(ZeroDivisionError):
        tallies(Broken(), [np.zeros(1)], [0])


def test_every_metric_is_registered_under_its_name() -> None:
    assert [registry.load("metrics", name).name for name in registry.names("metrics")] == list(registry.names("metrics"))
    with pytest.raises(UnknownNameError, match="did you mean 'segmentation'"):
        registry.load("metrics", "segmentatoin")
