"""Choose which images to label to measure a model on a site, and estimate its performance there from their labels."""

from howfar.sampling.design import Sample, draw
from howfar.sampling.estimates import Estimate, Fold, cross_fitted_mean, folds, mean, ods, ratio
from howfar.sampling.sequential import ConfidenceSequence, Until, order, sequence

__all__ = [
    "ConfidenceSequence",
    "Estimate",
    "Fold",
    "Sample",
    "Until",
    "cross_fitted_mean",
    "draw",
    "folds",
    "mean",
    "ods",
    "order",
    "ratio",
    "sequence",
]
