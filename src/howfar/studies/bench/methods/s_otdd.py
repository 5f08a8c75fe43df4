"""Estimate a site's mean score from s-OTDD, a distance between labelled datasets, by a straight line.

Source: Nguyen, Nguyen, Pham & Ho, "Lightspeed geometric dataset distance via sliced optimal transport" (ICML 2025),
https://arxiv.org/abs/2501.18901.
"""

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array


def estimator(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array | None:
    """Fit a line of the labelled sites' mean scores over their distances, and evaluate the line at the site's images."""
    if "s_otdd" not in site or site["s_otdd"].isna().any():
        return None
    means = labelled[labelled["role"] == "site"].groupby("dataset")[["s_otdd", "performance"]].mean().dropna()
    if len(means) < 2:
        return None
    slope, start = np.polyfit(means["s_otdd"], means["performance"], 1)
    line: Float64Array = start + slope * site["s_otdd"].to_numpy(dtype=np.float64)
    return np.clip(line, 0.0, 1.0)
