"""Estimate each image's score by reverse classification accuracy (RCA), with a split-conformal interval.

Source: Cosarinsky et al., "Conformal in-context reverse classification accuracy" (2025), https://arxiv.org/abs/2503.04522,
which segments by a pretrained in-context model. The entries' column `rca` is of a random forest on pixels, as reverse
classification accuracy first was (Valindria et al., IEEE Trans. Med. Imaging 36, 2017).
"""

from typing import Any

import numpy as np
import pandas as pd

from howfar.significance.conformal import quantile


def estimator(labelled: pd.DataFrame, site: pd.DataFrame) -> dict[str, Any] | None:
    """Return the accuracies themselves, and half-widths from their errors on labelled images."""
    if "rca" not in site or site["rca"].isna().any():
        return None
    known = labelled.dropna(subset="rca")
    half = quantile((known["rca"] - known["performance"]).abs(), 0.9)
    images = site["rca"].to_numpy(dtype=float)
    return {"images": images, "images_low": np.clip(images - half, 0, 1), "images_high": np.clip(images + half, 0, 1)}
