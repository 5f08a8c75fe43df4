"""Measure halves, thirds and slope of F by distance for every model of an adaptation study (tables 3-5 of the paper)."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pandas as pd

from howfar.metrics import f, ods, threshold_index
from howfar.relation.distance_performance_points import Points
from howfar.relation.strata import Indices, parts
from howfar.relation.trend import trend
from howfar.results import Coefficient, Evaluation, Part
from howfar.results.adaptation import F_ODS, F_OWN, SLOPES
from howfar.studies.performance.image_performance import counts_of

HALVES, THIRDS = 2, 3


def strata_of(evaluation: Evaluation, images: pd.DataFrame, threshold: float) -> list[dict[str, Any]]:
    """Measure F of the nearer and farther halves and thirds of a dataset by one model, at both thresholds.

    The F that is re-tuned in a part is computed from the pixel counts of the evaluation, so that no map is read again. Images
    with a blank mask count: what is falsely predicted on them lowers F of the part.

    Parameters
    ----------
    evaluation
        The model's scores on the dataset, with a row of pixel counts for each image.
    images
        The same images' rows of the study, in the same order: seed, model, dataset, image, distance, f.
    threshold
        The model's own, tuned on P.

    Returns
    -------
    list
        A row a part, as `Adaptation.strata` says; none without distances (blind sets, background) or masks, or with fewer
        images than parts.
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
        {**own, **_row(part)}
        for count in (HALVES, THIRDS)
        for part in parts(distances, names, count, retuned=lambda chosen: ods(counts, chosen), common=common, values=values)
    ]


def _row(part: Part) -> dict[str, Any]:
    """Name a part's values by the words of the study's scores; what is undefined is NaN, so that columns stay numbers."""
    values = {
        "ods": part.performance,
        "ods_threshold": part.threshold,
        "f": part.performance_common,
        "mean_f": part.mean,
        "distance_mean": part.distance_mean,
        "distance_std": part.distance_std,
    }
    return {"part": part.label, "n": part.n, **{name: np.nan if value is None else value for name, value in values.items()}}


def slopes_of(images: pd.DataFrame, bootstrap: int) -> pd.DataFrame:
    """Fit the slope of F on scaled distance for every seed, model and dataset, with both Fs.

    The photographs of a dataset are drawn alike for all models. `images` are the study's rows; `bootstrap` is how many draws
    the intervals are made of, 0 for none. Returns `Adaptation.slopes`; datasets with fewer than three images that have an F
    and a distance are left out.

    Examples
    --------
    >>> images = pd.DataFrame({"seed": 0, "model": "M", "dataset": "a", "photograph": list("pqrs")})
    >>> images = images.assign(distance=[0.0, 0.2, 0.6, 1.0], f=[0.8, 0.7, 0.5, 0.3], f_ods=[0.8, 0.8, 0.8, 0.8])
    >>> slopes_of(images, 0)[["measure", "n", "slope"]].round(2).to_numpy().tolist()
    [['f', 4, -0.5], ['f_ods', 4, 0.0]]
    """
    rows = []
    known = images[images["distance"].notna()]
    for keys, own in known.groupby(["seed", "model", "dataset"], sort=False):
        for measure in (F_OWN, F_ODS):
            points = Points.of(own["distance"].to_numpy(), own[measure].to_numpy(), groups=own["photograph"].to_numpy(str))
            draws = np.random.default_rng([zlib.crc32(str(keys[-1]).encode()), 4])
            fitted = trend(points, draws, bootstrap)
            if fitted is not None:
                rows.append((*keys, measure, fitted.n, fitted.groups, *_ends(fitted.slope)))
    return pd.DataFrame(rows, columns=list(SLOPES))


def _ends(slope: Coefficient) -> tuple[float, ...]:
    return tuple(np.nan if value is None else value for value in (slope.value, slope.low, slope.high))
