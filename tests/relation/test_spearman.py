from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from howfar.relation.correlation import spearman


@pytest.mark.parametrize("seed", range(5))
def test_spearman_with_ties_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, 20).tolist(), rng.integers(0, 6, 20).tolist()
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_spearman_is_undefined_for_one_or_equal_values() -> None:
    assert spearman([], []) is None
    assert spearman([1.0], [2.0]) is None
    assert spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
