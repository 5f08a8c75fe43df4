"""Study adapted models: the slope of F on distance (tables 3-5), and false positives on images without foreground (app. C)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import options
from howfar.errors import InputError
from howfar.paper.study_common import AdaptationName, adapted, described_adaptation, study_settings
from howfar.random_streams import stream
from howfar.relation.performance_by_distance import PerformancePoints
from howfar.relation.trend import pooled_trend, verdict
from howfar.results import Interval, Trend
from howfar.results.adaptation_result import ALL, BASELINE, F_ODS, F_OWN, Adaptation
from howfar.results.display_and_shared_records import matching
from howfar.results.segmenter_studies import PerformanceByDistance, Suppression
from howfar.studies.adaptation.adaptation_tables import RANDOM, Arm, ends, spread
from howfar.studies.study_file.kind import KindSettings, StudyKind, setting
from howfar.studies.study_file.read_study_file import Inputs


class PerformanceSettings(KindSettings):
    """Hold the settings of the study of performance by distance."""

    of: AdaptationName = Field(description="The study of adaptation whose models and images are looked at.")
    tau: float = setting(options.Tau, description="The least mean F that counts as consistent, where F does not change.")
    flat: float = setting(options.Flat)
    bootstrap: int = setting(options.Bootstrap)


def _run_performance(settings: PerformanceSettings, inputs: Inputs) -> PerformanceByDistance:
    """Fit the slope of F on distance for every model of every segmenter, over means of the shared seeds."""
    studied, common = adapted(inputs, settings.of), described_adaptation(inputs, settings.of)
    strategy = next((name for name in studied.settings["strategies"] if name != RANDOM), RANDOM)
    slopes = [row for name in studied.segmenters for row in slopes_of(studied.alone(name), common["seeds"], settings)]
    return PerformanceByDistance(
        **common,
        adapted=Arm(strategy, max(studied.settings["shots"])).label,
        tau=settings.tau,
        flat=settings.flat,
        strata=studied.strata[studied.strata["model"].isin(plain_models(studied))].reset_index(drop=True),
        slopes=pd.DataFrame(slopes),
    )


def slopes_of(study: Adaptation, seeds: Sequence[int], settings: PerformanceSettings) -> list[dict[str, Any]]:
    """Fit a segmenter's no-background model's slope on every secondary and within all of them, and its difference from M's.

    The slope is linear in F: that of the differences F(M_q) − F(M) of the same images is the difference of both slopes, so that
    its interval is found by the same draws of photographs.
    """
    whole = {ALL: list(study.secondaries)} if len(study.secondaries) > 1 else {}
    groups = whole | {name: [name] for name in study.secondaries}
    rows = []
    for measure in (F_ODS, F_OWN):
        points = averaged(study.images, seeds, measure)
        single = study.slopes[(study.slopes["measure"] == measure) & study.slopes["seed"].isin(seeds)]
        for model in (name for name in plain_models(study) if name in points):
            for dataset, names in groups.items():
                row: dict[str, Any] = {"segmenter": study.segmenter, "model": model, "dataset": dataset, "measure": measure}
                fitted = _fitted(points, points[model], names, settings.bootstrap)
                row |= {"n": 0, "photographs": 0} if fitted is None else {"n": fitted.n, "photographs": fitted.groups}
                within = points[points["dataset"].isin(names)]
                mean = float(within[model].mean())
                row |= {"span": float(within.groupby("dataset")["distance"].agg(np.ptp).mean()), "mean": mean}
                words = verdict(fitted, mean, tau=settings.tau, flat=settings.flat, sets=len(names))
                row |= {**_columns(fitted, "slope", "low", "high"), "kind": words.kind, "verdict": words.text}
                own = matching(single, model=model, dataset=dataset)["slope"]
                row |= {"lowest": own.min(), "highest": own.max()}
                less = points[model] - points[BASELINE]
                change = None if model == BASELINE else _fitted(points, less, names, settings.bootstrap)
                rows.append(row | _columns(change, "change", "change_low", "change_high"))
    return rows


def _columns(fitted: Trend | None, *names: str) -> dict[str, float]:
    """Return a slope and the ends of its interval under these names, NaN where undefined."""
    return dict(zip(names, (Interval(None) if fitted is None else fitted.slope).ends, strict=True))


def plain_models(study: Adaptation) -> list[str]:
    """List M and the adapted models without background; background models belong to the study of suppression."""
    return [str(model) for model in dict.fromkeys(matching(study.models, background=0)["model"])]


def averaged(images: pd.DataFrame, seeds: Sequence[int], measure: str) -> pd.DataFrame:
    """Average every image's F and distance over the seeds: a row per image, an F column per model, and distance."""
    rows = images[images["seed"].isin(seeds) & images[measure].notna() & images["distance"].notna()]
    keys = ["dataset", "image", "photograph"]
    values = rows.pivot_table(index=keys, columns="model", values=measure, aggfunc="mean")
    return values.assign(distance=rows.groupby(keys)["distance"].mean()).reset_index()


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
    run=_run_performance,
    result=PerformanceByDistance,
)


class SuppressionSettings(KindSettings):
    """Hold the settings of the study of suppression."""

    of: AdaptationName = Field(description="The study of adaptation whose models learnt from background images.")
    bootstrap: int = setting(options.Bootstrap, default=2000, ge=2, description="Draw this many resamples for the intervals.")


def _check_suppression(settings: SuppressionSettings, inputs: Inputs) -> None:
    if not study_settings(inputs, settings.of).background_shots:
        remedy = f"give background and background_shots in studies.{settings.of}"
        raise InputError.of("of", "must name a study whose models learn from background images", settings.of, remedy)


def _run_suppression(settings: SuppressionSettings, inputs: Inputs) -> Suppression:
    """Collect false positives of every segmenter's models on unseen background images."""
    studied = adapted(inputs, settings.of)
    background = studied.background or ""
    if set(studied.suppression["segmenter"]) < set(studied.segmenters):
        remedy = f"lower background_shots in studies.{settings.of}"
        raise InputError.of("background", "must keep a photograph that no model learnt from", background, remedy)
    shares = pd.DataFrame([row for name in studied.segmenters for row in shares_of(studied.alone(name), settings.bootstrap)])
    # A share falls by itself at most, and rises to 1 at most, which limits the intervals of changes.
    changes = studied.suppression
    by_model = shares.set_index(["segmenter", "model"])["share"]
    before = by_model.reindex(pd.MultiIndex.from_frame(changes[["segmenter", "of"]])).to_numpy(dtype=np.float64)
    ends = {name: np.clip(changes[name].to_numpy(dtype=np.float64), -before, 1 - before) for name in ("low", "high")}
    return Suppression(
        **described_adaptation(inputs, settings.of),
        background=background,
        left=int(matching(studied.images, dataset=background)["image"].nunique()),
        shares=shares,
        changes=changes.assign(**ends),
    )


def shares_of(study: Adaptation, bootstrap: int) -> list[dict[str, Any]]:
    """Measure the false positive share of M and of `Adaptation.suppression`'s models, with intervals."""
    blank = study.images[(study.images["dataset"] == study.background) & study.images["false_positive_share"].notna()]
    rows = []
    for model in (BASELINE, *map(str, study.suppression["model"])):
        own = blank[(blank["model"] == model) & blank["seed"].isin(study.settings["seeds"])]
        by_seed = own.groupby("seed")["false_positive_share"].mean()
        measured = own.rename(columns={"false_positive_share": "difference"})[["seed", "dataset", "photograph", "difference"]]
        _, low, high = ends(spread(measured, bootstrap, stream(None, "suppression", model)))
        # A share is none below 0 nor above 1, which an interval of few images by the normal distribution does not know.
        clipped = {"low": np.clip(low, 0, 1), "high": np.clip(high, 0, 1), "lowest": by_seed.min(), "highest": by_seed.max()}
        rows.append({"segmenter": study.segmenter, "model": model, "share": float(by_seed.mean()), **clipped})
    return rows


SUPPRESSION = StudyKind(
    name="suppression",
    title="Do background images suppress false positives?",
    summary="False positives with and without background images, and what these cost elsewhere (appendix C, figs 13 to 17).",
    settings=SuppressionSettings,
    run=_run_suppression,
    result=Suppression,
    check=_check_suppression,
)
