"""A factory of believable relations of performance and distance, with no pipeline behind them."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy import stats

from howfar.relation.trend import verdict
from howfar.results import (
    Choice,
    Comparison,
    DatasetRelation,
    DistancePart,
    Failures,
    Interval,
    Judgement,
    Provenance,
    Relation,
    RelationSettings,
    SetEstimate,
    Trend,
    TrendVerdict,
)

TAU, FLAT, COMMON, LEVEL, RATE = 0.5, 0.2, 0.43, 0.9, 0.1
STEPS = np.arange(100) / 100
SLOPES = (-0.45, 0.02, -0.2, 0.1, -0.6, 0.0, 0.35)
LEVELS = (0.75, 0.68, 0.62, 0.5, 0.45, 0.4, 0.3)
ESTIMATORS = (
    ("mean", "baseline", 0.214, 0.196),
    ("i_dist", "distance", 0.236, 0.221),
    ("knn", "distance", 0.229, 0.204),
    ("mahalanobis", "distance", 0.251, 0.243),
    ("distances", "distance", 0.262, 0.257),
    ("average_confidence", "confidence", 0.168, 0.131),
    ("foreground_confidence", "confidence", 0.104, 0.066),
    ("doc", "confidence", 0.171, 0.142),
    ("atc", "confidence", 0.187, 0.158),
    ("nuclear_norm", "confidence", 0.163, 0.127),
    ("flip_agreement", "agreement", 0.098, 0.061),
    ("ensemble_agreement", "agreement", 0.101, 0.063),
    ("signals", "combined", 0.081, 0.043),
    ("all", "combined", 0.086, 0.051),
)


def frame(name: str, n: int, seed: int = 0) -> pd.DataFrame:
    """The rows of one set in a comparison's images table: names, no files, distances."""
    distance = np.sort(np.random.default_rng(seed).gamma(3.0, 1.0, size=n)) + 8
    spread = np.ptp(distance)
    return pd.DataFrame(
        {
            "dataset": name,
            "image": [f"photo{i // 4:03d}-{i % 4}.png" for i in range(n)],
            "path": "",
            "i_dist_mean": distance,
            "i_dist_scaled": (distance - distance.min()) / spread if spread > 0 else np.zeros(n),
        }
    )


def draw_maps(folder: Path, images: pd.DataFrame, rng: np.random.Generator) -> list[str]:
    """A prediction map for each image that has a file: a thin bright crack on black; names alone for the others."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, path in enumerate(images["path"]):
        target = folder / f"{place:04d}.png"
        if path and Path(path).is_file():
            with Image.open(path) as photo:
                width, height = photo.size
            values = np.zeros((height, width), dtype=np.uint8)
            walk = np.clip(width // 2 + np.cumsum(rng.integers(-2, 3, height)), 0, width - 1)
            values[np.arange(height), walk] = np.linspace(90, 255, height)
            Image.fromarray(values).save(target)
        paths.append(str(target) if path else "")
    return paths


def relate(
    images: pd.DataFrame,
    *,
    unlabelled: Collection[str] = (),
    blank: Collection[str] = (),
    estimators: Sequence[tuple[str, str, float, float]] = ESTIMATORS,
    maps: Path | None = None,
    primary: str = "training & <set>",
    seed: int = 0,
) -> Relation:
    """A relation over a comparison's `images`: sets in `unlabelled` have no performances, those in `blank` no foreground."""
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(images["dataset"]))
    tables = {
        name: _images(images[images["dataset"] == name], name in unlabelled, name in blank, i, rng, maps)
        for i, name in enumerate(names)
    }
    labelled = [name for name in names if name not in unlabelled]
    measured = [name for name in labelled if tables[name]["performance"].notna().any()]
    judged = len(measured) > 1
    if not judged:
        for table in tables.values():
            table[["estimate", "estimate_low", "estimate_high", "p_value"]] = np.nan
            table["listed"] = False
    datasets = tuple(_dataset(name, tables[name], rng) for name in labelled)
    trends = [one.trend for one in datasets if one.trend is not None]
    pooled = None if not trends else _pooled(trends)
    judgements = tuple(_judgement(*one, measured, rng) for one in estimators) if judged else ()
    return Relation(
        primary=primary,
        metric="F at threshold 0.43",
        settings=RelationSettings(COMMON, "0.43, tuned on training & <set>", TAU, FLAT, LEVEL, RATE, 1000, 0, r"(.*)-\d+"),
        datasets=datasets,
        pooled=pooled,
        pooled_verdict=None if pooled is None else _verdict(pooled, 0.6),
        judgements=judgements,
        choices=choices_of(judgements, worse=0.01),
        estimator="signals" if judged else None,
        estimates=tuple(_estimate(name, tables[name], len(measured), rng) for name in names) if judged else (),
        failures=tuple(_failures(name, tables[name]) for name in names) if judged else (),
        images=pd.concat([tables[name] for name in names], ignore_index=True),
        curves=pd.concat([_curve(tables[name]) for name in labelled] or [_curve(tables[names[0]].iloc[:0])], ignore_index=True),
        thresholds=pd.concat([_thresholds(one) for one in datasets] or [_thresholds(None)], ignore_index=True),
        provenance=Provenance("0.1.0", "2026-01-03T03:04:05+00:00", "3.12.1", "Linux-6", {"numpy": "2.1.0"}),
        notes=("roads-dry: 2 images of the performance file are not in the run <&>",),
    )


def choices_of(judgements: Sequence[Judgement], worse: float = 0.0) -> tuple[Choice, ...]:
    """What choosing is worth: the winner's errors, and a little more."""
    most = max((one.sets for one in judgements), default=0)
    found = []
    for among in ("all", "distance"):
        judged = [one for one in judgements if one.sets == most and among in ("all", one.kind)]
        if not judged:
            continue
        of_image = min(judged, key=lambda one: one.mae_image)
        picked = dict.fromkeys(of_image.set_errors, of_image.estimator)
        errors = (of_image.mae_image + worse, of_image.mae_set + worse)
        found.append(Choice(among, of_image.estimator, of_image.sets, *errors, picked, of_image.set_errors))
    return tuple(found)


def of_comparison(comparison: Comparison, maps: Path | None = None, **options: Any) -> Relation:
    """A relation of the same run: "street photographs" has no labels."""
    chosen = {"unlabelled": ("street photographs",), **options}
    return relate(comparison.images, maps=maps, primary=comparison.primary.name, **chosen)


def sized(sizes: dict[str, int], **options: Any) -> Relation:
    """A relation of sets of these sizes, without image files."""
    return relate(pd.concat([frame(name, n, i) for i, (name, n) in enumerate(sizes.items())], ignore_index=True), **options)


def without_photographs(relation: Relation) -> Relation:
    """The same with no image and no prediction file known."""
    return replace(relation, images=relation.images.assign(path="", prediction=""))


def _images(
    images: pd.DataFrame, unlabelled: bool, blank: bool, place: int, rng: np.random.Generator, maps: Path | None
) -> pd.DataFrame:
    n = len(images)
    scaled = images["i_dist_scaled"].to_numpy()
    truth = LEVELS[place % 7] + SLOPES[place % 7] * (scaled - 0.4) + rng.normal(0, 0.13, n)
    truth = np.clip(truth, 0.0, 0.98)
    estimate = np.clip(truth + rng.normal(0, 0.09, n), 0, 1)
    p_value = np.clip(stats.norm.sf((TAU - estimate) / 0.12), 1e-3, 1)
    table = images[["dataset", "image", "path", "i_dist_mean", "i_dist_scaled"]].copy()
    table["prediction"] = [""] * n if maps is None else draw_maps(maps / f"maps{place}", images, rng)
    table["group"] = [name.rsplit(".", 1)[0][:-1] for name in images["image"]]
    table["foreground"] = np.nan if unlabelled else 0.0 if blank else rng.beta(2, 60, n)
    table["performance"] = np.nan if unlabelled or blank else truth
    table["estimate"], table["p_value"] = estimate, p_value
    table["estimate_low"], table["estimate_high"] = np.clip(estimate - 0.17, 0, 1), np.clip(estimate + 0.17, 0, 1)
    table["listed"] = p_value < 0.05
    return table


def _curve(table: pd.DataFrame) -> pd.DataFrame:
    known = table[table["performance"].notna()].sort_values(["i_dist_scaled", "image"], kind="stable")
    smoothed = known["performance"].rolling(max(1, len(known) // 10), center=True, min_periods=1).mean()
    columns = {"i_dist_scaled": "distance"}
    return known.rename(columns=columns)[["dataset", "image", "distance", "performance"]].assign(smoothed=smoothed)


def _dataset(name: str, table: pd.DataFrame, rng: np.random.Generator) -> DatasetRelation:
    known = table[table["performance"].notna()].sort_values(["i_dist_scaled", "image"], kind="stable")
    if not len(known):
        return DatasetRelation(name, len(table), 0, 0, None, None, None, None, (), (), None, _verdict(None, 0.0))
    mean = float(known["performance"].mean())
    trend = _trend(known) if len(known) > 2 else None
    return DatasetRelation(
        name=name,
        n=len(table),
        scored=len(known),
        unmatched=2 if name == "roads-dry" else 0,
        mean=mean,
        pooled=mean - 0.02,
        ods=mean + 0.04,
        ods_threshold=round(float(rng.uniform(0.2, 0.7)), 2),
        halves=_parts(known, ("nearest half", "farthest half"), rng),
        thirds=_parts(known, ("nearest third", "middle third", "farthest third"), rng) if len(known) > 2 else (),
        trend=trend,
        verdict=_verdict(trend, mean),
    )


def _parts(known: pd.DataFrame, labels: tuple[str, ...], rng: np.random.Generator) -> tuple[DistancePart, ...]:
    parts = []
    for label, places in zip(labels, np.array_split(np.arange(len(known))[::-1], len(labels))[::-1], strict=True):
        part = known.iloc[np.sort(places)]
        if not len(part):
            parts.append(DistancePart(label, 0, None, None, None, None, 0.0, 0.0))
            continue
        mean, distance = float(part["performance"].mean()), part["i_dist_scaled"]
        best = mean + abs(float(rng.normal(0.02, 0.02)))
        parts.append(
            DistancePart(label, len(part), best, 0.37, mean - 0.01, mean, float(distance.mean()), float(distance.std(ddof=0)))
        )
    return tuple(parts)


def _trend(known: pd.DataFrame) -> Trend:
    x, y = known["i_dist_scaled"].to_numpy(), known["performance"].to_numpy()
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        undefined = Interval(None)
        return Trend(len(x), known["group"].nunique(), undefined, undefined, undefined, None)
    half = 1.96 / math.sqrt(len(x))
    rho, tau = float(stats.spearmanr(x, y).statistic), float(stats.kendalltau(x, y).statistic)
    line = stats.linregress(x, y)
    return Trend(
        n=len(x),
        groups=known["group"].nunique(),
        spearman=_coefficient(rho, half),
        kendall=_coefficient(tau, 0.8 * half),
        slope=_coefficient(float(line.slope), 2 * float(line.stderr)) if len(x) > 3 else Interval(float(line.slope)),
        partial=_coefficient(0.8 * rho, half) if len(x) > 10 else None,
    )


def _pooled(trends: Sequence[Trend]) -> Trend:
    values = [one.slope.value for one in trends if one.slope.value is not None]
    spread = Interval(-0.14, -0.22, -0.06)
    slope = _coefficient(float(np.mean(values)), 0.05) if values else Interval(None)
    return Trend(sum(one.n for one in trends), sum(one.groups for one in trends), spread, spread, slope, None)


def _coefficient(value: float, half: float) -> Interval:
    return Interval(value, max(-1.0, value - half), value + half)


def _verdict(trend: Trend | None, mean: float) -> TrendVerdict:
    return verdict(trend, mean, tau=TAU, flat=FLAT)


def _judgement(name: str, kind: str, image: float, of_set: float, sets: Sequence[str], rng: np.random.Generator) -> Judgement:
    flat = name == "mean"
    return Judgement(
        estimator=name,
        kind=kind,
        sets=len(sets),
        images=412,
        mae_image=image,
        mae_set=of_set,
        coverage=float(rng.uniform(0.78, 0.95)),
        width=4 * image,
        auroc=None if flat else float(1.05 - 1.6 * image),
        auroc_within=None if flat else float(0.98 - 1.6 * image),
        aurc=float(0.2 + image / 2),
        set_errors={one: float(of_set * (1 if i % 2 else -1) * rng.uniform(0.6, 1.4)) for i, one in enumerate(sets)},
    )


def _estimate(name: str, table: pd.DataFrame, sets: int, rng: np.random.Generator) -> SetEstimate:
    known = table["performance"].dropna()
    measured = float(known.mean()) if len(known) else None
    predicted = float(table["estimate"].mean())
    half = float(rng.uniform(0.06, 0.16))
    level = (sets - 1) / sets if measured is not None else sets / (sets + 1)
    low, high = max(0.0, predicted - half), min(1.0, predicted + half)
    return SetEstimate(name, "signals", len(table), predicted, low, high, level, measured)


def _failures(name: str, table: pd.DataFrame) -> Failures:
    listed, known = table["listed"], table["performance"].notna()
    fails = known & (table["performance"] < TAU)
    caught = listed & known
    if not known.any():
        return Failures(name, TAU, RATE, "signals", len(table), int(listed.sum()))
    error = float((caught & ~fails).sum() / caught.sum()) if caught.any() else None
    found = int((listed & fails).sum())
    return Failures(name, TAU, RATE, "signals", len(table), int(listed.sum()), error, int(fails.sum()), found)


def _thresholds(one: DatasetRelation | None) -> pd.DataFrame:
    columns = ["dataset", "threshold", "precision", "recall", "f"]
    if one is None or one.ods is None or one.ods_threshold is None:
        return pd.DataFrame({name: pd.Series(dtype=object if name == "dataset" else np.float64) for name in columns})
    recall = 1 / (1 + np.exp((STEPS - one.ods_threshold - 0.3) / 0.15))
    precision = 1 - 0.75 * (1 - STEPS) ** 1.5
    precision[-1] = np.nan
    f = 2 * precision * recall / (precision + recall)
    f = f * one.ods / np.nanmax(f)
    return pd.DataFrame({"dataset": one.name, "threshold": STEPS, "precision": precision, "recall": recall, "f": f})
