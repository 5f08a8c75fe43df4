"""A factory of believable pools of models from seeded random numbers, with no training behind them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from howfar.paper import segmenter_ranking as rank
from howfar.paper.study_common import interval_columns
from howfar.results import Provenance
from howfar.results.segmenter_studies import SECONDS, WISHES, Pool

MODELS = ("unetplusplus", "deepcrack", "adsam")
SHOTS = (0, 1, 3, 7)
SECONDARIES = ("site", "walls & <decks>", "tunnel")
LEANS = {"unetplusplus": 0.0, "deepcrack": -0.2, "adsam": 0.25}
LEVELS = {"unetplusplus": 0.45, "deepcrack": 0.5, "adsam": 0.38}
SECONDS_OF = {"unetplusplus": 0.4, "deepcrack": 1.2, "adsam": 9.0}
SIZES = {
    "unetplusplus": {"parameters": 13_634_115, "trained": 13_634_115},
    "deepcrack": {"parameters": 30_905_863, "trained": 30_905_863},
    "adsam": {"parameters": 93_800_000, "trained": 4_121_652},
}


def make(
    *,
    wishes: Sequence[str] = WISHES,
    weights: Mapping[str, float] | None = None,
    seeds: int = 1,
    noise: float = 0.01,
    blind: Sequence[str] = (),
    level: float = 0.5,
    models: Sequence[str] = MODELS,
    draws: int = 200,
    tuned: bool = True,
) -> Pool:
    """A pool in which deepcrack leans to recall and adsam to precision, as the paper suggests."""
    rng = np.random.default_rng(0)
    datasets = (*SECONDARIES, *blind)
    drawn = _drawn(models, datasets, seeds, noise, draws, rng)
    timings = pd.DataFrame(
        [
            {"model": model, "image": f"{k}.png", "round": turn, SECONDS: SECONDS_OF[model] * rng.uniform(0.9, 1.2)}
            for turn in range(3)
            for k in range(3)
            for model in models
        ]
    )
    wish = dict(weights) if weights else tuple(wishes)
    settings = rank.PoolSettings(of="adaptation", wish=wish, level=level, bootstrap=draws)
    rankings, timed_rankings = rank.rankings_of(drawn, SECONDARIES, timings, settings)
    return Pool(
        of="adaptation",
        strategy="far",
        primary="roads",
        secondaries=SECONDARIES,
        blind=tuple(blind),
        models=tuple(models),
        shots=SHOTS,
        seeds=tuple(range(seeds)),
        wishes=tuple(weights or wishes),
        weights=dict(weights or {}),
        level=level,
        flat=0.2,
        bootstrap=draws,
        tuned=tuned,
        hardware={"processor": "Model 7", "cores": 2, "threads": 1, "device": "CPU"},
        scores=_scores(drawn, seeds, rng),
        labels=rank.labels_of(drawn, SECONDARIES, level),
        spreads=rank.spreads_of(drawn, SECONDARIES),
        distances=pd.DataFrame(
            [
                {"model": model, "dataset": name, "o_dist_mean": 20.0 + k, "o_dist_scaled": 1 / 3, "relative": 1.1 + 0.2 * k}
                for model in models
                for k, name in enumerate(SECONDARIES)
            ]
        ),
        costs=pd.DataFrame([{"model": model, "segmenter": model, "size": 448, **SIZES[model]} for model in models]),
        timings=timings,
        rankings=rankings,
        timed_rankings=timed_rankings,
        provenance=Provenance("0.1.0", "2026-01-03T03:04:05+00:00", "3.12.1", "Linux-6", {"numpy": "2.1.0"}),
    )


def _drawn(
    models: Sequence[str], datasets: Sequence[str], seeds: int, noise: float, draws: int, rng: np.random.Generator
) -> rank.ResampledScores:
    shape = (len(models), len(SHOTS), len(datasets))
    shaken = np.concatenate([np.zeros((*shape, 1)), noise * rng.normal(size=(*shape, draws))], axis=3)
    level = np.array([LEVELS[model] for model in models])[:, None, None]
    lean = np.array([LEANS[model] for model in models])[:, None, None]
    f = (level + 0.05 * np.sqrt(SHOTS)[None, :, None] - 0.1 * np.arange(len(datasets)))[..., None] + shaken
    lean = lean[..., None] / 2 + shaken
    values = {rank.MEAN_F: f, rank.PRECISION: f + lean, rank.RECALL: f - lean}
    values = {name: np.clip(each, 0, 1) for name, each in values.items()}
    by_seed = {name: each[..., :1] + 0.01 * np.arange(seeds) for name, each in values.items()}
    return rank.ResampledScores(tuple(models), SHOTS, tuple(datasets), values, by_seed)


def _scores(drawn: rank.ResampledScores, seeds: int, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for m, model in enumerate(drawn.models):
        for q, shots in enumerate(drawn.shots):
            for d, dataset in enumerate(drawn.datasets):
                values = {name: each[m, q, d] for name, each in drawn.values.items()}
                values["lean"] = values[rank.PRECISION] - values[rank.RECALL]
                row = {"model": model, "shots": shots, "dataset": dataset, "n": 40, "photographs": 30, "left_out": 4}
                row |= {"ods": float(values[rank.MEAN_F][0]) + 0.05, "mean_f_ods": float(values[rank.MEAN_F][0]) + 0.03}
                for name, each in values.items():
                    row |= interval_columns(name, each)
                slope = rng.normal(-0.15, 0.1) if dataset in SECONDARIES else np.nan
                row |= {"seeds_std": 0.01 if seeds > 1 else np.nan, "slope": slope}
                row |= {"slope_low": slope - 0.2, "slope_high": slope + 0.2}
                row["verdict"] = "none" if not abs(slope) > 0.2 else "falls" if slope < 0 else "rises"
                rows.append(row)
    return pd.DataFrame(rows)
