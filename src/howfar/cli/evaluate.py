"""Score predictions of a dataset as a whole and image by image (`howfar evaluate`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, show
from howfar.keywords import EvaluateOptions

ENDINGS = (".parquet", ".pq")


@options.command(EvaluateOptions)
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
            help="Score these maps (8-bit grey, p = value / 255), named as the images; for other tasks a table or JSON file.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="CKPT", help="Score this checkpoint of `howfar train`, whose maps are made and not kept."),
    ] = None,
    tuned_on: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the best threshold of this evaluation (PRIMARY's).")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write this Parquet file.")] = None,
    json: options.Json = False,
    **chosen: Unpack[EvaluateOptions],
) -> None:
    """Score the predictions of DATASET against its masks (ODS, OIS, AP, F of each image), labels or boxes."""
    from howfar.studies.evaluation.evaluate import evaluate as study

    _prepare_file(out, dataset)
    evaluation = study(dataset, predictions, model=model, tuned_on=tuned_on, **chosen)
    if out is not None:
        evaluation.save(out)
    if json:
        print_json(evaluation.to_dict())
    else:
        show(evaluation, {"per image": out}, others="--json and the file of -o list all")


def _prepare_file(file: Path | None, dataset: str) -> None:
    """Make the folder of the file that is to be written, before any work is done; it replaces an evaluation at most."""
    if file is None:
        return
    from howfar.data.dataset_argument import location_and_name
    from howfar.errors import InputError
    from howfar.results import Evaluation

    if file.suffix.lower() not in ENDINGS:
        raise InputError.of("out", f"must end in {' or '.join(ENDINGS)}", str(file), "it is a Parquet table")
    if file.is_dir():
        raise InputError.of("out", "must be a file", f"the folder {file}", "name a file in it")
    if file.exists():
        table = location_and_name(dataset)[0]
        own = isinstance(table, Path) and table.exists() and table.samefile(file)
        if own or not Evaluation.is_in(file):
            rule = "must not replace the dataset's own table" if own else "must not replace what is no evaluation of howfar"
            raise InputError.of("out", rule, str(file), "name another file, or move that one away")
    options.prepare_folder("out", file.parent)
