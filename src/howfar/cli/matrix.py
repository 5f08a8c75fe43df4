"""`howfar matrix` measures how far every dataset is from every other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, print_result, print_skipped
from howfar.keywords import MatrixOptions
from howfar.options import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from howfar.results.matrix import Matrix


@options.command(MatrixOptions)
def matrix(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET", help=f"At least two. {options.DATASET}")],
    backbone: options.Backbone = DEFAULT_BACKBONE,
    json: options.Json = False,
    **chosen: Unpack[MatrixOptions],
) -> None:
    """Measure how far every DATASET is from every other."""
    from howfar.studies.matrix import matrix as study

    found = study(datasets, backbone, **chosen)
    if json:
        print_json(found.to_dict())
    else:
        show(found, chosen.get("out"))


def show(found: Matrix, out: str | Path | None) -> None:
    """Print each dataset's nearest and farthest other, what was skipped, and where the report lies."""
    to = print_result(found)
    for line in found.remarks():
        to.print(line, markup=False)
    print_skipped(to, found.skipped, "all are in matrix.json")
    if out is not None:
        to.print(f"report: {Path(out) / 'report.html'}", markup=False, soft_wrap=True)
