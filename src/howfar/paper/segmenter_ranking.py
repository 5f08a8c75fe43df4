"""Compare trained segmenters as the paper does (section 6), and rank them by score, labels needed, stability and speed."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from howfar import options
from howfar.arrays import Float64Array, quotient
from howfar.backbones.torch_backbone import resolve_device
from howfar.cpu_cores import available_cores
from howfar.data import Dataset, decode, read_bytes, read_mask
from howfar.data.prediction_maps import read_prediction
from howfar.errors import ImageError, InputError
from howfar.metrics import Counts, at_threshold, count, f_per_image, ods, stack, threshold_index
from howfar.option_checks_and_signatures import nearest
from howfar.paper.study_common import AdaptationName, adapted, interval_columns, study_settings
from howfar.pipeline.prediction import load_model
from howfar.progress import bar
from howfar.random_streams import stream
from howfar.relation.rank_stability import interval_of, ranking, ranks_of
from howfar.relation.trend import verdict
from howfar.results import Interval, Provenance, Trend
from howfar.results.adaptation_result import BASELINE, F_OWN, Adaptation
from howfar.results.display_and_shared_records import keyed, matching
from howfar.results.segmenter_studies import ALL_SETS, SECONDS, WEIGHTED, WISHES, Pool
from howfar.runners import LocalRunner
from howfar.segmenters.checkpoint import Checkpoint
from howfar.significance.bootstrap import resample_counts
from howfar.studies.compare_datasets import compare
from howfar.studies.study_file.kind import KindSettings, StudyKind, setting
from howfar.studies.study_file.read_study_file import Inputs
from howfar.tasks.map_scores_and_signals import resized

IMAGES: Final = 3
ROUNDS: Final = 5
_ENOUGH_ROUNDS: Final = 2
_PATIENCE: Final = 120.0
"""Seconds after which no further round is begun."""
MEAN_F, PRECISION, RECALL = "mean_f", "precision", "recall"
MEASURES = (MEAN_F, PRECISION, RECALL)
RANKING: Final = (
    "wish", "model", "value", "low", "high", "rank", "rank_low", "rank_high", "first", "over", "over_low", "over_high"
)  # fmt: skip
"""The columns of `Pool.rankings`."""


class Trained(NamedTuple):
    """Identify a training: the pool's model, the number of images of each secondary, and the seed."""

    model: str
    shots: int
    seed: int


@dataclass(frozen=True, eq=False)
class Counted:
    """Hold a dataset's images that all trainings were scored on, with every training's pixel counts in their order.

    `photographs` names the photograph of each image. `left_out` images are those that some training was not scored on, as one
    of the models learnt from their photographs.
    """

    dataset: str
    images: tuple[str, ...]
    photographs: tuple[str, ...]
    left_out: int
    counts: Mapping[Trained, Counts]


def trainings(study: Adaptation, strategy: str) -> pd.DataFrame:
    """Return the compared models' rows of `Adaptation.models` by segmenter and shots, with `Trained` in the column training.

    Those with background are left out, as are the further seeds of random, which other strategies lack.
    """
    rows = study.models[study.models["seed"].isin(study.settings["seeds"])]
    rows = rows[(rows["model"] == BASELINE) | ((rows["strategy"] == strategy) & (rows["background"] == 0))]
    rows = rows.assign(place=rows["segmenter"].map(study.segmenters.index))
    rows = rows.sort_values(["place", "shots", "seed"], kind="stable")
    keys = zip(rows["segmenter"], rows["shots"].tolist(), rows["seed"].tolist(), strict=True)
    return rows.assign(training=pd.Series([Trained(*key) for key in keys], index=rows.index, dtype=object))


def count_maps(study: Adaptation, folder: Path, strategy: str, datasets: Sequence[str], *, progress: bool) -> list[Counted]:
    """Count every training's maps, below `folder`, dataset by dataset, on the images with masks that all were scored on."""
    keys, compared = ["segmenter", "shots", "seed"], trainings(study, strategy)
    columns = ["dataset", "image", "photograph", "mask", "map", "segmenter", "model", "seed"]
    images = study.images.loc[study.images["mask"] != "", columns]
    images = images.merge(compared[["model", *keys]], on=["segmenter", "model", "seed"])
    images["map"] = [str(folder / name / file) for name, file in zip(images["segmenter"], images["map"], strict=True)]
    labels: list[Trained] = compared["training"].tolist()
    by_training, counted = pd.MultiIndex.from_tuples(labels), []
    for dataset in datasets:
        own = matching(images, dataset=dataset)
        every = own.drop_duplicates("image").set_index("image")
        maps = own.pivot(index="image", columns=keys, values="map").reindex(every.index, columns=by_training)
        shared = every.loc[maps.notna().all(axis=1)]
        if shared.empty:
            remedy = "choose fewer images in the study of adaptation"
            raise InputError.of(f"dataset {dataset}", "must hold an image that all models were scored on", "none", remedy)
        tasks = list(zip(shared["mask"], maps.loc[shared.index].itertuples(index=False, name=None), strict=True))
        found = LocalRunner().run(partial(_count, side=study.settings.get("score_size")), tasks)
        shown = bar(found, progress=progress, total=len(tasks), unit="image", desc=f"counting {dataset}")
        counts = dict(zip(labels, map(stack, zip(*shown, strict=True)), strict=True))
        photographs = tuple(shared["photograph"].astype(str))
        counted.append(Counted(dataset, tuple(shared.index), photographs, len(every) - len(shared), counts))
    return counted


def _count(task: tuple[str, Sequence[str]], side: int | None) -> list[Counts]:
    """Count all maps of an image against its mask, which is read once, at the size of the study's scores."""
    place, maps = task
    try:
        truth, counts = read_mask(place), []
        for place in maps:
            counts.append(count(*resized(read_prediction(place).values, truth, side)))
    except (ImageError, InputError) as error:
        raise InputError.of("map or mask", "must be readable", place, f"{error}: run the study of adaptation again") from error
    return counts


@dataclass(frozen=True, eq=False)
class ResampledScores:
    """Hold every model's scores as measured and in each draw; NaN where undefined.

    By measure (mean F, precision and recall, at each training's own threshold) `values` (models, shots, datasets, 1 + b) are
    first the measured value, the mean over seeds, then that of each of b draws; `seeds` (models, shots, datasets, seeds) are
    the measured values of each seed.
    """

    models: tuple[str, ...]
    shots: tuple[int, ...]
    datasets: tuple[str, ...]
    values: Mapping[str, Float64Array]
    seeds: Mapping[str, Float64Array]

    def at(self, measure: str, shots: int, datasets: Sequence[str]) -> Float64Array:
        """Return a measure of the models at a number of shots on some datasets, (models, datasets, 1 + b)."""
        places = [self.datasets.index(name) for name in datasets]
        return np.asarray(self.values[measure][:, self.shots.index(shots)][:, places])

    def mean_f(self, datasets: Sequence[str]) -> Float64Array:
        """Return the mean of mean F over some datasets, (models, shots, 1 + b)."""
        return np.stack([self.at(MEAN_F, shots, datasets).mean(axis=1) for shots in self.shots], axis=1)


def draw_scores(counted: Sequence[Counted], thresholds: Mapping[Trained, float], bootstrap: int, seed: int) -> ResampledScores:
    """Score all models on each dataset, as measured and in every draw of photographs and trainings.

    A draw takes as many photographs of a dataset as there are, with replacement, each with all its images, the same for all
    models. Where a model was trained with k seeds it takes k of them with replacement, each model for itself, as trainings of
    different models have nothing in common; its deviation from the mean over all seeds is multiplied by √(k/(k − 1)), as the
    variance of such draws falls short by that. With one seed the trainings' own variation is unknown, and none is drawn.
    """
    models = tuple(dict.fromkeys(training.model for training in thresholds))
    shots = tuple(sorted({training.shots for training in thresholds}))
    seeds = {model: sorted({training.seed for training in thresholds if training.model == model}) for model in models}
    most = max(map(len, seeds.values()))
    shape = (len(models), len(shots), len(counted))
    values = {measure: np.full((*shape, 1 + bootstrap), np.nan) for measure in MEASURES}
    by_seed = {measure: np.full((*shape, most), np.nan) for measure in MEASURES}
    # Each seed's weight in each draw, (1 + b, k), rows summing to 1; the first row has equal weights.
    trained = {model: np.full((1 + bootstrap, len(own)), 1 / len(own)) for model, own in seeds.items()}
    for model, own in trained.items():
        k = own.shape[1]
        if k > 1:
            shares = resample_counts(k, bootstrap, stream(seed, "resamples of a pool", model)).T / k
            own[1:] += np.sqrt(k / (k - 1)) * (shares - 1 / k)

    for d, dataset in enumerate(counted):
        # Each image's count in each draw, (1 + b, n); the first row counts every image once.
        photographs, places = np.unique(np.asarray(dataset.photographs, dtype=object).astype(str), return_inverse=True)
        taken = resample_counts(len(photographs), bootstrap, stream(seed, "draws of a pool", dataset.dataset)).T
        weights = np.concatenate([np.ones((1, len(places))), taken[:, places.ravel()]])
        for m, model in enumerate(models):
            for q, shot in enumerate(shots):
                names = [Trained(model, shot, each) for each in seeds[model]]
                scores = [_scores(dataset, name, thresholds[name], weights) for name in names]
                for measure, rows in zip(MEASURES, map(np.stack, zip(*scores, strict=True)), strict=True):
                    by_seed[measure][m, q, d, : len(names)] = rows[:, 0]
                    values[measure][m, q, d] = np.clip(np.einsum("kb,bk->b", rows, trained[model]), 0.0, 1.0)
    return ResampledScores(models, shots, tuple(dataset.dataset for dataset in counted), values, by_seed)


def _scores(
    dataset: Counted, training: Trained, threshold: float, weights: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Compute images' mean F, and precision and recall of summed counts, in every draw, (1 + b,) each."""
    counts, at = dataset.counts[training], threshold_index(threshold)
    own = f_per_image(counts)[:, at]
    defined = np.isfinite(own)
    mean_f = quotient(weights @ np.where(defined, own, 0.0), weights @ defined)
    precision = quotient(weights @ counts.hits_predicted[:, at], weights @ counts.predicted[:, at])
    recall = quotient(weights @ counts.hits_true[:, at], weights @ counts.true)
    return mean_f, precision, recall


def costs_of(checkpoints: Mapping[str, Checkpoint]) -> pd.DataFrame:
    """Build `Pool.costs`: count the parameters of each model's network, and those that training changes."""
    rows = []
    for model, checkpoint in checkpoints.items():
        sizes = np.array([(each.numel(), each.numel() * each.requires_grad) for each in checkpoint.build().parameters()])
        both = dict(zip(("parameters", "trained"), sizes.sum(axis=0).tolist(), strict=True))
        rows.append({"model": model, "segmenter": checkpoint.card.segmenter, "size": checkpoint.card.size, **both})
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
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {
        "processor": next(named, platform.processor() or platform.machine()),
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
    by_dataset: Any = fitted.groupby(["segmenter", "shots", "dataset"], sort=False)
    trends, unknown = {}, Interval(None)
    for key, own in by_dataset[["n", "photographs", "slope", "low", "high"]]:
        mean = own.mean(skipna=False)
        slope = Interval.of(mean, "slope", "low", "high")
        trends[key] = Trend(int(mean["n"]), int(mean["photographs"]), unknown, unknown, slope=slope, partial=None)

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
        row["seeds_std"] = pd.Series(drawn.seeds[MEAN_F][m, q, d]).std()
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
        rows.append({"model": model, "dataset": name, "until": reached, **interval_columns("gain", f[m, 1] - f[m, 0])})
    return pd.DataFrame(rows)


def until(f: Float64Array, level: float) -> Float64Array:
    """Return the place of the first shots at which F (models, shots, 1 + b) reaches a level; past the last if none do."""
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
        row |= {"lowest_dataset": secondaries[lowest], "highest": float(f.max()), "sets_std": pd.Series(f).std()}
        rows.append({**row, "seeds_std": pd.Series(drawn.seeds[MEAN_F][m, q, places].mean(axis=0)).std()})
    return pd.DataFrame(rows)


def wished(
    wish: str, drawn: ResampledScores, secondaries: Sequence[str], timings: pd.DataFrame, settings: PoolSettings
) -> tuple[Float64Array, Float64Array]:
    """Return the values shown under a wish, and the scores that rank, the higher the better, (models, 1 + b) each."""
    if wish == "few labels":
        # The fewest shots at which mean F reaches the level; models that need as many are ranked by what the fewest gain.
        f = drawn.mean_f(secondaries)
        places = until(f, settings.level)
        # A gain lies between -1 and 1, so that a quarter of it never makes up for one step of the numbers of shots.
        return np.array([*drawn.shots, np.inf])[places.astype(int)], (f[:, 1] - f[:, 0]) / 4 - places
    if wish == "fast":
        rows = []
        for model in drawn.models:
            seconds = timings.loc[timings["model"] == model, SECONDS].to_numpy(dtype=np.float64)
            again = stream(settings.seed, "labels of a pool", model).choice(seconds, (settings.bootstrap, len(seconds)))
            rows.append(np.concatenate([[np.median(seconds)], np.median(again, axis=1)]))
        return np.stack(rows), -np.stack(rows)
    if wish == "stable":
        # The lowest mean F of M, which learnt from none of the datasets.
        values = drawn.at(MEAN_F, 0, drawn.datasets).min(axis=1)
    else:
        values = drawn.at(wish, max(drawn.shots), secondaries).mean(axis=1)
    return values, values


def rankings_of(
    drawn: ResampledScores, secondaries: Sequence[str], timings: pd.DataFrame, settings: PoolSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Build `Pool.rankings`, and `Pool.timed_rankings`: values, ranks and the difference from the best other model."""
    weights, total = settings.weights(), sum(settings.weights().values())
    found = {wish: wished(wish, drawn, secondaries, timings, settings) for wish in settings.wishes()}
    if weights:
        # The weighted mean of a model's ranks under each wish, in every draw.
        mean = np.sum([share / total * ranks_of(found[wish][1]) for wish, share in weights.items()], axis=0)
        found[WEIGHTED] = mean, -mean
    rows: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for wish, (values, scores) in found.items():
        ranked = ranking(scores[:, 0], scores[:, 1:])
        order = np.argsort(ranked.rank, kind="stable")
        for place, model in enumerate(drawn.models):
            own, other = values[place], order[0] if order[0] != place else order[1]
            row = {"wish": wish, "model": model, "value": own[0] if np.isfinite(own[0]) else np.nan, **_ends(own)}
            row |= {"rank": int(ranked.rank[place]), "rank_low": int(ranked.low[place]), "rank_high": int(ranked.high[place])}
            difference = np.full(2, np.nan) if wish == "few labels" else own - values[other]
            row |= {"first": float(ranked.first[place]), **interval_columns("over", difference)}
            rows[wish == "fast" or (wish == WEIGHTED and "fast" in weights)].append(row)
    plain, timed = (pd.DataFrame(rows[key], columns=list(RANKING)) for key in (False, True))
    return plain, timed


def _ends(values: Float64Array) -> dict[str, float]:
    """Return the ends of the 95 % interval of the draws; NaN for an end that no number of shots reached."""
    draws = values[1:][~np.isnan(values[1:])]
    if np.isinf(draws).any():
        ends = np.quantile(draws, [0.025, 0.975], method="inverted_cdf")
        return dict(zip(("low", "high"), np.where(np.isfinite(ends), ends, np.nan).tolist(), strict=True))
    low, high = interval_of(values)
    return {"low": low, "high": high}


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
    rankings, timed_rankings = rankings_of(drawn, studied.secondaries, timings, settings)
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
        weights=settings.weights(),
        **settings.model_dump(include={"level", "flat", "floor", "bootstrap"}),
        tuned=bool(studied.models["held_out_ods"].notna().all()),
        hardware=hardware(inputs.device),
        scores=scores_of(drawn, counted, studied, settings, strategy),
        labels=labels_of(drawn, studied.secondaries, settings.level),
        spreads=spreads_of(drawn, studied.secondaries),
        distances=_distances(studied, files, inputs),
        costs=costs_of(checkpoints),
        timings=timings,
        rankings=rankings,
        timed_rankings=timed_rankings,
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
