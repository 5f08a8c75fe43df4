"""`howfar train`: a segmenter from images and masks."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_table
from howfar.numbers import format_number

if TYPE_CHECKING:
    from howfar.segmenters.checkpoint import Checkpoint

ENDING = ".safetensors"


def train(
    primary: Annotated[
        str,
        typer.Argument(
            metavar="PRIMARY", help="Images with their masks: masks/ beside images/, a table, or any other dataset; NAME=PATH."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="CKPT", help="Checkpoint to write, model.safetensors say.")],
    model: Annotated[str, typer.Option(help="unetplusplus, deepcrack or adsam.")] = "unetplusplus",
    option: options.Architecture = None,
    size: Annotated[int | None, typer.Option(help="Side of the square that pictures are resized to.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.")] = None,
    batch: Annotated[int | None, typer.Option(help="Images at a time.")] = None,
    loss: Annotated[str | None, typer.Option(help="bce, dice, bce_dice, soft_iou, bce_iou or deepcrack.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Of the learning rate: constant, cosine, poly or step.")] = None,
    rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    decay: Annotated[float | None, typer.Option(help="Weight decay.")] = None,
    augment: Annotated[bool, typer.Option("--augment/--no-augment", help="Flip, turn, recolour and blur pictures.")] = True,
    holdout: Annotated[float, typer.Option(help="Share of the photographs held out.")] = 0.1,
    patience: Annotated[int | None, typer.Option(help="Stop after so many epochs without a better held-out ODS.")] = None,
    keep: Annotated[str, typer.Option(help="Weights to keep: best (by held-out ODS) or last.")] = "best",
    precision: Annotated[str, typer.Option(help="32, or bf16 for mixed precision.")] = "32",
    background: Annotated[
        list[str] | None, typer.Option("--background", metavar="DATASET", help="Images without foreground; repeat.")
    ] = None,
    group: options.Group = None,
    weights: options.Published = None,
    start: Annotated[Path | None, typer.Option(metavar="CKPT", help="Begin with the weights of this checkpoint.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order, augmentation and what is held out.")] = 0,
    device: options.Device = "auto",
    workers: Annotated[int, typer.Option(help="Processes that prepare batches.")] = 0,
    json: options.Json = False,
) -> None:
    """Train a segmenter on PRIMARY; run the same command again to go on after a kill."""
    from howfar.errors import InputError
    from howfar.training.train import train as study

    if out.suffix.lower() != ENDING:
        raise InputError.of("out", f"must end in {ENDING}", str(out), "nothing in such a file can be executed")
    options.prepare_folder("out", out.absolute().parent)
    made = study(
        primary,
        model,
        out,
        options=options.architecture(option),
        background=background or (),
        group=group,
        pretrained=options.pretrained(weights),
        start=start,
        device=device,
        workers=workers,
        size=size,
        epochs=epochs,
        batch=batch,
        loss=loss,
        schedule=schedule,
        rate=rate,
        decay=decay,
        augment=augment,
        holdout=holdout,
        patience=patience,
        keep=keep,
        precision=precision,
        seed=seed,
    )
    if json:
        typer.echo(jsonlib.dumps(made.card.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(made, out)


def show(made: Checkpoint, out: Path) -> None:
    """Print how the epochs went, and where the checkpoint lies."""
    to = console()
    to.print(repr(made), style="bold", markup=False)
    numbers = (("loss", 3), ("ods", 3), ("threshold", 2))
    rows = [
        (str(one["epoch"]), *(format_number(one.get(name), digits) for name, digits in numbers)) for one in made.card.history
    ]
    print_table(to, ("epoch", "loss", "held-out ODS", "at threshold"), rows)
    to.print(f"checkpoint: {out}", markup=False, soft_wrap=True)
