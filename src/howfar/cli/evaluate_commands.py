"""Score predictions, a model on corrupted images, and promptable networks (`howfar evaluate`, `corrupt`, `prompts`)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from howfar.cli import flags, terminal
from howfar.errors import InputError
from howfar.formatting_and_escaping import format_number
from howfar.io.file_location import ready_file, ready_folder
from howfar.options_by_function import CorruptOptions, EvaluateOptions, PromptOptions

if TYPE_CHECKING:
    from howfar.results import Evaluation
    from howfar.studies.corruption import CorruptedSets


ENDINGS = (".parquet", ".pq")


@flags.command(EvaluateOptions)
def evaluate(
    dataset: Annotated[
        str, flags.argument("DATASET", "Images with masks: images/ and masks/, a table image, mask; NAME=PATH.")
    ],
    predictions: Annotated[
        Path | None, flags.value("DIR", "Score these maps (p = value / 255); for other tasks a table or JSON.")
    ] = None,
    model: Annotated[Path | None, flags.value("CKPT", "Score this checkpoint or .onnx network; its maps are not kept.")] = None,
    tuned_on: flags.TunedOn = None,
    out: Annotated[Path | None, flags.value("FILE", "Write this Parquet file.", "--out", "-o")] = None,
    json: flags.Json = False,
    **chosen: Unpack[EvaluateOptions],
) -> None:
    """Score the predictions of DATASET against its masks (ODS, OIS, AP, F of each image), labels or boxes."""
    from howfar.data.dataset_argument import location_and_name
    from howfar.io.untrusted_parquet import is_cut_short
    from howfar.results import Evaluation
    from howfar.studies.evaluate_predictions import evaluate as study

    if out is not None:
        # Before any work: only an evaluation may be replaced.
        if out.suffix.lower() not in ENDINGS:
            raise InputError.of("out", f"must end in {' or '.join(ENDINGS)}", str(out), "it is a Parquet table")
        ready_file("out", out)
        if out.exists():
            table = location_and_name(dataset)[0]
            own = isinstance(table, Path) and table.exists() and table.samefile(out)
            if own or not (Evaluation.is_in(out) or is_cut_short(out)):
                what = "the dataset's own table" if own else "what is no evaluation of howfar"
                raise InputError.of("out", f"must not replace {what}", str(out), "name another file, or move that one away")
    evaluation = study(dataset, predictions, model=model, tuned_on=tuned_on, **chosen)
    terminal.tell_reading(evaluation.reading)
    if out is not None:
        evaluation.save(out)
    terminal.answer(evaluation, json, _show_evaluation, out)


def _show_evaluation(evaluation: Evaluation, out: Path | None) -> None:
    """Print the scores, the reasons for left-out images and the place of their names; with --verbose a line per image."""
    from howfar.studies.evaluate_predictions import LEARNT

    terminal.show(evaluation, {})
    kinds = Counter(file.reason.partition(" (")[0] for file in evaluation.skipped)
    where = "--json lists them" if out is None else f"names in {out}"
    single = [file for file in evaluation.skipped if kinds[file.reason.partition(" (")[0]] == 1]
    for kind, count in () if terminal.quiet() or terminal.verbose() else kinds.items():
        if count > 1 and not kind.startswith(LEARNT):  # a note already says so
            what = f"have {kind}: left out" if kind.startswith("no ") else f"were left out: {kind}"
            terminal.say(f"{count} images {what} ({where})")
    if not terminal.quiet():
        terminal.print_skipped(evaluation.skipped if terminal.verbose() else single, where)
    terminal.print_paths({"per image": out})


@flags.command(CorruptOptions)
def corrupt(
    primary: flags.LabelledPrimary,
    out: Annotated[Path, flags.value("DIR", "Write each set to a folder in this folder.", "--out", "-o")],
    model: flags.Model = None,
    predict_command: Annotated[
        str | None, flags.value("COMMAND", 'Predict by your command: "python my.py {images} {out}".')
    ] = None,
    others: Annotated[
        list[str] | None, flags.value("DATASET", "Draw textures from these images, not PRIMARY's; repeat it.")
    ] = None,
    json: flags.Json = False,
    **chosen: Unpack[CorruptOptions],
) -> None:
    """Make corrupted versions of PRIMARY's labelled images, and score a model on each; no other labels are needed."""
    from howfar.studies.corruption import corrupt as study

    sets = study(primary, out, model=model, predict_command=predict_command, others=others or None, **chosen)
    terminal.tell_reading(sets.reading)
    if json:
        threshold = None if sets.own is None else sets.own.threshold
        skipped = [{"path": file.path, "reason": file.reason} for file in sets.skipped]
        beside = {"notes": list(sets.notes), "skipped": skipped}
        terminal.print_json({"folder": str(sets.folder), "threshold": threshold, "datasets": _rows(sets), **beside})
        return
    to, own = terminal.console(), sets.own
    at = "no predictions yet" if own is None else f"mean F at threshold {own.threshold:.2f}, tuned on the images as they are"
    line = f"{sets.primary.name}: {len(sets.primary)} labelled images in {len(sets.datasets)} corrupted sets; {at}"
    to.print(line, style="bold")
    rows = [(row["dataset"], str(row["n"]), str(row["scored"] or "–"), format_number(row["mean_f"])) for row in _rows(sets)]
    terminal.print_table(to, ("dataset", "n", "scored", "mean F"), rows)
    terminal.print_remarks([f"note: {note}" for note in sets.notes])
    terminal.print_skipped(sets.skipped, "--json lists all")
    terminal.print_paths({"sets": sets.folder})


def _rows(sets: CorruptedSets) -> list[dict[str, Any]]:
    """Build rows for the uncorrupted images and every corrupted set, with their scores."""
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


@flags.command(PromptOptions)
def prompts(
    datasets: Annotated[list[str], flags.argument("DATASET", "Images with masks; as many datasets as you like.")],
    out: Annotated[Path, flags.value("DIR", "Keep maps, tables, figures and report in this folder.", "--out", "-o")],
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Prompt by points, box, box_point (SAM), text (CLIPSeg) or persam; repeat it. By default points, box, text.",
        ),
    ] = None,
    reference: Annotated[Path | None, flags.value("IMAGE", "Show persam this labelled image.")] = None,
    reference_mask: Annotated[Path | None, flags.value("MASK", "Show persam this mask of the image.")] = None,
    json: flags.Json = False,
    **chosen: Unpack[PromptOptions],
) -> None:
    """Segment DATASETs with prompted networks (SAM, CLIPSeg, PerSAM-F), and score their maps."""
    from howfar.paper.prompts import prompts as study

    ready_folder("out", out)
    if (reference is None) != (reference_mask is None):
        raise InputError.of("reference", "must be an image and its mask", str(reference or reference_mask), "give both")
    example = None if reference is None or reference_mask is None else (reference, reference_mask)
    result = study(datasets, tuple(kind or ("points", "box", "text")), out=out, reference=example, **chosen)
    terminal.answer(result, json, terminal.show, {"report": terminal.report_in(out)})
