"""Fit an estimator once to the same labelled images: leaving out dataset a, then b, learns from what b, then a, leaves."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import numpy as np

from howfar.protocols import Estimator, FittedEstimator
from howfar.relation.consensus_estimator import Consensus, ConsensusFit
from howfar.relation.label_free_columns import narrow
from howfar.relation.labelled_images import Labelled


class KnownFits:
    """Keep the fits of estimators by the images that they learnt from; members of a consensus are shared with the others.

    Fits depend on images alone, so one that is taken from here equals one that is made anew, bit for bit.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], FittedEstimator] = {}

    def fit(self, estimator: Estimator, labelled: Labelled) -> FittedEstimator:
        """Return the fit to these images, made now or before."""
        if isinstance(estimator, Consensus) and estimator.settled:
            return ConsensusFit(estimator.name, tuple(self.fit(member, labelled) for member in estimator.settled))
        learnt = replace(labelled, columns=narrow(labelled.columns, estimator.needs))
        key = (estimator.name, _content(learnt))
        if key not in self._known:
            self._known[key] = estimator.fit(learnt.columns, learnt.performance, learnt.sets, learnt.groups)
        return self._known[key]


def _content(labelled: Labelled) -> bytes:
    """Compute a digest of columns, performance, sets and groups; names of sets count by their order alone."""
    digest = blake2b(digest_size=16)
    for name in sorted(labelled.columns):
        values = np.ascontiguousarray(labelled.columns[name])
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    digest.update(labelled.performance.tobytes())
    for names in (labelled.sets, labelled.groups):
        digest.update(b"-" if names is None else np.unique(names, return_inverse=True)[1].astype(np.int64).tobytes())
    return digest.digest()
