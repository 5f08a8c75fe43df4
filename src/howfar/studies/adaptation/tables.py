"""Tables of an adaptation study: models, their scores of a dataset, its images, and the gains of all models."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.data.folder_walk import printable
from howfar.results import Evaluation
from howfar.results.adaptation import BASELINE
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.adaptation.gains import LEVEL, Spread, half_width, paired, pooled, spread
from howfar.studies.adaptation.leak_guard import Part
from howfar.studies.adaptation.settings import RANDOM, AdaptSettings, Arm

OVER = ("over_random", "over_random_low", "over_random_high")


def model_row(
    seed: int, label: str, arm: Arm | None, checkpoint: Checkpoint, threshold: float, own: Evaluation | None
) -> dict[str, Any]:
    """What was trained, and how it does on P's held-out photographs."""
    return {
        "seed": seed,
        "model": label,
        "strategy": None if arm is None else arm.strategy,
        "shots": 0 if arm is None else arm.shots,
        "background": 0 if arm is None else arm.background,
        "weights": checkpoint.card.weights,
        "threshold": threshold,
        "held_out_ods": None if own is None else own.scores["ods"],
    }


def score_row(found: Evaluation, images: pd.DataFrame) -> dict[str, Any]:
    """A model's scores of one dataset; the share of false positives is the mean over images without foreground."""
    names = ("ods", "ods_threshold", "f", "mean_f")
    share = float(images["false_positive_share"].mean())
    return {
        "dataset": found.dataset,
        "n": found.n,
        **{name: found.scores[name] for name in names},
        "false_positive_share": None if np.isnan(share) else share,
    }


def images_of(found: Evaluation, part: Part, distances: pd.DataFrame, seed: int, label: str, folder: Path) -> pd.DataFrame:
    """A model's F of each image of one part, with its photograph, its distance by M, and where its files lie.

    What is predicted is false where there is no foreground: where the mask is empty, and in all of a blank part.
    """
    rows, known = found.images, part.known
    names = rows["image"]
    masks = {item.name: "" if item.mask is None else printable(item.mask) for item in part.dataset.items}
    of = pd.MultiIndex.from_product([[found.dataset], names])
    empty = np.full(len(rows), True) if part.blank else (rows["foreground"] == 0).to_numpy()
    return pd.DataFrame(
        {
            "seed": seed,
            "model": label,
            "dataset": found.dataset,
            "image": names,
            "photograph": [known.photographs[name] for name in names],
            "distance": distances["i_dist_scaled"].reindex(of).to_numpy(dtype=np.float64),
            "f": rows["performance"].to_numpy(dtype=np.float64),
            "false_positive_share": np.where(empty, rows["predicted_foreground"].to_numpy(dtype=np.float64), np.nan),
            "path": rows["path"],
            "mask": [masks[name] for name in names],
            "map": [Path(file).relative_to(folder).as_posix() for file in rows["prediction"]],
        }
    )


def gains_of(images: pd.DataFrame, secondaries: Sequence[str], config: AdaptSettings) -> pd.DataFrame:
    """Gains over M of every model, on each dataset and on all secondaries; and over random where that was a strategy.

    What trainings differ by chance is pooled over the models that are compared, as `pooled` tells.
    """
    known = images[images["f"].notna()]
    arms, datasets = config.arms(), ("all", *dict.fromkeys(known["dataset"]))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for dataset in datasets:
        here = known[known["dataset"].isin(secondaries if dataset == "all" else [dataset])]
        over_m = [_spread(here, arm.label, BASELINE, dataset, config) for arm in arms]
        over_random = [_spread(here, arm.label, _rival(arm, config), dataset, config) for arm in arms]
        for arm, gain, over in zip(arms, pooled(over_m), pooled(over_random), strict=True):
            judged = _judged(over, len(config.strategies) - 1)
            rows[arm.label, dataset] = {**_ends(gain, "gain", "low", "high"), **_ends(over, *OVER), **judged}
    return pd.DataFrame([{"model": arm.label, "dataset": name, **rows[arm.label, name]} for arm in arms for name in datasets])


def _rival(arm: Arm, config: AdaptSettings) -> str | None:
    return None if RANDOM not in config.strategies or arm.strategy == RANDOM else Arm(RANDOM, arm.shots, arm.background).label


def _spread(images: pd.DataFrame, one: str, other: str | None, dataset: str, config: AdaptSettings) -> Spread | None:
    differences = None if other is None else paired(images, one, other)
    if differences is None or differences.empty:
        return None
    return spread(
        differences, config.bootstrap, np.random.default_rng([zlib.crc32(one.encode()), zlib.crc32(dataset.encode())])
    )


def _ends(found: Spread | None, middle: str, low: str, high: str) -> dict[str, float]:
    if found is None:
        return dict.fromkeys((middle, low, high), np.nan)
    mean, half = found[0], half_width(found[1], LEVEL)
    return {middle: mean, low: mean - half, high: mean + half}


def _judged(found: Spread | None, comparisons: int) -> dict[str, bool | None]:
    """Whether the difference is above or below 0 beyond chance; one seed is no verdict."""
    if found is None or not found[1][-1].freedom:
        return {"beats_random": None, "below_random": None}
    # With as many comparisons as strategies some would stand out by chance (Bonferroni).
    mean, half = found[0], half_width(found[1], 1 - (1 - LEVEL) / comparisons)
    return {"beats_random": mean - half > 0, "below_random": mean + half < 0}
