"""The entropy of a map by predicted class: both parts are the whole, whatever the threshold."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.metrics import histogram, signals
from howfar.metrics.label_free_signals import class_entropy


def test_the_parts_are_those_of_the_pixels_and_add_up_to_the_entropy() -> None:
    values = np.random.default_rng(0).integers(0, 256, size=(20, 30)).astype(np.uint8)
    p = values / 255
    inside = np.clip(p, 1e-12, 1 - 1e-12)
    entropies = -inside * np.log(inside) - (1 - inside) * np.log1p(-inside)
    for threshold in (0.0, 0.2, 0.5, 1.0):
        foreground, background = class_entropy(histogram(values), threshold)
        assert foreground == pytest.approx(entropies[p > threshold].sum() / p.size, abs=1e-9)
        assert foreground + background == pytest.approx(signals(histogram(values), 0.5)["entropy"])


def test_a_threshold_outside_the_probabilities_is_refused() -> None:
    with pytest.raises(InputError, match="threshold must lie"):
        class_entropy(histogram([[0.5]]), 1.5)
