"""Measure distances of datasets from a primary one (`howfar compare`) or from each other (`howfar matrix`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

from howfar.cli import flags
from howfar.cli.terminal import (
    answer,
    console,
    print_hint,
    print_paths,
    print_remarks,
    print_skipped,
    print_slices,
    print_table,
    quiet,
    report_in,
    show,
)
from howfar.keywords import CompareOptions, MatrixOptions
from howfar.options import DEFAULT_BACKBONE
from howfar.wording import share

if TYPE_CHECKING:
    from howfar.results import Comparison
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
        from howfar.studies.distance import compare as study

        result = study(primary, secondaries, names[0], **chosen)
    answer(result, json, print_comparison, chosen.get("out"), every)


def print_comparison(result: Comparison | BackboneComparison, out: str | Path | None, every: bool = False) -> None:
    """Print each dataset's distance (a sentence and four columns, or all), skipped files, and the report's path."""
    from howfar.results.backbones_result import BackboneComparison
    from howfar.results.relation_result import distance_table, too_small

    others = "all are in result.json and the report"
    if isinstance(result, BackboneComparison):
        show(result, {}, others)
    else:
        if every:
            from howfar.report.comparison_sentences import of_rivals

            console().print(result.caption(), style="bold")
            header, rows = result.table()
            beyond = ["–" if dataset.beyond is None else share(dataset.beyond) for dataset in result.datasets]
            print_table(
                console(whole=True), (*header, "beyond 95 %"), [(*row, one) for row, one in zip(rows, beyond, strict=True)]
            )
            header, rows = result.rivals_table()
            if rows:
                console().print("The literature's distances, in the same space", style="bold")
                print_table(console(whole=True), header, rows)
                console().print(of_rivals(result))
        else:
            print_answer(result)
        print_remarks(console(), result.remarks())
        print_skipped(console(), () if quiet() else result.skipped, others)
    to = console()
    for comparison in result.comparisons if isinstance(result, BackboneComparison) else (result,):
        print_slices(to, distance_table(comparison.slices), too_small(comparison.slices))
    if out is None:
        print_hint(to, NO_REPORT if every else f"{NO_REPORT}; {MORE}")
    print_paths(to, {"report": report_in(out)})


def print_answer(comparison: Comparison) -> None:
    """Print four columns for newcomers, and a sentence per dataset."""
    from howfar.report.comparison_sentences import plain

    to, (caption, table) = console(), comparison.as_printed()
    to.print(caption, style="bold")
    print_table(to, *table)
    for dataset in comparison.datasets:
        to.print(plain(comparison.primary, dataset))


@flags.command(MatrixOptions)
def matrix(
    datasets: Annotated[list[str], flags.argument("DATASET", f"At least two. {flags.DATASET}")],
    backbone: flags.Backbone = DEFAULT_BACKBONE,
    json: flags.Json = False,
    **chosen: Unpack[MatrixOptions],
) -> None:
    """Measure how far every DATASET is from every other."""
    from howfar.studies.matrix import matrix as study

    found = study(datasets, backbone, **chosen)
    answer(found, json, show, {"report": report_in(chosen.get("out"))}, "all are in matrix.json")
