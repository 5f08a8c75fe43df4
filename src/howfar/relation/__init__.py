"""Relate a model's performance to the distance of images, and estimate the performance for images without labels."""

from howfar.relation.calibrated_estimator import Calibrated, calibrate
from howfar.relation.failure_list import failures, list_failures
from howfar.relation.leave_one_dataset_out import judge
from howfar.relation.performance_by_distance import PerformancePoints, curve, moving_average, parts, scale, split
from howfar.relation.trend import pooled_trend, summary, trend, verdict

__all__ = [
    "Calibrated", "PerformancePoints", "calibrate", "curve", "failures", "judge", "list_failures", "moving_average", "parts",
    "pooled_trend", "scale", "split", "summary", "trend", "verdict",
]  # fmt: skip
