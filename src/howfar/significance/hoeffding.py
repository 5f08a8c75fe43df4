"""Draw bootstrap means of distances by Hoeffding's decomposition: effects of images exactly, the rest of each pair as noise.

Hoeffding's decomposition writes a distance as d(i, j) = mean + a(i) + b(j) + r(i, j), where r sums to 0 over each row and each
column. A draw that takes image i of S w(i) times, of m, and image j of P v(j) times, of n, has the mean distance

    mean + Σ w a / m + Σ v b / n + Σ w(i) v(j) r(i, j) / (m n),

of which all but the last term takes m + n numbers. Over draws the last term averages 0, its variance is Σ r² / (m n)², and it
is uncorrelated with all that depends on w alone or on v alone. Within one dataset of n images, over pairs of different ones, it
averages 0 too, with the variance 2 (n − 1) / n · Σ r² / n⁴. So it is small beside the others where images are many. The part of
r that is made of products of effects, Σ c(k, l) e(k, i) f(l, j), is drawn exactly as well, since it is what adds to the skew of
the draws; the rest is replaced by normal noise of its variance.
Source: Hoeffding, "A class of statistics with asymptotically normal distribution", Ann. Math. Stat. 19 (1948).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array

_ROWS = 512
# Effects of which one is this nearly a multiple of the other span one direction.
_COLLINEAR = 1e-6
_ROUNDING = 1e-12


class DrawnEffects(NamedTuple):
    """Hold sums over a dataset's images in each draw: Σ w e and Σ w² e, (k, draws), of k effects, and Σ w², (draws,)."""

    first: Float64Array
    second: Float64Array
    squares: Float64Array


def drawn_effects(effects: Float64Array, counts: NDArray[Any]) -> DrawnEffects:
    """Weigh (k, n) effects of images by the (n, draws) counts of the draws.

    Examples
    --------
    >>> [total.tolist() for total in drawn_effects(np.array([[-1.0, 1.0]]), np.array([[2, 1], [0, 1]]))]
    [[[-2.0, 0.0]], [[-4.0, 0.0]], [4.0, 2.0]]
    """
    rows, draws = np.concatenate([effects, np.ones((1, len(counts)))]), counts.shape[1]
    first, second = np.zeros((len(effects), draws)), np.zeros((len(rows), draws))
    for start in range(0, len(counts), _ROWS):
        block = slice(start, start + _ROWS)
        weights = counts[block].astype(np.float64)
        first += effects[:, block] @ weights
        second += rows[:, block] @ np.square(weights, out=weights)
    return DrawnEffects(first, second[:-1], second[-1])


def own_effects(sums: Float64Array) -> tuple[float, Float64Array]:
    """Find the mean distance of different images of a dataset and each image's effect on it, from the sums of its distances.

    Parameters
    ----------
    sums
        (n,) sum of each image's distances from the others.

    Examples
    --------
    >>> own_effects(np.array([4.0, 3.0, 5.0]))
    (2.0, array([ 0., -1.,  1.]))
    """
    n = len(sums)
    mean = float(sums.sum()) / max(1, n * (n - 1))
    return mean, (sums - (n - 1) * mean) / max(1, n - 2)


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Hold what is needed to draw a mean distance.

    Attributes
    ----------
    mean
        Mean distance over all pairs, or over all pairs of different images.
    interactions
        (k, l) factors c of the products of effects.
    expected
        What the products of effects average within a dataset, where an image meets itself.
    noise
        Standard deviation of the rest of a draw.
    """

    mean: float
    interactions: Float64Array
    expected: float
    noise: float

    @classmethod
    def between(
        cls, of_s: Float64Array, of_p: Float64Array, products: Float64Array, mean: float, mean_square: float
    ) -> Decomposition:
        """Decompose the distances of the images of S from those of P.

        Parameters
        ----------
        of_s, of_p
            (k, m) and (l, n) effects; the first of each are those on this mean distance, and each sums to 0.
        products
            (k, l) sums Σ e(k, i) d(i, j) f(l, j).
        mean, mean_square
            Mean distance and mean squared distance over all pairs.
        """
        m, n = of_s.shape[1], of_p.shape[1]
        rest = m * n * (mean_square - mean**2) - n * _squared(of_s[0]) - m * _squared(of_p[0])
        factors, fitted = _fit(of_s, of_p, products, mean)
        return cls(mean, factors, 0.0, _root(rest - fitted) / (m * n))

    @classmethod
    def within(cls, effects: Float64Array, products: Float64Array, mean: float, mean_square: float) -> Decomposition:
        """Decompose the distances of different images of one dataset.

        Parameters
        ----------
        effects
            (k, n) effects; the last are those on this mean distance (`own_effects`), and each sums to 0.
        products
            (k, k) sums Σ e(k, i) d(i, j) e(l, j).
        mean, mean_square
            Mean distance and mean squared distance over pairs of different images.
        """
        n, own = effects.shape[1], effects[-1]
        rest = n * (n - 1) * (mean_square - mean**2) - 2 * (n - 2) * _squared(own)
        # An image is no pair with itself, and so its mean and its two effects have to be taken out of no product.
        factors, fitted = _fit(effects, effects, products + (effects * (mean + 2 * own)) @ effects.T, mean)
        expected = float((factors * (effects @ effects.T)).sum()) / n**2
        return cls(mean, factors, expected, _root(2 * (n - 1) / n * (rest - fitted)) / n**2)

    def draw_between(self, s: DrawnEffects, p: DrawnEffects, m: int, n: int, noise: Float64Array) -> Float64Array:
        """Draw the mean distance of m images of S and n of P, (draws,), with standard normal `noise`."""
        joint = np.einsum("kd,kl,ld->d", s.first, self.interactions, p.first) / (m * n)
        total: Float64Array = self.mean + s.first[0] / m + p.first[0] / n + joint + self.noise * noise
        return total

    def draw_within(self, drawn: DrawnEffects, n: int, noise: Float64Array) -> Float64Array:
        """Draw the mean distance over all n² pairs, (draws,), which `mean_of_different` divides."""
        joint = np.einsum("kd,kl,ld->d", drawn.first, self.interactions, drawn.first) / n**2 - self.expected
        own = 2 * (drawn.first[-1] / n - drawn.second[-1] / n**2)
        total: Float64Array = self.mean * (1 - drawn.squares / n**2) + own + joint + self.noise * noise
        return total


def _fit(of_s: Float64Array, of_p: Float64Array, products: Float64Array, mean: float) -> tuple[Float64Array, float]:
    """Find the factors of the products of effects that fit the distances best, and the sum of squares that they fit."""
    factors = _inverse(of_s, mean) @ products @ _inverse(of_p, mean)
    return factors, float((factors * products).sum())


def _inverse(effects: Float64Array, mean: float) -> Float64Array:
    """Invert the effects' inner products; where effects are what rounding makes of equal images, nothing is fitted by them."""
    if np.abs(effects).max() <= _ROUNDING * mean:
        return np.zeros((len(effects), len(effects)))
    return np.asarray(np.linalg.pinv(effects @ effects.T, _COLLINEAR, hermitian=True), dtype=np.float64)


def _squared(values: Float64Array) -> float:
    return float(values @ values)


def _root(value: float) -> float:
    return float(np.sqrt(max(0.0, value)))
