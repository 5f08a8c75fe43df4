from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from howfar.figures.distances import POINTS, scatter
from howfar.results import Comparison


def test_large_sets_are_thinned_and_undefined_points_left_out(six: Comparison) -> None:
    name = six.datasets[0].name
    many = pd.concat([six.images[six.images["dataset"] == name]] * 100, ignore_index=True)
    many.loc[:10, "pc1"] = np.nan
    one = replace(six, datasets=six.datasets[:1], images=many)
    (axes,) = scatter(one).axes
    assert len(many) > POINTS
    assert POINTS // 2 < len(np.asarray(axes.collections[1].get_offsets())) <= POINTS
    assert np.isfinite(np.asarray(axes.collections[1].get_offsets())).all()
