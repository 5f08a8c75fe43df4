"""Choose images to label (`howfar select`), import their labels (`labels`), serve predictions to Label Studio (`prelabel`)."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

import typer

from howfar.cli import flags
from howfar.cli.terminal import answer, print_json, print_paths, print_remarks, print_result, say, show
from howfar.errors import InputError
from howfar.options_by_function import LabelImportOptions, SelectOptions

if TYPE_CHECKING:
    from howfar.results import Selection


@flags.command(SelectOptions)
def select(
    run: Annotated[Path, flags.argument("RUN", "A folder that `howfar compare --out` wrote.")],
    dataset: Annotated[str | None, flags.value("NAME", "Choose from this secondary dataset.")] = None,
    k: Annotated[int | None, typer.Option("-k", help="Choose this many images.")] = None,
    strategy: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Choose by a strategy of `howfar strategies`; auto: random, which none has been shown to beat.",
        ),
    ] = "auto",
    predictions: Annotated[
        Path | None,
        flags.value(
            "DIR|FILE",
            "Hand over these maps, boxes (.json) or classes (.csv) as first labels; by default the maps that relate read.",
        ),
    ] = None,
    labelled: Annotated[
        Path | None, flags.value("FILE", "Leave out the images of this list or table with column image.")
    ] = None,
    performance: flags.Performance = None,
    picked: Annotated[
        bool, typer.Option("--picked", help="Hand over the images picked with `howfar explore`, not -k.")
    ] = False,
    out: Annotated[Path | None, flags.value("DIR", "Write this folder; by default RUN/select-NAME.", "--out", "-o")] = None,
    to: flags.LabellingAddress = None,
    json: flags.Json = False,
    **chosen: Unpack[SelectOptions],
) -> None:
    """Choose K images of dataset NAME of RUN to label, and write the list, a contact sheet and files for labelling tools."""
    from howfar.studies.select_images import select as study

    if picked:
        others: dict[str, Any] = {"k": k, "labelled": labelled, "performance": performance, "to": to}
        others["seed"] = chosen.pop("seed", None)
        others |= {} if strategy == "auto" else {"strategy": strategy}
        hand_over(run, dataset, out, json, others, {"predictions": predictions, **chosen})
        return
    if dataset is None or k is None:
        missing = "dataset" if dataset is None else "k"
        rule = "must be given, unless --picked hands over what was picked"
        raise InputError.of(missing, rule, None, "write --dataset NAME -k 7")
    send = flags.handing_over(to)
    folder = out or run / f"select-{folder_name(dataset)}"
    read: dict[str, Any] = {"predictions": predictions, "labelled": labelled, "performance": performance}
    selection, remarks = _with_remarks(partial(study, run, dataset, k, strategy, **read, out=folder, **chosen))
    if json:
        print_json(selection.to_dict())
    _finish(selection, folder, remarks, json)
    send(folder)


def _with_remarks(choose: Callable[[], Selection]) -> tuple[Selection, list[str]]:
    """Choose images, and collect the warnings as notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        return choose(), [f"note: {warning.message}" for warning in caught]


def _finish(selection: Selection, folder: Path, remarks: Sequence[str], json: bool) -> None:
    """Print the chosen images with reasons, the notes and the files' paths, or with --json the notes alone, on stderr."""
    if json:
        for remark in remarks:
            say(remark, err=True)
        return
    from howfar.report.labelling_files import ARCHIVES, FILES

    print_result(selection)
    print_remarks([*selection.remarks(), *remarks])
    print_paths({"list": folder / "chosen.txt"})
    archives = (f"{kind}.zip" for kind in ARCHIVES), (f"{kind}/" for kind in ARCHIVES)
    others = [name for name in (*FILES[1:], *chain(*archives)) if (folder / name).exists()]
    say(f"beside it: {', '.join(others)}")
    say(f"label these to train; to measure {selection.dataset}, howfar certify draws its own")


def hand_over(
    run: Path, dataset: str | None, out: Path | None, json: bool, others: Mapping[str, Any], beside: Mapping[str, Any]
) -> None:
    """Write a selection for each dataset with picked images in a run, or for one dataset; `others` must not be given."""
    from howfar.explore.server import selections

    for name, value in others.items():
        if value is not None:
            raise InputError.of(name, "must be left out with --picked, which takes every image that was picked", value)
    made: list[tuple[Selection, Path, list[str]]] = []
    for name, choose in selections(run, dataset, beside).items():
        folder = out if out and dataset else (out or run) / f"select-{folder_name(name)}"
        if folder in {written for _, written, _ in made}:
            folder = folder.with_name(f"{folder.name}-{len(made) + 1}")
        selection, remarks = _with_remarks(partial(choose, out=folder))
        made.append((selection, folder, remarks))
    if json:
        print_json({"selections": [selection.to_dict() for selection, _, _ in made]})
    for each in made:
        _finish(*each, json)


def folder_name(dataset: str) -> str:
    """Return a dataset's name as part of a folder's name."""
    return re.sub(r'[/\\\0<>:"|?*]' if os.name == "nt" else r"[/\\\0]", "-", dataset)


Action = Literal["import"]
_FILE = (
    "A file that COCO (.json), CVAT (.xml, .zip) or Label Studio (.json) exported, a folder of masks, or a running tool's "
    "project: labelstudio://HOST/PROJECT, cvat://HOST/PROJECT."
)
_IMAGES = "The images that were labelled: the folder that `howfar select` wrote, its chosen.csv, or a dataset."


@flags.command(LabelImportOptions)
def labels(
    action: Annotated[Action, flags.argument("ACTION", "import: write a dataset of the labels in FILE.")],
    file: Annotated[str, flags.argument("FILE", _FILE)],
    images: Annotated[str, flags.value("DATASET", _IMAGES)],
    out: Annotated[Path, flags.value("DIR", "Write the labels into this new or empty folder.", "--out", "-o")],
    json: flags.Json = False,
    **chosen: Unpack[LabelImportOptions],
) -> None:
    """Import labels that a tool exported, as a dataset that evaluate, train --add, adapt and certify take."""
    from howfar.studies.label_import import BOXES, TABLE, import_labels

    done = import_labels(file, images, out, **chosen)
    answer(done, json, show, {"dataset": out / TABLE, "boxes": out / BOXES if done.task == "detection" else None})


def prelabel(
    folder: Annotated[Path, flags.argument("FOLDER", "What `howfar select` or `howfar certify` wrote.")],
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Listen on this port; 0: any free one.")] = 9090,
    host: Annotated[
        str, flags.value("ADDRESS", "Listen on this address of the machine; 0.0.0.0 lets other machines in, unasked.")
    ] = "127.0.0.1",
) -> None:
    """Serve the model's marks of the images in FOLDER to Label Studio, as its ML backend, the images in their drawn order."""
    from howfar.integrations.label_studio_host import Backend

    with Backend(folder, port, host) as server:
        say(f"{len(server.tasks)} images: http://{host}:{server.server_port} (Ctrl+C ends it)", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended", err=True)
