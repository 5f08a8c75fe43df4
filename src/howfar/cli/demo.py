"""`howfar demo`: the whole story on pictures that it makes itself: how far, does the model fail there, and on which images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli import compare, options, relate

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
    _say(f"drawing synthetic pavement pictures with exact crack masks in {out / 'data'}")
    folders = write_demo(out / "data", seed=seed)
    primary, *secondaries = (Dataset.from_folder(folder) for folder in folders)
    found = distance.compare(primary, secondaries, store=out / "store", seed=seed)
    run = found.save(out / "run")
    compare.show(found, None)
    _say("fitting a crack detector on half of the pavement pictures, and evaluating it on all others")
    performances = _evaluate(primary, secondaries, out, seed)
    related = study(run, performances, seed=seed)
    typer.echo("")
    relate.show(related, run / "report.html")
    _profile(primary, secondaries, performances, out)


def _evaluate(primary: Dataset, secondaries: list[Dataset], out: Path, seed: int) -> list[Evaluation]:
    """Predictions of every picture that the detector was not fitted on, scored at the threshold tuned on P's."""
    from howfar.demo.crack_detector import Detector

    half = len(primary) // 2
    detector = Detector.fit(replace(primary, items=primary.items[:half]), seed=seed)
    own = _scored(replace(primary, items=primary.items[half:]), detector, out, None)
    return [own, *(_scored(one, detector, out, own) for one in secondaries)]


def _scored(dataset: Dataset, detector: Detector, out: Path, own: Evaluation | None) -> Evaluation:
    """One dataset predicted as it is and mirrored, evaluated and kept."""
    from howfar.demo.crack_detector import write_predictions
    from howfar.studies.evaluation.evaluate import evaluate

    maps, mirrored = (out / "predictions" / f"{dataset.name}{ending}" for ending in ("", "-flipped"))
    write_predictions(maps, dataset, detector)
    write_predictions(mirrored, dataset, detector, flipped=True)
    found = evaluate(dataset, maps, flipped=mirrored, tuned_on=own, progress=False)
    found.save(out / "performance" / f"{dataset.name}.parquet")
    return found


def _profile(primary: Dataset, secondaries: Sequence[Dataset], performances: Sequence[Evaluation], out: Path) -> None:
    """Keep what scoring new pictures takes, and say how to go on."""
    from howfar.studies.profile import profile

    labelled = [one for one, known in zip(secondaries, performances[1:], strict=True) if known.scored]
    kept = [known for known in performances if known.scored]
    made = profile(primary, store=out / "store", labelled=labelled, performance=kept, progress=False)
    file = made.save(out / "pavement.howfar")
    picture = out / "data" / "fabric" / "images" / "0001.jpg"
    _say(f"profile: {file}; score any picture with it: howfar score {file} {picture}")
    _say("Open the report, then: howfar compare YOUR_TRAINING_IMAGES NEW_IMAGES... --out RUN")


def _say(line: str) -> None:
    typer.echo(line, err=True)
