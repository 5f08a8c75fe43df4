"""Train with a few labelled images of each secondary dataset, and say what that gains (`howfar adapt`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, report_in, show
from howfar.keywords import AdaptOptions


@options.command(AdaptOptions)
def adapt(
    primary: Annotated[str, typer.Argument(metavar="PRIMARY", help="What the model is trained on: images and masks.")],
    secondary: Annotated[list[str], typer.Argument(metavar="SECONDARY...", help="Datasets with masks, to adapt to.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Keep the study in this folder.")],
    model: options.Segmenter = "unetplusplus",
    background: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Take images without foreground from this dataset.")
    ] = None,
    blind: Annotated[
        list[str] | None,
        typer.Option("--blind", metavar="DATASET", help="Score on this dataset, and never choose from it; repeat it."),
    ] = None,
    json: options.Json = False,
    **chosen: Unpack[AdaptOptions],
) -> None:
    """Train on PRIMARY and a few images of each SECONDARY, and say what that gains on images that no model learnt from."""
    from howfar.studies.adaptation.adapt import adapt as study

    options.prepare_folder("out", out)
    result = study(primary, secondary, model, out=out, background=background, blind=blind or (), **chosen)
    if json:
        print_json(result.to_dict())
    else:
        show(result, {"study": out, "report": report_in(out)})
