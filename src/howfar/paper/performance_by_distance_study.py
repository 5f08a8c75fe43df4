"""Run the study of performance by distance (tables 3-5, figs. 4-6): is the curve of an adapted model flat?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import options
from howfar.paper.baseline_models import AdaptationName
from howfar.relation.performance_by_distance import PerformancePoints
from howfar.relation.trend import pooled_trend, verdict
from howfar.results import Interval, Provenance, Trend
from howfar.results.adaptation_result import ALL, BASELINE, F_ODS, F_OWN, Adaptation, Adaptations
from howfar.results.records import matching
from howfar.results.segmenter_studies import PerformanceByDistance
from howfar.streams import stream
from howfar.studies.adaptation.adaptation_settings import RANDOM, Arm
from howfar.studies.adaptation.gains import slope_ends
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import KindSettings, StudyKind, Work, setting


class PerformanceSettings(KindSettings):
    """Hold the settings of the study of performance by distance."""

    of: AdaptationName = Field(description="The study of adaptation whose models and images are looked at.")
    tau: float = setting(options.Tau, description="The least mean F that counts as consistent, where F does not change.")
    flat: float = setting(options.Flat)
    bootstrap: int = setting(options.Bootstrap)


def _run(settings: PerformanceSettings, inputs: Inputs) -> PerformanceByDistance:
    """Fit the slope of F on distance for every model of every segmenter, over means of the shared seeds."""
    studied = inputs.results[settings.of]
    if not isinstance(studied, Adaptations):
        raise TypeError(f"{settings.of} is no study of adaptation")
    seeds = [int(seed) for seed in studied.first.settings["seeds"]]
    slopes = [row for name, study in studied.by_segmenter().items() for row in slopes_of(study, seeds, settings, name)]
    strata = studied.rows("strata")
    strategies = list(studied.first.settings["strategies"])
    strategy = next((name for name in strategies if name != RANDOM), RANDOM)
    return PerformanceByDistance(
        of=settings.of,
        primary=studied.first.primary,
        secondaries=studied.first.secondaries,
        segmenters=studied.models,
        architectures=tuple(study.segmenter for study in studied.adaptations),
        seeds=tuple(seeds),
        adapted=Arm(strategy, max(studied.first.settings["shots"])).label,
        tau=settings.tau,
        flat=settings.flat,
        strata=strata[strata["model"].isin(plain_models(studied.first))].reset_index(drop=True),
        slopes=pd.DataFrame(slopes),
        provenance=Provenance.now(),
    )


def slopes_of(study: Adaptation, seeds: Sequence[int], settings: PerformanceSettings, segmenter: str) -> list[dict[str, Any]]:
    """Fit each no-background model's slope on every secondary and within all of them, and its difference from M's.

    The slope is linear in F: that of the differences F(M_q) − F(M) of the same images is the difference of both slopes, so that
    its interval is found by the same draws of photographs.
    """
    secondaries = list(study.secondaries)
    groups = {ALL: secondaries} if len(secondaries) > 1 else {}
    groups |= {name: [name] for name in secondaries}
    rows = []
    for measure in (F_ODS, F_OWN):
        points = averaged(study.images, seeds, measure)
        single = study.slopes[(study.slopes["measure"] == measure) & study.slopes["seed"].isin(seeds)]
        for model in (name for name in plain_models(study) if name in points):
            for dataset, names in groups.items():
                own = matching(single, model=model, dataset=dataset)["slope"]
                named = {"segmenter": segmenter, "model": str(model), "dataset": dataset, "measure": measure}
                judged = _judged(points, points[model], names, settings)
                less = points[model] - points[BASELINE]
                fitted = None if model == BASELINE else _fitted(points, less, names, settings.bootstrap)
                ends = slope_ends(Interval(None) if fitted is None else fitted.slope)
                change = dict(zip(("change", "change_low", "change_high"), ends, strict=True))
                rows.append({**named, **judged, "lowest": own.min(), "highest": own.max(), **change})
    return rows


def plain_models(study: Adaptation) -> list[str]:
    """List M and the adapted models without background; background models belong to the study of suppression."""
    models = study.models[study.models["background"] == 0]
    return [str(model) for model in dict.fromkeys(models["model"])]


def averaged(images: pd.DataFrame, seeds: Sequence[int], measure: str) -> pd.DataFrame:
    """Average every image's F and distance over the seeds: a row per image, an F column per model, and distance."""
    rows = images[images["seed"].isin(seeds) & images[measure].notna() & images["distance"].notna()]
    keys = ["dataset", "image", "photograph"]
    values = rows.pivot_table(index=keys, columns="model", values=measure, aggfunc="mean")
    return values.assign(distance=rows.groupby(keys)["distance"].mean()).reset_index()


def _judged(points: pd.DataFrame, values: pd.Series[float], names: list[str], settings: PerformanceSettings) -> dict[str, Any]:
    """Fit a model's slope within some datasets, and describe it in words."""
    fitted = _fitted(points, values, names, settings.bootstrap)
    own = points["dataset"].isin(names)
    mean = float(values[own].mean())
    words = verdict(fitted, mean, tau=settings.tau, flat=settings.flat, sets=len(names))
    slope = Interval(None) if fitted is None else fitted.slope
    sizes = (0, 0) if fitted is None else (fitted.n, fitted.groups)
    ends = dict(zip(("slope", "low", "high"), slope_ends(slope), strict=True))
    reach = points[own].groupby("dataset")["distance"].agg(np.ptp)
    counted = {"n": sizes[0], "photographs": sizes[1], "span": float(reach.mean()), "mean": mean}
    return {**counted, **ends, "kind": words.kind, "verdict": words.text}


def _fitted(points: pd.DataFrame, values: pd.Series[float], names: list[str], draws: int) -> Trend | None:
    rows = points.assign(f=values)
    sets = [
        PerformancePoints.of(own["distance"].to_numpy(), own["f"].to_numpy(), groups=own["photograph"].to_numpy(str))
        for own in (rows[rows["dataset"] == name] for name in names)
    ]
    return pooled_trend(sets, stream(None, "performance by distance", " ".join(names)), draws)


PERFORMANCE = StudyKind(
    name="performance",
    title="Does F fall with distance, and does adaptation make it flat?",
    summary="F of near and far halves and thirds, and slopes of F on distance, of every segmenter and model "
    "(section 4.2, tables 3 to 5, figs 4 to 6).",
    settings=PerformanceSettings,
    run=_run,
    result=PerformanceByDistance,
    work=lambda settings, inputs: Work(),
)
