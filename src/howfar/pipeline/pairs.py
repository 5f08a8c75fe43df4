"""P against each of several secondaries: projected and measured in turn, and no projection kept longer than that."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, eq=False)
class MeasurePairs:
    """Measures P against secondaries by their places; it holds all datasets, so that tasks are small.

    A projection fitted on P alone does not treat P and S alike, so there the permutation test has a pair projection of its
    own. The seeds come from the run's and from the secondary's name: a pair's numbers do not depend on its companions. The
    bootstrap draws P's images once for all, so the intervals of two secondaries do not differ by how P was drawn.

    Attributes
    ----------
    primary, secondaries
        Features of one kind.
    settings
        The run's; `permutations` = 0 leaves the p-values out.
    """

    primary: Features
    secondaries: Sequence[Features]
    settings: Settings

    @cached_property
    def projector(self) -> Projector:
        """P's share of every projection."""
        return projector_of(self.primary, self.settings)

    @cached_property
    def draws(self) -> NDArray[np.uint8] | None:
        """How often the bootstrap takes each image of P."""
        count = self.settings.bootstrap
        return resample_counts(len(self.primary), count, np.random.default_rng([self.settings.seed])) if count else None

    def __call__(self, place: int) -> MeasuredPair:
        """One of the pairs."""
        return next(self.each([place]))

    def each(self, places: Sequence[int]) -> Iterator[MeasuredPair]:
        """Several of them, in the order of the secondaries."""
        settings = self.settings
        # In the space that all share, all have a say.
        chosen = range(len(self.secondaries)) if settings.projection == "joint" else places
        rows = [self.secondaries[place].rows for place in chosen]
        pairs = quietly(self.projector.project(rows, settings.projection))
        alike = settings.projection != "primary"
        tests = None if alike or not settings.permutations else quietly(self.projector.project(rows, "pair"))
        for place, pair in zip(chosen, pairs, strict=True):
            if place in places:
                yield self._measured(self.secondaries[place].name, pair, pair if tests is None else next(tests))

    def _measured(self, name: str, pair: Projection, tested: Projection) -> MeasuredPair:
        settings, seed = self.settings, (self.settings.seed, zlib.crc32(name.encode()))
        return MeasuredPair(
            found=measure(pair, settings.neighbours, settings.bootstrap, (*seed, 0), settings.rivals, self.draws),
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
