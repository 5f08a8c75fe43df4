"""Build the tables of a pool: scores by dataset, shots until a level is reached, and spread over datasets and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.metrics import at_threshold, ods
from howfar.relation.trend_verdict import verdict
from howfar.results import Coefficient, Trend
from howfar.results.adaptation import F_OWN, Adaptation
from howfar.results.pool import ALL
from howfar.studies.pool.counted_maps import Counted, Trained, trainings
from howfar.studies.pool.draws import MEAN_F, PRECISION, RECALL, Drawn, ends


def scores_of(
    drawn: Drawn, counted: Sequence[Counted], studies: Mapping[str, Adaptation], strategy: str, level: float, flat: float
) -> pd.DataFrame:
    """Make `Pool.scores` of the draws, of the counts (ODS) and of the studies' slopes."""
    slopes = {model: _slopes(study, trainings(model, study, strategy)) for model, study in studies.items()}
    rows = []
    for m, model in enumerate(drawn.models):
        for q, shots in enumerate(drawn.shots):
            for d, dataset in enumerate(counted):
                values = {measure: drawn.values[measure][m, q, d] for measure in (MEAN_F, PRECISION, RECALL)}
                values["lean"] = values[PRECISION] - values[RECALL]
                intervals = [_with_ends(name, draws) for name, draws in values.items()]
                rows.append(
                    {
                        "model": model,
                        "shots": shots,
                        "dataset": dataset.dataset,
                        "n": len(dataset.images),
                        "photographs": len(set(dataset.photographs)),
                        "left_out": dataset.left_out,
                        **_at_best(dataset, model, shots),
                        **{name: value for each in intervals for name, value in each.items()},
                        "seeds_std": _std(drawn.seeds[MEAN_F][m, q, d]),
                        **_judged(slopes[model].get((shots, dataset.dataset)), float(values[MEAN_F][0]), level, flat),
                    }
                )
    return pd.DataFrame(rows)


def labels_of(drawn: Drawn, secondaries: Sequence[str], level: float) -> pd.DataFrame:
    """Make `Pool.labels`: from how many shots on the level is reached, and what the first shots gain."""
    rows = []
    fewest = min(count for count in drawn.shots if count)
    for m, model in enumerate(drawn.models):
        for name in (ALL, *secondaries):
            f = [drawn.at(MEAN_F, shots, secondaries if name == ALL else [name])[m].mean(axis=0) for shots in drawn.shots]
            places = until(np.stack(f), level)
            reached = (*map(float, drawn.shots), np.nan)[int(places[0])]
            gain = f[drawn.shots.index(fewest)] - f[0]
            rows.append({"model": model, "dataset": name, "until": reached, **_with_ends("gain", gain)})
    return pd.DataFrame(rows)


def until(f: Float64Array, level: float) -> Float64Array:
    """Find the first number of shots at which mean F reaches a level, as its place; one past the last where none does.

    Parameters
    ----------
    f
        (shots, draws) mean F by the number of shots, ascending.
    level
        The F that counts as reached.

    Examples
    --------
    >>> until(np.array([[0.5, 0.1], [0.4, 0.3]]), 0.5).tolist()
    [0.0, 2.0]
    """
    reached = f >= level
    return np.where(reached.any(axis=0), reached.argmax(axis=0), len(f)).astype(np.float64)


def spreads_of(drawn: Drawn, secondaries: Sequence[str]) -> pd.DataFrame:
    """Make `Pool.spreads`: how mean F differs between the secondary datasets, and between seeds."""
    places = [drawn.datasets.index(name) for name in secondaries]
    rows = []
    for m, model in enumerate(drawn.models):
        for q, shots in enumerate(drawn.shots):
            f = drawn.values[MEAN_F][m, q, places, 0]
            lowest = int(np.argmin(np.where(np.isnan(f), np.inf, f)))
            rows.append(
                {
                    "model": model,
                    "shots": shots,
                    "mean": float(f.mean()),
                    "lowest": float(f[lowest]),
                    "lowest_dataset": secondaries[lowest],
                    "highest": float(f.max()),
                    "sets_std": _std(f),
                    "seeds_std": _std(drawn.seeds[MEAN_F][m, q, places].mean(axis=0)),
                }
            )
    return pd.DataFrame(rows)


def _at_best(dataset: Counted, model: str, shots: int) -> dict[str, float]:
    """Compute ODS, and mean F of the images at its threshold, as means over seeds; NaN where no mask has foreground."""
    pairs = []
    for training, counts in dataset.counts.items():
        if (training.model, training.shots) == (model, shots):
            best, threshold = ods(counts)
            pairs.append((best, np.nan if np.isnan(threshold) else at_threshold(counts, threshold).mean_f))
    means = np.mean(pairs, axis=0)
    return {"ods": float(means[0]), "mean_f_ods": float(means[1])}


def _slopes(study: Adaptation, labels: Mapping[Trained, str]) -> dict[tuple[int, str], Trend]:
    """Return the study's slopes of F at the models' own thresholds, by shots and dataset, averaged over seeds."""
    rows = study.slopes[study.slopes["measure"] == F_OWN]
    shots = {(training.seed, label): training.shots for training, label in labels.items()}
    by_seed: dict[tuple[int, str], list[tuple[float, ...]]] = {}
    for row in rows.to_dict("records"):
        key = (int(row["seed"]), str(row["model"]))
        if key in shots:
            values = tuple(float(row[name]) for name in ("n", "photographs", "slope", "low", "high"))
            by_seed.setdefault((shots[key], str(row["dataset"])), []).append(values)
    return {place: _mean_trend(np.array(values)) for place, values in by_seed.items()}


def _mean_trend(by_seed: Float64Array) -> Trend:
    """Average slopes over seeds with their ends, which give an interval no narrower than that of the mean."""
    n, photographs, slope, low, high = by_seed.mean(axis=0)
    ends_of = (None, None) if np.isnan(low) else (float(low), float(high))
    unknown = Coefficient(None)
    return Trend(int(n), int(photographs), unknown, unknown, slope=Coefficient(_known(slope), *ends_of), partial=None)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _judged(trend: Trend | None, mean: float, level: float, flat: float) -> dict[str, float | str]:
    """Give a slope with its interval and the kind of its verdict; NaN and "none" where there is none."""
    slope = Coefficient(None) if trend is None else trend.slope
    values = {"slope": slope.value, "slope_low": slope.low, "slope_high": slope.high}
    kind = verdict(trend, mean, tau=level, flat=flat).kind
    return {**{name: np.nan if value is None else value for name, value in values.items()}, "verdict": kind}


def _with_ends(name: str, draws: Float64Array) -> dict[str, float]:
    low, high = ends(draws[1:])
    return {name: float(draws[0]), f"{name}_low": low, f"{name}_high": high}


def _std(values: Float64Array) -> float:
    """Compute the standard deviation of a sample; NaN for a single value."""
    defined = values[np.isfinite(values)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else float("nan")
