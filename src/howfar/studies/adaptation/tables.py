"""Tables of an adaptation study: scores of a model on a dataset, its images, and the gains of all models."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from howfar.results import Evaluation
from howfar.results.adaptation import BASELINE
from howfar.studies.adaptation.config import Arm, Config
from howfar.studies.adaptation.gains import interval, paired
from howfar.studies.adaptation.unseen import Known

RANDOM = "random"


def score_row(found: Evaluation) -> dict[str, Any]:
    """A model's scores of one dataset."""
    names = ("ods", "ods_threshold", "f", "mean_f", "false_positive_share")
    return {"dataset": found.dataset, "n": found.n, **{name: found.scores[name] for name in names}}


def images_of(found: Evaluation, known: Known, distances: pd.DataFrame, seed: int, label: str) -> pd.DataFrame:
    """A model's F of each image of one dataset, with its photograph and its distance by M."""
    names = found.images["image"]
    of = pd.MultiIndex.from_product([[found.dataset], names])
    return pd.DataFrame(
        {
            "seed": seed,
            "model": label,
            "dataset": found.dataset,
            "image": names,
            "photograph": [known.photographs[name] for name in names],
            "distance": distances["i_dist_scaled"].reindex(of).to_numpy(dtype=np.float64),
            "f": found.images["performance"].to_numpy(dtype=np.float64),
        }
    )


def gains_of(images: pd.DataFrame, secondaries: Sequence[str], config: Config) -> pd.DataFrame:
    """Gains over M of every model, on each dataset and on all secondaries; and over random where that was a strategy."""
    rows = [
        {"model": arm.label, "dataset": dataset, **_gain(images, secondaries, arm, dataset, config)}
        for arm in config.arms()
        for dataset in ("all", *dict.fromkeys(images["dataset"]))
    ]
    return pd.DataFrame(rows)


def _gain(images: pd.DataFrame, secondaries: Sequence[str], arm: Arm, dataset: str, config: Config) -> dict[str, float]:
    here = images[images["dataset"].isin(secondaries if dataset == "all" else [dataset])]
    seed = [zlib.crc32(arm.label.encode()), zlib.crc32(dataset.encode())]
    found = dict.fromkeys(("gain", "low", "high"), np.nan)
    differences = paired(here, arm.label, BASELINE)
    if len(differences):
        found = dict(zip(found, interval(differences, config.bootstrap, np.random.default_rng(seed)), strict=True))
    over = dict.fromkeys(("over_random", "over_random_low", "over_random_high"), np.nan)
    rival = Arm(RANDOM, arm.shots, arm.background).label
    if RANDOM in config.strategies and arm.strategy != RANDOM:
        against = paired(here, arm.label, rival)
        if len(against):
            over = dict(zip(over, interval(against, config.bootstrap, np.random.default_rng(seed)), strict=True))
    return {**found, **over}
