"""Build the tables of an adaptation study: its models, their scores by dataset and by image, and their gains."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.data.folder_walk import printable
from howfar.metrics import at_threshold
from howfar.results import Evaluation
from howfar.results.adaptation import BASELINE, F_ODS, F_OWN, Adaptation
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.adaptation.gains import LEVEL, Spread, half_width, paired, pooled, spread
from howfar.studies.adaptation.leak_guard import Part
from howfar.studies.adaptation.settings import RANDOM, AdaptSettings, Arm
from howfar.studies.performance.image_performance import counts_of

OVER = ("over_random", "over_random_low", "over_random_high")


def model_row(
    seed: int, label: str, arm: Arm | None, checkpoint: Checkpoint, threshold: float, own: Evaluation | None
) -> dict[str, Any]:
    """Make a model's row: what was trained, and its score on the primary dataset's held-out photographs."""
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


def score_row(evaluation: Evaluation, images: pd.DataFrame) -> dict[str, Any]:
    """Make a model's row of scores on one dataset; false positives are averaged over the images without foreground."""
    names = ("ods", "ods_threshold", "f", "mean_f")
    share = float(images["false_positive_share"].mean())
    return {
        "dataset": evaluation.dataset,
        "n": evaluation.n,
        **{name: evaluation.scores[name] for name in names},
        "mean_f_ods": _defined(float(images[F_ODS].mean())),
        "false_positive_share": _defined(share),
    }


def numbers_of_study(adaptation: Adaptation) -> dict[str, Any]:
    """Collect what a study came to: mean F of each model and dataset over the seeds, and each gain with its interval."""
    means = adaptation.scores.groupby(["model", "dataset"])["mean_f"].mean().reset_index()
    return {
        "mean_f": {f"{row['model']} on {row['dataset']}": float(row["mean_f"]) for row in means.to_dict("records")},
        "gain": {
            f"{row['model']} on {row['dataset']}": {end: float(row[end]) for end in ("gain", "low", "high")}
            for row in adaptation.gains.to_dict("records")
        },
    }


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value


def images_of(evaluation: Evaluation, part: Part, distances: pd.DataFrame, seed: int, label: str, folder: Path) -> pd.DataFrame:
    """Make a row for each image of a part: a model's two Fs, the photograph, the distance by the base model, and the files.

    A prediction is a false positive where the mask is empty, and in all of a blank part.
    """
    rows, photographs = evaluation.images, part.hashed.photographs
    names = rows["image"]
    masks = {item.name: "" if item.mask is None else printable(item.mask) for item in part.dataset.items}
    index = pd.MultiIndex.from_product([[evaluation.dataset], names])
    empty = np.full(len(rows), True) if part.blank else (rows["foreground"] == 0).to_numpy()
    return pd.DataFrame(
        {
            "seed": seed,
            "model": label,
            "dataset": evaluation.dataset,
            "image": names,
            "photograph": [photographs[name] for name in names],
            "distance": distances["i_dist_scaled"].reindex(index).to_numpy(dtype=np.float64),
            F_OWN: rows["performance"].to_numpy(dtype=np.float64),
            F_ODS: _at_best(evaluation),
            "false_positive_share": np.where(empty, rows["predicted_foreground"].to_numpy(dtype=np.float64), np.nan),
            "path": rows["path"],
            "mask": [masks[name] for name in names],
            "map": [Path(file).relative_to(folder).as_posix() for file in rows["prediction"]],
        }
    )


def _at_best(evaluation: Evaluation) -> Float64Array:
    """Compute F of each image at the threshold that is best for the dataset; NaN without a mask, or foreground in it."""
    best = evaluation.scores["ods_threshold"]
    if best is None:
        return np.full(len(evaluation.images), np.nan)
    return at_threshold(counts_of(evaluation.images), best).per_image_f


def gains_of(images: pd.DataFrame, secondaries: Sequence[str], config: AdaptSettings) -> pd.DataFrame:
    """Compute every model's gain over the base model, and over random choice where that was a strategy.

    Gains are computed on each dataset and on all secondary ones together. The variance between trainings is pooled over the
    models that learnt from labels; those without labels, such as M with other statistics, vary otherwise, each for itself.
    """
    scored = images[images["f"].notna()]
    arms, datasets = config.arms(), ("all", *dict.fromkeys(scored["dataset"]))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for dataset in datasets:
        compared = scored[scored["dataset"].isin(secondaries if dataset == "all" else [dataset])]
        over_base = [_spread(compared, arm.label, BASELINE, dataset, config) for arm in arms]
        over_random = [_spread(compared, arm.label, _rival(arm, config), dataset, config) for arm in arms]
        for arm, gain, over in zip(arms, _pooled_of_labels(arms, over_base), pooled(over_random), strict=True):
            judged = _judged(over, len(config.strategies) - 1)
            rows[arm.label, dataset] = {**_ends(gain, "gain", "low", "high"), **_ends(over, *OVER), **judged}
    return pd.DataFrame([{"model": arm.label, "dataset": name, **rows[arm.label, name]} for arm in arms for name in datasets])


def _pooled_of_labels(arms: Sequence[Arm], spreads: Sequence[Spread | None]) -> list[Spread | None]:
    by_labels = [arm.strategy is not None for arm in arms]
    shared = iter(pooled([spread for spread, labelled in zip(spreads, by_labels, strict=True) if labelled]))
    return [next(shared) if labelled else spread for spread, labelled in zip(spreads, by_labels, strict=True)]


def _rival(arm: Arm, config: AdaptSettings) -> str | None:
    if RANDOM not in config.strategies or arm.strategy in (None, RANDOM):
        return None
    return Arm(RANDOM, arm.shots, arm.background, arm.way).label


def _spread(images: pd.DataFrame, one: str, other: str | None, dataset: str, config: AdaptSettings) -> Spread | None:
    differences = None if other is None else paired(images, one, other)
    if differences is None or differences.empty:
        return None
    return spread(
        differences, config.bootstrap, np.random.default_rng([zlib.crc32(one.encode()), zlib.crc32(dataset.encode())])
    )


def _ends(gain: Spread | None, middle: str, low: str, high: str) -> dict[str, float]:
    if gain is None:
        return dict.fromkeys((middle, low, high), np.nan)
    mean, half = gain[0], half_width(gain[1], LEVEL)
    return {middle: mean, low: mean - half, high: mean + half}


def _judged(gain: Spread | None, comparisons: int) -> dict[str, bool | None]:
    """Tell whether a gain is significantly above or below 0; one seed gives no verdict."""
    if gain is None or not gain[1][-1].freedom:
        return {"beats_random": None, "below_random": None}
    # Bonferroni's correction, since among many strategies some stand out by chance.
    mean, half = gain[0], half_width(gain[1], 1 - (1 - LEVEL) / comparisons)
    return {"beats_random": mean - half > 0, "below_random": mean + half < 0}
