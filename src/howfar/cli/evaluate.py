"""`howfar evaluate`: what predictions are worth, as a whole and image by image."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_table

if TYPE_CHECKING:
    from howfar.results import Evaluation

SHOWN = 20
ENDINGS = (".parquet", ".pq")


def evaluate(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="Images with their masks: masks/ beside images/, a table image, mask, or any other dataset; NAME=PATH.",
        ),
    ],
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Probability maps (8-bit grey, p = value / 255) named as the images; for other tasks a table or JSON file.",
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="CKPT", help="Or a checkpoint of `howfar train`, whose maps are made and not kept.")
    ] = None,
    task: Annotated[str, typer.Option(help="segmentation, classification or detection.")] = "segmentation",
    tolerance: Annotated[float, typer.Option(help="Pixels within which a prediction and the mask agree.")] = 0.0,
    threshold: Annotated[
        float | None, typer.Option(help="Threshold of each image's F; by default the best for this set, which needs its masks.")
    ] = None,
    tuned_on: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the best threshold of this evaluation (PRIMARY's) instead.")
    ] = None,
    flipped: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Maps of the left-right flipped images, as the model gave them.")
    ] = None,
    ensemble: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Maps of a further model for the same images; repeat.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="True boxes (detection): JSON as the predictions, without scores.")
    ] = None,
    iou: Annotated[float | None, typer.Option(help="Overlap from which two boxes match (detection): 0.5.")] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Leave predicted boxes scored below this out of F1 (detection).")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Leave out images that cannot be scored, and list them.")] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="Parquet file to write.")] = None,
    json: options.Json = False,
) -> None:
    """Score the predictions of DATASET against its masks (ODS, OIS, AP, F of each image), labels or boxes."""
    from howfar.studies.evaluation.evaluate import evaluate as study

    _prepare_file(out)
    found = study(
        dataset,
        predictions,
        model=model,
        task=task,
        tolerance=tolerance,
        threshold=threshold,
        tuned_on=tuned_on,
        flipped=flipped,
        ensemble=ensemble or (),
        truth=truth,
        iou=iou,
        min_score=min_score,
        partial=partial,
    )
    if out is not None:
        found.save(out)
    if json:
        typer.echo(jsonlib.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(found, out)


def show(found: Evaluation, out: Path | None) -> None:
    """Print the scores, what a reader should know, what was skipped, and where the table lies."""
    to = console()
    to.print(found.caption(), style="bold", markup=False)
    print_table(to, *found.table())
    for note in found.notes:
        to.print(f"note: {note}", markup=False)
    for skipped in found.skipped[:SHOWN]:
        to.print(f"skipped: {skipped.path}: {skipped.reason}", markup=False, soft_wrap=True)
    if len(found.skipped) > SHOWN:
        to.print(f"skipped: {len(found.skipped) - SHOWN} more; --json and the file of -o list all", markup=False)
    if out is not None:
        to.print(f"per image: {out}", markup=False, soft_wrap=True)


def _prepare_file(file: Path | None) -> None:
    """Make the folder of the file that is to be written, before any work is done."""
    if file is None:
        return
    from howfar.errors import InputError

    if file.suffix.lower() not in ENDINGS:
        raise InputError.of("out", f"must end in {' or '.join(ENDINGS)}", str(file), "it is a Parquet table")
    if file.is_dir():
        raise InputError.of("out", "must be a file", f"the folder {file}", "name a file in it")
    options.prepare_folder("out", file.parent)
