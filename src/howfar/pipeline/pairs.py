"""P against each of several secondaries in turn: projected and measured, and no projection kept longer than that."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from howfar.arrays import Float64Array
from howfar.pipeline.measure import PairMeasures, measure, permutation_p_value
from howfar.projection import Mode, Projection, project
from howfar.results import Features, Settings


@dataclass(frozen=True, eq=False)
class MeasuredPair:
    """What is kept of one pair: its numbers, its p-value, and of its projection the first two components of all images."""

    found: PairMeasures
    p_value: float | None
    components: int
    explained_variance: float
    primary_plane: Float64Array
    secondary_plane: Float64Array


def measured_pairs(primary: Features, secondaries: Sequence[Features], settings: Settings) -> Iterator[MeasuredPair]:
    """Measure P against each secondary in turn, as `measure` and `permutation_p_value`.

    A projection fitted on P alone does not treat P and S alike, so there the permutation test has a pair projection of its
    own. The seeds come from the run's and from the secondary's name: a pair's numbers do not depend on its companions.

    Parameters
    ----------
    primary, secondaries
        Features of one kind.
    settings
        The run's; `permutations` = 0 leaves the p-values out.
    """
    pairs = projected_pairs(primary, secondaries, settings, settings.projection)
    alike = settings.projection != "primary"
    tests = None if alike or not settings.permutations else projected_pairs(primary, secondaries, settings, "pair")
    for s, pair in zip(secondaries, pairs, strict=True):
        seed = (settings.seed, zlib.crc32(s.name.encode()))
        tested = pair if tests is None else next(tests)
        yield MeasuredPair(
            found=measure(pair, settings.neighbours, settings.bootstrap, (*seed, 0)),
            p_value=permutation_p_value(tested, settings.permutations, (*seed, 1)) if settings.permutations else None,
            components=pair.components,
            explained_variance=pair.explained_variance,
            primary_plane=_plane(pair.primary),
            secondary_plane=_plane(pair.secondary),
        )


def projected_pairs(primary: Features, secondaries: Sequence[Features], settings: Settings, mode: Mode) -> Iterator[Projection]:
    """Project P with each secondary in turn, as `howfar.projection.project`.

    That fewer components than asked for can be had is not warned of: `Projection.components` says it, and the run's notes.

    Parameters
    ----------
    primary, secondaries
        Features of one kind.
    settings
        Its components and scale are used.
    mode
        As `project`.
    """
    rows = [s.rows for s in secondaries]
    pairs = project(primary.rows, rows, settings.components, mode=mode, scale=settings.scale, layers=tuple(primary.layers))
    for _ in rows:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_components = ", category=UserWarning)
            pair = next(pairs)
        yield pair


def _plane(scores: Float64Array) -> Float64Array:
    """The first two components; a missing second one is 0."""
    return np.pad(scores[:, :2], ((0, 0), (0, max(0, 2 - scores.shape[1]))))
