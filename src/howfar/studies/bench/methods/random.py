"""Choose images at random, and estimate the mean score from k labels (Student's t), the baseline of `howfar bench`."""

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.significance.bootstrap import student
from howfar.studies.bench.run_methods import Ask


def selector(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array:
    """Rank the images at random."""
    return np.random.default_rng(0).random(len(site))


def certificate(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Estimate the mean score by the mean of k images drawn at random."""
    values = ask(np.random.default_rng(seed).choice(len(proxy), k, replace=False))
    half = student(k - 1, 0.9) * float(values.std(ddof=1)) / np.sqrt(k)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)
