"""Estimate mean F of foreign crack sets from corrupted versions of P's own labelled images alone, over seeds of a model.

Checkpoints and maps are those of trained_performance.py, found below --trained; the corrupted sets are made and predicted in
--out. Each estimator is fitted on P's labelled images as they are and corrupted, and tried on five foreign sets of which it
knows no label. P's labelled images are its held-out photographs (30 images), and in a second row deepcrack_rest (236 images of
further photographs). Beside these stand the same estimators fitted on P's held-out images alone, and on P's held-out images and
the four other foreign sets, which is what labelled sites are worth. Which corruptions matter is measured by leaving each kind
out, and by taking each kind alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record import leave, parser
from trained_performance import FOUR, SECONDARIES, rest

import howfar
from adaptation import dataset, primary
from howfar import registry
from howfar.data.image_groups_and_variations import guess_photographs
from howfar.perturb import labelled_every
from howfar.pipeline.prediction import load_model
from howfar.relation.performance_estimators import RegisteredEstimator, TaskColumns, named
from howfar.relation.regressors import ridge
from howfar.results import Evaluation
from howfar.studies.performance.image_performance import signals_at

FOUR_SIGNALS = RegisteredEstimator("ridge on four signals", "combined", "", (TaskColumns(FOUR, ridge),))
# Shares of the mean F of the images as they are, below which a corruption counts as harm.
HARM = (0.9, 0.8, 0.7)
WANTED = ("mean", "atc", "signals", "boosted")


def estimators() -> list[Any]:
    """List those that are tried: one that is not registered here is left out."""
    return [*(named(name) for name in WANTED if name in registry.names("estimators")), FOUR_SIGNALS]


@dataclass(frozen=True)
class Labelled:
    """Hold evaluated sets as one table of images with signals and F."""

    sets: tuple[Evaluation, ...]

    @cached_property
    def images(self) -> pd.DataFrame:
        """Stack the images that have an F, with the photograph that each is of."""
        images = pd.concat([one.images for one in self.sets], ignore_index=True)
        names = [name.partition(".")[0] for name in images["image"]]
        images = images.assign(photograph=guess_photographs(names, None))
        return images[images["performance"].notna()].reset_index(drop=True)

    def fit(self, estimator: Any, threshold: float) -> Any:
        """Fit an estimator, each set weighing alike."""
        images = self.images
        columns = signals_at(images, threshold)
        return estimator.fit(columns, images["performance"], images["dataset"], images["photograph"])


@dataclass(frozen=True)
class Study:
    """Hold one trained model: where its checkpoint, maps and corrupted sets lie."""

    name: str
    trained: Path
    out: Path
    precision: str

    def corrupted(self, images: howfar.Dataset, what: str) -> howfar.studies.corruption.CorruptedSets:
        """Make, predict and score the corrupted sets; what is done is kept."""
        checkpoint = howfar.Checkpoint.load(self.trained / "models" / f"{self.name}.safetensors")
        model = load_model(checkpoint, precision=self.precision)
        return howfar.corrupt(images, self.out / self.name / what, model=model)

    def foreign(self, name: str, images: howfar.Dataset, own: Evaluation) -> Evaluation:
        """Score a foreign set at the threshold of P's own images."""
        maps = self.trained / "maps" / self.name
        return howfar.evaluate(images, maps / name, flipped=maps / f"{name}-flipped", tuned_on=own, progress=False)


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--trained", type=Path, required=True, help="--out of trained_performance.py: models/ and maps/")
    options.add_argument("--out", type=Path, required=True, help="folder of the corrupted sets")
    options.add_argument("--models", nargs="+", default=[f"unetplusplus-{seed}" for seed in (0, 1, 2)])
    options.add_argument("--images", type=int, default=300, help="of P")
    options.add_argument("--map-precision", default="32", help="of predicting: 32, bf16 or fp16, as the maps are")
    options.add_argument("--without-rest", nargs="*", default=(), help="leave the second row out for these models")
    arguments = options.parse_args()
    p = primary(arguments.data, arguments.images)
    foreign = {name: dataset(name, arguments.data) for name in SECONDARIES}
    found = {}
    for name in arguments.models:
        study = Study(name, arguments.trained, arguments.out, arguments.map_precision)
        found[name] = measured(study, p, None if name in arguments.without_rest else rest(p, arguments.data), foreign)
    record = {"precision of maps": arguments.map_precision, "models": found, "over models": over(found)}
    leave("no_foreign_labels", record, arguments.json)


def measured(
    study: Study, p: howfar.Dataset, more: howfar.Dataset | None, foreign: Mapping[str, howfar.Dataset]
) -> dict[str, Any]:
    """Measure every estimator's error of each foreign set's mean F, by what it was fitted on."""
    held = study.corrupted(p, "held_out")
    assert held.own is not None
    sets = [study.foreign(name, images, held.own) for name, images in foreign.items()]
    rows = list(fits("held-out, corrupted", held.own, held.evaluations, sets))
    for share in HARM:
        harmed = [one for one in held.evaluations if mean_f(one) < share * mean_f(held.own)]
        rows += fits(f"held-out, and corrupted with mean F below {share:g} of its own", held.own, harmed, sets)
    rows += fits("held-out alone", held.own, (), sets)
    rows += labelled_sites("held-out and other foreign sets", held.own, (), sets)
    rows += labelled_sites("held-out, corrupted, and other foreign sets", held.own, held.evaluations, sets)
    measured_sets = {"held-out": shown(held.own, held.evaluations)}
    if more is not None:
        apart = study.corrupted(more, "rest")
        own = study.foreign(more.name, more, held.own)
        again = [rescored(one, held.own.threshold) for one in apart.evaluations]
        rows += fits("deepcrack_rest, corrupted", own, again, sets)
        rows += labelled_sites("deepcrack_rest and other foreign sets", own, (), sets)
        harmed = [one for one in again if mean_f(one) < 0.8 * mean_f(own)]
        rows += fits("deepcrack_rest, and corrupted with mean F below 0.8 of its own", own, harmed, sets)
        measured_sets["deepcrack_rest"] = shown(own, again)
    return {
        "threshold": held.own.threshold,
        "foreign": {one.dataset: one.scores["mean_f"] for one in sets},
        "corrupted": measured_sets,
        "errors": rows,
        "without": list(by_kind(held.own, held.evaluations, sets)),
    }


def rescored(one: Evaluation, threshold: float | None) -> Evaluation:
    """Score a set at another threshold, from its maps."""
    place = Path(one.images["path"][0]).parents[1]
    images = howfar.Dataset.from_folder(place, one.dataset)
    maps = {"flipped": place / "predictions-flipped", "threshold": threshold}
    return howfar.evaluate(images, place / "predictions", progress=False, **maps)


def fits(what: str, own: Evaluation, corrupted: Sequence[Evaluation], sets: Sequence[Evaluation]) -> Iterator[dict[str, Any]]:
    """Fit each estimator on P's images, as they are and corrupted, and try it on every foreign set."""
    threshold = own.threshold or 0.5
    labelled = Labelled((own, *corrupted))
    for estimator in estimators():
        fitted = labelled.fit(estimator, threshold)
        yield row(what, estimator.name, {one.dataset: error(fitted, one, threshold) for one in sets})


def labelled_sites(
    what: str, own: Evaluation, corrupted: Sequence[Evaluation], sets: Sequence[Evaluation]
) -> Iterator[dict[str, Any]]:
    """Fit each estimator on P's images and all foreign sets but one, and try it on that one."""
    threshold = own.threshold or 0.5
    for estimator in estimators():
        errors = {}
        for one in sets:
            others = (other for other in sets if other is not one)
            errors[one.dataset] = error(Labelled((own, *corrupted, *others)).fit(estimator, threshold), one, threshold)
        yield row(what, estimator.name, errors)


def by_kind(own: Evaluation, corrupted: Sequence[Evaluation], sets: Sequence[Evaluation]) -> Iterator[dict[str, Any]]:
    """Leave each kind of corruption out, and take each alone."""
    for kind in labelled_every():
        its = [one for one in corrupted if one.dataset.partition("·")[2].startswith(f"{kind} ")]
        others = [one for one in corrupted if one not in its]
        yield from ({**one, "without": kind} for one in fits(f"without {kind}", own, others, sets))
        yield from ({**one, "alone": kind} for one in fits(f"{kind} alone", own, its, sets))


def error(fitted: Any, one: Evaluation, threshold: float) -> float:
    """Subtract a set's true mean F from the mean of its images' estimates."""
    images = Labelled((one,)).images
    estimate = fitted.predict(signals_at(images, threshold))
    return float(np.nanmean(estimate) - images["performance"].mean())


def row(what: str, estimator: str, errors: Mapping[str, float]) -> dict[str, Any]:
    away = np.abs(list(errors.values()))
    rounded = {name: round(value, 4) for name, value in errors.items()}
    measures = {"mae": round(float(away.mean()), 4), "worst": round(float(away.max()), 4)}
    return {"fitted on": what, "estimator": estimator, **measures, "errors": rounded}


def shown(own: Evaluation, corrupted: Sequence[Evaluation]) -> dict[str, Any]:
    corrupted_f = {one.dataset.partition("·")[2]: round(mean_f(one), 4) for one in corrupted}
    return {"n": own.n, "as they are": round(mean_f(own), 4), **corrupted_f}


def mean_f(one: Evaluation) -> float:
    return float(one.images["performance"].mean())


def over(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Summarise each row over the models: mean, lowest and highest of the mean absolute errors."""
    rows = pd.DataFrame([{**one, "model": name} for name, said in found.items() for one in (*said["errors"], *said["without"])])
    grouped = rows.groupby(["fitted on", "estimator"], sort=False)
    summary = grouped.agg(
        models=("mae", "size"), mae=("mae", "mean"), low=("mae", "min"), high=("mae", "max"), worst=("worst", "max")
    )
    return [
        {"fitted on": what, "estimator": name, **{key: round(float(value), 4) for key, value in one.items()}}
        for (what, name), one in summary.to_dict("index").items()
    ]


if __name__ == "__main__":
    main()
