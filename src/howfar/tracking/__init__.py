"""Log trainings and results to a tracker of experiments: MLflow, Weights & Biases, or another package's."""

from howfar.tracking.result_numbers import log_result
from howfar.tracking.tracking import Log, Tracking, check_tracker, tracked

__all__ = ["Log", "Tracking", "check_tracker", "log_result", "tracked"]
