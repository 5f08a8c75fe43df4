"""Rank models under a wish: high precision, high recall, few labels, stable on unseen datasets, or fast."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.relation.rank_intervals import ranking, ranks_of
from howfar.results.pool import SECONDS, WEIGHTED
from howfar.studies.pool.draws import MEAN_F, PRECISION, RECALL, Drawn, ends
from howfar.studies.pool.tables import until


@dataclass(frozen=True, eq=False)
class Wished:
    """Hold what models are ranked by under one wish, as measured and in each draw: arrays (models, 1 + b).

    Attributes
    ----------
    values
        What is shown.
    scores
        What ranks, the higher the better.
    compared
        Whether a difference of two values means something in every draw.
    """

    values: Float64Array
    scores: Float64Array
    compared: bool = True


def precise(drawn: Drawn, secondaries: Sequence[str]) -> Wished:
    """Wish for high precision: mean over the secondary datasets, of the models with the most shots."""
    return _mean_of(drawn, PRECISION, secondaries)


def complete(drawn: Drawn, secondaries: Sequence[str]) -> Wished:
    """Wish for high recall: mean over the secondary datasets, of the models with the most shots."""
    return _mean_of(drawn, RECALL, secondaries)


def frugal(drawn: Drawn, secondaries: Sequence[str], level: float) -> Wished:
    """Wish for few labels: the fewest shots at which mean F over the secondary datasets reaches the level.

    Models that need as many are ranked by what the fewest shots gain.
    """
    f = np.stack([drawn.at(MEAN_F, shots, secondaries).mean(axis=1) for shots in drawn.shots], axis=1)
    places = np.stack([until(of_model, level) for of_model in f])
    fewest = min(count for count in drawn.shots if count)
    gain = f[:, drawn.shots.index(fewest)] - f[:, 0]
    # A gain lies between -1 and 1, so that a quarter of it never makes up for one step of the numbers of shots.
    return Wished(np.array([*drawn.shots, np.inf])[places.astype(int)], gain / 4 - places, compared=False)


def stable(drawn: Drawn, unseen: Sequence[str]) -> Wished:
    """Wish for a model that holds on datasets which it learnt nothing of: the lowest of M's mean F over them."""
    lowest = drawn.at(MEAN_F, 0, unseen).min(axis=1)
    return Wished(lowest, lowest)


def fast(timings: pd.DataFrame, models: Sequence[str], bootstrap: int, seed: int) -> Wished:
    """Wish for a fast model: the median seconds for an image; draws take the timings with replacement."""
    rows = []
    for model in models:
        seconds = timings.loc[timings["model"] == model, SECONDS].to_numpy(dtype=np.float64)
        rng = np.random.default_rng([seed, zlib.crc32(model.encode()), 8])
        drawn = np.median(rng.choice(seconds, (bootstrap, len(seconds))), axis=1)
        rows.append(np.concatenate([[np.median(seconds)], drawn]))
    values = np.stack(rows)
    return Wished(values, -values)


def weighted(wished: Mapping[str, Wished], weights: Mapping[str, float]) -> Wished:
    """Wish for several things at once: the mean of a model's ranks under each wish, weighted, in every draw."""
    total = sum(weights.values())
    mean = np.sum([share / total * ranks_of(wished[wish].scores) for wish, share in weights.items()], axis=0)
    return Wished(mean, -mean)


def rows_of(wish: str, wished: Wished, models: Sequence[str]) -> list[dict[str, object]]:
    """Make the rows of `Pool.rankings` of one wish: values, ranks and the difference from the best other model."""
    found = ranking(wished.scores[:, 0], wished.scores[:, 1:])
    order = np.argsort(found.rank, kind="stable")
    rows = []
    for place, model in enumerate(models):
        low, high = _ends(wished.values[place, 1:])
        other = order[0] if order[0] != place else order[1]
        differences = wished.values[place] - wished.values[other] if wished.compared else np.full(2, np.nan)
        over_low, over_high = ends(differences[1:])
        rows.append(
            {
                "wish": wish,
                "model": model,
                "value": _finite(wished.values[place, 0]),
                "low": low,
                "high": high,
                "rank": int(found.rank[place]),
                "rank_low": int(found.low[place]),
                "rank_high": int(found.high[place]),
                "first": float(found.first[place]),
                "over": float(differences[0]),
                "over_low": over_low,
                "over_high": over_high,
            }
        )
    return rows


def table_of(wished: Mapping[str, Wished], models: Sequence[str]) -> pd.DataFrame:
    """Make the table of several wishes' rankings; without any it has no rows."""
    rows = [row for wish, each in wished.items() for row in rows_of(wish, each, models)]
    blank = ("wish", "model", "value", "low", "high", "rank", "rank_low", "rank_high", "first", "over", "over_low", "over_high")
    return pd.DataFrame(rows, columns=list(blank))


def is_timed(wish: str, weights: Mapping[str, float]) -> bool:
    """Tell whether a ranking depends on the time that models took."""
    return wish == "fast" or (wish == WEIGHTED and "fast" in weights)


def _mean_of(drawn: Drawn, measure: str, secondaries: Sequence[str]) -> Wished:
    mean = drawn.at(measure, max(drawn.shots), secondaries).mean(axis=1)
    return Wished(mean, mean)


def _ends(draws: Float64Array) -> tuple[float, float]:
    """Return the ends of the 95 % interval among the drawn values; NaN for an end that no number of shots reached."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return float("nan"), float("nan")
    if np.isfinite(known).all():
        return ends(known)
    low, high = np.quantile(known, [0.025, 0.975], method="inverted_cdf")
    return _finite(low), _finite(high)


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")
