"""Measure how far datasets are from a primary one (`howfar compare`), and from each other (`matrix`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

from howfar.cli import flags, printing
from howfar.cli.flags import argument
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import CompareOptions, MatrixOptions

if TYPE_CHECKING:
    from howfar.results import Comparison
    from howfar.results.backbones_result import BackboneComparison


NO_REPORT = "no report was written: --out RUN writes one, with a row for each image"
MORE = "--all prints every column"


@flags.command(CompareOptions)
def compare(
    primary: Annotated[str, argument("PRIMARY", f"What the model was trained on. {flags.DATASET}")],
    secondaries: Annotated[list[str], argument("SECONDARY", "Images it has not seen; as many as you like.")],
    backbone: Annotated[list[str] | None, flags.backbone_option(" Repeat it to set several side by side.")] = None,
    every: Annotated[bool, flags.output_flag("--all", "Print every column, and the literature's distances.")] = False,
    json: flags.Json = False,
    **chosen: Unpack[CompareOptions],
) -> None:
    """Measure how far each SECONDARY dataset is from PRIMARY."""
    names = list(dict.fromkeys(backbone or [DEFAULT_BACKBONE]))
    result: Comparison | BackboneComparison
    if len(names) > 1:
        from howfar.studies.backbone_agreement import compare_backbones

        result = compare_backbones(primary, secondaries, names, **chosen)
    else:
        from howfar.studies.compare_datasets import compare as study

        result = study(primary, secondaries, names[0], **chosen)
    printing.answer(result, json, print_comparison, chosen.get("out"), every)


def print_comparison(result: Comparison | BackboneComparison, out: str | Path | None, every: bool = False) -> None:
    """Print each dataset's distance (a sentence and four columns, or all), skipped files, and the report's path."""
    from howfar.report.comparison_sentences import of_rivals, plain
    from howfar.results.backbones_result import BackboneComparison
    from howfar.results.comparison_result import BEYOND, COLUMNS
    from howfar.results.display_and_shared_records import cells
    from howfar.results.relation_result import slice_table, too_small

    to, others = printing.console(), "all are in result.json and the report"
    if isinstance(result, BackboneComparison):
        printing.show(result, {}, others)
    else:
        if every:
            to.print(result.caption(), style="bold")
            columns = (*COLUMNS, BEYOND._replace(title="beyond 95 %"))
            printing.print_table(printing.console(whole=True), *cells(result.datasets, columns))
            header, rows = result.rivals_table()
            if rows:
                to.print("The literature's distances, in the same space", style="bold")
                printing.print_table(printing.console(whole=True), header, rows)
                to.print(of_rivals(result))
        else:
            # Four columns for newcomers, and a sentence per dataset.
            caption, table = result.as_printed()
            to.print(caption, style="bold")
            printing.print_table(to, *table)
            for dataset in result.datasets:
                to.print(plain(result.primary, dataset))
        printing.print_remarks(result.remarks())
        printing.print_skipped(() if printing.Level.quiet else result.skipped, others)
    for comparison in result.comparisons if isinstance(result, BackboneComparison) else (result,):
        printing.print_slices(to, slice_table(comparison.slices), too_small(comparison.slices))
    if out is None and not printing.Level.quiet:
        printing.say(NO_REPORT if every else f"{NO_REPORT}; {MORE}")
    printing.print_paths({"report": printing.report_in(out)})


@flags.command(MatrixOptions)
def matrix(
    datasets: Annotated[list[str], argument("DATASET", f"At least two. {flags.DATASET}")],
    backbone: flags.Backbone = DEFAULT_BACKBONE,
    json: flags.Json = False,
    **chosen: Unpack[MatrixOptions],
) -> None:
    """Measure how far every DATASET is from every other."""
    from howfar.studies.distance_matrix import matrix as study

    found = study(datasets, backbone, **chosen)
    printing.answer(found, json, printing.show, {"report": printing.report_in(chosen.get("out"))}, "all are in matrix.json")
