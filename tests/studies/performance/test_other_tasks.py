"""Estimates for a classifier and for a detector: three labelled sets, one without labels, in a run and by a profile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import howfar
from listed_site import ListedSet, write_boxes, write_classes, write_true_boxes

COUNT = 60
DIAL = {"classification": (2.5, 2.0, 1.0, 0.5, 1.5), "detection": (0.9, 0.8, 0.5, 0.3, 0.6)}
NAMES = ("home", "a", "b", "c", "new")


@dataclass(frozen=True)
class Case:
    """Hold a task's sets by name, their evaluations, and a run of distances."""

    task: str
    sets: dict[str, ListedSet]
    evaluations: dict[str, howfar.Evaluation]
    run: howfar.Comparison

    def known(self, *names: str) -> list[howfar.Evaluation]:
        return [self.evaluations[name] for name in names or NAMES]

    def argument(self, name: str) -> str:
        return f"{name}={self.sets[name].dataset}"

    def options(self, name: str) -> dict[str, Any]:
        return {} if self.task == "classification" else {"flipped": self.sets[name].flipped}


@pytest.fixture(scope="module", params=DIAL)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    task, root = request.param, tmp_path_factory.mktemp(request.param)
    sets, evaluations = {}, {}
    for seed, (name, dial) in enumerate(zip(NAMES, DIAL[task], strict=True)):
        if task == "classification":
            sets[name] = write_classes(root / name, COUNT, dial, seed, labelled=name != "new")
            options: dict[str, Any] = {}
        else:
            sets[name] = write_boxes(root / name, COUNT, dial, seed)
            truth = write_true_boxes(root / f"{name}.json", sets[name].truth)
            options = {"flipped": sets[name].flipped} | ({} if name == "new" else {"truth": truth})
        argument = f"{name}={sets[name].dataset}"
        evaluations[name] = howfar.evaluate(argument, sets[name].predictions, task=task, progress=False, **options)
    others = [f"{name}={sets[name].dataset}" for name in NAMES[1:]]
    quick: dict[str, Any] = {"bootstrap": 0, "permutations": 0, "baselines": False, "rivals": False, "progress": False}
    run = howfar.compare(f"home={sets['home'].dataset}", others, "colour_moments", **quick)
    return Case(task, sets, evaluations, run)


@pytest.fixture(scope="module")
def related(case: Case) -> howfar.Relation:
    return howfar.relate(case.run, case.known(), bootstrap=0)


@pytest.fixture(scope="module")
def profiled(case: Case) -> howfar.Profile:
    others, known = [case.argument(name) for name in "abc"], case.known("home", "a", "b", "c")
    return howfar.profile(case.argument("home"), "colour_moments", labelled=others, performance=known, progress=False)


def truth_of(case: Case, name: str) -> float:
    """The mean performance of the set without labels, from what is true of it."""
    known = case.sets[name]
    if case.task == "classification":
        predicted = case.evaluations[name].images.set_index("image")["predicted_label"]
        return float(np.mean([predicted[image] == label for image, label in known.truth.items()]))
    truth = write_true_boxes(known.dataset / "truth.json", known.truth)
    return float(
        howfar.evaluate(known.dataset, known.predictions, task="detection", truth=truth, progress=False)
        .images["performance"]
        .mean()
    )


def test_a_run_estimates_the_set_without_labels(case: Case, related: howfar.Relation) -> None:
    judged = {row.estimator: row for row in related.judgements}
    assert {"mean", "doc", "average_confidence", "entropy", "signals", "boosted", "all"} <= set(judged)
    assert ("mano" in judged) == (case.task == "classification")
    assert ("box_stability" in judged) == (case.task == "detection")
    assert judged["doc"].mae_set < 0.5 * judged["mean"].mae_set
    (new,) = [
        row for row in howfar.relate(case.run, case.known(), bootstrap=0, estimator="doc").estimates if row.measured is None
    ]
    assert abs(new.predicted - truth_of(case, "new")) < 0.12
    assert new.low < new.predicted < new.high


def test_a_profile_scores_new_images(case: Case, profiled: howfar.Profile, tmp_path: Path) -> None:
    file = profiled.save(tmp_path / "p.howfar")
    new, options = case.sets["new"], case.options("new")
    for estimator in ("doc", "boosted"):
        scores = howfar.Profile.load(file).score(
            case.argument("new"), predictions=new.predictions, estimator=estimator, batch_size=7, **options
        )
        assert {score.estimator for score in scores.images} == {estimator}
        columns = {
            name: values.to_numpy() for name, values in case.evaluations["new"].images.items() if values.dtype.kind == "f"
        }
        assert profiled.judge is not None
        wanted = profiled.judge.fits[estimator].predict(columns)[0]
        np.testing.assert_allclose([score.predicted for score in scores.images], wanted, atol=1e-12)
        assert (scores.images[0].predicted_low is None) == (case.task == "classification")
        assert scores.estimates[0].low < scores.estimates[0].predicted < scores.estimates[0].high


def test_an_image_that_comes_alone_has_no_signal_of_a_set(case: Case, profiled: howfar.Profile) -> None:
    image = sorted((case.sets["new"].predictions.parent / "images").iterdir())[0]
    given: dict[str, Any] = {"predictions": case.sets["new"].predictions, **case.options("new")}
    assert profiled.scorer(estimator="doc", **given).one(image).predicted is not None  # type: ignore[union-attr]  # it is readable
    alone = profiled.scorer(estimator="boosted", **given).one(image).estimator  # type: ignore[union-attr]  # the same
    assert alone == ("mean" if case.task == "classification" else "boosted")
