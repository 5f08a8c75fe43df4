"""Judge each dataset by the labelled ones, by several rules for the range, and count false alarms and misses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from gate_sets import HARMED_SETS, HARMS, STOPPED
from scipy import stats
from trained_performance import REST, SECONDARIES

from adaptation import PRIMARY
from howfar.relation.gate import CHECKS, fit
from howfar.relation.performance_estimators import SIGNALS

MISSED, HELD = 0.15, 0.10
"""An estimate of a dataset's mean F misses by more than the first, and holds within the second."""
LABELLED = (REST, *SECONDARIES)
OTHERS = (*STOPPED, *(f"{one}-{harm}" for one in HARMED_SETS for harm in HARMS))
RULES = (
    *(("margin", margin) for margin in (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)),
    *(("spread", share) for share in (0.25, 0.5, 1.0)),
    *(("t", level) for level in (0.9, 0.95, 0.975)),
)
Bounds = tuple[float, float]


def bounds(values: Sequence[float], rule: str, size: float) -> Bounds:
    """Compute a range of positive values: a share beyond their own, a share of their spread, or a prediction interval of t."""
    known = np.log(np.asarray(values, float).clip(1e-6))
    low, high = float(known.min()), float(known.max())
    if rule == "margin":
        beyond = float(np.log1p(size))
        return low - beyond, high + beyond
    if rule == "spread":
        beyond = size * (high - low)
        return low - beyond, high + beyond
    if len(known) < 2:
        return -np.inf, np.inf
    half = float(stats.t.ppf(size, len(known) - 1) * known.std(ddof=1) * np.sqrt(1 + 1 / len(known)))
    return float(known.mean()) - half, float(known.mean()) + half


def judges_of(site: str, count: int | None = None) -> list[tuple[str, ...]]:
    """List the labelled datasets that judge a site: P's own kind and the foreign ones but itself, or `count` of these."""
    foreign = [name for name in SECONDARIES if name != site]
    return [(PRIMARY, *some) for some in combinations(foreign, len(foreign) if count is None else count)]


@dataclass(frozen=True, eq=False)
class Model:
    """Hold what one trained model's maps and several backbones say of every dataset.

    `values` is by check and dataset; `released` is what the gate itself reads, by backbone and dataset.
    """

    seed: int
    images: pd.DataFrame
    values: Mapping[str, Mapping[str, float]]
    released: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    estimate: Mapping[str, float]
    true: Mapping[str, float]

    def error(self, site: str) -> float:
        """Return what the estimate of a dataset's mean F misses by."""
        return abs(self.estimate[site] - self.true[site])

    def outside(self, check: str, site: str, judges: Iterable[str], rule: tuple[str, float], two: bool = False) -> bool:
        """Return whether a dataset's value lies outside the range that a rule makes of the judges' values."""
        values = self.values[check]
        low, high = bounds([values[one] for one in judges if one in values], *rule)
        value = float(np.log(max(values[site], 1e-6)))
        return value > high or (two and value < low)

    def gate(self, backbone: str, site: str, judges: Iterable[str], checks: Sequence[str] | None = None) -> list[str]:
        """Name the checks of the released gate that a site lies outside of."""
        read = self.released[backbone]
        known = fit({one: only(read[one], checks) for one in judges})
        return [reading.check for reading in known.read(site, only(read[site], checks)).outside]


def only(values: Mapping[str, float | None], checks: Sequence[str] | None) -> dict[str, float | None]:
    return {name: value for name, value in values.items() if checks is None or name in checks}


def estimates(images: pd.DataFrame, signals: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Estimate every dataset's mean F by `signals`, fitted on the labelled datasets but itself; and measure it."""
    known = images[images["performance"].notna()]
    estimate, true = {}, {}
    for site in known["dataset"].unique():
        learnt = known[known["dataset"].isin(judges_of(site)[0])]
        here = known[known["dataset"] == site]
        columns = {name: learnt[name].to_numpy(float) for name in signals}
        fitted = SIGNALS.fit(columns, learnt["performance"].to_numpy(float), learnt["dataset"].to_numpy(str))
        each = fitted.predict({name: here[name].to_numpy(float) for name in signals})
        estimate[str(site)] = float(np.mean(np.clip(each, 0, 1)))
        true[str(site)] = float(here["performance"].mean())
    return estimate, true


def counted(outcomes: Iterable[tuple[Model, str, bool]]) -> dict[str, str]:
    """Count, of datasets and whether they were stopped, false alarms, misses and stops of harmed datasets that did hold."""
    rows = list(outcomes)
    groups = {
        "labelled stopped": [out for _, site, out in rows if site in LABELLED],
        "missed passed": [not out for model, site, out in rows if site in OTHERS and model.error(site) > MISSED],
        "held stopped": [out for model, site, out in rows if site in OTHERS and model.error(site) <= HELD],
    }
    return {name: f"{sum(hits)}/{len(hits)}" for name, hits in groups.items()}


def by_rule(check: str, models: Sequence[Model], two: bool = False) -> dict[str, Any]:
    """Count the errors of one check by every rule for its range."""
    return {
        "check": check,
        "sides": "both" if two else "above",
        **{
            f"{name} {size:g}": counted(
                (model, site, model.outside(check, site, judges_of(site)[0], (name, size), two))
                for model in models
                for site in (*LABELLED, *OTHERS)
            )
            for name, size in RULES
        },
    }


def released(backbone: str, models: Sequence[Model], checks: Sequence[str] | None = None) -> dict[str, Any]:
    """Count the errors of the released gate with some of its checks, by how many foreign datasets are labelled."""
    rows: dict[str, Any] = {"backbone": backbone, "checks": "all" if checks is None else ", ".join(checks)}
    for count in (1, 2, 3, 4):
        outcomes = [
            (model, site, bool(model.gate(backbone, site, judges, checks)))
            for model in models
            for site in (*LABELLED, *OTHERS)
            for judges in judges_of(site, count)
        ]
        rows[f"{count} labelled"] = counted(outcomes)
    rows["all but the site"] = counted(
        (model, site, bool(model.gate(backbone, site, judges_of(site)[0], checks)))
        for model in models
        for site in (*LABELLED, *OTHERS)
    )
    return rows


def by_count(checks: Sequence[str], models: Sequence[Model], rule: tuple[str, float]) -> dict[str, Any]:
    """Count the errors of several checks together, by one rule for all, by how many foreign datasets are labelled."""
    found: dict[str, Any] = {"checks": ", ".join(checks), "rule": f"{rule[0]} {rule[1]:g}"}
    for count in (1, 2, 3, 4):
        found[f"{count} labelled"] = counted(
            (model, site, any(model.outside(check, site, judges, rule) for check in checks))
            for model in models
            for site in (*LABELLED, *OTHERS)
            for judges in judges_of(site, count)
        )
    return found


def without_foreign(models: Sequence[Model], harms: Sequence[str]) -> dict[str, Any]:
    """Judge by P's own kind and harmed copies of it alone: what foreign datasets are stopped, what without cracks passes."""
    judges = (PRIMARY, *(f"{REST}-{harm}" for harm in harms))
    foreign = {
        f"seed {model.seed}, {site}": model.gate("efficientnet_lite0", site, judges) for model in models for site in SECONDARIES
    }
    stopped = [bool(model.gate("efficientnet_lite0", site, judges)) for model in models for site in STOPPED]
    return {
        "harms": ", ".join(harms) or "none",
        "labelled stopped": f"{sum(map(bool, foreign.values()))}/{len(foreign)}",
        "by": {name: checks for name, checks in foreign.items() if checks},
        "without cracks passed": f"{len(stopped) - sum(stopped)}/{len(stopped)}",
    }


def beyond(backbone: str, model: Model) -> list[dict[str, Any]]:
    """List how far every dataset lies beyond the limits, as a ratio, and what its estimate misses by."""
    read, found = model.released[backbone], []
    for site in (*LABELLED, *OTHERS):
        known = fit({one: read[one] for one in judges_of(site)[0]})
        ratios = {}
        for check in CHECKS:
            value, (low, high) = read[site].get(check.name), known.limits(check.name)
            if value is not None:
                ratios[check.name] = max(
                    [value / limit for limit in (high,) if limit] + [low / value for limit in (low,) if limit]
                )
        found.append({"seed": model.seed, "dataset": site, "error": model.error(site), **ratios, "most": max(ratios.values())})
    return found
