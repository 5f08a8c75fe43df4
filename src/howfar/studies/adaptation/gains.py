"""Estimate the gain of adapting a model, with intervals: in F, by source of variation, and in false positives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from howfar.arrays import Float64Array
from howfar.keywords import AdaptOptions
from howfar.results.adaptation_result import BASELINE, CONTRIBUTIONS
from howfar.significance.variance_components import REST, variance_components
from howfar.streams import stream
from howfar.studies.adaptation.adaptation_settings import Arm, arms_of

LEVEL = 0.95


def paired(images: pd.DataFrame, model: str, rival: str, what: str = "f") -> pd.DataFrame:
    """Subtract `rival`'s scores (`what`) from `model`'s on their common images and seeds; return one difference per row."""
    keys = ["seed", "dataset", "image", "photograph"]
    minuend, subtrahend = (images[images["model"] == name].set_index(keys)[what] for name in (model, rival))
    return (minuend - subtrahend).dropna().rename("difference").reset_index().drop(columns="image")


def gain(images: pd.DataFrame, model: str, rival: str, bootstrap: int, key: str, what: str = "f") -> Spread | None:
    """Compute a model's mean gain over a rival and its components of variance; None without a common image."""
    differences = paired(images, model, rival, what)
    return None if differences.empty else spread(differences, bootstrap, stream(None, "gains of adaptation", model, key))


def interval(
    differences: pd.DataFrame, bootstrap: int, rng: np.random.Generator, level: float = LEVEL
) -> tuple[float, float, float]:
    """Compute the mean difference and its interval, mean ± t·√(v_photographs + v_seeds), weighting all datasets equally.

    Photographs are drawn with replacement in each dataset, the same for all seeds (Efron & Tibshirani 1993, chapter 8); t has
    the joint degrees of freedom of both variances (Satterthwaite 1946). One seed tells nothing of the variance over trainings.
    """
    return ends(spread(differences, bootstrap, rng), level)


def ends(gained: Spread | None, level: float = LEVEL) -> tuple[float, float, float]:
    """Return a mean difference and the ends of its interval; NaN if it is unknown."""
    if gained is None:
        return np.nan, np.nan, np.nan
    mean, half = gained[0], half_width(gained[1], level)
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

    The variance over n drawn photographs is multiplied by n/(n − 1), as drawing with replacement underestimates it.
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
    """Replace each comparison's seed component by one pooled over all comparisons: Σ (k − 1) s² / Σ (k − 1) over k seeds.

    It has half of Σ (k − 1) degrees of freedom, as comparisons share a rival, and no fewer than k − 1. With own variances, one
    of twelve random strategies beat random in half of the simulated studies of two seeds (benchmarks/simulations.py).
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

    A draw leaves out seeds without a drawn image in a dataset, and datasets without any.
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
    """Fit a mixed model to a study's gains at each number of shots: the mean gain, and a standard deviation for each source.

    Fewer than two strategies, seeds or secondaries give no row.
    """
    rows: list[dict[str, Any]] = []
    scored = images[images["f"].notna() & images["dataset"].isin(secondaries)]
    for shots in config["shots"]:
        gains = []
        for arm in arms_of(config):
            if arm.strategy is not None and arm.shots == shots and not arm.background:
                means = paired(scored, arm.label, BASELINE).groupby(["dataset", "seed"])["difference"].mean().reset_index()
                gains += [means.assign(strategy=arm.strategy)] if len(means) else []
        every = pd.concat(gains, ignore_index=True) if gains else pd.DataFrame(columns=["dataset", "seed", "strategy"])
        if all(every[column].nunique() > 1 for column in ("dataset", "seed", "strategy")):
            rows += [{"shots": shots, **row} for row in contributions(every)]
    return pd.DataFrame(rows, columns=list(CONTRIBUTIONS))


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

    `share` counts false positives on unseen background images, `change` its difference from the model `of`, and `cost` the
    change of mean F on the secondary datasets; without background models there is no row.
    """
    blank, measure, draws = images[images["dataset"] == background], "false_positive_share", config["bootstrap"]
    if not config["background_shots"] or blank.empty:
        return pd.DataFrame([], columns=list(COLUMNS))
    found: list[tuple[Any, ...]] = []
    others, unknown = images[images["dataset"].isin(secondaries)], (np.nan,) * 3
    share = {model: float(rows.groupby("seed")[measure].mean().mean()) for model, rows in blank.groupby("model")}
    for strategy in config["strategies"]:
        plain = Arm(strategy, max(config["shots"])).label
        found.append((plain, "", share.get(plain, np.nan), *unknown, *unknown))
        for count in config["background_shots"]:
            label = Arm(strategy, max(config["shots"]), count).label
            change = ends(gain(blank, label, plain, draws, measure, measure))
            cost = ends(gain(others, label, plain, draws, "f"))
            found.append((label, plain, share.get(label, np.nan), *change, *cost))
    return pd.DataFrame(found, columns=list(COLUMNS))
