"""Bootstrap draws of the mean distances of two projected datasets, and the intervals that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.distances.pairwise import quadratic_forms
from howfar.significance import interval, resample_counts, unbiased_mean

ROUNDING = 1e-12
FEW = 3


def above_rounding(spread: float, scale: float) -> bool:
    """Whether a distance is more than what rounding makes of equal images.

    Examples
    --------
    >>> above_rounding(1e-3, 1.0), above_rounding(1e-14, 1.0)
    (True, False)
    """
    return bool(spread > ROUNDING * scale)


@dataclass(frozen=True, eq=False)
class Forms:
    """Bootstrap draws of the three mean distances: between S and P, within P and within S (different images only)."""

    between: Float64Array
    within_p: Float64Array | None
    within_s: Float64Array | None
    n: int
    m: int

    @classmethod
    def of(
        cls, p: Float64Array, s: Float64Array, draws: int, rng: np.random.Generator, of_p: NDArray[np.uint8] | None = None
    ) -> Forms:
        """Draw the images of both sets anew, `draws` times; the projection is held fixed. Where P's are drawn, they are `of_p`.

        Examples
        --------
        >>> Forms.of(np.zeros((4, 1)), np.ones((3, 1)), 5, np.random.default_rng(0)).between.round(9).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
        """
        of_p = resample_counts(len(p), draws, rng) if of_p is None else of_p
        of_s = resample_counts(len(s), draws, rng)
        return cls(
            between=quadratic_forms(s, p, of_s, of_p, resampled=True) / (len(s) * len(p)),
            within_p=_within(p, of_p) if len(p) > 1 else None,
            within_s=_within(s, of_s) if len(s) > 1 else None,
            n=len(p),
            m=len(s),
        )

    def relative_ci(self) -> tuple[float, float] | None:
        """Of the distance over P's self-distance; None where P has too few images, or equal ones."""
        return self._over(self.within_p, self.n)

    def relative_to_s_ci(self) -> tuple[float, float] | None:
        """Of the distance over S's self-distance, likewise."""
        return self._over(self.within_s, self.m)

    def _over(self, within: Float64Array | None, count: int) -> tuple[float, float] | None:
        if within is None or count < FEW or not above_rounding(np.nanmin(within), self.between.max()):
            return None
        return interval(self.between / within)

    def energy_ci(self) -> tuple[float, float]:
        """Of the energy distance, a V-statistic: 1/n of its pairs are an image with itself, at distance 0."""
        within_p = 0.0 if self.within_p is None else (1 - 1 / self.n) * np.nan_to_num(self.within_p)
        within_s = 0.0 if self.within_s is None else (1 - 1 / self.m) * np.nan_to_num(self.within_s)
        return interval(np.maximum(0.0, 2 * self.between - within_p - within_s))


def _within(rows: Float64Array, counts: NDArray[np.uint8]) -> Float64Array:
    """Mean distance of different images in each draw."""
    return unbiased_mean(quadratic_forms(rows, rows, counts, counts, resampled=True) / len(rows) ** 2, counts)
