"""Draw synthetic pictures; show their distances and a crack detector's expected scores and failures (`howfar demo`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli.printing import console, print_paths, print_table
from howfar.formatting_and_escaping import format_interval, format_number, share
from howfar.io.file_location import ready_folder
from howfar.progress import stage

if TYPE_CHECKING:
    from howfar.data import Dataset
    from howfar.demo.crack_detector import Detector
    from howfar.results import Comparison, DatasetSummary, Evaluation, Relation

SCALES = (
    "relative 1: as far as images of {0} are from each other, in a joint PCA. beyond 95 %: images farther from {0} than 95 % "
    "of its own images. F by distance: whether F falls from the nearest to the farthest images of a set. gate: inside if "
    "other labelled sets are like this one; only there trust the column F without labels (with its 90 % interval)"
)
WIDE = ("beyond 95 %", "F by distance")
"""Columns left out on a narrow terminal."""
VERDICTS = {"none": "not known", "consistent": "no change"}
"""One-word names of verdicts that differ from their kind."""


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures and the run.")] = Path("howfar-demo"),
    seed: Annotated[int, typer.Option(help="Seed of the pictures, the detector, the intervals and the p-values.")] = 0,
) -> None:
    """Make a pavement dataset and five unlike it, measure how far they are, and where a crack detector fails on them."""
    from howfar.data import Dataset
    from howfar.demo import write_demo
    from howfar.results.checksums_and_overwrite_guard import page_folder
    from howfar.studies import compare_datasets
    from howfar.studies.performance.relate_and_estimate import relate as study

    ready_folder("out", out)
    page_folder("out", out / "run", "compare")
    with stage(f"drawing synthetic pavement with exact crack masks in {out / 'data'}"):
        folders = write_demo(out / "data", seed=seed)
    primary, *secondaries = (Dataset.from_folder(folder) for folder in folders)
    comparison = compare_datasets.compare(primary, secondaries, store=out / "store", seed=seed)
    run = comparison.save(out / "run")
    with stage("fitting a crack detector on half of the pavement pictures, and evaluating it on all others"):
        performances = _evaluate(primary, secondaries, out, seed)
    with stage("relating performance to distance, and drawing the report"):
        related = study(run, performances, seed=seed)
    with stage("writing the profile by which new pictures are scored"):
        profile = _profile(primary, secondaries, performances, out)
    _print_answers(comparison, related, out, profile)


def _evaluate(primary: Dataset, secondaries: list[Dataset], out: Path, seed: int) -> list[Evaluation]:
    """Score predictions on all pictures unseen by the detector, at the threshold tuned on the primary's."""
    from howfar.demo.crack_detector import Detector

    half = len(primary) // 2
    detector = Detector.fit(replace(primary, items=primary.items[:half]), seed=seed)
    own = _scored(replace(primary, items=primary.items[half:]), detector, out, None)
    return [own, *(_scored(dataset, detector, out, own) for dataset in secondaries)]


def _scored(dataset: Dataset, detector: Detector, out: Path, own: Evaluation | None) -> Evaluation:
    """Predict a dataset as it is and mirrored, evaluate the predictions, and save the evaluation."""
    from howfar.demo.crack_detector import write_predictions
    from howfar.studies.evaluate_predictions import evaluate

    maps, mirrored = (out / "predictions" / f"{dataset.name}{ending}" for ending in ("", "-flipped"))
    write_predictions(maps, dataset, detector)
    write_predictions(mirrored, dataset, detector, flipped=True)
    evaluation = evaluate(dataset, maps, flipped=mirrored, tuned_on=own, progress=False)
    evaluation.save(out / "performance" / f"{dataset.name}.parquet")
    return evaluation


def _profile(primary: Dataset, secondaries: Sequence[Dataset], performances: Sequence[Evaluation], out: Path) -> Path:
    """Save a profile for scoring new pictures, and return its file."""
    from howfar.studies.profile_dataset import profile

    labelled = [dataset for dataset, own in zip(secondaries, performances[1:], strict=True) if own.scored]
    scored = [evaluation for evaluation in performances if evaluation.scored]
    pavement = profile(primary, store=out / "store", labelled=labelled, performance=scored, progress=False)
    return pavement.save(out / "pavement.howfar")


def _print_answers(comparison: Comparison, related: Relation, out: Path, profile: Path) -> None:
    """Print a table of each set's distance and performance, sentences that explain it, and the next steps."""
    from howfar.report.comparison_sentences import lead

    to, primary = console(), comparison.primary
    title = f"{len(comparison.datasets)} sets of synthetic pictures against {primary.name}, and a crack detector fitted to it"
    to.print(title, style="bold")
    header = ("dataset", "relative [95 % CI]", "beyond 95 %", "mean F", "F by distance", "F without labels", "gate")
    print_table(to, header, [_row(dataset, related) for dataset in comparison.datasets], WIDE)
    to.print(SCALES.format(primary.name))
    to.print(f"Distance: {lead(comparison)}")
    if related.pooled_verdict is not None:
        to.print(f"Performance: {related.pooled_verdict.text.partition(' (')[0]}.")

    # How many labelled sets' intervals held, which were missed, and why sets are outside the gate.
    labelled = [each for each in related.estimates if each.measured is not None]
    missed = [each.dataset for each in labelled if not each.held]
    held = f"F without labels: {len(labelled) - len(missed)} of {len(labelled)} intervals contain the measured mean F"
    to.print(f"{held}; missed: {', '.join(missed)}." if missed else f"{held}.")
    gates = [gate for gate in (related.gate(each.dataset) for each in labelled) if gate is not None and gate.outside]
    reasons = [f"{gate.dataset} ({gate.outside[0].words.partition(' (')[0]})" for gate in gates]
    if reasons:
        text = f"Labelled sets OUTSIDE the gate: {', '.join(reasons)}."
        to.print(text.replace("any labelled", "any other labelled").replace("the primary", primary.name))
    doubt = "no labels, and no labelled set is like it: trust no estimate, label 8 of its images"
    for each in related.estimates:
        if each.measured is None and not _inside(related, each.dataset):
            to.print(f"{each.dataset}: {doubt}.")

    # Files to open, and commands to type.
    data = out / "data"
    ahead: dict[str, Path | str] = {
        "open the report": out / "run" / "report.html",
        "every number": f"howfar compare {data / 'pavement'} {data / 'fabric'} --store {out / 'store'} --all",
        "one image": f"howfar score {profile} {data / 'fabric' / 'images' / '0001.jpg'}",
        "your own images": "howfar compare YOUR_TRAINING_IMAGES NEW_IMAGES... --out RUN",
        "your own model": "howfar assess LABELLED_HELD_OUT_IMAGES NEW_IMAGES... --model CKPT|ONNX --out RUN",
    }
    to.print()
    to.print("What next", style="bold")
    print_paths(ahead)


def _row(dataset: DatasetSummary, related: Relation) -> tuple[str, ...]:
    """Format a set's row: distance, share of unusual images, measured F and its trend with distance, expected F."""
    scored = next((each for each in related.datasets if each.name == dataset.name), None)
    expected = next((each for each in related.estimates if each.dataset == dataset.name), None)
    low, high = dataset.relative_ci or (None, None)
    return (
        dataset.name,
        format_interval(dataset.relative, low, high),
        "–" if dataset.beyond is None else share(dataset.beyond),
        format_number(None if scored is None else scored.mean, 2),
        "–" if scored is None else VERDICTS.get(scored.verdict.kind, scored.verdict.kind),
        "–" if expected is None else expected.text(doubted=related.doubted(expected)),
        "–" if expected is None else "inside" if _inside(related, dataset.name) else "OUTSIDE",
    )


def _inside(related: Relation, name: str) -> bool:
    gate = related.gate(name)
    return gate is not None and bool(gate.inside)
