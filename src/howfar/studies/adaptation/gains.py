"""Estimate the gain of adapting a model, with intervals: in F, by source of variation, and in false positives."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from howfar.arrays import Float64Array
from howfar.keywords import AdaptOptions
from howfar.results.adaptation import BASELINE, CONTRIBUTIONS
from howfar.significance.variance_components import REST, variance_components
from howfar.studies.adaptation.settings import Arm, arms_of

LEVEL = 0.95


def paired(images: pd.DataFrame, model: str, rival: str, what: str = "f") -> pd.DataFrame:
    """Subtract one model's scores from another's on their common images and seeds: model − rival.

    `images` holds a row for each model, seed and image, with the columns seed, model, dataset, image, photograph, and `what`,
    which is compared. Returns the columns seed, dataset, photograph, difference.
    """
    keys = ["seed", "dataset", "image", "photograph"]
    minuend, subtrahend = (images[images["model"] == name].set_index(keys)[what] for name in (model, rival))
    return (minuend - subtrahend).dropna().rename("difference").reset_index().drop(columns="image")


def interval(
    differences: pd.DataFrame, bootstrap: int, rng: np.random.Generator, level: float = LEVEL
) -> tuple[float, float, float]:
    """Compute the mean difference and its interval over photographs and trainings, weighting all datasets equally.

    mean ± t·√(v_photographs + v_seeds). v_photographs is the variance of the mean when, in each dataset, photographs are drawn
    with replacement, the same for all seeds, each with all of its images, since a photograph's gain is much the same for all
    seeds. v_seeds is the variance of the seeds' means over their number. t has the degrees of freedom of the two together,
    v_seeds having one less than there are seeds (Welch & Satterthwaite): resampling three seeds would call every fourth
    chance difference significant. With one seed the variance between trainings is unknown, and the interval is that over
    photographs alone. Sources: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 8; Satterthwaite, "An
    approximate distribution of estimates of variance components" (Biometrics Bulletin 2, 1946).

    `differences` has the columns seed, dataset, photograph and difference; photographs are drawn `bootstrap` times by `rng`;
    `level` is the probability with which the interval should contain the mean.

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
    """Compute half the interval's width from the variance components; NaN if a component is unknown."""
    total = sum(component.variance for component in components)
    if np.isnan(total) or total == 0:
        return total
    freedom = total**2 / sum(component.variance**2 / component.freedom for component in components if component.freedom)
    return float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(total))


def spread(differences: pd.DataFrame, bootstrap: int, rng: np.random.Generator) -> tuple[float, list[Component]]:
    """Compute the mean difference and its variance components: each dataset's photographs, then the seeds.

    The variance over n drawn photographs is multiplied by n/(n − 1), as drawing with replacement underestimates it; for a
    single photograph it is NaN.
    """
    seeds = sorted(differences["seed"].unique())
    datasets = [_sums(rows, seeds) for _, rows in differences.groupby("dataset")]
    equal = [np.ones((1, sums.shape[1])) for sums in datasets]
    mean = float(_means(datasets, equal, np.ones((1, len(seeds))))[0])
    components = []
    for sums in datasets:
        count = sums.shape[1]
        weights = rng.multinomial(count, np.full(count, 1 / count), size=bootstrap).astype(np.float64)
        drawn = _means([sums], [weights], np.ones((bootstrap, len(seeds))))
        variance = np.nanvar(drawn, ddof=1) * count / (count - 1) / len(datasets) ** 2 if count > 1 else np.nan
        components.append(Component(float(variance), count - 1))
    if len(seeds) < 2:
        return mean, [*components, Component(0.0, 0)]
    by_seed = _means(datasets, [np.repeat(weights, len(seeds), axis=0) for weights in equal], np.eye(len(seeds)))
    return mean, [*components, Component(float(np.var(by_seed, ddof=1) / len(seeds)), len(seeds) - 1)]


@dataclass(frozen=True)
class Component:
    """Hold a source's share of a mean's variance, and its degrees of freedom."""

    variance: float
    freedom: float


Spread = tuple[float, list[Component]]
"""A mean difference and the components of its variance, the seeds' last."""


def pooled(spreads: Sequence[Spread | None]) -> list[Spread | None]:
    """Replace each comparison's seed component by one pooled over all comparisons of a study.

    Two or three seeds tell little of their own variance, and where they happen to agree an interval of their own is far too
    narrow: of twelve strategies that all choose at random, one beat the random one in half of the simulated studies of two
    seeds, in a quarter of those of three. Trainings vary much the same whatever they learn from, so the variance of a
    difference of two trainings is taken as Σ (k − 1) s² / Σ (k − 1) over the comparisons, s² being each one's over its k
    seeds; with half of Σ (k − 1) degrees of freedom, as they share a rival, and no fewer than k − 1. Then 3 to 6 % of such
    studies name a winner, for a nominal 5 %; a single strategy has nothing to pool, and the rate is up to 11 % with two
    seeds, 8 % with three (benchmarks/simulations.py).

    Examples
    --------
    >>> first, second = (0.1, [Component(0.0, 1)]), (0.2, [Component(0.04, 1)])
    >>> [round(components[-1].variance, 3) for _, components in pooled([first, second])]
    [0.02, 0.02]
    """
    by_seeds = [spread[1][-1] for spread in spreads if spread is not None and spread[1][-1].freedom]
    degrees = sum(component.freedom for component in by_seeds)
    if not degrees:
        return list(spreads)
    # A mean over k seeds has a k-th of the variance of one training.
    variance = sum(entry.freedom * entry.variance * (entry.freedom + 1) for entry in by_seeds) / degrees

    def shared(own: Component) -> Component:
        return Component(variance / (own.freedom + 1), max(own.freedom, degrees / 2)) if own.freedom else own

    return [None if spread is None else (spread[0], [*spread[1][:-1], shared(spread[1][-1])]) for spread in spreads]


def _sums(rows: pd.DataFrame, seeds: Sequence[int]) -> Float64Array:
    """Sum differences and count images by seed and photograph, (seeds, photographs, 2)."""
    table = rows.pivot_table(index="seed", columns="photograph", values="difference", aggfunc=["sum", "count"], fill_value=0)
    tables = [table[name].reindex(list(seeds), fill_value=0).to_numpy(dtype=np.float64) for name in ("sum", "count")]
    return np.stack(tables, axis=2)


def _means(datasets: Sequence[Float64Array], photographs: Sequence[Float64Array], seeds: Float64Array) -> Float64Array:
    """Average over datasets, for every draw, the weighted mean over seeds of the weighted mean over images.

    Seeds without a drawn image in a dataset are left out there, and datasets without any are left out of that draw.
    """
    by_dataset = np.full((len(datasets), len(seeds)), np.nan)
    for row, (sums, weights) in enumerate(zip(datasets, photographs, strict=True)):
        totals = np.einsum("spk,bp->bsk", sums, weights, optimize=True)
        seed_weights = np.where(totals[..., 1] > 0, seeds, 0.0)
        means = totals[..., 0] / np.where(totals[..., 1] > 0, totals[..., 1], 1.0)
        weight = seed_weights.sum(axis=1)
        drawn = weight > 0
        by_dataset[row, drawn] = (seed_weights * means).sum(axis=1)[drawn] / weight[drawn]
    finite = np.isfinite(by_dataset)
    totals = np.where(finite, by_dataset, 0.0).sum(axis=0)
    return np.where(finite.any(axis=0), totals / np.maximum(finite.sum(axis=0), 1), np.nan)


ADAPTING = "adapting"
SOURCES = {
    "sites": ("dataset",),
    "M's training": ("seed",),
    "M's training by site": ("dataset", "seed"),
    "choosing": ("strategy",),
    "choosing by site": ("dataset", "strategy"),
    "training": ("strategy", "seed"),
}
"""What gains vary by: columns whose values together are the levels of a source.

"training" is another training of the adapted model, and for a strategy that draws another draw too; the rest is that by site.
"""


def contributions_of(images: pd.DataFrame, secondaries: Sequence[str], config: AdaptOptions) -> pd.DataFrame:
    """Fit a mixed model to a study's gains at each number of shots, with sites, trainings and strategies crossed.

    `images` is the table `Adaptation.images`. A gain is the mean difference from M of a site's images, for a strategy and a
    seed. Returns a row for each number of shots and source: adapting, the mean gain, and each of `SOURCES` and the rest, the
    standard deviation by which it makes gains differ, each with its 95 % interval. Where strategies, seeds or secondaries
    number fewer than two, nothing can be told apart, and there is no row.
    """
    rows: list[dict[str, Any]] = []
    scored = images[images["f"].notna() & images["dataset"].isin(secondaries)]
    for shots in config["shots"]:
        gains = _gains(scored, shots, config)
        if all(gains[column].nunique() > 1 for column in ("dataset", "seed", "strategy")):
            rows += [{"shots": shots, **row} for row in contributions(gains)]
    return pd.DataFrame(rows, columns=list(CONTRIBUTIONS))


def _gains(scored: pd.DataFrame, shots: int, config: AdaptOptions) -> pd.DataFrame:
    """List each strategy's mean gain at one number of shots by dataset and seed."""
    parts = [pd.DataFrame(columns=["dataset", "seed", "difference", "strategy"])]
    for arm in arms_of(config):
        if arm.strategy is not None and arm.shots == shots and not arm.background:
            differences = paired(scored, arm.label, BASELINE)
            means = differences.groupby(["dataset", "seed"])["difference"].mean().reset_index()
            parts.append(means.assign(strategy=arm.strategy))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def contributions(gains: pd.DataFrame) -> list[dict[str, Any]]:
    """Fit the mixed model to gains (dataset, seed, strategy, difference); return a row per source: value, low, high."""
    levels = {name: gains.groupby(list(columns)).ngroup().to_numpy() for name, columns in SOURCES.items()}
    apart = {name: codes for name, codes in levels.items() if 1 < len(np.unique(codes)) < len(gains)}
    found = variance_components(gains["difference"].to_numpy(dtype=np.float64), apart, LEVEL)
    estimates = {ADAPTING: found.mean, **found.deviations}
    order = (ADAPTING, *SOURCES, REST)
    return [
        {"source": name, "value": estimates[name].value, "low": estimates[name].low, "high": estimates[name].high}
        for name in order
        if name in estimates
    ]


COLUMNS = ("model", "of", "share", "change", "low", "high", "cost", "cost_low", "cost_high")


def suppression_of(
    images: pd.DataFrame, background: str | None, secondaries: Sequence[str], config: AdaptOptions
) -> pd.DataFrame:
    """Compare the models that learnt from background (M_B3, M_B7) with the same model without (figs 13-17, appendix C).

    `images` is the table `Adaptation.images`, `background` the dataset without foreground, where there is one; the cost is
    measured on the `secondaries`. Returns a row for each model with background, and one with "of" empty for the same model
    without: share (of false positives, mean over background images that no model learnt from and over seeds), change (of the
    share, from the model "of" to this) with its 95 % interval low and high, cost (change of mean F of the secondary datasets)
    with cost_low and cost_high. Without background models there is no row.
    """
    blank = images[images["dataset"] == background]
    rows: list[dict[str, object]] = []
    if not config["background_shots"] or blank.empty:
        return pd.DataFrame(rows, columns=list(COLUMNS))
    most = max(config["shots"])
    for strategy in config["strategies"]:
        plain = Arm(strategy, most).label
        rows.append({"model": plain, "of": "", "share": _share(blank, plain)})
        for count in config["background_shots"]:
            label = Arm(strategy, most, count).label
            change = _change(blank, label, plain, "false_positive_share", config["bootstrap"])
            cost = _change(images[images["dataset"].isin(secondaries)], label, plain, "f", config["bootstrap"])
            shown = {"model": label, "of": plain, "share": _share(blank, label)}
            rows.append({**shown, **dict(zip(COLUMNS[3:], (*change, *cost), strict=True))})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _share(blank: pd.DataFrame, model: str) -> float:
    return float(blank[blank["model"] == model].groupby("seed")["false_positive_share"].mean().mean())


def _change(images: pd.DataFrame, one: str, other: str, what: str, bootstrap: int) -> tuple[float, float, float]:
    differences = paired(images, one, other, what)
    if differences.empty:
        return (float("nan"),) * 3
    return interval(differences, bootstrap, np.random.default_rng([zlib.crc32(one.encode()), zlib.crc32(what.encode())]))
