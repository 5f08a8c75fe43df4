"""Separate what adapting, choosing images and training anew contribute to the gains of an adaptation study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from howfar.results.adaptation import BASELINE, CONTRIBUTIONS
from howfar.significance.variance_components import REST, variance_components
from howfar.studies.adaptation.gains import LEVEL, paired
from howfar.studies.adaptation.settings import AdaptSettings

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


def contributions_of(images: pd.DataFrame, secondaries: Sequence[str], config: AdaptSettings) -> pd.DataFrame:
    """Fit one mixed model to the gains of a study at each number of shots, with sites, trainings and strategies crossed.

    `images` is the table `Adaptation.images`. A gain is the mean difference from M of a site's images, for a strategy and a
    seed. Returns a row for each number of shots and source: adapting, the mean gain, and each of `SOURCES` and the rest, the
    standard deviation by which it makes gains differ, each with its 95 % interval. Where strategies, seeds or secondaries
    number fewer than two, nothing can be told apart, and there is no row.
    """
    rows: list[dict[str, Any]] = []
    scored = images[images["f"].notna() & images["dataset"].isin(secondaries)]
    for shots in config.shots:
        gains = _gains(scored, shots, config)
        if all(gains[column].nunique() > 1 for column in ("dataset", "seed", "strategy")):
            rows += [{"shots": shots, **row} for row in contributions(gains)]
    return pd.DataFrame(rows, columns=list(CONTRIBUTIONS))


def _gains(scored: pd.DataFrame, shots: int, config: AdaptSettings) -> pd.DataFrame:
    """List the mean gain of every strategy at one number of shots by dataset and seed."""
    parts = [pd.DataFrame(columns=["dataset", "seed", "difference", "strategy"])]
    for arm in config.arms():
        if arm.strategy is not None and arm.shots == shots and not arm.background:
            differences = paired(scored, arm.label, BASELINE)
            means = differences.groupby(["dataset", "seed"])["difference"].mean().reset_index()
            parts.append(means.assign(strategy=arm.strategy))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def contributions(gains: pd.DataFrame) -> list[dict[str, Any]]:
    """Fit the mixed model to gains (dataset, seed, strategy, difference); returns a row a source with value, low and high."""
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
