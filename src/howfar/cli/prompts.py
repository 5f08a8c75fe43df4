"""`howfar prompts`: what networks that are told what to segment make of images."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_table


def prompts(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET", help="Images with masks; as many datasets as you like.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder of maps, tables, figures and report.")],
    kind: Annotated[
        list[str] | None, typer.Option(help="points, box (SAM), text (CLIPSeg), persam; repeat. By default the first three.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="What CLIPSeg is told; repeat. By default the paper's three.")] = None,
    reference: Annotated[Path | None, typer.Option(metavar="IMAGE", help="The one labelled image of persam.")] = None,
    reference_mask: Annotated[Path | None, typer.Option(metavar="MASK", help="Its mask.")] = None,
    foreground: Annotated[int, typer.Option(help="Points on the foreground.")] = 3,
    background: Annotated[int, typer.Option(help="Points beside it.")] = 3,
    limit: Annotated[int | None, typer.Option(help="At most this many images of each dataset, drawn with the seed.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 0,
    sam: Annotated[Path | None, typer.Option(metavar="DIR", help="SAM in the hub's format, else the cache's.")] = None,
    clipseg: Annotated[Path | None, typer.Option(metavar="DIR", help="CLIPSeg in the hub's format.")] = None,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Segment DATASETs by prompted networks (SAM, CLIPSeg, PerSAM-F), and score that."""
    from howfar.errors import InputError
    from howfar.studies.prompts.study import prompts as study

    options.prepare_folder("out", out)
    if (reference is None) != (reference_mask is None):
        raise InputError.of("reference", "must be an image and its mask", str(reference or reference_mask), "give both")
    found = study(
        datasets,
        tuple(kind or ("points", "box", "text")),
        out=out,
        texts=tuple(text) if text else None,
        reference=None if reference is None or reference_mask is None else (reference, reference_mask),
        foreground=foreground,
        background=background,
        limit=limit,
        seed=seed,
        sam=sam,
        clipseg=clipseg,
        device=device,
    )
    if json:
        typer.echo(jsonlib.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
        return
    to = console()
    to.print(found.caption(), style="bold", markup=False)
    print_table(to, *found.table())
    for line in found.remarks():
        to.print(line, markup=False)
    to.print(f"report: {out / 'report.html'}", markup=False, soft_wrap=True)
