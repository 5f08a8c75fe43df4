"""`howfar predict` writes probability maps of a dataset by a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json, print_skipped
from howfar.keywords import PredictOptions

if TYPE_CHECKING:
    from howfar.pipeline.prediction import Predicted
    from howfar.segmenters.probability_models import Reading

Triple = tuple[float, float, float]


@options.command(PredictOptions)
def predict(
    model: Annotated[Path, typer.Argument(metavar="CKPT", help="What `howfar train` wrote, or an .onnx network.")],
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=options.DATASET)],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write the maps to this folder, one PNG an image.")],
    mean: Annotated[Triple | None, typer.Option(help="Subtract this of each channel of 0-1, for an .onnx network.")] = None,
    std: Annotated[Triple | None, typer.Option(help="Divide each channel by this, for an .onnx network.")] = None,
    output: Annotated[str | None, typer.Option(help="Read logits or probabilities of an .onnx network.")] = None,
    channel: Annotated[int | None, typer.Option(help="Take this channel of an .onnx network for the foreground.")] = None,
    json: options.Json = False,
    **chosen: Unpack[PredictOptions],
) -> None:
    """Write a probability map of every image of DATASET, 8-bit grey, p = value / 255; maps that are there already are kept."""
    from howfar.pipeline.prediction import predict as study

    options.prepare_folder("out", out)
    found = study(model, dataset, out, reading=_reading(mean, std, output, channel), **chosen)
    if json:
        skipped = [{"path": one.path, "reason": one.reason} for one in found.skipped]
        print_json({"folder": str(found.folder), "written": found.written, "kept": found.kept, "skipped": skipped})
    else:
        show(found)


def show(found: Predicted) -> None:
    """Print how many maps were made, where they lie, and what was skipped."""
    to = console()
    kept = f", {found.kept} were there already" if found.kept else ""
    to.print(f"{found.written} maps written{kept}: {found.folder}", markup=False, soft_wrap=True)
    print_skipped(to, found.skipped, "--json lists all")


def _reading(mean: Triple | None, std: Triple | None, output: str | None, channel: int | None) -> Reading | None:
    from howfar.segmenters.probability_models import Reading

    given: dict[str, Any] = {"mean": mean, "std": std, "output": output, "channel": channel}
    chosen = {name: value for name, value in given.items() if value is not None}
    return Reading(**chosen) if chosen else None
