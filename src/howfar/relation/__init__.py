"""Relate performance to distance, and predict the performance of images that have no labels."""

from howfar.relation.calibrated_estimator import Calibrated, calibrate
from howfar.relation.distance_performance_points import Points
from howfar.relation.failure_list import failures, list_failures
from howfar.relation.leave_one_dataset_out import judge
from howfar.relation.performance_curve import curve, moving_average
from howfar.relation.strata import parts, scale, split
from howfar.relation.trend import pooled_trend, trend
from howfar.relation.trend_verdict import summary, verdict

__all__ = [
    "Calibrated",
    "Points",
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
