"""`howfar demo`: the main job on pictures that it makes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from howfar.cli import options
from howfar.cli.compare import show


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the pictures and the run.")] = Path("howfar-demo"),
    seed: Annotated[int, typer.Option(help="Seed of the pictures, the intervals and the p-values.")] = 0,
) -> None:
    """Make a pavement dataset, four shifted ones and one that is not pavement, then measure and report them."""
    from howfar.data.synthetic import write_demo
    from howfar.studies import distance

    options.prepare_folder("out", out)
    typer.echo(f"drawing synthetic pavement pictures with exact crack masks in {out / 'data'}", err=True)
    primary, *secondaries = write_demo(out / "data", seed=seed)
    found = distance.compare(primary, secondaries, store=out / "store", seed=seed)
    run = found.save(out / "run")
    show(found, run)
    typer.echo("Open the report, then: howfar compare YOUR_TRAINING_IMAGES NEW_IMAGES... --out RUN", err=True)
