"""Measure the energy distance of each slice of a dataset from the primary one, with intervals and a permutation test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.distances.pairwise import compiles, quadratic_forms, row_sums
from howfar.errors import InputError
from howfar.pipeline.memory_plan import relabellings_at_once
from howfar.significance import interval, p_value, relabellings, resample_counts, unbiased_mean
from howfar.significance.permutation import ROUNDING, SINGLE_ROUNDING
from howfar.significance.slice_means import FEWEST


class SliceEnergy(NamedTuple):
    """Hold the energy distance of a slice from P, its 95 % interval, and the p-value of "the rest is as far".

    None stands where a number is undefined, or the slice is small.
    """

    energy: float
    ci: tuple[float, float] | None
    p_value: float | None


def slice_energies(
    scores: ArrayLike,
    distances: ArrayLike,
    within_primary: float,
    slices: ArrayLike,
    *,
    bootstrap: int = 1000,
    permutations: int = 999,
    fewest: int = FEWEST,
    rng: np.random.Generator,
) -> dict[int, SliceEnergy]:
    r"""Compute the energy distance of each slice from P, and test whether it differs from that of the rest of its dataset.

    Of a slice A of the dataset S it is 2 E d(a, p) − E d(p, p') − E d(a, a') over all pairs (Székely & Rizzo, "Energy
    statistics", J. Stat. Plan. Inference 143 (2013)), in the space of the whole dataset; P is held fixed. The interval is the
    percentile interval over the slice's images drawn anew. The test draws as many images of S as the slice has, in place of
    it; its statistic is \|energy of the slice − energy of the rest\|.

    Parameters
    ----------
    scores
        (m, z) projected images of S.
    distances
        (m,) mean distance of each from P's images, in the same space.
    within_primary
        E d(p, p') over all pairs of P's images, an image with itself among them.
    slices
        (m,) numbers of the images' slices, whole.
    bootstrap, permutations
        Draws; 0 leaves the intervals, or the p-values, out.
    fewest
        Slices of fewer images have neither interval nor test, nor have those that are the whole dataset a test.
    rng
        Where the randomness comes from.

    Returns
    -------
    dict
        By slice, in the order of their numbers.

    Raises
    ------
    InputError
        Arrays of unlike length.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> s = np.r_[rng.normal(0, 1, (30, 2)), rng.normal(4, 1, (30, 2))]
    >>> far = np.linalg.norm(s, axis=1)  # from a P that is one point, at 0
    >>> found = slice_energies(s, far, 0.0, np.repeat([0, 1], 30), rng=rng)
    >>> [(round(each.energy, 1), each.p_value) for each in found.values()]
    [(0.7, 0.001), (10.0, 0.001)]
    """
    rows, far, labels = np.asarray(scores, dtype=np.float64), np.asarray(distances, dtype=np.float64), np.asarray(slices)
    if not len(rows) == len(far) == len(labels):
        raise InputError.of("slices", f"must have one entry an image, {len(rows)}", (len(far), len(labels)))
    dataset = _Dataset(rows, far, within_primary)
    found = {int(label): dataset.slice(labels == label, bootstrap, permutations, fewest, rng) for label in np.unique(labels)}
    if len(found) == 2 and all(each.p_value is not None for each in found.values()):
        # Each is the rest of the other: one test, and one answer.
        first, second = found
        found[second] = found[second]._replace(p_value=found[first].p_value)
    return found


@dataclass(frozen=True, eq=False)
class _Dataset:
    """Hold the images of S, (m, z), their mean distances from P, (m,), and the mean distance within P."""

    rows: Float64Array
    far: Float64Array
    within_primary: float

    def slice(
        self, inside: NDArray[np.bool_], bootstrap: int, permutations: int, fewest: int, rng: np.random.Generator
    ) -> SliceEnergy:
        """Measure one slice."""
        rows, far = self.rows[inside], self.far[inside]
        energy = self._energy(2.0 * float(far.mean()), float(row_sums(rows, rows).sum()) / len(rows) ** 2)
        if len(rows) < fewest:
            return SliceEnergy(float(energy), None, None)
        ci = self._interval(rows, far, resample_counts(len(rows), bootstrap, rng)) if bootstrap else None
        tested = permutations and len(rows) < len(self.rows)
        return SliceEnergy(float(energy), ci, self._p_value(inside, permutations, rng) if tested else None)

    def _energy(self, between: Float64Array | float, within: Float64Array | float) -> Float64Array | float:
        return np.maximum(0.0, between - self.within_primary - within)

    def _interval(self, rows: Float64Array, far: Float64Array, counts: NDArray[np.uint8]) -> tuple[float, float]:
        """Draw the slice's images anew; as of a dataset, 1/m of a draw's pairs are an image with itself."""
        count = len(rows)
        different = unbiased_mean(quadratic_forms(rows, rows, counts, counts) / count**2, counts)
        within = (1 - 1 / count) * np.nan_to_num(different)
        return interval(self._energy(2.0 * (far @ counts) / count, within))

    def _p_value(self, inside: NDArray[np.bool_], permutations: int, rng: np.random.Generator) -> float:
        """Compare the true slice with random ones of its size by the difference of energies, in which P's own part cancels."""
        m, count = len(self.rows), int(inside.sum())
        sums, true = row_sums(self.rows, self.rows), inside.astype(np.uint8)[:, None]
        step = relabellings_at_once(permutations, m - count, count, self.rows.shape[1])
        found = []
        for start in range(0, permutations, step):
            drawn = relabellings(count, m - count, min(step, permutations - start), rng)
            found.append(self._differences(drawn if start else np.concatenate([true, drawn], axis=1), sums, count))
        values = np.concatenate(found)
        rounding = SINGLE_ROUNDING if compiles(self.rows, self.rows) else ROUNDING
        return p_value(float(values[0]), values[1:], rounding=rounding)

    def _differences(self, drawn: NDArray[np.uint8], sums: Float64Array, count: int) -> Float64Array:
        """Compute |energy of the drawn images − energy of the others| of each column."""
        others = len(self.rows) - count
        within = quadratic_forms(self.rows, self.rows, drawn, drawn)
        beyond = sums.sum() - 2.0 * (sums @ drawn) + within
        near = self.far @ drawn
        own = 2.0 * near / count - within / count**2
        rest = 2.0 * (self.far.sum() - near) / others - beyond / others**2
        return np.asarray(np.abs(own - rest))
