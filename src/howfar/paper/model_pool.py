"""Run the paper's study of a pool of models (section 6): rank models by score, labels needed, stability and speed."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from howfar import options
from howfar.arrays import Float64Array
from howfar.backbones.torch_backbone import resolve_device
from howfar.cores import available_cores
from howfar.data import Dataset, decode, read_bytes
from howfar.errors import InputError
from howfar.metrics import at_threshold, ods
from howfar.option_validation import nearest
from howfar.paper.model_pool_bootstrap import (
    MEAN_F,
    MEASURES,
    PRECISION,
    RECALL,
    Counted,
    ResampledScores,
    count_maps,
    draw_scores,
    trainings,
)
from howfar.paper.study_common import AdaptationName, adapted, interval_columns, study_settings
from howfar.pipeline.prediction import load_model
from howfar.progress import bar
from howfar.random_streams import stream
from howfar.relation.rank_stability import ranking, ranks_of
from howfar.relation.trend import verdict
from howfar.results import Interval, Provenance, Trend
from howfar.results.adaptation_result import BASELINE, F_OWN, Adaptation
from howfar.results.records import keyed, matching
from howfar.results.segmenter_studies import ALL_SETS, SECONDS, WEIGHTED, WISHES, Pool
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.compare_datasets import compare
from howfar.studies.study_file.kind import KindSettings, StudyKind, setting
from howfar.studies.study_file.read_study_file import Inputs

IMAGES: Final = 3
ROUNDS: Final = 5
_ENOUGH_ROUNDS: Final = 2
_PATIENCE: Final = 120.0
"""Seconds after which no further round is begun."""


def costs_of(checkpoints: Mapping[str, Checkpoint]) -> pd.DataFrame:
    """Count the parameters of each model's network.

    A row a model: model, segmenter, size (side of the square input in pixels), parameters, trained (those that training
    changes; the encoder of ``adsam`` is frozen).
    """
    rows = []
    for model, checkpoint in checkpoints.items():
        parameters, card = list(checkpoint.build().parameters()), checkpoint.card
        trained = sum(each.numel() for each in parameters if each.requires_grad)
        row = {"model": model, "segmenter": card.segmenter, "size": card.size}
        rows.append({**row, "parameters": sum(each.numel() for each in parameters), "trained": trained})
    return pd.DataFrame(rows)


def timings_of(checkpoints: Mapping[str, Checkpoint], dataset: Dataset, device: str, *, progress: bool) -> pd.DataFrame:
    """Time each model on the first images of a dataset, one image at a time; a row a model, image and round.

    Reading and decoding are not timed; resizing to the network's input, the network and resizing its map are. One image by each
    model beforehand is not counted. Models take turns, so that whatever else the machine does meets all of them. There are five
    rounds over three images, or fewer (no less than two) where they take more than two minutes.
    """
    pictures = [(item.name, np.asarray(decode(read_bytes(item.path)).image)) for item in dataset.items[:IMAGES]]
    predictors = {model: load_model(checkpoint, device=device).predictor for model, checkpoint in checkpoints.items()}
    for predictor in predictors.values():
        predictor.maps([pictures[0][1]])
    rows, begun = [], time.perf_counter()
    for number in bar(range(ROUNDS), progress=progress, patient=True, desc="timing models", unit="round"):
        if number >= _ENOUGH_ROUNDS and time.perf_counter() - begun > _PATIENCE:
            break
        for (name, picture), (model, predictor) in product(pictures, predictors.items()):
            started = time.perf_counter()
            # The map is an array in memory when this returns, so that a GPU's work is waited for.
            predictor.maps([picture])
            rows.append({"model": model, "image": name, "round": number, SECONDS: time.perf_counter() - started})
    return pd.DataFrame(rows)


def hardware(device: str) -> dict[str, str | int]:
    """Describe the timing hardware: processor, usable cores, torch's threads, and the device."""
    where, info = resolve_device(device), Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU",
    }


def scores_of(
    drawn: ResampledScores, counted: Sequence[Counted], study: Adaptation, settings: PoolSettings, strategy: str
) -> pd.DataFrame:
    """Build `Pool.scores` from the draws, the counts (ODS) and the study's slopes."""
    # Means over seeds of the slopes of F at the models' own thresholds, and of their ends: an interval that is no narrower than
    # that of the mean.
    keys = ["segmenter", "seed", "model"]
    fitted = matching(study.slopes, measure=F_OWN).merge(trainings(study, strategy)[[*keys, "shots"]], on=keys)
    columns = ["n", "photographs", "slope", "low", "high"]
    trends, unknown = {}, Interval(None)
    by_dataset: Any = fitted.groupby(["segmenter", "shots", "dataset"], sort=False)[columns]
    for (segmenter, shots, dataset), own in by_dataset:
        n, photographs, *slope = np.mean(own.to_numpy(dtype=np.float64).tolist(), axis=0).tolist()
        mean = Interval(*(None if np.isnan(value) else value for value in slope))
        trends[segmenter, shots, dataset] = Trend(int(n), int(photographs), unknown, unknown, slope=mean, partial=None)

    rows = []
    for (m, model), (q, shots), (d, dataset) in product(enumerate(drawn.models), enumerate(drawn.shots), enumerate(counted)):
        values = {measure: drawn.values[measure][m, q, d] for measure in MEASURES}
        values["lean"] = values[PRECISION] - values[RECALL]
        row: dict[str, Any] = {"model": model, "shots": shots, "dataset": dataset.dataset, "n": len(dataset.images)}
        row |= {"photographs": len(set(dataset.photographs)), "left_out": dataset.left_out}
        # The mean F of maps that mark every pixel: 2 π / (1 + π) of an image whose share π of pixels is foreground.
        every = next(iter(dataset.counts.values()))
        seen = every.true > 0
        marked = 2 * every.true[seen] / (every.true + every.pixels)[seen]
        row["chance"] = float(marked.mean()) if seen.any() else 0.0
        pairs = []
        for training, counts in dataset.counts.items():
            if (training.model, training.shots) == (model, shots):
                best, threshold = ods(counts)
                pairs.append((best, np.nan if np.isnan(threshold) else at_threshold(counts, threshold).mean_f))
        row |= dict(zip(("ods", "mean_f_ods"), np.mean(pairs, axis=0).tolist(), strict=True))
        for name, draws in values.items():
            row |= interval_columns(name, draws)
        row["seeds_std"] = _std(drawn.seeds[MEAN_F][m, q, d])
        trend = trends.get((model, shots, dataset.dataset))
        ends = (Interval(None) if trend is None else trend.slope).ends
        kind = verdict(trend, row[MEAN_F], tau=settings.level, flat=settings.flat).kind
        rows.append({**row, **dict(zip(("slope", "slope_low", "slope_high"), ends, strict=True)), "verdict": kind})
    return pd.DataFrame(rows)


def labels_of(drawn: ResampledScores, secondaries: Sequence[str], level: float) -> pd.DataFrame:
    """Build `Pool.labels`: the number of shots that reaches the level, and the gain of the first shots."""
    by_name = {name: drawn.mean_f(secondaries if name == ALL_SETS else [name]) for name in (ALL_SETS, *secondaries)}
    rows = []
    for (m, model), (name, f) in product(enumerate(drawn.models), by_name.items()):
        reached = (*map(float, drawn.shots), np.nan)[int(until(f, level)[m, 0])]
        gain = interval_columns("gain", f[m, drawn.shots.index(drawn.fewest)] - f[m, 0])
        rows.append({"model": model, "dataset": name, "until": reached, **gain})
    return pd.DataFrame(rows)


def until(f: Float64Array, level: float) -> Float64Array:
    """Return the place of the first number of shots, (models, 1 + b), whose mean F reaches a level; past the last if none does.

    `f` is (models, shots, 1 + b).
    """
    reached = f >= level
    places: Float64Array = np.where(reached.any(axis=1), reached.argmax(axis=1), f.shape[1]).astype(np.float64)
    return places


def spreads_of(drawn: ResampledScores, secondaries: Sequence[str]) -> pd.DataFrame:
    """Build `Pool.spreads`: the variation of mean F between secondary datasets and between seeds."""
    places = [drawn.datasets.index(name) for name in secondaries]
    rows = []
    for (m, model), (q, shots) in product(enumerate(drawn.models), enumerate(drawn.shots)):
        f = drawn.values[MEAN_F][m, q, places, 0]
        lowest = int(np.argmin(np.where(np.isnan(f), np.inf, f)))
        row = {"model": model, "shots": shots, "mean": float(f.mean()), "lowest": float(f[lowest])}
        row |= {"lowest_dataset": secondaries[lowest], "highest": float(f.max()), "sets_std": _std(f)}
        rows.append({**row, "seeds_std": _std(drawn.seeds[MEAN_F][m, q, places].mean(axis=0))})
    return pd.DataFrame(rows)


def _std(values: Float64Array) -> float:
    """Compute the standard deviation of a sample; NaN for a single value."""
    defined = values[np.isfinite(values)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else float("nan")


class Wished(NamedTuple):
    """Hold the ranking values under one wish, as measured and in each draw: arrays (models, 1 + b).

    `values` are shown, `scores` rank, the higher the better; `compared` says whether a difference of two values means
    something.
    """

    values: Float64Array
    scores: Float64Array
    compared: bool = True


def highest(drawn: ResampledScores, measure: str, secondaries: Sequence[str]) -> Wished:
    """Rank by the mean of a measure over the secondary datasets, for models with the most shots."""
    mean = drawn.at(measure, max(drawn.shots), secondaries).mean(axis=1)
    return Wished(mean, mean)


def frugal(drawn: ResampledScores, secondaries: Sequence[str], level: float) -> Wished:
    """Rank by the fewest shots at which mean F over the secondary datasets reaches the level.

    Models that need as many are ranked by what the fewest shots gain.
    """
    f = drawn.mean_f(secondaries)
    places = until(f, level)
    gain = f[:, drawn.shots.index(drawn.fewest)] - f[:, 0]
    # A gain lies between -1 and 1, so that a quarter of it never makes up for one step of the numbers of shots.
    return Wished(np.array([*drawn.shots, np.inf])[places.astype(int)], gain / 4 - places, compared=False)


def stable(drawn: ResampledScores, unseen: Sequence[str]) -> Wished:
    """Rank by M's lowest mean F over datasets from which it learnt nothing."""
    lowest = drawn.at(MEAN_F, 0, unseen).min(axis=1)
    return Wished(lowest, lowest)


def fast(timings: pd.DataFrame, models: Sequence[str], bootstrap: int, seed: int) -> Wished:
    """Rank by the median seconds per image; draws resample the timings."""
    rows = []
    for model in models:
        seconds = timings.loc[timings["model"] == model, SECONDS].to_numpy(dtype=np.float64)
        drawn = stream(seed, "labels of a pool", model).choice(seconds, (bootstrap, len(seconds)))
        rows.append(np.concatenate([[np.median(seconds)], np.median(drawn, axis=1)]))
    values = np.stack(rows)
    return Wished(values, -values)


def weighted(wished: Mapping[str, Wished], weights: Mapping[str, float]) -> Wished:
    """Rank by the weighted mean of a model's ranks under each wish, in every draw."""
    total = sum(weights.values())
    mean = np.sum([share / total * ranks_of(wished[wish].scores) for wish, share in weights.items()], axis=0)
    return Wished(mean, -mean)


RANKING: Final = (
    "wish", "model", "value", "low", "high", "rank", "rank_low", "rank_high", "first", "over", "over_low", "over_high"
)  # fmt: skip
"""The columns of `Pool.rankings`."""


def table_of(wished: Mapping[str, Wished], models: Sequence[str]) -> pd.DataFrame:
    """Build the table of several wishes' rankings: values, ranks and the difference from the best other model."""
    rows = []
    for wish, each in wished.items():
        found = ranking(each.scores[:, 0], each.scores[:, 1:])
        order = np.argsort(found.rank, kind="stable")
        for place, model in enumerate(models):
            values = each.values[place]
            other = order[0] if order[0] != place else order[1]
            differences = values - each.values[other] if each.compared else np.full(2, np.nan)
            row = {"wish": wish, "model": model, "value": _finite(values[0]), **_ends(values)}
            row |= {"rank": int(found.rank[place]), "rank_low": int(found.low[place]), "rank_high": int(found.high[place])}
            rows.append({**row, "first": float(found.first[place]), **interval_columns("over", differences)})
    return pd.DataFrame(rows, columns=list(RANKING))


def is_timed(wish: str, weights: Mapping[str, float]) -> bool:
    """Return whether a ranking depends on the models' timings."""
    return wish == "fast" or (wish == WEIGHTED and "fast" in weights)


def _ends(values: Float64Array) -> dict[str, float]:
    """Return the ends of the 95 % interval of the draws; NaN for an end that no number of shots reached."""
    draws = values[1:][~np.isnan(values[1:])]
    if np.isinf(draws).any():
        low, high = np.quantile(draws, [0.025, 0.975], method="inverted_cdf")
        return {"low": _finite(low), "high": _finite(high)}
    ends = interval_columns("", values)
    return {"low": ends["_low"], "high": ends["_high"]}


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")


class PoolSettings(KindSettings):
    """Hold the settings of the study of the pool of models."""

    of: AdaptationName = Field(description="The study of adaptation whose models are compared.")
    wish: str | tuple[str, ...] | dict[str, float] = Field(
        WISHES,
        description="One of precision, recall, few labels, stable, fast, or a list: a ranking for each. With weights "
        "({recall = 2, fast = 1}) there is a further ranking, by the weighted mean of ranks.",
    )
    strategy: str = Field("", description="The strategy whose models are compared; by default the study's first.")
    level: float = Field(0.5, gt=0, lt=1, description="The mean F that counts as reached.")
    floor: float = Field(0.1, ge=0, lt=1, description="Recommend no model whose mean F or precision is below this.")
    bootstrap: int = setting(options.Bootstrap, ge=2, description="Draw this many resamples for the intervals.")
    seed: int = setting(options.Seed)
    flat: float = setting(options.Flat)

    def weights(self) -> dict[str, float]:
        """Return the wishes' weights, if any were given."""
        return dict(self.wish) if isinstance(self.wish, dict) else {}

    def wishes(self) -> tuple[str, ...]:
        """Return the wishes in order."""
        return (self.wish,) if isinstance(self.wish, str) else tuple(self.wish)


def _check(settings: PoolSettings, inputs: Inputs) -> None:
    wishes = settings.wishes()
    for wish in wishes:
        if wish not in WISHES:
            raise InputError.of("wish", f"must be one of {', '.join(WISHES)}", wish, nearest(wish, list(WISHES), "wishes"))
    if not wishes or len(set(wishes)) < len(wishes):
        raise InputError.of("wish", "must name different wishes, at least one", list(wishes))
    if any(not 0 < share < np.inf for share in settings.weights().values()):
        raise InputError.of("wish", "must have weights above 0", settings.weights())
    studied = study_settings(inputs, settings.of)
    if len(studied.models) < 2:
        remedy = f"name further models in studies.{settings.of}"
        raise InputError.of("of", "must be a study of at least two models", list(studied.models), remedy)
    if settings.strategy and settings.strategy not in studied.strategies:
        remedy = nearest(settings.strategy, list(studied.strategies), "strategies")
        raise InputError.of("strategy", f"must be one of studies.{settings.of}", settings.strategy, remedy)


def _run(settings: PoolSettings, inputs: Inputs) -> Pool:
    studied = adapted(inputs, settings.of)
    folder = inputs.folder_of(settings.of)
    strategy = settings.strategy or str(studied.settings["strategies"][0])
    # Of the blind datasets those with masks.
    blind = tuple(name for name in studied.blind if (matching(studied.images, dataset=name)["mask"] != "").any())
    progress = inputs.execution.progress
    counted = count_maps(studied, folder, strategy, (*studied.secondaries, *blind), progress=progress)
    compared = trainings(studied, strategy)
    thresholds = dict(zip(compared["training"], compared["threshold"].astype(float), strict=True))
    drawn = draw_scores(counted, thresholds, settings.bootstrap, settings.seed)
    seeds = tuple(int(each) for each in studied.settings["seeds"])
    files = {model: folder / model / f"models/seed{seeds[0]}/{BASELINE}.safetensors" for model in studied.segmenters}
    checkpoints = {model: Checkpoint.load(file) for model, file in files.items()}
    timings = timings_of(checkpoints, inputs.dataset(studied.secondaries[0]), inputs.device, progress=progress)
    weights = settings.weights()
    wished = {}
    for wish in settings.wishes():
        if wish == "few labels":
            wished[wish] = frugal(drawn, studied.secondaries, settings.level)
        elif wish == "stable":
            wished[wish] = stable(drawn, (*studied.secondaries, *blind))
        elif wish == "fast":
            wished[wish] = fast(timings, drawn.models, settings.bootstrap, settings.seed)
        else:
            wished[wish] = highest(drawn, wish, studied.secondaries)
    wished |= {WEIGHTED: weighted(wished, weights)} if weights else {}
    timed = {wish: each for wish, each in wished.items() if is_timed(wish, weights)}
    return Pool(
        of=settings.of,
        strategy=strategy,
        primary=studied.primary,
        secondaries=studied.secondaries,
        blind=blind,
        models=studied.segmenters,
        shots=drawn.shots,
        seeds=seeds,
        wishes=settings.wishes(),
        weights=weights,
        level=settings.level,
        flat=settings.flat,
        floor=settings.floor,
        bootstrap=settings.bootstrap,
        tuned=bool(studied.models["held_out_ods"].notna().all()),
        hardware=hardware(inputs.device),
        scores=scores_of(drawn, counted, studied, settings, strategy),
        labels=labels_of(drawn, studied.secondaries, settings.level),
        spreads=spreads_of(drawn, studied.secondaries),
        distances=_distances(studied, files, inputs),
        costs=costs_of(checkpoints),
        timings=timings,
        rankings=table_of({wish: each for wish, each in wished.items() if wish not in timed}, drawn.models),
        timed_rankings=table_of(timed, drawn.models),
        provenance=Provenance.now(),
    )


def _distances(study: Adaptation, files: Mapping[str, Path], inputs: Inputs) -> pd.DataFrame:
    """Measure O^dist of the secondary datasets with each model's own features, stored by its adaptation study."""
    frames = []
    for model, architecture in study.architectures.items():
        run = compare(
            inputs.dataset(study.primary),
            inputs.datasets(study.secondaries),
            architecture,
            weights=files[model],
            components=study.settings["components"],
            bootstrap=0,
            permutations=0,
            rivals=False,
            baselines=False,
            device=inputs.device,
            **{**inputs.execution._asdict(), "store": files[model].parents[2] / "store"},
        )
        frame = run.to_frame().rename(columns={"name": "dataset"})
        frames.append(keyed(frame[["dataset", "o_dist_mean", "o_dist_scaled", "relative"]], model=model))
    return pd.concat(frames, ignore_index=True)


POOL = StudyKind(
    name="pool",
    title="Which model suits which wish?",
    summary="Precision, recall, labels needed, stability and cost of models, ranked by wish (contribution d, section 6).",
    settings=PoolSettings,
    run=_run,
    result=Pool,
    check=_check,
)
