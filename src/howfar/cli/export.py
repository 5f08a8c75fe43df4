"""Write features of datasets as a table that vector tools read (`howfar export`)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, say
from howfar.keywords import StoredEmbedOptions
from howfar.options import DEFAULT_BACKBONE


@options.command(StoredEmbedOptions)
def export(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET", help=options.DATASET)],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="PATH", help="Write this .parquet file or .lance folder; replace an export only."),
    ],
    to: Annotated[
        Literal["parquet", "lance"] | None, typer.Option("--to", help="Write this format; by default what PATH ends in.")
    ] = None,
    backbone: options.Backbone = DEFAULT_BACKBONE,
    json: options.Json = False,
    **chosen: Unpack[StoredEmbedOptions],
) -> None:
    """Write the features of every DATASET as a table, Parquet or Lance, that vector tools read; embed what is not stored."""
    from howfar.studies.export import export as study

    made = study(datasets, backbone, out=out, to=to, **chosen)
    if json:
        print_json({**asdict(made), "path": str(made.path)})
        return
    for name, count in made.images.items():
        say(f"{name}: {count} images x {made.length:,} features in {made.path}")
    for file in made.skipped:
        say(f"skipped: {file.path}: {file.reason}")
    for note in made.notes:
        say(note)
