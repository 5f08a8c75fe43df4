"""Measure how far secondary datasets are from a primary one (`howfar compare`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json, print_paths, print_slices, report_in, show
from howfar.keywords import CompareOptions
from howfar.options import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from howfar.results import Comparison
    from howfar.results.backbones import BackboneComparison

# Columns that a narrow terminal does without.
WIDE = ("O^dist (sum)", "O^dist (mean)", "row-scaled", "expl. var.")


@options.command(CompareOptions)
def compare(
    primary: Annotated[str, typer.Argument(metavar="PRIMARY", help=f"What the model was trained on. {options.DATASET}")],
    secondaries: Annotated[list[str], typer.Argument(metavar="SECONDARY", help="Images it has not seen; as many as you like.")],
    backbone: Annotated[
        list[str] | None, typer.Option(help=f"{options.BACKBONE} Repeat it to set several side by side.")
    ] = None,
    json: options.Json = False,
    **chosen: Unpack[CompareOptions],
) -> None:
    """Measure how far each SECONDARY dataset is from PRIMARY."""
    names = list(dict.fromkeys(backbone or [DEFAULT_BACKBONE]))
    result: Comparison | BackboneComparison
    if len(names) > 1:
        from howfar.studies.backbones import compare_backbones

        result = compare_backbones(primary, secondaries, names, **chosen)
    else:
        from howfar.studies.distance import compare as study

        result = study(primary, secondaries, names[0], **chosen)
    if json:
        print_json(result.to_dict())
    else:
        print_comparison(result, chosen.get("out"))


def print_comparison(result: Comparison | BackboneComparison, out: str | Path | None) -> None:
    """Print the table of a comparison, what was skipped, and where its report lies."""
    from howfar.results.backbones import BackboneComparison
    from howfar.results.slices import distance_table, too_small

    show(result, {}, WIDE, "all are in result.json and the report")
    to = console()
    for comparison in result.comparisons if isinstance(result, BackboneComparison) else (result,):
        print_slices(to, distance_table(comparison.slices), too_small(comparison.slices))
    print_paths(to, {"report": report_in(out)})
