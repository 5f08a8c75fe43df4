from __future__ import annotations

import pytest
import torch

from howfar.errors import InputError
from howfar.segmenters.normalisation import Normalise, check_sides


def test_sides_that_pooling_cannot_divide_are_refused() -> None:
    rule = r"deepcrack's pictures must be \(b, 3, h, w\) with h and w multiples of 32, got \(1, 3, 64, 50\): resize or pad them"
    with pytest.raises(InputError, match=rule):
        check_sides("deepcrack", torch.zeros(1, 3, 64, 50), 32)


def test_normalisation() -> None:
    assert Normalise((0.5,) * 3, (0.5,) * 3)(torch.ones(1, 3, 1, 1)).flatten().tolist() == [1.0, 1.0, 1.0]
