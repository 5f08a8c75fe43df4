"""Measure the primary dataset against secondaries, or any two datasets, within a memory budget; resume a killed run."""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar import registry
from howfar.arrays import Float64Array, group_numbers
from howfar.cpu_cores import available_cores
from howfar.distances.knn import neighbours as nearest_images
from howfar.distances.mean_distances import energy_of_sums
from howfar.io.partial_results import KeptArrays, code_stamp, digest, part_key
from howfar.memory import at_a_time, beside, budget, plan, within
from howfar.pipeline.distance_bootstrap import (
    DistanceDraws,
    Ends,
    PairGroups,
    Resamples,
    RowSums,
    above_rounding,
    own_distances,
)
from howfar.pipeline.permutation_tests import permutation_p_value, relabellings_at_once, score_bytes
from howfar.pipeline.rival_distances import FEWEST, MOST_DRAWS, defined, intervals, rival_p_values, rival_values
from howfar.projection import Projection, Projector
from howfar.projection.gram_and_moments import DOUBLE, gram_columns, kept_moments, moment_rows, score_rows, subspace_columns
from howfar.projection.pca_basis import itemsize
from howfar.protocols import Rows, Runner
from howfar.results import DatasetSummary, Features, Settings
from howfar.significance import p_values, percentiles, resample_counts
from howfar.store.feature_store import canonical

# Numbers of an image in the tables: its distances and percentile, and once more when the tables are put together.
_COLUMNS = 16


def check_plan(
    sizes: Sequence[int], q: int, layers: int, settings: Settings, basis: bool = False, executor: Runner | None = None
) -> None:
    """Raise `InputError` if measuring a primary dataset and its secondaries exceeds the memory budget, where there is one.

    `sizes` are numbers of images, the primary's first; their `q` features are of `layers` parts; `basis` plans the primary's
    own axes too. Pairs that run at once on this machine share the budget.
    """
    n, *others = sizes
    parts = layers if settings.scale == "layers" else 1
    together = [sum(others)] if settings.projection == "joint" else others
    at_once = 1
    if executor is not None and executor.processes and settings.projection != "joint":
        at_once = min(getattr(executor, "workers", None) or available_cores(), available_cores())
    with within(budget(at_once)), plan():
        for m in together:
            fitted = n if settings.projection == "primary" else n + m
            z = components(fitted, q, settings)
            if q > fitted:
                # The primary's own inner products, on which later rows are projected, are held in float64 beside.
                gram_columns(1, n, m, q, parts + 2 * (settings.projection == "primary"))
                at_a_time(1, DOUBLE, score_bytes(n + m, z), f"{z:,} components of {n + m:,} images")
                continue
            moment_rows(1, q)
            with beside(kept_moments(q)):
                score_rows(1, n + m, q, z)
        for m in others:
            relabellings_at_once(1, n, m, components(n + m, q, settings), settings.bootstrap)
        if basis and q > n:
            z = components(n, q, settings)
            subspace_columns(1, n, q, z, itemsize(q, z))


def components(rows: int, q: int, settings: Settings) -> int:
    """Compute the number of components z that the projection keeps."""
    most = max(1, min(rows - 1, q))
    return most if settings.projection == "none" else min(settings.components, most)


def kept(sizes: Sequence[int], q: int, settings: Settings) -> int:
    """Estimate the bytes of all pairs' results: scores of every secondary's images, and tables."""
    n, *others = sizes
    return DOUBLE * sum(2 * m * components(n + m, q, settings) + _COLUMNS * (m + n // 4) for m in others)


KEPT = 1024
"""Most components that are kept of the images of S; of a longer space (mode "none") the first two are."""
NAMED = 5
"""Nearest images of P that are named for an image of S, at most."""
CONFORMAL = 19
"""Images, or groups, of P below which no conformal p-value can reach 0.05."""


@dataclass(frozen=True, eq=False)
class MeasuredPair:
    """Hold a pair's row of the table, and arrays of its images: (n, …) of P and (m, …) of S, NaN where undefined.

    In the `row`, p-values are not corrected yet for several secondaries, and distances not scaled by their sum. `i_dist` is in
    mean form, `percentile` 0-100 among P's own leave-one-out distances, `own`, and `conformal` the p-value against them.
    `nearest` and `nearest_distances` are (m, k), k at most `NAMED`; more than `KEPT` components of S are cut to two.
    """

    row: DatasetSummary
    i_dist: Float64Array
    knn: Float64Array
    mahalanobis: Float64Array
    percentile: Float64Array
    conformal: Float64Array
    own: Float64Array
    nearest: NDArray[np.int64]
    nearest_distances: Float64Array
    primary_plane: Float64Array
    secondary_scores: Float64Array


def measure(
    pair: Projection,
    neighbours: int = 5,
    bootstrap: int = 1000,
    seed: Sequence[int] = (0,),
    rivals: bool = True,
    primary_draws: NDArray[np.uint8] | None = None,
    groups: PairGroups | None = None,
) -> MeasuredPair:
    """Measure a projected pair: the paper's distances, their rivals, calibration by P's own images, and 95 % intervals.

    `neighbours` is k of the nearest-neighbour distance; `bootstrap` 0 leaves intervals out, and `rivals` False the registered
    dataset distances, of which some take far longer than all else. `primary_draws`, (n, bootstrap) counts of P's images, are
    shared by several secondaries; else they are drawn from `seed`. The projection is held fixed. With `groups` whole groups are
    resampled, an image of P is measured against other groups' images alone, and dataset distances that are not the paper's have
    no interval.
    """
    p, s = pair.primary, pair.secondary
    (n, m), (in_p, in_s) = (len(p), len(s)), (None, None) if groups is None else groups
    near = nearest_images(s, p, k=min(neighbours, n))
    knn, undefined = near.distances.mean(axis=1), np.full(m, np.nan)
    spread = above_rounding(np.ptp(p, axis=0).max(), max(np.abs(s).max(), np.abs(p).max()))
    mahalanobis = defined("image_distances", "mahalanobis", s, p) if spread else None
    others = {"knn_mean": knn, "mahalanobis_mean": mahalanobis} | (rival_values(s, p) if rivals else {})
    means = {name: float(np.mean(value)) for name, value in others.items() if value is not None}
    sums = RowSums.of(p, s)
    i_dist, own = sums.between / n, own_distances(sums.within_p, p, in_p)
    mean, self_distance = float(i_dist.mean()), None if own is None else float(own.mean())
    draws, rivals_ci = None, dict[str, Ends]()
    if bootstrap:
        resamples = Resamples.drawn(n, m, bootstrap, np.random.default_rng(list(seed)), primary_draws, groups)
        draws = DistanceDraws.of(p, s, sums, resamples)
    if bootstrap and m >= FEWEST:
        rng, count = np.random.default_rng([*seed, 1]), min(bootstrap, MOST_DRAWS)
        of_s = resample_counts(m, count, rng, in_s)
        of_p = resample_counts(n, count, rng, in_p) if primary_draws is None else primary_draws[:, :count]
        rivals_ci = intervals(pair, others, means, of_s, of_p, groups)
    conformal = undefined if own is None else p_values(i_dist, own, in_p)
    independent = n if in_p is None else int(in_p.max()) + 1
    row = DatasetSummary(
        name="",
        n=m,
        o_dist=n * mean,
        o_dist_mean=mean,
        o_dist_mean_ci=None if draws is None else draws.between_ci(),
        o_dist_scaled=mean,
        self_distance=self_distance,
        relative=None if self_distance is None or not above_rounding(self_distance, mean) else mean / self_distance,
        relative_ci=None if draws is None else draws.relative_ci(),
        energy=energy_of_sums(sums.between, sums.within_p, sums.within_s),
        energy_ci=None if draws is None else draws.energy_ci(),
        p_value=None,
        p_value_raw=None,
        beyond=None if own is None or independent < CONFORMAL else float((conformal <= 0.05).mean()),
        components=pair.components,
        explained_variance=pair.explained_variance,
        rivals=means,
        rivals_ci=rivals_ci,
    )
    return MeasuredPair(
        row,
        i_dist=i_dist,
        knn=knn,
        mahalanobis=undefined if mahalanobis is None else mahalanobis,
        percentile=undefined if own is None else percentiles(i_dist, own),
        conformal=conformal,
        own=np.full(n, np.nan) if own is None else own,
        nearest=near.rows[:, :NAMED],
        nearest_distances=near.distances[:, :NAMED],
        primary_plane=_padded(p[:, :2]),
        secondary_scores=_padded(s[:, :2] if pair.components > KEPT else s),
    )


def _padded(scores: Float64Array) -> Float64Array:
    """Copy all components, independent of the pair's array; a missing second component is 0."""
    return np.pad(scores, ((0, 0), (0, max(0, 2 - scores.shape[1]))))


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
    energy = energy_of_sums(sums.between, sums.within_p, sums.within_s)
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


FOLDER: Final = ".pairs"
"""Within a run folder, until its result is there, or another that keeps them: the pairs that are measured."""
_FORMAT: Final = 3
_CODE: Final = ("projection", "distances", "significance", "pipeline")
"""Folders of howfar whose code measures a pair."""
_ROW: Final = "row"
"""The array of a kept pair that holds its row of the table, as JSON."""


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
            if index not in indices:
                continue
            secondary, tested = self.secondaries[index], pair if tests is None else next(tests)
            seed = settings.seed, zlib.crc32(secondary.name.encode())
            groups = PairGroups.of(self.primary, secondary)
            found = measure(pair, settings.neighbours, settings.bootstrap, (*seed, 0), settings.rivals, self.draws, groups)
            row = replace(found.row, name=secondary.name)
            if settings.permutations:
                p_value = permutation_p_value(tested, settings.permutations, (*seed, 1), groups)
                row = replace(row, p_value=p_value, p_value_raw=p_value)
                if settings.rivals and groups is None:
                    row = replace(row, rivals_p=rival_p_values(tested, row.rivals, settings.permutations, (*seed, 1)))
            yield replace(found, row=row)


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
        kept_arrays = None if index in missing else checkpoint.read(key)
        pair = None if kept_arrays is None else _unpacked(kept_arrays)
        if pair is None:
            pair = next(fresh) if index in missing else pairs(index)
            checkpoint.keep(key, {**vars(pair), _ROW: np.array(json.dumps(asdict(pair.row)))})
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


def _unpacked(arrays: Mapping[str, NDArray[Any]]) -> MeasuredPair | None:
    """Rebuild a pair from its arrays; None if they are incomplete."""
    with suppress(KeyError, TypeError, ValueError):
        values: dict[str, Any] = dict(arrays)
        row: dict[str, Any] = json.loads(str(values.pop(_ROW)))
        # JSON has no tuples.
        row = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
        row["rivals_ci"] = {name: (low, high) for name, (low, high) in row["rivals_ci"].items()}
        return MeasuredPair(DatasetSummary(**row), **values)
    return None


def projector_of(primary: Features, settings: Settings) -> Projector:
    """Make a primary dataset's projector with a run's settings, without the warning on fewer components."""
    layers = tuple(primary.layers)
    return Projector(primary.rows, settings.components, scale=settings.scale, layers=layers, warns=False)
