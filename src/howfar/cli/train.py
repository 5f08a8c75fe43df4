"""Train a segmenter on images and masks (`howfar train`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json, print_paths, print_table
from howfar.keywords import TrainOptions
from howfar.numbers import format_number

if TYPE_CHECKING:
    from howfar.segmenters.checkpoint import Checkpoint

ENDING = ".safetensors"


@options.command(TrainOptions)
def train(
    primary: Annotated[
        str,
        typer.Argument(
            metavar="PRIMARY", help="Images with their masks: masks/ beside images/, a table, or any other dataset; NAME=PATH."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="CKPT", help="Write this checkpoint, model.safetensors say.")],
    model: options.Segmenter = "unetplusplus",
    add: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SITE:LIST",
            help="Learn from chosen images of dataset SITE too, by the chosen.csv of `howfar select`; repeat it.",
        ),
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option("--background", metavar="DATASET", help="Learn from these images without foreground too; repeat it."),
    ] = None,
    start: Annotated[Path | None, typer.Option(metavar="CKPT", help="Begin with the weights of this checkpoint.")] = None,
    json: options.Json = False,
    **chosen: Unpack[TrainOptions],
) -> None:
    """Train a segmenter on PRIMARY; run the same command again to go on after a kill."""
    from howfar.errors import InputError
    from howfar.training.train import train as study

    if out.suffix.lower() != ENDING:
        raise InputError.of("out", f"must end in {ENDING}", str(out), "nothing in such a file can be executed")
    options.prepare_file("out", out)
    checkpoint = study(primary, model, out, add=add or (), background=background or (), start=start, **chosen)
    if json:
        print_json(checkpoint.card.to_dict())
    else:
        _show(checkpoint, out)


def _show(checkpoint: Checkpoint, out: Path) -> None:
    """Print how the epochs went, and where the checkpoint lies."""
    to = console()
    to.print(repr(checkpoint), style="bold", markup=False)
    numbers = (("loss", 3), ("ods", 3), ("threshold", 2))
    rows = [
        (str(epoch["epoch"]), *(format_number(epoch.get(name), digits) for name, digits in numbers))
        for epoch in checkpoint.card.history
    ]
    print_table(to, ("epoch", "loss", "held-out ODS", "at threshold"), rows)
    print_paths(to, {"checkpoint": out})
