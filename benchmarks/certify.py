"""Measure on real maps how often intervals from a few labels hold, how wide they are, and what they save against random labels.

For each trained model and each crack dataset, every image's F at threshold 0.5 is the truth, and what is predicted from signals
without labels, by an estimator fitted to the other datasets only, is the proxy. Samples are drawn again and again: coverage of
90 % intervals, half width and error at 8, 16 and 32 labels (and at 1 to 6), beside a simple random sample with Student's t; the
labels that each needs for ±0.05; pooled F and its best over thresholds; labels until a question is settled, and how often it is
settled wrongly.

--out is the folder of `benchmarks/trained_performance.py`, whose maps are read (maps/MODEL-SEED/DATASET and DATASET-flipped);
datasets without maps are left out, and named. --data names the folder of the research data.

--runs measures the sites of the four fields instead, from the run folders that `benchmarks/answer.py` left: the mean alone,
where the prediction of an image is that of a judge that has not seen the site's labels.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from record import leave, parser
from scipy import stats
from trained_performance import SECONDARIES, photograph, rest
from zone import measured as judged

import howfar
from adaptation import dataset, primary
from howfar.relation.calibrated_estimator import calibrate
from howfar.relation.performance_estimators import named
from howfar.sampling import Estimate, draw, mean, ods, order, ratio, sequence

LEVEL, HALF = 0.9, 0.05
LABELS, FEWER, COUNTED = (8, 16, 32), (1, 2, 4, 6), (16, 32)
THRESHOLDS = slice(5, 100, 5)
AT = 50
SHARES = np.arange(256) / 255
MOST = 200


class Site(NamedTuple):
    """Hold one dataset under one model: measured F, predicted F, photographs, and counts at every threshold."""

    model: str
    name: str
    truth: np.ndarray
    proxy: np.ndarray
    photographs: np.ndarray
    numerators: np.ndarray
    denominators: np.ndarray
    expected: np.ndarray

    @property
    def f(self) -> np.ndarray:
        """Pooled F at every threshold."""
        return np.asarray(self.numerators.sum(axis=0) / self.denominators.sum(axis=0))


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path)
    options.add_argument("--out", type=Path, help="folder of the maps")
    options.add_argument("--runs", type=Path, help="folder of run folders of four fields; nothing else is measured")
    options.add_argument("--estimator", default="signals", help="of the predicted performance")
    options.add_argument("--models", nargs="+", default=(), metavar="MODEL-SEED", help="by default all that have maps")
    options.add_argument("--draws", type=int, default=2000)
    options.add_argument("--sequences", type=int, default=50, help="a dataset and model")
    arguments = options.parse_args()
    if arguments.runs is not None:
        leave("certify_fields", {"draws": arguments.draws, **by_field(arguments.runs, arguments.draws)}, arguments.json)
        return
    rows = [measured(site, arguments.draws, arguments.sequences) for site in sites(arguments)]
    said = {"estimator of the proxy": arguments.estimator, "draws": arguments.draws}
    leave("certify", {**said, "summary": summary(rows), "datasets": rows}, arguments.json)


def sites(arguments: Namespace) -> Iterator[Site]:
    """Evaluate every model's maps, and predict each dataset's performance from the other datasets."""
    p = primary(arguments.data, 300)
    sets = [rest(p, arguments.data), *(dataset(name, arguments.data) for name in SECONDARIES)]
    for maps in sorted((arguments.out / "maps").iterdir()):
        if maps.name.endswith("-32") or (arguments.models and maps.name not in arguments.models):
            continue
        here = [one for one in sets if complete(maps, one)]
        if len(here) < len(sets):
            print(f"{maps.name}: no maps of {', '.join(one.name for one in sets if one not in here)}", flush=True)
        if len(here) < 3:
            continue
        images = pd.concat([evaluated(maps, one) for one in here])
        for one in here:
            print(f"{maps.name} on {one.name}", flush=True)
            yield site(maps.name, one.name, images[images["performance"].notna()], arguments.estimator)


def complete(maps: Path, one: howfar.Dataset) -> bool:
    folders = (maps / one.name, maps / f"{one.name}-flipped")
    return all(folder.is_dir() and len(list(folder.iterdir())) >= len(one.items) for folder in folders)


def evaluated(maps: Path, one: howfar.Dataset) -> pd.DataFrame:
    flipped = maps / f"{one.name}-flipped"
    return howfar.evaluate(one, maps / one.name, flipped=flipped, threshold=0.5, progress=False).images


def site(model: str, name: str, images: pd.DataFrame, estimator: str) -> Site:
    """Predict a dataset's performance from the others, and count its pixels at every threshold, expected and true."""
    inside = (images["dataset"] == name).to_numpy()
    known, own = images[~inside], images[inside]
    numbers = {column: known[column].to_numpy() for column in known.columns if known[column].dtype.kind == "f"}
    needs = named(estimator).resolve(numbers, known["dataset"]).needs
    columns = {column: numbers[column] for column in needs}
    fitted = calibrate(estimator, columns, known["performance"], known["dataset"]).fitted
    proxy = np.clip(fitted.predict({column: own[column].to_numpy() for column in needs}), 0.0, 1.0)
    histogram = np.stack(own["histogram"].to_list()).astype(float)
    hits, predicted = (np.stack(own[column].to_list()).astype(float) for column in ("hits_predicted", "predicted"))
    cut = SHARES[:, None] > np.arange(100) / 100
    total = (histogram @ SHARES)[:, None]
    expected = np.stack([2 * (histogram * SHARES) @ cut, total + histogram @ cut])
    photographs = np.array([image if name == "cfd" else photograph(image) for image in own["image"]])
    foreground = own["true"].to_numpy(float)[:, None]
    truth = own["performance"].to_numpy()
    return Site(model, name, truth, proxy, photographs, 2 * hits, predicted + foreground, expected)


def measured(one: Site, draws: int, sequences: int) -> dict[str, Any]:
    """Draw again and again, and count how often intervals hold."""
    truth, spread, m = one.truth.mean(), one.truth.std(ddof=1), len(one.truth)
    row: dict[str, Any] = {"model": one.model, "dataset": one.name, "n": m, "mean F": truth, "sd of F": spread}
    row["F below 0.01"] = np.mean(one.truth < 0.01)
    row["mean of the proxy"] = one.proxy.mean()
    row["correlation of the proxy"] = np.corrcoef(one.truth, one.proxy)[0, 1]
    for k in FEWER:
        row[f"{k} labels"] = repeated(partial(stratified, one, k), truth, max(2, draws // 8))
    for k in LABELS:
        row[f"{k} labels, over photographs"] = repeated(partial(by_photograph, one, k), truth, max(2, draws // 4))
    for name, how in DESIGNS.items():
        for k in LABELS:
            found = repeated(partial(how, one, k), truth, draws)
            worth = 1.0 / (found["rmse"] ** 2 / spread**2 + 1.0 / m)
            row[f"{k} labels{name}"] = {**found, "random labels of the same error": worth}
    needed = {f"needed{name}": labels_for(partial(how, one), m, max(2, draws // 40)) for name, how in DESIGNS.items()}
    ratios = {f"ratio{name}": needed[f"needed{RANDOM}"] / needed[f"needed{name}"] for name in DESIGNS if name != RANDOM}
    row["labels for ±0.05"] = {**needed, **ratios}
    for k in COUNTED:
        row[f"pooled F, {k} labels"] = repeated(partial(pooled, one, k), one.f[AT], max(2, draws // 4))
        row[f"ODS, {k} labels"] = repeated(partial(best, one, k), one.f[THRESHOLDS].max(), max(2, draws // 20))
    row["sequential"] = followed(one, sequences)
    return rounded(row)


def by_field(runs: Path, draws: int) -> dict[str, Any]:
    """Certify the mean of each labelled site again and again, and summarise its field."""
    none = np.zeros((0, 0))
    rows = []
    for found in judged(runs):
        model, name = found.name.split(", ")
        one = Site(model, name, found.truth, found.proxy, np.zeros(0), none, none, none)
        row: dict[str, Any] = {"model": model, "dataset": name, "n": len(found.truth), "mean F": found.truth.mean()}
        for k in (*FEWER[-2:], *LABELS):
            if k < len(found.truth):
                row[f"{k} labels"] = repeated(partial(stratified, one, k), found.truth.mean(), draws)
                row[f"{k} labels{RANDOM}"] = repeated(partial(simple, one, k), found.truth.mean(), draws)
        rows.append(rounded(row))
    fields = {
        field: [row for row in rows if row["model"].startswith(field)]
        for field in dict.fromkeys(row["model"].split("-")[0] for row in rows)
    }
    return {"summary": {field: summary(some) for field, some in fields.items()}, "datasets": rows}


def repeated(estimate: Callable[[int], Estimate], truth: float, draws: int) -> dict[str, float]:
    found = [estimate(seed) for seed in range(draws)]
    values, low, high = (np.array([getattr(one, name) for one in found]) for name in ("value", "low", "high"))
    return {
        "coverage": float(np.mean((low <= truth + 1e-12) & (truth <= high + 1e-12))),
        "half width": float(np.mean(high - low) / 2),
        "bias": float(values.mean() - truth),
        "rmse": float(np.sqrt(np.mean((values - truth) ** 2))),
    }


def stratified(one: Site, k: int, seed: int) -> Estimate:
    sample = draw(one.proxy, k, seed=seed)
    return mean(one.truth[sample.indices], one.proxy, sample, level=LEVEL)


def by_size(one: Site, k: int, seed: int) -> Estimate:
    sample = draw(one.proxy, k, sizes=one.expected[1, :, AT], seed=seed)
    return mean(one.truth[sample.indices], one.proxy, sample, level=LEVEL)


def by_photograph(one: Site, k: int, seed: int) -> Estimate:
    sample = draw(one.proxy, k, groups=one.photographs, seed=seed)
    return mean(one.truth[sample.indices], one.proxy, sample, level=LEVEL)


def simple(one: Site, k: int, seed: int) -> Estimate:
    """Take k images at random, with Student's t and the finite-population correction: the textbook's way."""
    m = len(one.truth)
    values = one.truth[np.random.default_rng(seed).choice(m, k, replace=False)]
    half = stats.t.ppf((1 + LEVEL) / 2, k - 1) * values.std(ddof=1) * np.sqrt((1 - k / m) / k)
    return Estimate.clipped(values.mean(), values.mean() - half, values.mean() + half)


RANDOM = ", at random"
DESIGNS = {"": stratified, ", strata by size": by_size, RANDOM: simple}


def labels_for(estimate: Callable[[int, int], Estimate], m: int, draws: int, half: float = HALF) -> int:
    """Find the fewest labels whose mean half width is at most `half`, by bisection."""
    low, high = 2, m
    while low < high:
        middle = (low + high) // 2
        width = np.mean([estimate(middle, seed).half_width for seed in range(draws)])
        low, high = (low, middle) if width <= half else (middle + 1, high)
    return low


def pooled(one: Site, k: int, seed: int) -> Estimate:
    sample = draw(one.proxy, k, sizes=one.expected[1, :, AT], seed=seed)
    counts = [part[sample.indices, AT] for part in (one.numerators, one.denominators)]
    return ratio(*counts, one.expected[..., AT], sample, level=LEVEL)


def best(one: Site, k: int, seed: int) -> Estimate:
    sample = draw(one.proxy, k, sizes=one.expected[1, :, AT], seed=seed)
    counts = [part[sample.indices][:, THRESHOLDS] for part in (one.numerators, one.denominators)]
    return ods(*counts, one.expected[..., THRESHOLDS], sample, level=LEVEL)[0]


def followed(one: Site, sequences: int) -> dict[str, Any]:
    """Label one by one: how often is a false statement called settled, and after how many labels is a true one."""
    truth, most, found = one.truth.mean(), min(len(one.truth), MOST), []
    for seed in range(sequences):
        images = order(len(one.truth), seed=seed)
        known = sequence(one.truth[images[:most]], one.proxy, images, level=LEVEL)
        settled = {
            "F >= truth - 0.1": known.low >= truth - 0.1,
            "F <= truth + 0.1": known.high <= truth + 0.1,
            "±0.05": (known.high - known.low) / 2 <= HALF,
        }
        found.append(
            {
                "interval above the truth": bool((known.low > truth + 1e-9).any()),
                "interval below the truth": bool((known.high < truth - 1e-9).any()),
                **{f"labels, {name}": int(np.argmax(met)) + 1 if met.any() else most for name, met in settled.items()},
            }
        )
    table = pd.DataFrame(found)
    wrong = {name: table[name].mean() for name in table if name.startswith("interval")}
    return {"sequences": sequences, **wrong, **{name: table[name].median() for name in table if name.startswith("labels")}}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Give median, lowest and highest of every number over models and datasets."""
    said: dict[str, Any] = {"models and datasets": len(rows)}
    for key, part in max(rows, key=len).items():
        if isinstance(part, dict):
            said[key] = {name: ends([row[key][name] for row in rows if key in row]) for name in part}
    return rounded(said)


def ends(values: list[float]) -> dict[str, float]:
    return {name: float(f(values)) for name, f in (("median", np.median), ("low", np.min), ("high", np.max), ("mean", np.mean))}


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


if __name__ == "__main__":
    main()
