"""`howfar relate`: performance against distance, and what it says of images without labels."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_table
from howfar.numbers import format_number

if TYPE_CHECKING:
    from rich.console import Console

    from howfar.results import Relation


def relate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `howfar compare --out` wrote.")],
    performance: Annotated[
        list[Path],
        typer.Option(
            "--performance", metavar="FILE", help="What `howfar evaluate -o` wrote, or a table with image, performance; repeat."
        ),
    ],
    threshold: Annotated[
        float | None, typer.Option(help="Common threshold; by default PRIMARY's where it was evaluated, else 0.5.")
    ] = None,
    tau: Annotated[float, typer.Option(help="Performance below which an image counts as failed.")] = 0.5,
    flat: Annotated[float, typer.Option(help="Largest change over a set's distances that counts as none.")] = 0.2,
    level: Annotated[float, typer.Option(help="Level of the conformal intervals.")] = 0.9,
    error_rate: Annotated[float, typer.Option(help="Share of a failure list that may be wrong.")] = 0.2,
    group: options.Group = None,
    estimator: Annotated[str, typer.Option(help="auto (the best judged, if choosing beats the mean), or a name.")] = "auto",
    bootstrap: Annotated[int, typer.Option(help="Resamples behind the intervals; 0 for none.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
    json: options.Json = False,
) -> None:
    """Tell whether performance falls with distance in RUN, and what to expect of its images that have no labels."""
    from howfar.studies.performance.relate import relate as study

    found = study(
        run,
        performance,
        threshold=threshold,
        tau=tau,
        flat=flat,
        level=level,
        error_rate=error_rate,
        group=group,
        estimator=estimator,
        bootstrap=bootstrap,
        seed=seed,
    )
    if json:
        typer.echo(jsonlib.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(found, run / "report.html")


def show(found: Relation, page: Path | None) -> None:
    """Print what a relation found: verdicts, estimators, estimates, failure lists, and where the report lies."""
    to = console()
    to.print(found.caption(), style="bold", markup=False)
    print_table(to, *found.table())
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
