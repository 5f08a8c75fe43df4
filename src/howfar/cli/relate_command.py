"""Relate performance to distance, and estimate performance without labels (`howfar relate`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

from howfar.cli import flags
from howfar.cli.terminal import answer, print_paths, print_remarks, print_result, print_slices, print_table
from howfar.keywords import RelateOptions
from howfar.wording import format_number

if TYPE_CHECKING:
    from rich.console import Console

    from howfar.results import Judgement, Relation


def show_judgements(to: Console, judgements: Sequence[Judgement], used: str | None, threshold: float | None) -> None:
    """Print a row for each estimator, with a star at the one in use: errors of "F" at a threshold, else of "performance"."""
    if not judgements:
        return
    rows = [
        (
            f"{judged.estimator} *" if judged.estimator == used else judged.estimator,
            judged.kind,
            str(judged.sets),
            format_number(judged.mae_set, 3),
            format_number(judged.mae_image, 3),
            "–" if judged.coverage is None else f"{100 * judged.coverage:.0f} %",
            format_number(judged.auroc, 3),
            format_number(judged.aurc, 3),
        )
        for judged in judgements
    ]
    header = ("estimator", "kind", "sets", "error, set", "error, image", "coverage", "AUROC", "AURC")
    to.print()
    what = "performance" if threshold is None else "F"
    to.print(f"Estimators, each dataset left out in turn ({what} without labels)", style="bold")
    print_table(to, header, rows, ("kind", "AURC"))


IN_SENTENCES = ("slope [95 % CI]", "Spearman [95 % CI]")
"""Columns left out on a narrow terminal, since the sentences below repeat them."""


@flags.command(RelateOptions)
def relate(
    run: Annotated[Path, flags.argument("RUN", "A folder that `howfar compare --out` wrote.")],
    performance: flags.Performance,
    json: flags.Json = False,
    **chosen: Unpack[RelateOptions],
) -> None:
    """Measure whether performance falls with distance in RUN, and estimate it for images without labels."""
    from howfar.studies.performance.relate import relate as study

    answer(study(run, performance or (), **chosen), json, show, run / "report.html")


def show(relation: Relation, page: Path | None) -> None:
    """Print a relation's verdicts, estimators, estimates, slices and failure lists, and the report's path."""
    from howfar.results.relation_result import performance_table, too_small

    to = print_result(relation, IN_SENTENCES)
    for dataset in relation.datasets:
        to.print(f"{dataset.name}: {dataset.verdict.text}")
    if relation.pooled_verdict is not None:
        to.print(f"all sets: {relation.pooled_verdict.text}", style="bold")
    show_judgements(to, relation.judgements, relation.estimator, relation.settings.threshold)
    _show_estimates(to, relation)
    print_slices(to, performance_table(relation.slices), too_small(relation.slices))
    print_remarks(to, [*filter(None, _findings(relation)), *relation.remarks()])
    print_paths(to, {"report": page})


def _findings(relation: Relation) -> list[str]:
    """Return the report's sentences on estimators and failure lists."""
    from howfar.report import estimates_report, failures

    estimators = [estimates_report.lead(relation), estimates_report.in_use(relation), estimates_report.distance(relation)]
    lists = [failures.found(relation), failures.broken(relation), failures.whole(relation)]
    return [*estimators, *lists] if relation.estimates else estimators


def _show_estimates(to: Console, relation: Relation) -> None:
    listed = {failures.dataset: failures for failures in relation.failures}
    for warning in relation.warnings():
        to.print(warning, style="bold")
    below = f"listed < {relation.settings.tau:g}"
    header = ("dataset", "estimator", "estimate [interval]", "gate", "measured", below, "of them wrong")
    rows = []
    for expected in relation.estimates:
        failures, gate = listed.get(expected.dataset), relation.gate(expected.dataset)
        wrong = None if failures is None else failures.measured_error
        rows.append(
            (
                expected.dataset,
                expected.estimator,
                f"{expected.text(doubted=relation.doubted(expected))} at {100 * expected.level:.0f} %",
                "–" if gate is None or gate.inside is None else "inside" if gate.inside else "OUTSIDE",
                format_number(expected.measured, 3),
                "–" if failures is None else f"{failures.listed} of {failures.n}",
                "–" if wrong is None else f"{100 * wrong:.0f} %",
            )
        )
    if rows:
        to.print()
        to.print("Mean performance expected without a set's labels", style="bold")
        print_table(to, header, rows, ("of them wrong", "estimator"))
