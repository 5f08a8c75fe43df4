"""`howfar predict`: probability maps of a dataset by a trained network."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from howfar.cli import options
from howfar.cli.terminal import console

if TYPE_CHECKING:
    from howfar.pipeline.prediction import Predicted
    from howfar.segmenters.probability_models import Reading
    from howfar.weights.precision import Precision

SHOWN = 20
Triple = tuple[float, float, float]


def predict(
    model: Annotated[Path, typer.Argument(metavar="CKPT", help="What `howfar train` wrote, or an .onnx network.")],
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=options.DATASET)],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the maps, one PNG an image.")],
    flipped: Annotated[
        bool, typer.Option("--flipped", help="Mirror the images first, for `howfar evaluate --flipped`.")
    ] = False,
    tile: Annotated[bool, typer.Option("--tile", help="Overlapping tiles at the images' own scale, for large images.")] = False,
    size: Annotated[int | None, typer.Option(help="Side of the network's square input; by default the checkpoint's.")] = None,
    mean: Annotated[Triple | None, typer.Option(help="Of an .onnx network: what is taken from each channel of 0-1.")] = None,
    std: Annotated[Triple | None, typer.Option(help="Of an .onnx network: what each channel is divided by.")] = None,
    output: Annotated[str | None, typer.Option(help="Of an .onnx network: logits or probabilities.")] = None,
    channel: Annotated[int | None, typer.Option(help="Of an .onnx network: which channel is foreground.")] = None,
    precision: Annotated[
        str, typer.Option(help="32, or bf16 or fp16: quicker where the hardware has it, and other maps by a little.")
    ] = "32",
    device: options.Device = "auto",
    batch_size: options.BatchSize = 8,
    json: options.Json = False,
) -> None:
    """Write a probability map of every image of DATASET, 8-bit grey, p = value / 255; maps that are there already are kept."""
    from howfar.pipeline.prediction import predict as study

    options.prepare_folder("out", out)
    found = study(
        model,
        dataset,
        out,
        flipped=flipped,
        device=device,
        size=size,
        tiled=tile,
        batch=batch_size,
        reading=_reading(mean, std, output, channel),
        precision=cast("Precision", precision),
    )
    if json:
        skipped = [{"path": one.path, "reason": one.reason} for one in found.skipped]
        typer.echo(
            jsonlib.dumps({"folder": str(found.folder), "written": found.written, "kept": found.kept, "skipped": skipped})
        )
    else:
        show(found)


def show(found: Predicted) -> None:
    """Print how many maps were made, where they lie, and what was skipped."""
    to = console()
    kept = f", {found.kept} were there already" if found.kept else ""
    to.print(f"{found.written} maps written{kept}: {found.folder}", markup=False, soft_wrap=True)
    for one in found.skipped[:SHOWN]:
        to.print(f"skipped: {one.path}: {one.reason}", markup=False, soft_wrap=True)
    if len(found.skipped) > SHOWN:
        to.print(f"skipped: {len(found.skipped) - SHOWN} more; --json lists all", markup=False)


def _reading(mean: Triple | None, std: Triple | None, output: str | None, channel: int | None) -> Reading | None:
    from howfar.segmenters.probability_models import Reading

    given: dict[str, Any] = {"mean": mean, "std": std, "output": output, "channel": channel}
    chosen = {name: value for name, value in given.items() if value is not None}
    return Reading(**chosen) if chosen else None
