"""Estimate the mean performance of each dataset that was scored by a profile, and say whether the estimate may be believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from howfar.pipeline.performance_predictor import Expected
from howfar.relation.gate import values_of
from howfar.results import SetEstimate
from howfar.results.gate import Gate
from howfar.results.scores import Score

READ = ("predicted_foreground", "foreground_width")
"""What the gate reads of a map's signals."""
PIXELS, RESIDUAL = "pixels", "residual"


def site_estimates(expected: Expected | None, images: Sequence[Score]) -> tuple[tuple[SetEstimate, ...], tuple[Gate, ...]]:
    """Estimate each dataset's mean performance from its images' estimates, and set it against the labelled datasets.

    The interval is that of the estimator which made most of a dataset's estimates. Nothing is said without estimators, or of a
    dataset of which no image has an estimate.
    """
    if expected is None:
        return (), ()
    estimates, gates = [], []
    for dataset in dict.fromkeys(image.dataset for image in images):
        rows = [image for image in images if image.dataset == dataset]
        named = [image for image in rows if image.predicted is not None and image.estimator is not None]
        if not named:
            continue
        estimator = Counter(str(image.estimator) for image in named).most_common(1)[0][0]
        values = np.array([image.predicted for image in named], dtype=np.float64)
        estimates.append(expected.fits[estimator].of_estimates(values, dataset))
        gate = gate_of(expected, dataset, rows)
        if gate is not None:
            gates.append(gate)
    return tuple(estimates), tuple(gates)


def gate_of(expected: Expected, dataset: str, images: Sequence[Score]) -> Gate | None:
    """Set one dataset against the labelled datasets of a profile; None where the profile keeps none of their readings."""
    if expected.gate is None:
        return None
    names = dict.fromkeys(name for image in images for name in image.readings)
    columns = {name: np.array([image.readings.get(name) for image in images], dtype=np.float64) for name in names}
    return expected.gate.read(dataset, values_of(columns))
