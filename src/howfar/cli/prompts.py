"""Segment images by promptable networks such as SAM and CLIPSeg, and score them (`howfar prompts`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, report_in, show
from howfar.keywords import PromptOptions


@options.command(PromptOptions)
def prompts(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET", help="Images with masks; as many datasets as you like.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Keep maps, tables, figures and report in this folder.")
    ],
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Prompt by points, box (SAM), text (CLIPSeg) or persam; repeat it. By default by the first three."),
    ] = None,
    reference: Annotated[Path | None, typer.Option(metavar="IMAGE", help="Show persam this labelled image.")] = None,
    reference_mask: Annotated[Path | None, typer.Option(metavar="MASK", help="Show persam this mask of the image.")] = None,
    json: options.Json = False,
    **chosen: Unpack[PromptOptions],
) -> None:
    """Segment DATASETs by prompted networks (SAM, CLIPSeg, PerSAM-F), and score that."""
    from howfar.errors import InputError
    from howfar.studies.prompts.study import prompts as study

    options.prepare_folder("out", out)
    if (reference is None) != (reference_mask is None):
        raise InputError.of("reference", "must be an image and its mask", str(reference or reference_mask), "give both")
    example = None if reference is None or reference_mask is None else (reference, reference_mask)
    result = study(datasets, tuple(kind or ("points", "box", "text")), out=out, reference=example, **chosen)
    if json:
        print_json(result.to_dict())
    else:
        show(result, {"report": report_in(out)})
