"""Write probability maps of a dataset by a trained network (`howfar predict`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json, print_skipped, say
from howfar.keywords import PredictOptions

if TYPE_CHECKING:
    from howfar.segmenters.probability_models import Reading

Triple = tuple[float, float, float]


@options.command(PredictOptions)
def predict(
    model: Annotated[Path, typer.Argument(metavar="CKPT", help="What `howfar train` wrote, or an .onnx network.")],
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=options.DATASET)],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write the maps to this folder, one PNG an image.")],
    mean: Annotated[Triple | None, typer.Option(help="Subtract this of each channel of 0-1, for an .onnx network.")] = None,
    std: Annotated[Triple | None, typer.Option(help="Divide each channel by this, for an .onnx network.")] = None,
    output: Annotated[
        str | None, typer.Option(metavar="<logits|probabilities>", help="Read these of an .onnx network; by default logits.")
    ] = None,
    channel: Annotated[int | None, typer.Option(help="Take this channel of an .onnx network for the foreground.")] = None,
    json: options.Json = False,
    **chosen: Unpack[PredictOptions],
) -> None:
    """Write a probability map of every image of DATASET, 8-bit grey, p = value / 255; maps that are there already are kept."""
    from howfar.pipeline.prediction import predict as study

    options.prepare_folder("out", out)
    predicted = study(model, dataset, out, reading=reading_of(mean, std, output, channel), **chosen)
    for note in predicted.notes:
        say(f"warning: {note}", err=True)
    if json:
        skipped = [{"path": file.path, "reason": file.reason} for file in predicted.skipped]
        counts = {"written": predicted.written, "kept": predicted.kept}
        print_json({"folder": str(predicted.folder), **counts, "skipped": skipped, "notes": list(predicted.notes)})
        return
    to = console()
    kept = f", {predicted.kept} were there already" if predicted.kept else ""
    to.print(
        f"{predicted.written} {'map' if predicted.written == 1 else 'maps'} written{kept}: {predicted.folder}",
        markup=False,
        soft_wrap=True,
    )
    print_skipped(to, predicted.skipped, "--json lists all")


def reading_of(mean: Triple | None, std: Triple | None, output: str | None, channel: int | None) -> Reading | None:
    """Collect how a foreign network is fed and read; None where nothing is said of it."""
    from howfar.segmenters.probability_models import Reading

    given: dict[str, Any] = {"mean": mean, "std": std, "output": output, "channel": channel}
    chosen = {name: value for name, value in given.items() if value is not None}
    return Reading(**chosen) if chosen else None
