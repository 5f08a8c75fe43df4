"""Choose which images to label to measure a model on a site, and estimate its performance there from their labels."""

from howfar.sampling.design import draw
from howfar.sampling.estimates import Estimate, mean
from howfar.sampling.folds import Fold, cross_fitted_mean, folds
from howfar.sampling.pooled_ratio import ods, ratio
from howfar.sampling.sample import Sample
from howfar.sampling.sequential import ConfidenceSequence, order, sequence
from howfar.sampling.until import Until

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
