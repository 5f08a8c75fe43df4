"""Embed images by a backbone, project the features by PCA, and measure distances between the projected datasets."""

from howfar.pipeline.distance_intervals import ROUNDING
from howfar.pipeline.embedding import BATCH_SIZE, check_reach, check_work, embed, embed_all
from howfar.pipeline.measure import PairMeasures, measure, permutation_p_value
from howfar.pipeline.pairs import MeasuredPair, MeasurePairs, forget_pairs, measured_pairs, projector_of

__all__ = [
    "BATCH_SIZE",
    "ROUNDING",
    "MeasurePairs",
    "MeasuredPair",
    "PairMeasures",
    "check_reach",
    "check_work",
    "embed",
    "embed_all",
    "forget_pairs",
    "measure",
    "measured_pairs",
    "permutation_p_value",
    "projector_of",
]
