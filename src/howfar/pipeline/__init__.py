"""Embed, project, measure: the one place where data, store, runner, backbone and numerics meet."""

from howfar.pipeline.embedding import BATCH_SIZE, embed, embed_all
from howfar.pipeline.measure import PairMeasures, measure, permutation_p_value
from howfar.pipeline.pairs import MeasuredPair, measured_pairs, projected_pairs

__all__ = [
    "BATCH_SIZE",
    "MeasuredPair",
    "PairMeasures",
    "embed",
    "embed_all",
    "measure",
    "measured_pairs",
    "permutation_p_value",
    "projected_pairs",
]
