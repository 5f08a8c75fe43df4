"""`howfar adapt`: what labelling a few images of each secondary dataset buys."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_table

if TYPE_CHECKING:
    from howfar.results.adaptation import Adaptation


def adapt(
    primary: Annotated[str, typer.Argument(metavar="PRIMARY", help="What the model is trained on: images and masks.")],
    secondary: Annotated[list[str], typer.Argument(metavar="SECONDARY...", help="Datasets with masks, to adapt to.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the study.")],
    model: Annotated[str, typer.Option(help="unetplusplus, deepcrack or adsam.")] = "unetplusplus",
    option: options.Architecture = None,
    shots: Annotated[str, typer.Option(help="Images of each secondary, with commas; 0 is M itself.")] = "0,1,3,7",
    strategy: Annotated[
        list[str] | None,
        typer.Option("--strategy", help="How they are chosen, as in `howfar select`, or all; repeat. [default: far]"),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many times all is done, with seeds 0, 1 …")] = 1,
    random_seeds: Annotated[int, typer.Option(help="How many further times M and random alone are trained.")] = 0,
    pool: Annotated[
        float | None, typer.Option(help="Share of the photographs to choose from; models are scored on the others.")
    ] = None,
    background: Annotated[str | None, typer.Option(metavar="DATASET", help="Images without foreground.")] = None,
    background_shots: Annotated[str, typer.Option(help="How many of them are added to the most shots: 3,7.")] = "",
    blind: Annotated[
        list[str] | None, typer.Option("--blind", metavar="DATASET", help="Scored, never chosen from; repeat.")
    ] = None,
    tuned: Annotated[bool, typer.Option("--tuned", help="Go on from M's weights rather than train anew.")] = False,
    size: Annotated[int | None, typer.Option(help="Side of the square that pictures are resized to.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.")] = None,
    batch: Annotated[int | None, typer.Option(help="Images at a time.")] = None,
    holdout: Annotated[float, typer.Option(help="Share of P's photographs held out, for the threshold.")] = 0.1,
    precision: Annotated[str, typer.Option(help="32, or bf16 for mixed precision.")] = "32",
    weights: options.Published = None,
    bootstrap: Annotated[int, typer.Option(help="Draws behind the intervals.")] = 2000,
    group: options.Group = None,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Train on PRIMARY and a few images of each SECONDARY, and say what that gains on images that no model learnt from."""
    from howfar import registry
    from howfar.studies.adaptation.adapt import adapt as study

    options.prepare_folder("out", out)
    found = study(
        primary,
        secondary,
        model,
        out=out,
        shots=[one for one in _numbers("shots", shots) if one],
        strategies=registry.names("strategies") if strategy == ["all"] else strategy or ("far",),
        seeds=range(seeds),
        random_seeds=range(seeds, seeds + random_seeds),
        pool=pool,
        background=background,
        background_shots=_numbers("background_shots", background_shots),
        blind=blind or (),
        options=options.architecture(option),
        pretrained=options.pretrained(weights),
        start="tuned" if tuned else "anew",
        bootstrap=bootstrap,
        group=group,
        device=device,
        size=size,
        epochs=epochs,
        batch=batch,
        holdout=holdout,
        precision=precision,
    )
    if json:
        typer.echo(jsonlib.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(found, out)


def show(found: Adaptation, out: Path) -> None:
    """Print the table, what a reader should know, and where the study and its report lie."""
    to = console()
    to.print(found.caption(), style="bold", markup=False)
    print_table(to, *found.table())
    if found.verdict():
        to.print(found.verdict(), markup=False)
    for note in found.notes:
        to.print(f"note: {note}", markup=False)
    to.print(f"study: {out}", markup=False, soft_wrap=True)
    to.print(f"report: {out / 'report.html'}", markup=False, soft_wrap=True)


def _numbers(name: str, text: str) -> list[int]:
    from howfar.errors import InputError

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdigit() for part in parts):
        raise InputError.of(name, "must be whole numbers with commas between them", text, "write 1,3,7")
    return [int(part) for part in parts]
