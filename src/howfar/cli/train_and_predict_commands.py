"""Define the commands `train`, `adapt`, `predict` (for segmenters) and `prompts` (runs SAM, CLIPSeg, PerSAM-F with prompts)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from howfar import registry
from howfar.cli import flags, printing
from howfar.cli.flags import argument, typed_options, value
from howfar.errors import InputError
from howfar.formatting_and_escaping import format_number
from howfar.io.file_location import ready_file, ready_folder
from howfar.options_by_function import AdaptOptions, PredictOptions, PromptOptions, TrainOptions

if TYPE_CHECKING:
    from howfar.segmenters.checkpoint import Checkpoint


ENDING = ".safetensors"
WAYS = f"Adapt the model of --start so: {', '.join(registry.OURS['adaptation_ways'])}, or several: finetune+norm."


@flags.command(TrainOptions)
def train(
    primary: flags.LabelledPrimary,
    out: Annotated[Path, value("CKPT", "Write this checkpoint, model.safetensors say.", "--out", "-o")],
    model: flags.Segmenter = "unetplusplus",
    add: Annotated[
        list[str] | None, value("SITE:LIST", "Also learn from SITE's images of this list (chosen.csv); repeat it.")
    ] = None,
    background: Annotated[
        list[str] | None, value("DATASET", "Also learn from these images without foreground; repeat it.")
    ] = None,
    start: Annotated[Path | None, value("CKPT", "Begin with the weights of this checkpoint.")] = None,
    way: Annotated[str | None, value("WAY", WAYS)] = None,
    site: Annotated[str | None, value("DATASET", "Read unlabelled images here; by default --add's dataset.")] = None,
    json: flags.Json = False,
    **chosen: Unpack[TrainOptions],
) -> None:
    """Train a segmenter on PRIMARY; run the same command again to go on after a kill."""
    from howfar.adaptation_ways import adapt_model
    from howfar.training.train import train as study

    if out.suffix.lower() != ENDING:
        raise InputError.of("out", f"must end in {ENDING}", str(out), "nothing in such a file can be executed")
    ready_file("out", out)
    if way is not None or site is not None:
        # The model of --start keeps its own settings.
        given: dict[str, Any] = {"background": background, **chosen}
        if "model" in typed_options():
            raise InputError.of("model", "must not be given with --way, which adapts that of --start", model, "leave it out")
        if way is None:
            raise InputError.of("site", "is of use only with --way", site, "pass --way norm, or leave it out")
        if start is None:
            raise InputError.of("way", "needs the model to adapt", way, "pass its checkpoint as --start")
        place = {name: given[name] for name in ("device", "workers", "progress", "log") if name in given}
        for name, value in given.items():
            if name not in place and value is not None:
                rule = "must not be given with --way, since the model's own settings are kept"
                raise InputError.of(name, rule, value, "leave it out")
        checkpoint = adapt_model(start, primary, out, way=way, add=add or (), site=site, **place)
    else:
        checkpoint = study(primary, model, out, add=add or (), background=background or (), start=start, **chosen)
    if json:
        printing.print_json(checkpoint.card.to_dict())
    else:
        _show(checkpoint, out, way)


def _show(checkpoint: Checkpoint, out: Path, way: str | None) -> None:
    """Print the epochs' numbers, if any, and the checkpoint's path."""
    from howfar.adaptation_ways import steps_of
    from howfar.segmenters.norm_adaptation import WARNING

    to, card = printing.console(), checkpoint.card
    if adapted := card.data.get("adapted"):
        count = int(adapted.get("labels", 0))
        labels = "no label" if not count else "1 label" if count == 1 else f"{count} labels"
        line = f"Checkpoint of {card.segmenter}, {card.size} px, adapted to {adapted['dataset']} by {adapted['way']}, {labels}"
        to.print(line, style="bold")
        to.print(f"note: {WARNING.format(adapted['dataset'])}")
    else:
        to.print(repr(checkpoint), style="bold")
    if way is None or any(step.trains for step in steps_of(way)):
        numbers = (("loss", 3), ("ods", 3), ("threshold", 2))
        rows = [
            (str(epoch["epoch"]), *(format_number(epoch.get(name), digits) for name, digits in numbers))
            for epoch in card.history
        ]
        printing.print_table(to, ("epoch", "loss", "held-out ODS", "at threshold"), rows)
    printing.print_paths({"checkpoint": out})


@flags.command(PredictOptions)
def predict(
    model: Annotated[Path, argument("CKPT", "What `howfar train` wrote, or an .onnx network.")],
    dataset: Annotated[str, argument("DATASET", flags.DATASET)],
    out: Annotated[Path, value("DIR", "Write the maps to this folder, one PNG an image.", "--out", "-o")],
    json: flags.Json = False,
    **chosen: Unpack[PredictOptions],
) -> None:
    """Write a probability map of every image of DATASET, 8-bit grey, p = value / 255; those of the same model are kept."""
    from howfar.pipeline.prediction import predict as study
    from howfar.results.display_and_shared_records import plain

    ready_folder("out", out)
    predicted = study(model, dataset, out, **chosen)
    printing.tell_reading(predicted.reading)
    for note in predicted.notes:
        printing.say(f"warning: {note}", err=True)
    if json:
        skipped = [{"path": file.path, "reason": file.reason} for file in predicted.skipped]
        reading = {} if predicted.reading is None else {"reading": plain(predicted.reading)}
        counts = {"written": predicted.written, "kept": predicted.kept}
        printing.print_json(
            {"folder": str(predicted.folder), **counts, **reading, "skipped": skipped, "notes": list(predicted.notes)}
        )
        return
    kept = f", {predicted.kept} were there already" if predicted.kept else ""
    printing.say(f"{predicted.written} {'map' if predicted.written == 1 else 'maps'} written{kept}: {predicted.folder}")
    printing.print_skipped(predicted.skipped, "--json lists all")


@flags.command(AdaptOptions)
def adapt(
    primary: Annotated[str, argument("PRIMARY", "What the model is trained on: images and masks.")],
    secondary: Annotated[list[str], argument("SECONDARY", "Datasets with masks, to adapt to.")],
    out: Annotated[Path, value("DIR", "Keep the study in this folder.", "--out", "-o")],
    model: flags.Segmenter = "unetplusplus",
    background: Annotated[str | None, value("DATASET", "Take images without foreground from this dataset.")] = None,
    blind: Annotated[list[str] | None, value("DATASET", "Score on this dataset, never choose from it; repeat it.")] = None,
    json: flags.Json = False,
    **chosen: Unpack[AdaptOptions],
) -> None:
    """Train on PRIMARY and a few images of each SECONDARY, and measure the gain on images that no model was trained on."""
    from howfar.studies.adaptation.adapt import adapt as study

    ready_folder("out", out)
    result = study(primary, secondary, model, out=out, background=background, blind=blind or (), **chosen)
    printing.answer(result, json, printing.show, {"study": out, "report": printing.report_in(out)})


KINDS = "Prompt by points, box, box_point (SAM), text (CLIPSeg) or persam; repeat it. By default points, box, text."


@flags.command(PromptOptions)
def prompts(
    datasets: Annotated[list[str], argument("DATASET", "Images with masks; as many datasets as you like.")],
    out: Annotated[Path, value("DIR", "Keep maps, tables, figures and report in this folder.", "--out", "-o")],
    kind: Annotated[list[str] | None, value("KIND", KINDS)] = None,
    reference: Annotated[Path | None, value("IMAGE", "Show persam this labelled image.")] = None,
    reference_mask: Annotated[Path | None, value("MASK", "Show persam this mask of the image.")] = None,
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
    printing.answer(result, json, printing.show, {"report": printing.report_in(out)})
