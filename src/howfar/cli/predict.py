"""Write probability maps of a dataset by a trained network (`howfar predict`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json, print_skipped, say, tell_reading
from howfar.keywords import PredictOptions


@options.command(PredictOptions)
def predict(
    model: Annotated[Path, typer.Argument(metavar="CKPT", help="What `howfar train` wrote, or an .onnx network.")],
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=options.DATASET)],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write the maps to this folder, one PNG an image.")],
    json: options.Json = False,
    **chosen: Unpack[PredictOptions],
) -> None:
    """Write a probability map of every image of DATASET, 8-bit grey, p = value / 255; maps that are there already are kept."""
    from howfar.pipeline.prediction import predict as study
    from howfar.results.json_values import plain

    options.prepare_folder("out", out)
    predicted = study(model, dataset, out, **chosen)
    tell_reading(predicted.reading)
    for note in predicted.notes:
        say(f"warning: {note}", err=True)
    if json:
        skipped = [{"path": file.path, "reason": file.reason} for file in predicted.skipped]
        reading = {} if predicted.reading is None else {"reading": plain(predicted.reading)}
        counts = {"written": predicted.written, "kept": predicted.kept}
        print_json(
            {
                "folder": str(predicted.folder),
                **counts,
                **reading,
                "skipped": skipped,
                "notes": list(predicted.notes),
            }
        )
        return
    to = console()
    kept = f", {predicted.kept} were there already" if predicted.kept else ""
    to.print(
        f"{predicted.written} {'map' if predicted.written == 1 else 'maps'} written{kept}: {predicted.folder}",
        markup=False,
        soft_wrap=True,
    )
    print_skipped(to, predicted.skipped, "--json lists all")
