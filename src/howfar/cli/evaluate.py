"""Score predictions of a dataset as a whole and image by image (`howfar evaluate`)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json, print_paths, print_skipped, show, tell_reading
from howfar.cli.verbosity import quiet, verbose
from howfar.keywords import EvaluateOptions

if TYPE_CHECKING:
    from howfar.results import Evaluation

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
        typer.Option(
            metavar="CKPT", help="Score this checkpoint of `howfar train`, or an .onnx network; its maps are made and not kept."
        ),
    ] = None,
    tuned_on: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the best threshold of this evaluation (PRIMARY's).")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write this Parquet file.")] = None,
    json: options.Json = False,
    **chosen: Unpack[EvaluateOptions],
) -> None:
    """Score the predictions of DATASET against its masks (ODS, OIS, AP, F of each image), labels or boxes."""
    from howfar.studies.evaluation.evaluate import evaluate as study

    _prepare_file(out, dataset)
    evaluation = study(dataset, predictions, model=model, tuned_on=tuned_on, **chosen)
    tell_reading(evaluation.reading)
    if out is not None:
        evaluation.save(out)
    if json:
        print_json(evaluation.to_dict())
    else:
        show(evaluation, {})
        print_left_out(evaluation, out)
        print_paths(console(), {"per image": out})


def print_left_out(evaluation: Evaluation, out: Path | None) -> None:
    """Print a line for each reason why images were left out, and where their names are; with --verbose a line an image."""
    from howfar.studies.evaluation.learnt_images import LEARNT

    to, kinds = console(), Counter(file.reason.partition(" (")[0] for file in evaluation.skipped)
    where = "--json lists them" if out is None else f"names in {out}"
    single = [file for file in evaluation.skipped if kinds[file.reason.partition(" (")[0]] == 1]
    for kind, count in () if quiet() or verbose() else kinds.items():
        if count > 1 and not kind.startswith(LEARNT):  # a note says that already, and how to score them too
            what = f"have {kind}: left out" if kind.startswith("no ") else f"were left out: {kind}"
            to.print(f"{count} images {what} ({where})", markup=False, soft_wrap=True)
    if not quiet():
        print_skipped(to, evaluation.skipped if verbose() else single, where)


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
