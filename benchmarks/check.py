"""Simulate years of daily batches: how often the alarm of `howfar check` is false, and how many labels find a fall of F.

A year has 365 batches of --batch images; some are labelled, drawn at random: one a day, 5 of a week's batches together, or 20
of a month's. Before the year --control labelled images show the mean and the spread when all is well. No alarm is ever reset: a
year counts as a false alarm where any batch raised one. Years without harm are of three kinds: "well" is exactly at the level
that is tolerated; "days vary" moves each day's F by a normal error of deviation 0.02; "wider" makes every error of prediction
half as large again and leaves the mean, which `spread: in_control` supposes not to happen. A fall of 0.1 begins at a random
labelled batch of the year's first half, and is of three kinds: "all" scales every F, "some" fails a share of the images wholly,
"seen" scales F and predicted F alike; the predictions see nothing of the first two.

Images are simulated (Beta distributed, some 0, with errors of prediction of several sizes) and, with --maps, real: F per image
of trained segmenters on labelled datasets, each predicted by boosted trees that were fitted on the other datasets, without it.
"normal" is the power of a test that knows the error and that it is normal, with 20 labels, looked at so many times in a year at
5 % false alarms in total (Bonferroni): a bound on what can be hoped for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from record import leave, parser
from scipy.stats import norm

from howfar.results.check_result import CheckedDataset, LogRow
from howfar.studies.check.log_and_alarm import read_alarm
from howfar.studies.check.rules import AlarmRule

DAYS = 365
DROP = 0.1
DESIGNS = {"1 a day": (1, 1), "5 a week": (7, 5), "20 a month": (30, 20)}
"""Days between labelled batches, and labels in each."""
SPREADS = ("any", "in_control")
SETS = ("deepcrack_rest", "shadowcrack_tiles", "aiglern_tiles", "gaps384_tiles", "cfd", "crack500_tiles")
SIGNALS = ("foreground_confidence", "flip_agreement", "average_confidence", "predicted_foreground")
WRONG = "042"
"""CFD's image that carries another image's ground truth."""
Values = NDArray[np.float64]


class Images(NamedTuple):
    """Hold F and predicted F of images, a column each."""

    f: Values
    predicted: Values

    def take(self, rows: NDArray[np.intp]) -> Images:
        """Pick some of them."""
        return Images(self.f[rows], self.predicted[rows])


Change = Callable[[Images, np.random.Generator], Images]


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--years", type=int, default=400, help="without harm, of each kind")
    options.add_argument("--falls", type=int, default=200, help="years with a fall, of each kind")
    options.add_argument("--batch", type=int, default=100, help="images of a day")
    options.add_argument("--control", type=int, default=500, help="labelled images from when all is well")
    options.add_argument("--tolerated", type=float, default=0.0)
    options.add_argument("--errors", type=float, nargs="+", default=(0.06, 0.09, 0.12))
    options.add_argument("--data", type=Path, help="folder of labelled datasets, one a folder")
    options.add_argument("--maps", type=Path, help="folder of maps: MODEL-SEED/DATASET and DATASET-flipped")
    options.add_argument("--models", nargs="+", default=("unetplusplus-0",))
    arguments = options.parse_args()
    sources = {f"simulated, error {error:g}": simulated(error) for error in arguments.errors}
    if arguments.maps is not None:
        sources |= {name: images for model in arguments.models for name, images in real(model, arguments).items()}
    rows = [judged(name, images, arguments) for name, images in sources.items()]
    given = {name: getattr(arguments, name) for name in ("years", "falls", "batch", "control", "tolerated")}
    leave("check", {**given, "fall": DROP, "designs": DESIGNS, "sources": rows}, arguments.json)


def simulated(error: float) -> Images:
    """Draw F with a Beta distribution about 0.65 and some images at 0, and predictions that miss it by a normal error."""
    rng = np.random.default_rng([7, round(1000 * error)])
    predicted = rng.beta(2.6, 1.4, 20_000)
    f = np.clip(predicted + rng.normal(0, error, len(predicted)), 0, 1)
    return Images(np.where(rng.random(len(f)) < 0.01, 0.0, f), predicted)


def real(model: str, arguments: argparse.Namespace) -> dict[str, Images]:
    """Evaluate a model's maps of every dataset, and predict each by trees fitted on the others."""
    from trained_performance import REST, rest

    import howfar
    from adaptation import primary

    tables = {}
    for name in SETS:
        own = name == REST
        dataset = (
            rest(primary(arguments.data, 300), arguments.data) if own else howfar.Dataset.from_folder(arguments.data / name)
        )
        if name == "cfd":
            dataset = replace(dataset, items=tuple(item for item in dataset.items if WRONG not in item.name))
        folder = arguments.maps / model
        found = howfar.evaluate(dataset, folder / name, flipped=folder / f"{name}-flipped", threshold=0.5, progress=False)
        tables[name] = found.images[found.images["performance"].notna()]
    return {f"{model}, {name}": predicted(tables, name) for name in SETS}


def predicted(tables: Mapping[str, Any], name: str) -> Images:
    from sklearn.ensemble import GradientBoostingRegressor

    def inputs(table: Any) -> Values:
        columns = table[list(SIGNALS)].fillna(0.0).to_numpy(dtype=np.float64, copy=True)
        columns[:, -1] = np.log(columns[:, -1] + 0.001)
        return columns

    others = [table for other, table in tables.items() if other != name]
    weights = np.concatenate([np.full(len(table), 1 / len(table)) for table in others])
    shape = {"n_estimators": 80, "max_depth": 2, "learning_rate": 0.08, "subsample": 0.7, "min_samples_leaf": 10}
    trees = GradientBoostingRegressor(**shape, random_state=0)
    trees.fit(np.concatenate([inputs(table) for table in others]), np.concatenate([t["performance"] for t in others]), weights)
    own = tables[name]
    return Images(own["performance"].to_numpy(dtype=np.float64), np.clip(trees.predict(inputs(own)), 0, 1))


def judged(name: str, images: Images, arguments: argparse.Namespace) -> dict[str, Any]:
    """Simulate all years of one source of images, by each design and with each supposition about spread."""
    error = float((images.f - images.predicted).std(ddof=1))
    print(name, file=sys.stderr, flush=True)
    return {
        "images": name,
        "n": len(images.f),
        "mean F": round(float(images.f.mean()), 4),
        "deviation of F": round(float(images.f.std(ddof=1)), 4),
        "error of prediction": round(error, 4),
        "middle half of errors": [round(float(q), 4) for q in np.quantile(images.f - images.predicted, (0.25, 0.75))],
        "normal": {str(looks): round(by_normal(error, looks), 3) for looks in (1, 12, 52, DAYS)},
        "years": [row for design in DESIGNS for row in of_design(images, design, arguments)],
    }


def by_normal(error: float, looks: int, labels: int = 20) -> float:
    """Compute the power of a normal test of known error that looks so often, at 5 % false alarms in total."""
    return float(norm.cdf(DROP * np.sqrt(labels) / error - norm.ppf(1 - 0.05 / looks)))


def of_design(images: Images, design: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Count false alarms and labels to find a fall, with nothing supposed of spread and with the spread in control."""
    apart = DESIGNS[design][0]
    harmless: dict[str, Change] = {
        "well": lambda day, rng: shifted(day, -arguments.tolerated),
        "days vary": lambda day, rng: shifted(day, float(rng.normal(0, 0.02 / np.sqrt(apart)))),
        "wider": wider,
    }
    harms: dict[str, Change] = {"all": scaled, "some": failed, "seen": seen}
    false = {kind: years(images, design, change, arguments, arguments.years) for kind, change in harmless.items()}
    falls = {kind: years(images, design, change, arguments, arguments.falls, True) for kind, change in harms.items()}
    return [
        {
            "design": design,
            "spread": spread,
            "years with a false alarm": {kind: round(of[spread][0], 4) for kind, of in false.items()},
            "falls of 0.1": {kind: told(of[spread][1]) for kind, of in falls.items()},
        }
        for spread in SPREADS
    ]


def told(labels: Values) -> dict[str, Any]:
    """Summarise how many labels it took to find a fall, in many years."""
    return {
        "found with 20 labels": round(float(np.mean(labels <= 20)), 3),
        "labels to find half": quantile(labels, 0.5),
        "labels to find 90 %": quantile(labels, 0.9),
        "found in the year": round(float(np.mean(np.isfinite(labels))), 3),
    }


def quantile(labels: Values, level: float) -> int | None:
    found = float(np.quantile(labels, level, method="inverted_cdf"))
    return int(found) if np.isfinite(found) else None


def shifted(day: Images, by: float) -> Images:
    """Move the mean of F by so much, as far as values stay within 0-1, and no prediction."""
    factor = max(0.0, 1 + by / float(day.f.mean()))
    return Images(np.minimum(day.f * factor, 1.0), day.predicted)


def scaled(day: Images, rng: np.random.Generator) -> Images:
    return shifted(day, -DROP)


def failed(day: Images, rng: np.random.Generator) -> Images:
    return Images(np.where(rng.random(len(day.f)) < DROP / day.f.mean(), 0.0, day.f), day.predicted)


def seen(day: Images, rng: np.random.Generator) -> Images:
    return Images(shifted(day, -DROP).f, day.predicted * (1 - DROP / day.f.mean()))


def wider(day: Images, rng: np.random.Generator) -> Images:
    """Make errors of prediction half as large again about their mean, by moving predictions: F stays."""
    errors = day.f - day.predicted
    return Images(day.f, day.f - errors.mean() - 1.5 * (errors - errors.mean()))


def years(
    images: Images, design: str, change: Change, arguments: argparse.Namespace, count: int, falls: bool = False
) -> dict[str, tuple[float, Values]]:
    """Return by spread the share of years with an alarm, and the labels from the change on until it (inf: there is none)."""
    apart, k = DESIGNS[design]
    given = {"tolerated_drop": arguments.tolerated, "drop": DROP - arguments.tolerated, "horizon": DAYS // apart}
    rules = {spread: AlarmRule(**given, spread=spread) for spread in SPREADS}
    alarms, labels = dict.fromkeys(SPREADS, 0), {spread: np.full(count, np.inf) for spread in SPREADS}
    for year in range(count):
        rng = np.random.default_rng([year, apart, k])
        before = [row(images, rng, arguments.control, arguments.control, 0)]
        batches = DAYS // apart
        begin = int(rng.integers(batches // 2)) if falls else 0
        rows = [
            row(images, rng, arguments.batch * apart, k, number + 1, change if number >= begin else None)
            for number in range(batches)
        ]
        for spread, rule in rules.items():
            reading = read_alarm(rule, before, rows)
            at = next((index for index, share in enumerate(reading.evidence if reading else ()) if share >= 1), None)
            alarms[spread] += at is not None
            if at is not None and at >= begin:
                labels[spread][year] = (at - begin + 1) * k
    return {spread: (alarms[spread] / count, labels[spread]) for spread in SPREADS}


def row(images: Images, rng: np.random.Generator, n: int, k: int, number: int, change: Change | None = None) -> LogRow:
    day = images.take(rng.integers(len(images.f), size=n))
    day = day if change is None else change(day, rng)
    drawn = day.take(rng.choice(n, k, replace=False, shuffle=False))
    batch = CheckedDataset(
        dataset="site",
        n=n,
        mean_predicted=float(day.predicted.mean()),
        measured=tuple(drawn.f.tolist()),
        predicted=tuple(drawn.predicted.tolist()),
    )
    return LogRow(f"2026-{number:05}", "roads", str(number), batch, {}, "pass")


if __name__ == "__main__":
    main()
