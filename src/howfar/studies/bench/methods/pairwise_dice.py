"""Rank images by how probably a model fails: by the Dice score between maps of models trained with different seeds.

Source: Zenk et al., "Comparative benchmarking of failure detection methods in medical image segmentation" (Medical Image
Analysis 2025), https://arxiv.org/abs/2406.03323. Entries with a single seed have none.
"""

import pandas as pd

from howfar.arrays import Float64Array


def selector(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array | None:
    """Rank images by their pairwise Dice."""
    if "pairwise_dice" not in site or site["pairwise_dice"].isna().any():
        return None
    return site["pairwise_dice"].to_numpy(dtype=float)
