"""Measure how far every dataset is from every other (`howfar matrix`)."""

from __future__ import annotations

from typing import Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, report_in, show
from howfar.keywords import MatrixOptions
from howfar.options import DEFAULT_BACKBONE


@options.command(MatrixOptions)
def matrix(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET", help=f"At least two. {options.DATASET}")],
    backbone: options.Backbone = DEFAULT_BACKBONE,
    json: options.Json = False,
    **chosen: Unpack[MatrixOptions],
) -> None:
    """Measure how far every DATASET is from every other."""
    from howfar.studies.matrix import matrix as study

    result = study(datasets, backbone, **chosen)
    if json:
        print_json(result.to_dict())
    else:
        show(result, {"report": report_in(chosen.get("out"))}, others="all are in matrix.json")
