"""`howfar relate` sets performance against distance, and says what to expect of images without labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, print_result, print_table
from howfar.keywords import RelateOptions
from howfar.numbers import format_number

if TYPE_CHECKING:
    from rich.console import Console

    from howfar.results import Relation


@options.command(RelateOptions)
def relate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `howfar compare --out` wrote.")],
    performance: options.Performance,
    json: options.Json = False,
    **chosen: Unpack[RelateOptions],
) -> None:
    """Tell whether performance falls with distance in RUN, and what to expect of its images that have no labels."""
    from howfar.studies.performance.relate import relate as study

    found = study(run, performance or (), **chosen)
    if json:
        print_json(found.to_dict())
    else:
        show(found, run / "report.html")


def show(found: Relation, page: Path | None) -> None:
    """Print what a relation found: verdicts, estimators, estimates, failure lists, and where the report lies."""
    to = print_result(found)
    for one in found.datasets:
        to.print(f"{one.name}: {one.verdict.text}", markup=False)
    if found.pooled_verdict is not None:
        to.print(f"all sets: {found.pooled_verdict.text}", style="bold", markup=False)
    if found.judgements:
        called = "F" if found.settings.threshold is not None else "performance"
        to.print(f"\nEstimators, each dataset left out in turn ({called} without labels)", style="bold", markup=False)
        print_table(to, *_judgements(found))
    _show_estimates(to, found)
    for line in filter(None, _findings(found)):
        to.print(line, markup=False)
    for note in found.notes:
        to.print(f"note: {note}", markup=False)
    if page is not None:
        to.print(f"report: {page}", markup=False, soft_wrap=True)


def _findings(found: Relation) -> list[str]:
    """What the report says of estimators and lists, in the same words."""
    from howfar.report.estimates import text as estimates
    from howfar.report.failures import text as failures

    estimators = [estimates.lead(found), estimates.distance(found)]
    lists = [failures.found(found), failures.broken(found), failures.whole(found)]
    return [*estimators, *lists] if found.estimates else estimators


def _judgements(found: Relation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    header = ("estimator", "kind", "sets", "error, image", "error, set", "coverage", "AUROC", "AURC")
    rows: list[tuple[str, ...]] = [
        (
            f"{one.estimator} *" if one.estimator == found.estimator else one.estimator,
            one.kind,
            str(one.sets),
            format_number(one.mae_image, 3),
            format_number(one.mae_set, 3),
            "–" if one.coverage is None else f"{100 * one.coverage:.0f} %",
            format_number(one.auroc, 3),
            format_number(one.aurc, 3),
        )
        for one in found.judgements
    ]
    return header, rows


def _show_estimates(to: Console, found: Relation) -> None:
    listed = {one.dataset: one for one in found.failures}
    header = ("dataset", "estimator", "estimate [interval]", "measured", f"listed < {found.settings.tau:g}", "of them wrong")
    rows = []
    for one in found.estimates:
        failures = listed.get(one.dataset)
        wrong = None if failures is None else failures.measured_error
        rows.append(
            (
                one.dataset,
                one.estimator,
                f"{one.predicted:.2f} [{one.low:.2f}, {one.high:.2f}] at {100 * one.level:.0f} %",
                format_number(one.measured, 3),
                "–" if failures is None else f"{failures.listed} of {failures.n}",
                "–" if wrong is None else f"{100 * wrong:.0f} %",
            )
        )
    if rows:
        to.print("\nMean performance expected without a set's labels", style="bold", markup=False)
        print_table(to, header, rows)
