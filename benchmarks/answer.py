"""Judge estimates of a new set's performance as they are used: P's kind labelled, foreign sets left out one at a time.

Reads the models and maps that benchmarks/trained_performance.py makes (--out), for every seed that is there. For each foreign
set the estimator is chosen, fitted and calibrated on P's kind and the other foreign sets; the set is then estimated, its
interval is held against the truth, and its probable failures are listed. Shown beside it: each estimator by itself, how many
labelled sets it takes, P's own kind left out, and simulated coverage of the sets' intervals.

Rows of images (signals, F, photograph; no picture) are written to --rows, from which --from-rows computes everything again
without the images.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record import leave, parser
from scipy import stats
from trained_performance import SECONDARIES, photograph, rest

import howfar
from adaptation import dataset, primary
from howfar.data import content_hash
from howfar.relation.calibrated_estimator import Calibrated
from howfar.relation.failure_list import failures
from howfar.relation.label_free_columns import SIGNALS
from howfar.relation.leave_one_dataset_out import LeftOut, judge
from howfar.relation.model_selection import choose, worth_using

HOME = "P's kind"
DISTANCES = ("i_dist", "knn", "mahalanobis")
KEPT = ("dataset", "image", "performance", *DISTANCES, *SIGNALS)
BY_SIZE = ("mean", "signals", "boosted", "soft_f", "flip_overlap")
TAU, LEVEL, ERROR_RATE = 0.5, 0.9, 0.2


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, help="folder that holds one folder a set")
    options.add_argument("--out", type=Path, help="folder of models, maps and features")
    options.add_argument("--rows", type=Path, help="write the rows of images to this Parquet file")
    options.add_argument("--from-rows", type=Path, help="read the rows of images from there")
    options.add_argument("--models", nargs="+", default=("unetplusplus", "deepcrack"))
    options.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    arguments = options.parse_args()
    if arguments.from_rows:
        rows = pd.read_parquet(arguments.from_rows)
    else:
        rows = collected(arguments.data, arguments.out, arguments.models, arguments.seeds)
        if arguments.rows:
            rows.to_parquet(arguments.rows, compression="zstd", index=False)
    studies = {name: judged(one) for name, one in rows.groupby("model", sort=False)}
    found = {
        "models": studies,
        "together": together(studies),
        "each architecture": {name: together(some) for name, some in architectures(studies).items()},
        "labelled sets": {k: by_size(rows, k) for k in (1, 2, 3, 4)},
        "simulated coverage of a set's interval": simulated_sets(1),
        "the same, with K degrees of freedom": simulated_sets(0),
        "simulated coverage of an image's interval": simulated_images(),
    }
    leave("answer", found, arguments.json)


def collected(data: Path, out: Path, models: list[str], seeds: list[int]) -> pd.DataFrame:
    """Evaluate every model on every set, with the distances of the default backbone: one row an image and model."""
    p = primary(data, 300)
    sets = [rest(p, data), *(dataset(name, data) for name in SECONDARIES)]
    run = howfar.compare(p, sets, store=out / "store", bootstrap=0, permutations=0, rivals=False, progress=False)
    own = {one.name: one.self_distance or 1.0 for one in run.datasets}
    distances = run.images[["dataset", "image", *DISTANCES]].assign(
        i_dist=run.images["i_dist_mean"] / run.images["dataset"].map(own),
        knn=run.images["knn"] / run.images["dataset"].map(own),
    )
    frames = []
    for name in [f"{model}-{seed}" for model in models for seed in seeds]:
        if not (out / "maps" / name / f"{SECONDARIES[-1]}-flipped").is_dir():
            continue
        known = set(howfar.Checkpoint.load(out / "models" / f"{name}.safetensors").card.data["held_out"])
        unseen = replace(p, items=tuple(item for item in p.items if content_hash(item.path.read_bytes()) in known))
        tuned = evaluated(unseen, out / "maps" / name)
        frames += [
            each.images.assign(model=name) for each in [tuned, *(evaluated(one, out / "maps" / name, tuned) for one in sets)]
        ]
    rows = pd.concat(frames, ignore_index=True).merge(distances, on=["dataset", "image"], how="left")
    # The tiles of P's other photographs were measured as new images are; the held-out ones of P itself have no such distance.
    home = rows["dataset"].isin([p.name, sets[0].name])
    rows["dataset"] = rows["dataset"].where(~home, HOME)
    kept = rows[["model", *(name for name in KEPT if name in rows)]]
    return kept[kept["performance"].notna()].astype({name: np.float32 for name in (*DISTANCES, *SIGNALS) if name in kept})


def evaluated(one: howfar.Dataset, maps: Path, tuned_on: howfar.Evaluation | None = None) -> howfar.Evaluation:
    flipped = maps / f"{one.name}-flipped"
    return howfar.evaluate(one, maps / one.name, flipped=flipped, tuned_on=tuned_on, progress=False)


def parts(rows: pd.DataFrame) -> tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray]:
    """Split rows into columns, performance, sets and photographs."""
    columns = {name: rows[name].to_numpy(dtype=np.float64) for name in (*DISTANCES, *SIGNALS) if name in rows}
    groups = [f"{one}/{photograph(image) or image}" for one, image in zip(rows["dataset"], rows["image"], strict=True)]
    return columns, rows["performance"].to_numpy(), rows["dataset"].to_numpy(dtype=str), np.array(groups)


def judged(rows: pd.DataFrame) -> dict[str, Any]:
    """Judge every estimator of one model, and what is chosen without each set."""
    columns, performance, sets, groups = parts(rows)
    judgements, left_out = judge(
        howfar.registry.ordered("estimators"), columns, performance, sets, tau=TAU, level=LEVEL, groups=groups, home=HOME
    )
    choice = choose(judgements, left_out, performance, sets)
    assert choice is not None
    chosen = {
        name: row(left_out[picked], name, performance, sets == name, choice.set_errors[name])
        for name, picked in choice.picked.items()
    }
    return {
        "used": worth_using(judgements, [choice]),
        "chosen without the set": {"mae_set": choice.mae_set, "mae_image": choice.mae_image, "sets": chosen},
        "estimators": {
            one.estimator: {
                "mae_set": one.mae_set,
                "mae_image": one.mae_image,
                "sets held": one.set_coverage,
                "images held": one.coverage,
                "set_errors": dict(one.set_errors),
                "P's kind left out": one.home_error,
            }
            for one in judgements
        },
    }


def row(left_out: LeftOut, name: str, performance: np.ndarray, inside: np.ndarray, error: float) -> dict[str, Any]:
    """Hold what was said of one set by the estimator that was chosen without it against the truth."""
    estimate = next(one for one in left_out.sets if one.dataset == name)
    truth, low, high = performance[inside], left_out.low[inside], left_out.high[inside]
    have = np.isfinite(low)
    listed, _, _ = failures(
        left_out.calibrated[name], left_out.estimate[inside], name, tau=TAU, error_rate=ERROR_RATE, performance=truth
    )
    return {
        "estimator": left_out.estimator,
        "measured": estimate.measured,
        "estimated": estimate.predicted,
        "low": estimate.low,
        "high": estimate.high,
        "error": error,
        "held": estimate.held,
        "images held": float(np.mean((low[have] - 1e-9 <= truth[have]) & (truth[have] <= high[have] + 1e-9))),
        "image width": float(np.mean(high[have] - low[have])),
        "failures": {"listed": listed.listed, "failing": listed.failing, "wrong": listed.measured_error},
    }


def together(studies: dict[str, Any]) -> dict[str, Any]:
    """Summarise all models: errors, coverage of sets and images, pooled and of the worst set, failure lists."""
    rows = [(name, one) for study in studies.values() for name, one in study["chosen without the set"]["sets"].items()]
    names = list(dict.fromkeys(name for name, _ in rows))
    of = {name: [one for other, one in rows if other == name] for name in names}
    estimators = list(dict.fromkeys(name for study in studies.values() for name in study["estimators"]))
    wrong = [one["failures"]["wrong"] for _, one in rows if one["failures"]["wrong"] is not None]
    return {
        "mae_set": float(np.mean([abs(one["error"]) for _, one in rows])),
        "mae_set, the least error taken freely": float(np.mean([freely(study["estimators"]) for study in studies.values()])),
        "sets held": [sum(one["held"] for _, one in rows), len(rows)],
        "images held": float(np.mean([one["images held"] for _, one in rows])),
        "half width of sets": float(np.mean([(one["high"] - one["low"]) / 2 for _, one in rows])),
        "width of images": float(np.mean([one["image width"] for _, one in rows])),
        "by set": {
            name: {
                "mae": float(np.mean([abs(one["error"]) for one in ones])),
                "held": [sum(one["held"] for one in ones), len(ones)],
                "images held": float(np.mean([one["images held"] for one in ones])),
                "lists wrong": [one["failures"]["wrong"] for one in ones],
            }
            for name, ones in of.items()
        },
        "lists within the stated rate": [sum(value <= ERROR_RATE for value in wrong), len(wrong)],
        "estimators, mae_set": {
            name: float(np.mean([study["estimators"][name]["mae_set"] for study in studies.values()])) for name in estimators
        },
    }


def architectures(studies: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Group the studies of models by what comes before the seed in their names."""
    found: dict[str, dict[str, Any]] = {}
    for name, study in studies.items():
        found.setdefault(name.rpartition("-")[0], {})[name] = study
    return found


def freely(estimators: dict[str, Any]) -> float:
    """Compute the error of a set's mean by the estimator that did best on the other sets, however little better that was."""
    names = list(next(iter(estimators.values()))["set_errors"])
    errors = []
    for name in names:
        others = {
            one: np.mean([abs(row["set_errors"][other]) for other in names if other != name]) for one, row in estimators.items()
        }
        errors.append(abs(estimators[min(others, key=lambda one: others[one])]["set_errors"][name]))
    return float(np.mean(errors))


def by_size(rows: pd.DataFrame, k: int) -> dict[str, float]:
    """Compute the error of a foreign set's mean by estimators that learnt from P's kind and k other foreign sets."""
    errors: dict[str, list[float]] = {name: [] for name in BY_SIZE}
    for _, one in rows.groupby("model", sort=False):
        columns, performance, sets, _ = parts(one)
        foreign = [name for name in dict.fromkeys(sets.tolist()) if name != HOME]
        for name in foreign:
            for others in combinations([other for other in foreign if other != name], k):
                known, new = np.isin(sets, [HOME, *others]), sets == name
                for estimator in BY_SIZE:
                    learnt = calibrated(estimator, columns, performance, sets, known)
                    said = learnt.predict({key: values[new] for key, values in columns.items()})
                    errors[estimator].append(abs(float(np.nanmean(said)) - float(performance[new].mean())))
    return {name: float(np.mean(values)) for name, values in errors.items()}


def calibrated(estimator: str, columns: dict[str, Any], performance: np.ndarray, sets: np.ndarray, known: np.ndarray) -> Any:
    """Fit one estimator to the known images."""
    chosen = {key: values[known] for key, values in columns.items()}
    settled = howfar.relation.performance_estimators.named(estimator).resolve(chosen, sets[known])
    return settled.fit(chosen, performance[known], sets[known])


def simulated_sets(fitted: int, draws: int = 20000) -> dict[str, dict[str, float]]:
    """Simulate how often a set's interval holds: sets' errors of several laws, by K, where a fit absorbs part of their mean.

    K less `fitted` degrees of freedom are counted.
    """
    rng = np.random.default_rng(0)
    laws = {
        "normal": lambda shape: rng.normal(size=shape),
        "t with 3 degrees": lambda shape: rng.standard_t(3, size=shape),
        "skewed": lambda shape: rng.exponential(size=shape) - 1.0,
        "all above": lambda shape: rng.normal(size=shape) + 1.0,
        "20 % outliers": lambda shape: rng.normal(size=shape) * np.where(rng.random(shape) < 0.2, 4.0, 1.0),
    }
    table: dict[str, dict[str, float]] = {}
    for absorbed in (0.0, 0.5, 1.0):
        for law, draw in laws.items():
            for k in (2, 3, 4, 5, 8, 12):
                shifts = draw((draws, k + 1))
                known, new = shifts[:, :k], shifts[:, k]
                errors = absorbed * (known.sum(axis=1, keepdims=True) - known) / (k - 1) - known
                half = stats.t.ppf((1 + LEVEL) / 2, k - fitted) * np.sqrt((errors**2).mean(axis=1))
                covered = np.abs(absorbed * known.mean(axis=1) - new) <= half
                table.setdefault(f"{law}, {absorbed:g} absorbed", {})[f"K = {k}"] = float(covered.mean())
    return table


def simulated_images(draws: int = 800, images: int = 60) -> dict[str, dict[str, float]]:
    """Simulate how often an image's interval holds in a further set, by K and by how much sets are shifted against each other.

    A signal tells performance by a line, with noise of its own for each image and a shift for each set, half of whose mean over
    the labelled sets a fit absorbs.
    """
    rng = np.random.default_rng(0)
    table: dict[str, dict[str, float]] = {}
    for spread in (0.0, 0.05, 0.1, 0.2):
        for k in (2, 3, 4, 5, 8):
            held = [_further_set(rng, spread, k, images) for _ in range(draws)]
            table.setdefault(f"sets shifted by {spread:g}", {})[f"K = {k}"] = float(np.mean(held))
    return table


def _further_set(rng: np.random.Generator, spread: float, k: int, images: int) -> float:
    """Draw k labelled sets and one more, and compute the share of its images whose interval holds their performance."""
    shifts, signal = rng.normal(size=k + 1) * spread, rng.random((k + 1, images))
    line = 0.1 + 0.7 * signal
    noise = rng.normal(size=signal.shape) * (0.05 + 0.15 * rng.random(signal.shape))
    truth = np.clip(line + shifts[:, None] + noise, 0, 1)
    absorbed = 0.5 * np.array([np.delete(shifts[:k], left_out).mean() for left_out in range(k)] + [shifts[:k].mean()])
    estimates = np.clip(line + absorbed[:, None], 0, 1)
    names = tuple(np.repeat([f"set {number}" for number in range(k)], images))
    fit = Calibrated(_Line(), LEVEL, estimates[:k].ravel(), truth[:k].ravel(), names, k)
    _, low, high = fit.predict({"estimate": estimates[k]})
    return float(np.mean((low <= truth[k]) & (truth[k] <= high)))


class _Line:
    """Give back estimates that are made already."""

    name, needs = "line", ("estimate",)

    def predict(self, columns: Any) -> np.ndarray:
        return np.asarray(columns["estimate"])

    def to_dict(self) -> dict[str, Any]:
        return {}


if __name__ == "__main__":
    main()
