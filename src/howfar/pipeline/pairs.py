"""P against each of several secondaries in turn: projected and measured, and no projection kept longer than that."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from howfar.arrays import Float64Array
from howfar.pipeline.measure import PairMeasures, measure, permutation_p_value
from howfar.projection import Projection, Projector
from howfar.results import Features, Settings
from howfar.significance import resample_counts

KEPT = 1024
"""Most components that are kept of the images of S; of a longer space (mode "none") the first two are."""


@dataclass(frozen=True, eq=False)
class MeasuredPair:
    """What is kept of one pair: its numbers, its p-value, and of its projection the first two components of P's images.

    `secondary_scores` holds all components of the images of S, (m, z), or the first two where there are more than `KEPT`.
    """

    found: PairMeasures
    p_value: float | None
    components: int
    explained_variance: float
    primary_plane: Float64Array
    secondary_scores: Float64Array


def measured_pairs(projector: Projector, secondaries: Sequence[Features], settings: Settings) -> Iterator[MeasuredPair]:
    """Measure P against each secondary in turn, as `measure` and `permutation_p_value`.

    A projection fitted on P alone does not treat P and S alike, so there the permutation test has a pair projection of its
    own. The seeds come from the run's and from the secondary's name: a pair's numbers do not depend on its companions. The
    bootstrap draws P's images once for all, so the intervals of two secondaries do not differ by how P was drawn.

    Parameters
    ----------
    projector
        P's, as `projector_of` makes it.
    secondaries
        Features of the same kind.
    settings
        The run's; `permutations` = 0 leaves the p-values out.
    """
    rows = [s.rows for s in secondaries]
    pairs = quietly(projector.project(rows, settings.projection))
    alike = settings.projection != "primary"
    tests = None if alike or not settings.permutations else quietly(projector.project(rows, "pair"))
    drawn = (
        resample_counts(projector.n, settings.bootstrap, np.random.default_rng([settings.seed])) if settings.bootstrap else None
    )
    for s, pair in zip(secondaries, pairs, strict=True):
        seed = (settings.seed, zlib.crc32(s.name.encode()))
        tested = pair if tests is None else next(tests)
        yield MeasuredPair(
            found=measure(pair, settings.neighbours, settings.bootstrap, (*seed, 0), settings.rivals, drawn),
            p_value=permutation_p_value(tested, settings.permutations, (*seed, 1)) if settings.permutations else None,
            components=pair.components,
            explained_variance=pair.explained_variance,
            primary_plane=_plane(pair.primary),
            secondary_scores=_plane(pair.secondary) if pair.components > KEPT else _padded(pair.secondary),
        )


def projector_of(primary: Features, settings: Settings) -> Projector:
    """P's share of every projection of a run."""
    return Projector(primary.rows, settings.components, scale=settings.scale, layers=tuple(primary.layers))


def quietly(pairs: Iterator[Projection]) -> Iterator[Projection]:
    """Fewer components than asked for are no warning here: `Projection.components` says it, and the run's notes."""
    while True:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_components = ", category=UserWarning)
            pair = next(pairs, None)
        if pair is None:
            return
        yield pair


def _plane(scores: Float64Array) -> Float64Array:
    """The first two components; a missing second one is 0."""
    return _padded(scores[:, :2])


def _padded(scores: Float64Array) -> Float64Array:
    """All components, copied so that the pair's own need not be kept; a missing second one is 0."""
    return np.pad(scores, ((0, 0), (0, max(0, 2 - scores.shape[1]))))
