"""Project and measure pairs of datasets: the primary dataset with each new one, or any two for a distance matrix."""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar import registry
from howfar.arrays import Float64Array, group_numbers
from howfar.io.partial_results import KeptArrays, code_stamp, digest, part_key
from howfar.pipeline.distance_intervals import (
    DistanceDraws,
    Ends,
    PairGroups,
    Resamples,
    RowSums,
    above_rounding,
    own_distances,
)
from howfar.pipeline.pair_measures import PairMeasures, measure, permutation_p_value, rival_p_values
from howfar.projection import Projection, Projector
from howfar.protocols import Rows, Runner
from howfar.results import Features, Settings
from howfar.significance import resample_counts
from howfar.store.feature_store import canonical


def between(
    pair: Projection, bootstrap: int = 0, seed: Sequence[int] = (0,), groups: PairGroups | None = None
) -> dict[str, float]:
    """Measure a projected pair symmetrically, with intervals by `bootstrap` resamples (0 leaves them out), as a flat row.

    `o_dist_mean` is the mean distance over all pairs of an image of each, `relative_one` and `relative_other` over each set's
    self-distance, `energy` 2 E d(s, p) − E d(p, p') − E d(s, s'), and `inhomogeneity` energy / (2 E d(s, p)): 0 for equal
    samples, 1 for two sets without spread (Székely & Rizzo, "Energy statistics", J. Stat. Plan. Inference 143 (2013)).
    Intervals (`_ci_low`, `_ci_high`) are 95 % bootstrap intervals over the images of both, the projection held fixed. Numbers
    undefined because a set is a single image or all images are equal are nan.
    """
    p, s = pair.primary, pair.secondary
    n, m = len(p), len(s)
    sums = RowSums.of(p, s)
    o_dist = float(sums.between.sum() / (n * m))
    self_one, self_other = (
        float(within.sum()) / (len(within) * (len(within) - 1)) if len(within) > 1 else np.nan
        for within in (sums.within_p, sums.within_s)
    )
    if groups is not None:
        own = own_distances(sums.within_p, p, groups.p), own_distances(sums.within_s, s, groups.s)
        self_one, self_other = (np.nan if distances is None else float(distances.mean()) for distances in own)
    energy = sums.energy()
    varies = above_rounding(o_dist, float(max(np.abs(p).max(initial=0.0), np.abs(s).max(initial=0.0))))
    row = {
        "o_dist_mean": o_dist,
        "self_one": self_one,
        "self_other": self_other,
        "relative_one": o_dist / self_one if above_rounding(self_one, o_dist) else np.nan,
        "relative_other": o_dist / self_other if above_rounding(self_other, o_dist) else np.nan,
        "energy": energy,
        "inhomogeneity": energy / (2 * o_dist) if varies else np.nan,
    }
    ends: list[Ends | None] = [None] * 4
    if bootstrap:
        resamples = Resamples.drawn(n, m, bootstrap, np.random.default_rng(list(seed)), groups=groups)
        draws = DistanceDraws.of(p, s, sums, resamples)
        ends = [draws.between_ci(), draws.relative_ci(), draws.relative_ci(to_s=True), draws.energy_ci()]
    for name, interval in zip(("o_dist_mean", "relative_one", "relative_other", "energy"), ends, strict=True):
        row[f"{name}_ci_low"], row[f"{name}_ci_high"] = interval or (np.nan, np.nan)
    return {**row, "components": pair.components, "explained_variance": pair.explained_variance}


KEPT = 1024
"""Most components that are kept of the images of S; of a longer space (mode "none") the first two are."""
FOLDER: Final = ".pairs"
"""Within a run folder, until its result is there, or another that keeps them: the pairs that are measured."""
_FORMAT: Final = 2
_CODE: Final = ("projection", "distances", "significance", "pipeline")
"""Folders of howfar whose code measures a pair."""
_OTHER: Final = "other"
"""The array of a kept pair that holds its values that are no arrays, as JSON."""


@dataclass(frozen=True, eq=False)
class MeasuredPair(PairMeasures):
    """Add to a pair's measures p-values by energy and rivals, and projected images: two components of P, all (m, z) of S.

    Of more than `KEPT` components of S there are the first two.
    """

    p_value: float | None
    components: int
    explained_variance: float
    primary_plane: Float64Array
    secondary_scores: Float64Array
    rivals_p: dict[str, float]


@dataclass(frozen=True, eq=False)
class MeasurePairs:
    """Measure the primary dataset against secondaries given by index; holds all datasets, so that tasks are small.

    A projection fitted on P alone does not treat P and S alike, so there the permutation test has a pair projection of its own.
    Seeds come from the run's and the secondary's name: a pair's numbers do not depend on its companions. The bootstrap draws
    P's images once for all, so the intervals of two secondaries do not differ by how P was drawn.
    """

    primary: Features
    secondaries: Sequence[Features]
    settings: Settings

    @cached_property
    def projector(self) -> Projector:
        """Return the primary dataset's projector, which computes the shared part of all projections once."""
        return projector_of(self.primary, self.settings)

    @cached_property
    def groups(self) -> NDArray[np.int64] | None:
        """Return the numbers of the groups of P's images; None if no two share one."""
        return group_numbers(self.primary.groups)

    @cached_property
    def draws(self) -> NDArray[np.uint8] | None:
        """Draw the bootstrap counts of P's images, or of its groups."""
        count, rng = self.settings.bootstrap, np.random.default_rng([self.settings.seed])
        return resample_counts(len(self.primary), count, rng, self.groups) if count else None

    def __call__(self, index: int) -> MeasuredPair:
        """Measure the pair with the secondary dataset of this index."""
        return next(self.each([index]))

    def each(self, indices: Sequence[int]) -> Iterator[MeasuredPair]:
        """Measure the pairs with the secondary datasets of these indices, in the order of the secondaries."""
        settings = self.settings
        # In the space that all share, all have a say.
        chosen = range(len(self.secondaries)) if settings.projection == "joint" else indices
        rows = [self.secondaries[index].rows for index in chosen]
        pairs = self.projector.project(rows, settings.projection)
        alike = settings.projection != "primary"
        tests = None if alike or not settings.permutations else self.projector.project(rows, "pair")
        for index, pair in zip(chosen, pairs, strict=True):
            if index in indices:
                secondary, tested = self.secondaries[index], pair if tests is None else next(tests)
                seed = settings.seed, zlib.crc32(secondary.name.encode())
                groups = PairGroups.of(self.primary, secondary)
                found = measure(pair, settings.neighbours, settings.bootstrap, (*seed, 0), settings.rivals, self.draws, groups)
                p_value, rivals_p = None, dict[str, float]()
                if settings.permutations:
                    p_value = permutation_p_value(tested, settings.permutations, (*seed, 1), groups)
                    if settings.rivals and groups is None:
                        rivals_p = rival_p_values(tested, found.rivals, settings.permutations, (*seed, 1))
                yield MeasuredPair(
                    **vars(found),
                    p_value=p_value,
                    components=pair.components,
                    explained_variance=pair.explained_variance,
                    primary_plane=_padded(pair.primary[:, :2]),
                    secondary_scores=_padded(pair.secondary[:, :2] if pair.components > KEPT else pair.secondary),
                    rivals_p=rivals_p,
                )


def measured_pairs(pairs: MeasurePairs, executor: Runner | None = None, out: Path | None = None) -> Iterator[MeasuredPair]:
    """Measure the primary dataset against each secondary, in their order.

    Where the executor's tasks have processes of their own, pairs are measured there, one core a task; else here by all cores.
    Pairs kept in the folder `out` are not measured again, and each new one is kept there.
    """
    checkpoint = KeptArrays(None if out is None else out / FOLDER)
    keys = [""] * len(pairs.secondaries) if out is None else _keys(pairs)
    missing = [index for index, key in enumerate(keys) if key not in checkpoint]
    if executor is not None and executor.processes and pairs.settings.projection != "joint":
        task = MeasurePairs(bare(pairs.primary), list(map(bare, pairs.secondaries)), pairs.settings)
        fresh = executor.on_processors().run(task, missing)
    else:
        fresh = pairs.each(missing) if missing else iter(())
    for index, key in enumerate(keys):
        pair = None if index in missing else _unpacked(checkpoint.read(key))
        if pair is None:
            pair = next(fresh) if index in missing else pairs(index)
            # Values that are no arrays go into one array as JSON.
            arrays = {name: value for name, value in vars(pair).items() if isinstance(value, np.ndarray)}
            other = {name: value for name, value in vars(pair).items() if name not in arrays}
            checkpoint.keep(key, {**arrays, _OTHER: np.array(json.dumps(other))})
        yield pair


def forget_pairs(out: Path) -> None:
    """Remove the pairs cached in a run folder after the result is saved."""
    KeptArrays(out / FOLDER).forget()


def _keys(pairs: MeasurePairs) -> list[str]:
    """Compute each pair's cache key from both datasets' images, all settings and the measuring code."""
    primary, settings = pairs.primary, pairs.settings
    # Images that a limit, or the search for leaks, has left out are in no digest; slices are made of what is measured.
    chosen = {name: value for name, value in asdict(settings).items() if name not in ("limit", "leaks", "by", "group")}
    datasets = [
        [dataset.name, digest(dataset.contents), _stored(dataset.rows), *grouping(dataset)] for dataset in pairs.secondaries
    ]
    # A row without a rival that is registered now does not stand beside one that has it.
    rivals = [registry.names(kind) for kind in ("image_distances", "dataset_distances")] if settings.rivals else []
    by = [_FORMAT, code_stamp(*_CODE), np.__version__, rivals]
    common = [*by, canonical(primary.identity), list(primary.layers), chosen, digest(primary.contents), _stored(primary.rows)]
    common += grouping(primary)
    # In one space a pair depends on all datasets.
    shared = datasets if settings.projection == "joint" else []
    return [part_key(dataset, shared, *common) for dataset in datasets]


def grouping(dataset: Features) -> list[list[int]]:
    """Return the numbers of a dataset's groups in a list; an empty list if no two images share one."""
    numbers = group_numbers(dataset.groups)
    return [] if numbers is None else [numbers.tolist()]


def _stored(rows: Rows) -> str:
    """Hash the first image's stored features with their dtype, since float16 and float32 features differ."""
    first = np.ascontiguousarray(rows.rows(0, 1))
    return hashlib.sha256(f"{first.dtype}".encode() + first.tobytes()).hexdigest()


def bare(dataset: Features) -> Features:
    """Return features without image names and paths, which remote tasks do not need."""
    return replace(dataset, images=(), paths=(), contents=(), skipped=())


def _unpacked(arrays: Mapping[str, NDArray[Any]] | None) -> MeasuredPair | None:
    """Rebuild a pair from its arrays; None if arrays are missing or incomplete."""
    if arrays is None:
        return None
    with suppress(KeyError, TypeError, ValueError):
        values: dict[str, Any] = {**json.loads(str(arrays[_OTHER])), **arrays}
        # JSON has no tuples.
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        values["rivals_ci"] = {name: (low, high) for name, (low, high) in values["rivals_ci"].items()}
        return MeasuredPair(**{field.name: values[field.name] for field in fields(MeasuredPair)})
    return None


def projector_of(primary: Features, settings: Settings) -> Projector:
    """Make a primary dataset's projector with a run's settings, without the warning on fewer components."""
    layers = tuple(primary.layers)
    return Projector(primary.rows, settings.components, scale=settings.scale, layers=layers, warns=False)


def _padded(scores: Float64Array) -> Float64Array:
    """Copy all components, independent of the pair's array; a missing second component is 0."""
    return np.pad(scores, ((0, 0), (0, max(0, 2 - scores.shape[1]))))
