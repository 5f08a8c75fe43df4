"""How performance goes with distance, and what can be said of it without labels."""

from howfar.relation.dataset_points import Points
from howfar.relation.estimate import Calibrated, calibrate
from howfar.relation.failures import failures, list_failures
from howfar.relation.leave_one_dataset_out import best, judge
from howfar.relation.smooth import curve, moving_average
from howfar.relation.strata import parts, scale, split
from howfar.relation.trend import pooled_trend, trend
from howfar.relation.verdict import summary, verdict

__all__ = [
    "Calibrated",
    "Points",
    "best",
    "calibrate",
    "curve",
    "failures",
    "judge",
    "list_failures",
    "moving_average",
    "parts",
    "pooled_trend",
    "scale",
    "split",
    "summary",
    "trend",
    "verdict",
]
