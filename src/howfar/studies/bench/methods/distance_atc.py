"""Estimate scores by average thresholded confidence (ATC), counting images far from the primary dataset as failing.

Source: Roschewitz & Glocker, "Distance matters for improving performance estimation under covariate shift" (ICCV workshops
2023), https://arxiv.org/abs/2308.07223. There the cut is of distances of the primary's own images, which entries lack: here of
the labelled sites' images.
"""

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.studies.bench.run_methods import registered

SHARE = 0.99


def estimator(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array | None:
    """Estimate by ATC, 0 for images that are too far."""
    said, known = registered("atc")(labelled, site), labelled.loc[labelled["role"] == "site", "knn"].dropna()
    if said is None or not len(known):
        return None
    return np.where(site["knn"] > np.quantile(known, SHARE), 0.0, said["images"])
