"""Measure how background images reduced false positives on images without foreground, and what that cost elsewhere."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from howfar.studies.adaptation.gains import interval, paired
from howfar.studies.adaptation.settings import AdaptSettings, Arm

COLUMNS = ("model", "of", "share", "change", "low", "high", "cost", "cost_low", "cost_high")


def suppression_of(
    images: pd.DataFrame, background: str | None, secondaries: Sequence[str], config: AdaptSettings
) -> pd.DataFrame:
    """Compare the models that learnt from background (M_B3, M_B7) with the same model without it (figs 13-17, appendix C).

    `images` is the table `Adaptation.images`, `background` the dataset without foreground, where there is one; the cost is
    measured on the `secondaries`. Returns a row for each model with background, and one with "of" empty for the same model
    without: share (of false positives, mean over background images that no model learnt from and over seeds), change (of the
    share, from the model "of" to this) with its 95 % interval low and high, cost (change of mean F of the secondary datasets)
    with cost_low and cost_high. Without background models there is no row.
    """
    blank = images[images["dataset"] == background]
    rows: list[dict[str, object]] = []
    if not config.background_shots or blank.empty:
        return pd.DataFrame(rows, columns=list(COLUMNS))
    most = max(config.shots)
    for strategy in config.strategies:
        plain = Arm(strategy, most).label
        rows.append({"model": plain, "of": "", "share": _share(blank, plain)})
        for count in config.background_shots:
            label = Arm(strategy, most, count).label
            change = _change(blank, label, plain, "false_positive_share", config.bootstrap)
            cost = _change(images[images["dataset"].isin(secondaries)], label, plain, "f", config.bootstrap)
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
