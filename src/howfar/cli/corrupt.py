"""Score a model on corrupted versions of the primary dataset's labelled images (`howfar corrupt`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json, print_paths, print_remarks, print_skipped, print_table, tell_reading
from howfar.keywords import CorruptOptions
from howfar.numbers import format_number

if TYPE_CHECKING:
    from howfar.studies.corruption.corrupt import CorruptedSets


@options.command(CorruptOptions)
def corrupt(
    primary: Annotated[
        str,
        typer.Argument(
            metavar="PRIMARY", help="Images with their masks: masks/ beside images/, a table, or any other dataset; NAME=PATH."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write each set to a folder in this folder.")],
    model: Annotated[
        Path | None, typer.Option(metavar="CKPT", help="Predict by this checkpoint of `howfar train`, or an .onnx network.")
    ] = None,
    predict_command: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help='Predict by your own command, as "python my.py {images} {out}", without a shell.'),
    ] = None,
    others: Annotated[
        list[str] | None,
        typer.Option("--others", metavar="DATASET", help="Draw textures from these images, not from PRIMARY's own; repeat it."),
    ] = None,
    json: options.Json = False,
    **chosen: Unpack[CorruptOptions],
) -> None:
    """Make labelled sets of corrupted versions of PRIMARY's labelled images, and score a model on each: no foreign labels."""
    from howfar.studies.corruption.corrupt import corrupt as study

    sets = study(primary, out, model=model, predict_command=predict_command, others=others or None, **chosen)
    tell_reading(sets.reading)
    if json:
        print_json(_document(sets))
    else:
        _show(sets)


def _rows(sets: CorruptedSets) -> list[dict[str, Any]]:
    """Lay out the images as they are and every set, with what was scored of it."""
    evaluations = {one.dataset: one for one in (*([] if sets.own is None else [sets.own]), *sets.evaluations)}
    files = dict(zip(evaluations, sets.files, strict=True))
    rows = []
    for dataset in (sets.primary, *sets.datasets):
        scored = evaluations.get(dataset.name)
        row: dict[str, Any] = {"dataset": dataset.name, "n": len(dataset)}
        row["scored"] = None if scored is None else scored.scored
        row["mean_f"] = None if scored is None else scored.scores["mean_f"]
        row["performance"] = None if scored is None else str(files[dataset.name])
        rows.append(row)
    return rows


def _document(sets: CorruptedSets) -> dict[str, Any]:
    return {
        "folder": str(sets.folder),
        "threshold": None if sets.own is None else sets.own.threshold,
        "datasets": _rows(sets),
        "notes": list(sets.notes),
        "skipped": [{"path": file.path, "reason": file.reason} for file in sets.skipped],
    }


def _show(sets: CorruptedSets) -> None:
    to = console()
    own = sets.own
    at = "no predictions yet" if own is None else f"mean F at threshold {own.threshold:.2f}, tuned on the images as they are"
    line = f"{sets.primary.name}: {len(sets.primary)} labelled images in {len(sets.datasets)} corrupted sets; {at}"
    to.print(line, style="bold", markup=False)
    rows = [(row["dataset"], str(row["n"]), str(row["scored"] or "–"), format_number(row["mean_f"])) for row in _rows(sets)]
    print_table(to, ("dataset", "n", "scored", "mean F"), rows)
    print_remarks(to, [f"note: {note}" for note in sets.notes])
    print_skipped(to, sets.skipped, "--json lists all")
    print_paths(to, {"sets": sets.folder})
