"""Build the tables of an adaptation study: models, scores by dataset and image, gains, and F by distance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.data.image_folder import path_text
from howfar.keywords import AdaptOptions
from howfar.metrics import at_threshold, f, ods, threshold_index
from howfar.relation.performance_by_distance import Indices, PerformancePoints, parts
from howfar.relation.trend import trend
from howfar.results import Evaluation, Interval
from howfar.results.adaptation_result import BASELINE, F_ODS, F_OWN, SLOPES, Adaptation
from howfar.segmenters.checkpoint import Checkpoint
from howfar.streams import stream
from howfar.studies.adaptation.adaptation_settings import RANDOM, Arm, arms_of
from howfar.studies.adaptation.gains import LEVEL, Spread, ends, gain, pooled
from howfar.studies.adaptation.models import EvaluatedPart
from howfar.studies.performance.image_performance import counts_of

PART_COLUMNS = {
    "part": "label", "n": "n", "ods": "performance", "ods_threshold": "threshold", "f": "performance_common", "mean_f": "mean",
    "distance_mean": "distance_mean", "distance_std": "distance_std",
}  # fmt: skip
"""The attribute of `DistancePart` that each column of a study's strata holds."""


def strata_of(evaluation: Evaluation, images: pd.DataFrame, threshold: float) -> list[dict[str, Any]]:
    """Measure a model's F on a dataset's halves and thirds by distance, at both thresholds; return rows of `Adaptation.strata`.

    Blank masks count: false predictions on them lower the F of a part.
    """
    taken = (evaluation.images["true"].notna().to_numpy() & images["distance"].notna().to_numpy()).nonzero()[0]
    if not len(taken):
        return []
    rows, counts = images.iloc[taken], counts_of(evaluation.images.iloc[taken])
    at = threshold_index(threshold)

    def common(chosen: Indices) -> float:
        return float(f(counts, chosen)[at])

    names, distances, values = rows["image"].tolist(), rows["distance"].to_numpy(), rows[F_OWN].to_numpy()
    own = {name: rows[name].iloc[0] for name in ("seed", "model", "dataset")}
    return [
        {**own, **{column: _number(getattr(part, name)) for column, name in PART_COLUMNS.items()}}
        for count in (2, 3)
        for part in parts(distances, names, count, retuned=lambda chosen: ods(counts, chosen), common=common, values=values)
    ]


def _number(value: Any) -> Any:
    return np.nan if value is None else value


def slopes_of(images: pd.DataFrame, bootstrap: int) -> pd.DataFrame:
    """Fit the slope of F on scaled distance for every seed, model and dataset, for both Fs.

    All models of a dataset share the drawn photographs; datasets with fewer than three known images have no row.
    """
    rows = []
    known = images[images["distance"].notna()]
    for keys, own in known.groupby(["seed", "model", "dataset"], sort=False):
        for measure in (F_OWN, F_ODS):
            points = PerformancePoints.of(
                own["distance"].to_numpy(), own[measure].to_numpy(), groups=own["photograph"].to_numpy(str)
            )
            fitted = trend(points, stream(None, "slopes of adaptation", str(keys[-1])), bootstrap)
            if fitted is not None:
                rows.append((*keys, measure, fitted.n, fitted.groups, *slope_ends(fitted.slope)))
    return pd.DataFrame(rows, columns=list(SLOPES))


def slope_ends(slope: Interval) -> tuple[float, ...]:
    """Return a slope and the ends of its interval; undefined values are NaN."""
    return tuple(map(_number, (slope.value, slope.low, slope.high)))


OVER = ("over_random", "over_random_low", "over_random_high")


def model_row(
    seed: int, label: str, arm: Arm | None, checkpoint: Checkpoint, threshold: float, own: Evaluation | None
) -> dict[str, Any]:
    """Build a model's row: its training and its score on the primary dataset's held-out photographs."""
    arm = Arm(None, 0) if arm is None else arm
    return {
        "seed": seed,
        "model": label,
        "strategy": arm.strategy,
        "shots": arm.shots,
        "background": arm.background,
        "weights": checkpoint.card.weights,
        "threshold": threshold,
        "held_out_ods": None if own is None else own.scores["ods"],
    }


def score_row(evaluation: Evaluation, images: pd.DataFrame) -> dict[str, Any]:
    """Build a model's row of scores on a dataset; false positives are averaged over images without foreground."""
    names = ("ods", "ods_threshold", "f", "mean_f")
    means = {"mean_f_ods": float(images[F_ODS].mean()), "false_positive_share": float(images["false_positive_share"].mean())}
    return {
        "dataset": evaluation.dataset,
        "n": evaluation.n,
        **{name: evaluation.scores[name] for name in names},
        **{name: None if np.isnan(value) else value for name, value in means.items()},
    }


def numbers_of_study(adaptation: Adaptation) -> dict[str, Any]:
    """Collect a study's results: mean F of each model and dataset over the seeds, and gains with intervals."""
    means = adaptation.scores.groupby(["model", "dataset"])["mean_f"].mean().reset_index()
    return {
        "mean_f": {f"{row['model']} on {row['dataset']}": float(row["mean_f"]) for row in means.to_dict("records")},
        "gain": {
            f"{row['model']} on {row['dataset']}": {end: float(row[end]) for end in ("gain", "low", "high")}
            for row in adaptation.gains.to_dict("records")
        },
    }


def images_of(
    evaluation: Evaluation, part: EvaluatedPart, distances: pd.DataFrame, seed: int, label: str, folder: Path
) -> pd.DataFrame:
    """Build a row per image: a model's two Fs, the photograph, the base model's distance, and the files."""
    rows, photographs, best = evaluation.images, part.hashed.photographs, evaluation.scores["ods_threshold"]
    names = rows["image"]
    masks = {item.name: "" if item.mask is None else path_text(item.mask) for item in part.dataset.items}
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
            # NaN without a mask, or without foreground in it.
            F_ODS: np.nan if best is None else at_threshold(counts_of(rows), best).per_image_f,
            "false_positive_share": np.where(empty, rows["predicted_foreground"].to_numpy(dtype=np.float64), np.nan),
            "path": rows["path"],
            "mask": [masks[name] for name in names],
            "map": [Path(file).relative_to(folder).as_posix() for file in rows["prediction"]],
        }
    )


def gains_of(images: pd.DataFrame, secondaries: Sequence[str], config: AdaptOptions) -> pd.DataFrame:
    """Compute every model's gain over the base model and random choice, on each dataset and on all secondary ones together."""
    scored, draws = images[images["f"].notna()], config["bootstrap"]
    arms, datasets = arms_of(config), ("all", *dict.fromkeys(scored["dataset"]))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for dataset in datasets:
        compared = scored[scored["dataset"].isin(secondaries if dataset == "all" else [dataset])]
        over_base = [gain(compared, arm.label, BASELINE, draws, dataset) for arm in arms]
        rivals = [_rival(arm, config) for arm in arms]
        over_random = [
            None if rival is None else gain(compared, arm.label, rival, draws, dataset)
            for arm, rival in zip(arms, rivals, strict=True)
        ]
        for arm, gained, over in zip(arms, _pooled_of_labels(arms, over_base), pooled(over_random), strict=True):
            found = dict(zip(("gain", "low", "high", *OVER), (*ends(gained), *ends(over)), strict=True))
            rows[arm.label, dataset] = {**found, **_judged(over, len(config["strategies"]) - 1)}
    return pd.DataFrame([{"model": arm.label, "dataset": name, **rows[arm.label, name]} for arm in arms for name in datasets])


def _pooled_of_labels(arms: Sequence[Arm], spreads: Sequence[Spread | None]) -> list[Spread | None]:
    """Pool the variance between trainings of models with labels; those without labels vary differently."""
    by_labels = [arm.strategy is not None for arm in arms]
    shared = iter(pooled([spread for spread, labelled in zip(spreads, by_labels, strict=True) if labelled]))
    return [next(shared) if labelled else spread for spread, labelled in zip(spreads, by_labels, strict=True)]


def _rival(arm: Arm, config: AdaptOptions) -> str | None:
    if RANDOM not in config["strategies"] or arm.strategy in (None, RANDOM):
        return None
    return Arm(RANDOM, arm.shots, arm.background, arm.way).label


def _judged(gained: Spread | None, comparisons: int) -> dict[str, bool | None]:
    """Judge whether a gain is significantly above or below 0; a single seed gives no verdict."""
    if gained is None or not gained[1][-1].freedom:
        return {"beats_random": None, "below_random": None}
    # Bonferroni's correction, since among many strategies some stand out by chance.
    _, low, high = ends(gained, 1 - (1 - LEVEL) / comparisons)
    return {"beats_random": low > 0, "below_random": high < 0}
