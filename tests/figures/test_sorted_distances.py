from __future__ import annotations

import numpy as np
import pytest
from matplotlib.lines import Line2D

from howfar.figures.distances import min_max, sorted_distances
from howfar.results import Comparison


def lines(comparison: Comparison, panel: int) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in sorted_distances(comparison).axes[panel].get_lines()}


@pytest.mark.parametrize(("values", "scaled"), [([2.0, 3.0, 6.0], [0.0, 0.25, 1.0]), ([4.0, 4.0], [0.0, 0.0])])
def test_equal_distances_are_scaled_to_nothing(values: list[float], scaled: list[float]) -> None:
    assert min_max(np.array(values)).tolist() == scaled
