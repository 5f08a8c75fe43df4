"""Embed, project, measure: the one place where data, store, runner, backbone and numerics meet."""

from howfar.pipeline.embedding import BATCH_SIZE, check_work, embed, embed_all
from howfar.pipeline.forms import ROUNDING
from howfar.pipeline.measure import PairMeasures, measure, permutation_p_value
from howfar.pipeline.pairs import MeasuredPair, measured_pairs, projector_of

__all__ = [
    "BATCH_SIZE",
    "ROUNDING",
    "MeasuredPair",
    "PairMeasures",
    "check_work",
    "embed",
    "embed_all",
    "measure",
    "measured_pairs",
    "permutation_p_value",
    "projector_of",
]
