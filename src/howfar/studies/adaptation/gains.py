"""What adapting gained: paired differences of image F, with intervals over photographs and trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from howfar.arrays import Float64Array

LEVEL = 0.95


def paired(images: pd.DataFrame, one: str, other: str, what: str = "f") -> pd.DataFrame:
    """Differences one − other of each image and seed that both have.

    Parameters
    ----------
    images
        seed, model, dataset, image, photograph, and `what`: one row a model, seed and image.
    one, other
        Names of models.
    what
        The column that is compared.

    Returns
    -------
    DataFrame
        seed, dataset, photograph, difference.
    """
    keys = ["seed", "dataset", "image", "photograph"]
    sides = [images[images["model"] == name].set_index(keys)[what] for name in (one, other)]
    found = (sides[0] - sides[1]).dropna().rename("difference").reset_index()
    return found.drop(columns="image")


def interval(
    differences: pd.DataFrame, bootstrap: int, rng: np.random.Generator, level: float = LEVEL
) -> tuple[float, float, float]:
    """Mean difference and the ends of its interval, over other photographs and other trainings; datasets count alike.

    mean ± t·√(v_photographs + v_seeds). v_photographs is the variance of the mean when, in each dataset, photographs are drawn
    with replacement, the same for all seeds, each with all of its images: a photograph that gains much does so whatever the
    seed. v_seeds is the variance of the seeds' means over their number. t has the degrees of freedom of the two together,
    v_seeds having one less than there are seeds (Welch & Satterthwaite): resampling three seeds would call every fourth
    difference of nothing but chance certain. With one seed nothing is known of how trainings differ, and the interval is of the
    photographs alone. Sources: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 8; Satterthwaite, "An
    approximate distribution of estimates of variance components" (Biometrics Bulletin 2, 1946).

    Parameters
    ----------
    differences
        As `paired` gives them.
    bootstrap
        Draws of photographs.
    rng
        Draws them.
    level
        How often the interval should hold the mean.

    Examples
    --------
    >>> rows = pd.DataFrame({"seed": 0, "dataset": "a", "photograph": list("pqrs"), "difference": [0.1, 0.3, 0.2, 0.2]})
    >>> mean, low, high = interval(rows, 200, np.random.default_rng(0))
    >>> bool(low < mean < high), round(mean, 3)
    (True, 0.2)
    """
    mean, components = spread(differences, bootstrap, rng)
    half = half_width(components, level)
    return mean, mean - half, mean + half


def half_width(components: Sequence[Component], level: float) -> float:
    """Half of the interval that components of variance give at a level; NaN where one of them is not known."""
    total = sum(one.variance for one in components)
    if np.isnan(total) or total == 0:
        return total
    freedom = total**2 / sum(one.variance**2 / one.freedom for one in components if one.freedom)
    return float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(total))


def spread(differences: pd.DataFrame, bootstrap: int, rng: np.random.Generator) -> tuple[float, list[Component]]:
    """Mean difference, and what each dataset's photographs, and last the seeds, add to its variance, as `interval` tells.

    The variance of n drawn photographs is taken n/(n − 1) times, as drawing with replacement gives too little of it; of a
    single photograph it is NaN.
    """
    seeds = sorted(differences["seed"].unique())
    sets = [_sums(rows, seeds) for _, rows in differences.groupby("dataset")]
    ones = [np.ones((1, one.shape[1])) for one in sets]
    mean = float(_means(sets, ones, np.ones((1, len(seeds))))[0])
    found = []
    for sums in sets:
        count = sums.shape[1]
        drawn = _means([sums], [_weights(count, bootstrap, rng)], np.ones((bootstrap, len(seeds))))
        variance = np.nanvar(drawn, ddof=1) * count / (count - 1) / len(sets) ** 2 if count > 1 else np.nan
        found.append(Component(float(variance), count - 1))
    if len(seeds) < 2:
        return mean, [*found, Component(0.0, 0)]
    apart = _means(sets, [np.repeat(one, len(seeds), axis=0) for one in ones], np.eye(len(seeds)))
    return mean, [*found, Component(float(np.var(apart, ddof=1) / len(seeds)), len(seeds) - 1)]


@dataclass(frozen=True)
class Component:
    """What one source of chance adds to the variance of a mean, and its degrees of freedom."""

    variance: float
    freedom: float


Spread = tuple[float, list[Component]]
"""A mean difference and what adds to its variance, the seeds last."""


def pooled(found: Sequence[Spread | None]) -> list[Spread | None]:
    """The same with the seeds' part of the variance shared by all comparisons of a study.

    Two or three seeds tell little of their own variance, and where they happen to agree an interval of their own is far too
    narrow: of twelve strategies that are random in all but name, one beat it in half of the simulated studies of two
    seeds, in a quarter of those of three. Trainings differ much the same whatever they learn from, so the variance of a
    difference of two trainings is taken as Σ (k − 1) s² / Σ (k − 1) over the comparisons, s² being each one's over its k
    seeds; with half of Σ (k − 1) degrees of freedom, as they share a rival, and no fewer than k − 1. So 3 to 6 % of such
    studies name a winner, for 5 % meant; with a single strategy there is nothing to share, and two seeds leave up to 11 %,
    three 8 % (benchmarks/simulations.py).

    Examples
    --------
    >>> one, other = (0.1, [Component(0.0, 1)]), (0.2, [Component(0.04, 1)])
    >>> [round(parts[-1].variance, 3) for _, parts in pooled([one, other])]
    [0.02, 0.02]
    """
    known = [parts[-1] for one in found if one is not None for parts in [one[1]] if parts[-1].freedom]
    degrees = sum(part.freedom for part in known)
    if not degrees:
        return list(found)
    # A mean over k seeds has a k-th of the variance of one.
    each = sum(part.freedom * part.variance * (part.freedom + 1) for part in known) / degrees

    def shared(part: Component) -> Component:
        return Component(each / (part.freedom + 1), max(part.freedom, degrees / 2)) if part.freedom else part

    return [None if one is None else (one[0], [*one[1][:-1], shared(one[1][-1])]) for one in found]


def _weights(count: int, draws: int, rng: np.random.Generator) -> Float64Array:
    """How often each of `count` is drawn, (draws, count)."""
    return rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)


def _sums(rows: pd.DataFrame, seeds: Sequence[int]) -> Float64Array:
    """Sum of differences and number of images by seed and photograph, (seeds, photographs, 2)."""
    table = rows.pivot_table(index="seed", columns="photograph", values="difference", aggfunc=["sum", "count"], fill_value=0)
    parts = [table[name].reindex(list(seeds), fill_value=0).to_numpy(dtype=np.float64) for name in ("sum", "count")]
    return np.stack(parts, axis=2)


def _means(sets: Sequence[Float64Array], photographs: Sequence[Float64Array], seeds: Float64Array) -> Float64Array:
    """For every draw the mean over datasets of the weighted mean over seeds of the weighted mean over images.

    A seed of which a dataset has no image in a draw counts not there; a dataset without any counts not in that draw.
    """
    found = np.full((len(sets), len(seeds)), np.nan)
    for place, (sums, weights) in enumerate(zip(sets, photographs, strict=True)):
        totals = np.einsum("spk,bp->bsk", sums, weights, optimize=True)
        there = np.where(totals[..., 1] > 0, seeds, 0.0)
        means = totals[..., 0] / np.where(totals[..., 1] > 0, totals[..., 1], 1.0)
        counted = there.sum(axis=1)
        some = counted > 0
        found[place, some] = (there * means).sum(axis=1)[some] / counted[some]
    known = np.isfinite(found)
    return np.where(known.any(axis=0), np.where(known, found, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)
