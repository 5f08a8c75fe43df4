"""Judge each dataset that was scored by a profile, from what was said of its images one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from howfar.relation.gate import values_of
from howfar.relation.site_judge import SiteJudge
from howfar.results import Failures, SetEstimate
from howfar.results.gate import Gate
from howfar.results.scores import Score

READ = ("predicted_foreground", "foreground_width", "tile_agreement")
"""What the gate reads of a map's signals."""
PIXELS, RESIDUAL = "pixels", "residual"


class SiteEstimates(NamedTuple):
    """Hold what is said of the datasets that were scored: mean performance, gate, and number of probable failures."""

    estimates: tuple[SetEstimate, ...] = ()
    gates: tuple[Gate, ...] = ()
    failures: tuple[Failures, ...] = ()


def site_estimates(judge: SiteJudge | None, images: Sequence[Score]) -> SiteEstimates:
    """Judge each dataset by its images' scores; nothing is said without a judge, or of a dataset without an estimate."""
    if judge is None:
        return SiteEstimates()
    found = []
    for dataset in dict.fromkeys(image.dataset for image in images):
        rows = [image for image in images if image.dataset == dataset]
        predicted, low, high = (
            np.array([getattr(image, name) for image in rows], dtype=np.float64)
            for name in ("predicted", "predicted_low", "predicted_high")
        )
        names = dict.fromkeys(name for image in rows for name in image.readings)
        columns = {name: np.array([image.readings.get(name) for image in rows], dtype=np.float64) for name in names}
        gate = None if judge.gate is None else judge.gate.read(dataset, values_of(columns), tiled=judge.terms.tiled)
        estimators = tuple(image.estimator for image in rows)
        found.append(judge.of_predictions(dataset, predicted, low, high, estimators, gate))
    known = [said for said in found if said.estimate is not None]
    return SiteEstimates(
        tuple(said.estimate for said in known if said.estimate is not None),
        tuple(said.gate for said in known if said.gate is not None),
        tuple(said.failures for said in known if said.failures is not None),
    )
