"""`howfar compare` measures how far secondary datasets are from a primary one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, print_result, print_skipped
from howfar.keywords import CompareOptions
from howfar.options import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from howfar.results import Comparison
    from howfar.results.backbones import BackboneComparison

# What a narrow terminal does without: the numbers that cannot be compared between secondaries come first.
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
    found: Comparison | BackboneComparison
    if len(names) > 1:
        from howfar.studies.backbones import compare_backbones

        found = compare_backbones(primary, secondaries, names, **chosen)
    else:
        from howfar.studies.distance import compare as study

        found = study(primary, secondaries, names[0], **chosen)
    if json:
        print_json(found.to_dict())
    else:
        show(found, chosen.get("out"))


def show(found: Comparison | BackboneComparison, out: str | Path | None) -> None:
    """Print the table of a comparison, what was skipped, and where its report lies."""
    to = print_result(found, optional=WIDE)
    for line in found.remarks():
        to.print(line, markup=False)
    print_skipped(to, found.skipped, "all are in result.json and the report")
    if out is not None:
        to.print(f"report: {Path(out) / 'report.html'}", markup=False, soft_wrap=True)
