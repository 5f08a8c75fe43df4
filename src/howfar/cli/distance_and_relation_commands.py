"""Define commands that measure distances (`compare`, `matrix`), and that relate performance to them (`relate`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

from howfar.cli import flags, terminal
from howfar.formatting_and_escaping import format_number, share
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import CompareOptions, MatrixOptions, RelateOptions

if TYPE_CHECKING:
    from rich.console import Console

    from howfar.results import Comparison, Judgement, Relation
    from howfar.results.backbones_result import BackboneComparison


NO_REPORT = "no report was written: --out RUN writes one, with a row for each image"
MORE = "--all prints every column"


@flags.command(CompareOptions)
def compare(
    primary: Annotated[str, flags.argument("PRIMARY", f"What the model was trained on. {flags.DATASET}")],
    secondaries: Annotated[list[str], flags.argument("SECONDARY", "Images it has not seen; as many as you like.")],
    backbone: Annotated[list[str] | None, flags.backbone_option(" Repeat it to set several side by side.")] = None,
    every: Annotated[bool, flags.output_flag("--all", "Print every column, and the literature's distances.")] = False,
    json: flags.Json = False,
    **chosen: Unpack[CompareOptions],
) -> None:
    """Measure how far each SECONDARY dataset is from PRIMARY."""
    names = list(dict.fromkeys(backbone or [DEFAULT_BACKBONE]))
    result: Comparison | BackboneComparison
    if len(names) > 1:
        from howfar.studies.compare_backbones import compare_backbones

        result = compare_backbones(primary, secondaries, names, **chosen)
    else:
        from howfar.studies.compare_datasets import compare as study

        result = study(primary, secondaries, names[0], **chosen)
    terminal.answer(result, json, print_comparison, chosen.get("out"), every)


def print_comparison(result: Comparison | BackboneComparison, out: str | Path | None, every: bool = False) -> None:
    """Print each dataset's distance (a sentence and four columns, or all), skipped files, and the report's path."""
    from howfar.report.comparison_sentences import of_rivals, plain
    from howfar.results.backbones_result import BackboneComparison
    from howfar.results.relation_result import distance_table, too_small

    to, others = terminal.console(), "all are in result.json and the report"
    if isinstance(result, BackboneComparison):
        terminal.show(result, {}, others)
    else:
        if every:
            to.print(result.caption(), style="bold")
            header, rows = result.table()
            beyond = ["–" if dataset.beyond is None else share(dataset.beyond) for dataset in result.datasets]
            terminal.print_table(
                terminal.console(whole=True),
                (*header, "beyond 95 %"),
                [(*row, one) for row, one in zip(rows, beyond, strict=True)],
            )
            header, rows = result.rivals_table()
            if rows:
                to.print("The literature's distances, in the same space", style="bold")
                terminal.print_table(terminal.console(whole=True), header, rows)
                to.print(of_rivals(result))
        else:
            # Four columns for newcomers, and a sentence per dataset.
            caption, table = result.as_printed()
            to.print(caption, style="bold")
            terminal.print_table(to, *table)
            for dataset in result.datasets:
                to.print(plain(result.primary, dataset))
        terminal.print_remarks(result.remarks())
        terminal.print_skipped(() if terminal.quiet() else result.skipped, others)
    for comparison in result.comparisons if isinstance(result, BackboneComparison) else (result,):
        terminal.print_slices(to, distance_table(comparison.slices), too_small(comparison.slices))
    if out is None and not terminal.quiet():
        terminal.say(NO_REPORT if every else f"{NO_REPORT}; {MORE}")
    terminal.print_paths({"report": terminal.report_in(out)})


@flags.command(MatrixOptions)
def matrix(
    datasets: Annotated[list[str], flags.argument("DATASET", f"At least two. {flags.DATASET}")],
    backbone: flags.Backbone = DEFAULT_BACKBONE,
    json: flags.Json = False,
    **chosen: Unpack[MatrixOptions],
) -> None:
    """Measure how far every DATASET is from every other."""
    from howfar.studies.distance_matrix import matrix as study

    found = study(datasets, backbone, **chosen)
    terminal.answer(found, json, terminal.show, {"report": terminal.report_in(chosen.get("out"))}, "all are in matrix.json")


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
    terminal.print_table(to, header, rows, ("kind", "AURC"))


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

    terminal.answer(study(run, performance or (), **chosen), json, show_relation, run / "report.html")


def show_relation(relation: Relation, page: Path | None) -> None:
    """Print a relation's verdicts, estimators, estimates, slices and failure lists, and the report's path."""
    from howfar.report import estimates_report, probable_failures
    from howfar.results.relation_result import performance_table, too_small

    to = terminal.print_result(relation, IN_SENTENCES)
    for dataset in relation.datasets:
        to.print(f"{dataset.name}: {dataset.verdict.text}")
    if relation.pooled_verdict is not None:
        to.print(f"all sets: {relation.pooled_verdict.text}", style="bold")
    show_judgements(to, relation.judgements, relation.estimator, relation.settings.threshold)

    # What each dataset is expected to score without its labels, and which of its images will probably fail.
    listed = {failures.dataset: failures for failures in relation.failures}
    for warning in relation.warnings():
        to.print(warning, style="bold")
    header = ("dataset", "estimator", "estimate [interval]", "gate", "measured", "listed as failing", "of them wrong")
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
                "–" if failures is None or not failures.listed else f"{failures.listed} of {failures.n}",
                "–" if wrong is None else f"{100 * wrong:.0f} %",
            )
        )
    if rows:
        to.print()
        to.print("Mean performance expected without a set's labels", style="bold")
        terminal.print_table(to, header, rows, ("of them wrong", "estimator"))

    terminal.print_slices(to, performance_table(relation.slices), too_small(relation.slices))
    # The report's sentences on estimators and failure lists.
    findings = [estimates_report.lead(relation), estimates_report.in_use(relation), estimates_report.distance(relation)]
    if relation.estimates:
        findings += [probable_failures.found(relation), probable_failures.broken(relation), probable_failures.whole(relation)]
    terminal.print_remarks([*filter(None, findings), *relation.remarks()])
    terminal.print_paths({"report": page})
