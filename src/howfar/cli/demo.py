"""Show on synthetic pictures how far datasets are, whether a model fails on them, and on which images (`howfar demo`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli import compare, options, relate
from howfar.cli.terminal import say

if TYPE_CHECKING:
    from howfar.data import Dataset
    from howfar.demo.crack_detector import Detector
    from howfar.results import Evaluation


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the pictures and the run.")] = Path("howfar-demo"),
    seed: Annotated[int, typer.Option(help="Seed of the pictures, the detector, the intervals and the p-values.")] = 0,
) -> None:
    """Make a pavement dataset and five unlike it, measure how far they are, and where a crack detector fails on them."""
    from howfar.data import Dataset
    from howfar.demo import write_demo
    from howfar.studies import distance
    from howfar.studies.performance.relate import relate as study

    options.prepare_folder("out", out)
    say(f"drawing synthetic pavement pictures with exact crack masks in {out / 'data'}", err=True)
    folders = write_demo(out / "data", seed=seed)
    primary, *secondaries = (Dataset.from_folder(folder) for folder in folders)
    comparison = distance.compare(primary, secondaries, store=out / "store", seed=seed)
    run = comparison.save(out / "run")
    compare.print_comparison(comparison, None)
    say("fitting a crack detector on half of the pavement pictures, and evaluating it on all others", err=True)
    performances = _evaluate(primary, secondaries, out, seed)
    related = study(run, performances, seed=seed)
    say("")
    relate.show(related, run / "report.html")
    _profile(primary, secondaries, performances, out)


def _evaluate(primary: Dataset, secondaries: list[Dataset], out: Path, seed: int) -> list[Evaluation]:
    """Score predictions of every picture that the detector was not fitted on, at the threshold tuned on the primary's."""
    from howfar.demo.crack_detector import Detector

    half = len(primary) // 2
    detector = Detector.fit(replace(primary, items=primary.items[:half]), seed=seed)
    own = _scored(replace(primary, items=primary.items[half:]), detector, out, None)
    return [own, *(_scored(dataset, detector, out, own) for dataset in secondaries)]


def _scored(dataset: Dataset, detector: Detector, out: Path, own: Evaluation | None) -> Evaluation:
    """Predict a dataset as it is and mirrored, evaluate the predictions, and keep them."""
    from howfar.demo.crack_detector import write_predictions
    from howfar.studies.evaluation.evaluate import evaluate

    maps, mirrored = (out / "predictions" / f"{dataset.name}{ending}" for ending in ("", "-flipped"))
    write_predictions(maps, dataset, detector)
    write_predictions(mirrored, dataset, detector, flipped=True)
    evaluation = evaluate(dataset, maps, flipped=mirrored, tuned_on=own, progress=False)
    evaluation.save(out / "performance" / f"{dataset.name}.parquet")
    return evaluation


def _profile(primary: Dataset, secondaries: Sequence[Dataset], performances: Sequence[Evaluation], out: Path) -> None:
    """Keep what scoring new pictures takes, and say how to go on."""
    from howfar.studies.profile import profile

    labelled = [dataset for dataset, own in zip(secondaries, performances[1:], strict=True) if own.scored]
    scored = [evaluation for evaluation in performances if evaluation.scored]
    pavement = profile(primary, store=out / "store", labelled=labelled, performance=scored, progress=False)
    file = pavement.save(out / "pavement.howfar")
    picture = out / "data" / "fabric" / "images" / "0001.jpg"
    say(f"profile: {file}; score any picture with it: howfar score {file} {picture}", err=True)
    say("Open the report, then: howfar compare YOUR_TRAINING_IMAGES NEW_IMAGES... --out RUN", err=True)
