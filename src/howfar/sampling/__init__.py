"""Choose which images to label to measure a model on a site, and estimate its performance there from their labels."""

from howfar.sampling.certify_zone_by_labels import ZonePlan, plan_zone, zone_tests
from howfar.sampling.design import Sample, draw
from howfar.sampling.estimates import Estimate, Fold, cross_fitted_mean, folds, further_groups, mean, ods, ratio
from howfar.sampling.sample_size import labels_for, zone_share
from howfar.sampling.sequential import ConfidenceSequence, Until, difference, foreground_bound, order, order_by_bound, sequence

__all__ = [
    "ConfidenceSequence", "Estimate", "Fold", "Sample", "Until", "ZonePlan", "cross_fitted_mean", "difference", "draw",
    "folds", "foreground_bound", "further_groups", "labels_for", "mean", "ods", "order", "order_by_bound", "plan_zone",
    "ratio", "sequence", "zone_share", "zone_tests",
]  # fmt: skip
