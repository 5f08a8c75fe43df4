"""Measure what a model gains on new sites without any label: by batch norm statistics, by another threshold, and by both.

Reads the models that benchmarks/trained_performance.py makes (--out). For each model, seed and foreign set the maps of the
model and of its adapted versions are scored at P's threshold, tuned on P's held-out images by the model, and at thresholds
chosen without labels. Gains over the model are means over images, sets counting alike, with 95 % intervals over photographs
and seeds; P's held-out images are scored too, adapted to the site, since a gain there that costs P is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from adaptation import dataset, primary
from record import leave, parser
from trained_performance import SECONDARIES, photograph

import howfar
from howfar.data import content_hash
from howfar.pipeline.norm_adaptation import adapt_statistics
from howfar.pipeline.prediction import load_model

SHARES = (0.1, 0.3, 0.5, 1.0)
DRAWS = 2_000


@dataclass(frozen=True)
class Subject:
    """Name a trained model, and hold P's held-out images and the foreign sets."""

    model: str
    seed: int
    out: Path
    own: howfar.Dataset
    sets: tuple[howfar.Dataset, ...]
    precision: str

    def maps(self, checkpoint: howfar.Checkpoint, one: howfar.Dataset, way: str) -> Path:
        """Predict a set by a checkpoint; maps that are there are kept."""
        folder = self.out / "zero" / f"{self.model}-{self.seed}" / way.replace(" ", "-") / one.name
        howfar.predict(load_model(checkpoint, precision=self.precision), one, folder, progress=False)
        return folder


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True, help="folder of models; maps are kept below it")
    options.add_argument("--models", nargs="+", default=("unetplusplus", "deepcrack"))
    options.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    options.add_argument("--sets", nargs="+", default=SECONDARIES)
    options.add_argument("--shares", type=float, nargs="+", default=SHARES)
    options.add_argument("--precision", default="bf16", help="of predicting: 32, bf16 or fp16")
    arguments = options.parse_args()
    p = primary(arguments.data, 300)
    sets = tuple(dataset(name, arguments.data) for name in arguments.sets)
    rows, own = [], []
    for model in arguments.models:
        for seed in arguments.seeds:
            checkpoint = howfar.Checkpoint.load(arguments.out / "models" / f"{model}-{seed}.safetensors")
            held = set(checkpoint.card.data["held_out"])
            unseen = replace(p, items=tuple(item for item in p.items if content_hash(item.path.read_bytes()) in held))
            subject = Subject(model, seed, arguments.out, unseen, sets, arguments.precision)
            for row, kept in measured(subject, checkpoint, arguments.shares):
                rows.append(row)
                own.append(kept)
    images, held_out = pd.concat(rows, ignore_index=True), pd.DataFrame(own)
    leave("zero_labels", {"ways": ways(images), "by set": by_set(images), "P": harm(held_out)}, arguments.json)


def measured(
    subject: Subject, checkpoint: howfar.Checkpoint, shares: tuple[float, ...]
) -> Iterator[tuple[pd.DataFrame, dict[str, Any]]]:
    """Score every set by every way: rows of images, and what P's held-out images score by the same weights."""
    own = howfar.evaluate(subject.own, subject.maps(checkpoint, subject.own, "model"), progress=False)
    assert own.threshold is not None  # P's held-out images have masks
    tuned = own.threshold
    share = predicted_share(own, tuned)
    for one in subject.sets:
        for way in ("model", *(f"norm {value:g}" for value in shares)):
            adapted = checkpoint if way == "model" else adapt_statistics(checkpoint, one, share=float(way.split()[1]))
            folder = subject.maps(adapted, one, f"{way} of {one.name}" if way != "model" else way)
            scored = howfar.evaluate(one, folder, threshold=tuned, progress=False)
            kept = own
            if way != "model":
                unseen = subject.maps(adapted, subject.own, f"{way} of {one.name}")
                kept = howfar.evaluate(subject.own, unseen, threshold=tuned, progress=False)
            about = {"model": subject.model, "seed": subject.seed, "dataset": one.name}
            held = {**about, "way": way, "ods": kept.scores["ods"], "mean F": mean_f(kept)}
            thresholds = {"P's": tuned, "P's share": threshold_of(scored, share), "Otsu's": otsu(scored)}
            for name, threshold in thresholds.items():
                yield frame(one, folder, threshold, scored, {**about, "way": way, "threshold": name}), held


def frame(
    one: howfar.Dataset, folder: Path, threshold: float, scored: howfar.Evaluation, about: dict[str, Any]
) -> pd.DataFrame:
    """Give the rows of a set's images: F at a threshold, and the set's ODS."""
    at = howfar.evaluate(one, folder, threshold=round(threshold, 2), progress=False)
    rows = pd.DataFrame({"image": at.images["image"], "f": at.images["performance"]})
    rows["photograph"] = [photograph(name) or name for name in rows["image"]]
    return rows.assign(**about, ods=scored.scores["ods"]).dropna(subset=["f"])


def histogram(scored: howfar.Evaluation) -> np.ndarray:
    """Sum the histograms of a set's maps over its images."""
    return np.sum([np.asarray(row, dtype=np.float64) for row in scored.images["histogram"]], axis=0)


def predicted_share(scored: howfar.Evaluation, threshold: float) -> float:
    counts = histogram(scored)
    return float(counts[np.arange(256) / 255 > threshold].sum() / counts.sum())


def threshold_of(scored: howfar.Evaluation, share: float) -> float:
    """Choose the threshold at which a set's predicted share is nearest to that of P's images at theirs."""
    shares = [predicted_share(scored, t / 100) for t in range(100)]
    return int(np.argmin(np.abs(np.array(shares) - share))) / 100


def otsu(scored: howfar.Evaluation) -> float:
    """Choose the threshold between the two kinds of probability whose means lie farthest apart (Otsu, 1979)."""
    counts, p = histogram(scored), np.arange(256) / 255
    below, above = np.cumsum(counts)[:-1], np.cumsum(counts[::-1])[::-1][1:]
    first, second = np.cumsum(counts * p)[:-1], np.cumsum((counts * p)[::-1])[::-1][1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (first / below - second / above) ** 2
    return float(min(np.nanargmax(between) / 255, 0.99))


def mean_f(scored: howfar.Evaluation) -> float:
    return float(np.nanmean(scored.images["performance"].to_numpy(dtype=np.float64)))


def ways(images: pd.DataFrame) -> dict[str, Any]:
    """Compare every way and threshold with the model at P's threshold, by architecture and over both."""
    found: dict[str, Any] = {}
    for model, rows in [*images.groupby("model", sort=False), ("all", images)]:
        base = rows[(rows["way"] == "model") & (rows["threshold"] == "P's")]
        found[str(model)] = {
            f"{way}, threshold {threshold}": {
                "mean F": round(over_sets(part, "f"), 4),
                "ODS": round(over_sets(part, "ods"), 4),
                "gain of mean F": gain(base, part),
                "gain of ODS": round(over_sets(part, "ods") - over_sets(base, "ods"), 4),
            }
            for (way, threshold), part in rows.groupby(["way", "threshold"], sort=False)
        }
    return found


def over_sets(rows: pd.DataFrame, column: str) -> float:
    """Average over images, then over sets, seeds and models, which count alike."""
    return float(rows.groupby(["model", "seed", "dataset"])[column].mean().mean())


def gain(base: pd.DataFrame, part: pd.DataFrame) -> dict[str, float]:
    """Compute the mean gain of F with a 95 % interval: seeds are drawn, and in each set photographs."""
    keys = ["model", "seed", "dataset", "image"]
    both = part.merge(base[[*keys, "f"]], on=keys, suffixes=("", " of M"))
    both["gain"] = both["f"] - both["f of M"]
    rng = np.random.default_rng(0)
    cells = both.groupby(["dataset", "photograph", "model", "seed"])["gain"].agg(["sum", "count"]).unstack(["model", "seed"])
    models = sorted(set(both["model"]))
    seeds = {model: sorted(set(both.loc[both["model"] == model, "seed"])) for model in models}
    sets = [cells.loc[name] for name in sorted(set(both["dataset"]))]
    values = []
    for draw in range(DRAWS + 1):
        drawn = {m: s if draw == 0 else list(rng.choice(s, len(s))) for m, s in seeds.items()}
        chosen = [(model, seed) for model in models for seed in drawn[model]]
        means = []
        for one in sets:
            at = np.arange(len(one)) if draw == 0 else rng.integers(len(one), size=len(one))
            total, count = (one[what].to_numpy()[at] for what in ("sum", "count"))
            of = {key: place for place, key in enumerate(one["sum"].columns)}
            places = [of[key] for key in chosen]
            means.append(np.mean(np.nansum(total[:, places], axis=0) / np.nansum(count[:, places], axis=0)))
        values.append(float(np.mean(means)))
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return {"mean": round(values[0], 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def by_set(images: pd.DataFrame) -> dict[str, Any]:
    """List mean F and ODS of every set and model by every way at P's threshold, means over seeds and the worst seed's gain."""
    at = images[images["threshold"] == "P's"]
    means = at.groupby(["model", "dataset", "way", "seed"], sort=False)[["f", "ods"]].mean()
    found: dict[str, Any] = {}
    for (model, name, way), rows in means.groupby(level=[0, 1, 2], sort=False):
        base = means.loc[(model, name, "model")]
        change = rows.droplevel([0, 1, 2]) - base
        found.setdefault(str(model), {}).setdefault(str(name), {})[str(way)] = {
            "mean F": round(float(rows["f"].mean()), 4),
            "ODS": round(float(rows["ods"].mean()), 4),
            "worst gain of mean F": round(float(change["f"].min()), 4),
            "worst gain of ODS": round(float(change["ods"].min()), 4),
        }
    return found


def harm(own: pd.DataFrame) -> dict[str, Any]:
    """Say how far P's held-out ODS and mean F change by adapting to each site, and the worst of all."""
    keys = ["model", "seed", "dataset"]
    rows = own.drop_duplicates([*keys, "way"])
    base = rows[rows["way"] == "model"].set_index(keys)
    found = {}
    for way, part in rows[rows["way"] != "model"].groupby("way", sort=False):
        change = part.set_index(keys)[["ods", "mean F"]] - base[["ods", "mean F"]]
        found[str(way)] = {
            name: {"mean": round(float(change[name].mean()), 4), "worst": round(float(change[name].min()), 4)}
            for name in change
        }
    spread = base.groupby("model")["ods"].agg(lambda values: values.max() - values.min())
    return {**found, "spread of M's own ODS over seeds": {str(name): round(float(value), 4) for name, value in spread.items()}}


if __name__ == "__main__":
    main()
