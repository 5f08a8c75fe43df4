"""Test whether a distance exceeds chance: bootstrap intervals, permutation and conformal p-values, Holm correction."""

from howfar.significance.bootstrap import interval, resample_counts, resample_weights, unbiased_mean
from howfar.significance.hypothesis_tests import (
    assignments,
    holm,
    p_value,
    p_values,
    percentiles,
    quantile,
    relabellings,
    select,
)

__all__ = [
    "assignments", "holm", "interval", "p_value", "p_values", "percentiles", "quantile", "relabellings", "resample_counts",
    "resample_weights", "select", "unbiased_mean",
]  # fmt: skip
